from __future__ import annotations

import csv

from metricpose.training.logs import CsvLog, RunLog


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_reopening_drops_the_rows_after_the_resumed_step(tmp_path):
    path = tmp_path / "train.csv"
    log = CsvLog(path)
    for step in (10, 20, 30):
        log.write(step, {"loss": step / 7})
    CsvLog(path, 20).write(30, {"loss": 0.5, "unknown": 1.0})
    assert [(r["step"], r["loss"]) for r in rows(path)] == [("10", "1.42857"), ("20", "2.85714"), ("30", "0.5")]
    CsvLog(path)
    assert not path.exists()


def test_a_run_prints_lines_and_writes_tables(tmp_path, capsys):
    log = RunLog(tmp_path, 100, 0)
    log.train(50, {"loss": 0.25})
    log.validation(50, {"mpjpe_mm": 101.26})
    log.close()
    printed = capsys.readouterr().out
    assert "step      50/100  loss 0.25" in printed
    assert "mpjpe_mm 101.3" in printed
    assert rows(tmp_path / "validation.csv") == [{"step": "50", "mpjpe_mm": "101.26"}]


def test_silent_ranks_write_nothing(tmp_path, capsys):
    log = RunLog(tmp_path / "x", 10, 0, enabled=False)
    log.train(1, {"loss": 1.0})
    log.validation(1, {"mpjpe_mm": 1.0})
    log.close()
    assert not (tmp_path / "x").exists()
    assert capsys.readouterr().out == ""
