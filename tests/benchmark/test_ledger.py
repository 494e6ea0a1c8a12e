"""The page of claims: what it says of made-up results, and that the committed one is the one the results give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metricpose.benchmark.claims import CLAIMS
from metricpose.benchmark.ledger import COSTS_NAME, ledger, read_folder, write_ledger
from reference.comparisons import costs, result

SETTINGS = {
    "trained": {"stream": {"records": 40}},
    "tests": {"whole": 300},
}


@pytest.fixture
def results():
    errors = np.random.default_rng(0).gamma(4, 25, 300)
    facts = {"device": "a processor", "threads": 1, "commit": "abc", "torch": "2", "python": "3"}

    def row(name: str, shift: float) -> list:
        made = []
        for seed in (0, 1):
            trained = {**SETTINGS["trained"], "row": name}
            settings = {**SETTINGS, "trained": trained}
            found = result(name, seed, errors + shift + seed / 10, settings=settings, environment=facts)
            found.seconds["training"] = 90.0
            made.append(found)
        return made

    return {"twofive": row("twofive", 0), "metro": row("metro", -9), "metro-coarse": row("metro-coarse", 50)}


def test_the_page_of_nothing_says_so():
    page = ledger({}, None)
    assert "no comparison has been run yet" in page
    assert page.count("**not measured**") == len(CLAIMS) + 4


def test_every_claim_has_a_line_with_paper_ours_and_verdict(results):
    page = ledger(results, costs())
    line = next(x for x in page.splitlines() if x.startswith("| metric heatmaps without scale"))
    assert "| MeTRo | 50.2 -> 49.3 mm |" in line
    assert "| -9.0 [-9." in line
    assert line.endswith("| **holds** |")
    assert "`metricpose benchmark methods --size small --only twofive metro`" in page
    assert "HEMlets takes 1.50 times its baseline's time as published" in page
    assert "| 1.50 (wanted: at most 1.56) | **holds** |" in page
    assert "| 4.00 (wanted: at most 1.5) | **fails** |" in page
    assert "| 8.00 (wanted: at least 5.6) | **holds** |" in page
    assert "Not measured: metrabs, margipose" in page


def test_tables_are_whole(results):
    for block in ledger(results, costs()).split("\n\n"):
        lines = [x for x in block.splitlines() if x.startswith("|")]
        assert len({x.count("|") for x in lines}) <= 1, block


def test_the_committed_page_is_generated(repository: Path):
    """To mend it: metricpose benchmark methods --size small --out DIR --report-only --docs docs."""
    results, found = read_folder(repository / "results" / "small")
    assert (repository / "docs" / "RESULTS.md").read_text(encoding="utf8") == ledger(results, found)


def test_folders_are_read_whole(tmp_path, results):
    assert read_folder(tmp_path) == ({}, None)
    costs().save(tmp_path / COSTS_NAME)
    for r in results["metro"]:
        r.save(tmp_path / f"{r.name}.json")
    found, measured = read_folder(tmp_path)
    assert [r.seed for r in found["metro"]] == [0, 1]
    assert measured == costs()
    write_ledger(ledger(found, measured), tmp_path / "RESULTS.md")
    assert (tmp_path / "RESULTS.md").read_text().startswith("# Results")
