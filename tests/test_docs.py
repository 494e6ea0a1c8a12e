"""Documents that drift fail: their snippets run, links and named functions exist, their file tree is the real one."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

from metricpose.data import readers
from metricpose.evaluation.protocols import PROTOCOLS
from metricpose.evaluation.published import comparable
from metricpose.evaluation.report import MEASURES

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_snippets_run(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf8")
    if ">>>" not in text:
        pytest.skip("no snippet")
    monkeypatch.chdir(ROOT)
    result = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS, encoding="utf8")
    assert result.failed == 0
    assert result.attempted > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_relative_links_exist(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_methods_page_names_real_code() -> None:
    """Each `file.py:name` in docs/METHODS.md is a function, class or method there."""
    text = (ROOT / "docs" / "METHODS.md").read_text(encoding="utf8")
    references = re.findall(r"`([\w/]+)\.py:([\w.]+)`", text)
    assert len(references) > 20
    for path, name in references:
        value = importlib.import_module("metricpose." + path.replace("/", "."))
        for part in name.split("."):
            assert hasattr(value, part), f"docs/METHODS.md: {path}.py has no {name}"
            value = getattr(value, part)


def test_tour_shows_the_real_tree() -> None:
    """Every folder and top-level file of the package appears in docs/TOUR.md."""
    text = (ROOT / "docs" / "TOUR.md").read_text(encoding="utf8")
    package = ROOT / "src" / "metricpose"
    names = {p.name for p in package.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    names |= {p.name for p in package.glob("*.py") if p.name != "__init__.py"}
    missing = {n for n in names if n not in text}
    assert not missing, f"docs/TOUR.md does not mention {sorted(missing)}"


def test_evaluation_page_has_every_protocol_with_what_it_compares_with() -> None:
    """Each protocol has a line of the tables, and the line of a research data set lists exactly its public numbers."""
    text = (ROOT / "docs" / "EVALUATION.md").read_text(encoding="utf8")
    lines = {m[1]: m[0] for m in re.finditer(r"^\| `([\w-]+)` \|.*$", text, flags=re.MULTILINE)}
    assert set(PROTOCOLS) <= set(lines)
    for name, protocol in PROTOCOLS.items():
        if protocol.data == "reader":
            last = lines[name].rstrip("| ").rpartition(" | ")[2]
            assert set(re.findall(r"`([\w-]+)`", last)) == {n.name for n in comparable(name)}, name


def test_evaluation_page_has_every_measure() -> None:
    text = (ROOT / "docs" / "EVALUATION.md").read_text(encoding="utf8")
    assert not [m.title for m in MEASURES.values() if m.title not in text]


def test_data_page_names_every_reader() -> None:
    text = (ROOT / "docs" / "DATA.md").read_text(encoding="utf8")
    assert not [name for name in readers.READERS if not re.search(rf"\b{re.escape(name)}\b", text)]


def test_no_machine_paths() -> None:
    pattern = re.compile(r"(?<![\w.}])/(?:work|root|home|tmp)/")
    for page in [*PAGES, *(ROOT / "src").rglob("*.py"), *(ROOT / "recipes").glob("*.yaml"), ROOT / "Makefile"]:
        assert not pattern.search(page.read_text(encoding="utf8")), page
