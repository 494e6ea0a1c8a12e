"""What a run tells: CSV files, a progress line, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import Any

from metricpose.files import atomic_path


class CsvLog:
    """A growing table with a `step` column; opening it at a step drops the rows of later steps (a resumed run)."""

    def __init__(self, path: str | Path, resume_step: int = 0) -> None:
        self.path = Path(path)
        self.columns: list[str] = []
        rows = self._read(resume_step)
        if rows:
            self._rewrite(rows)
        else:
            self.path.unlink(missing_ok=True)

    def _read(self, last_step: int) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as stream:
            return [row for row in csv.DictReader(stream) if int(row["step"]) <= last_step]

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        self.columns = list(rows[0])
        with atomic_path(self.path) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, self.columns)
            writer.writeheader()
            writer.writerows(rows)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Append a row; a value of a new name, which the header lacks, is left out."""
        row: dict[str, Any] = {"step": step, **{k: f"{v:.6g}" for k, v in values.items()}}
        new = not self.columns
        self.columns = self.columns or list(row)
        with self.path.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, self.columns, extrasaction="ignore", restval="")
            if new:
                writer.writeheader()
            writer.writerow(row)


class RunLog:
    """All logs of one run; a silent one (`enabled=False`) is for the ranks that do not write."""

    def __init__(self, folder: Path, steps: int, first_step: int, *, enabled: bool = True) -> None:
        self.enabled, self.steps = enabled, steps
        if not enabled:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._tables = {name: CsvLog(folder / f"{name}.csv", first_step) for name in ("train", "validation")}
        self._board = _tensorboard(folder, first_step)
        self._started, self._first = time.monotonic(), first_step

    def train(self, step: int, values: dict[str, float]) -> None:
        """Losses, learning rate and speed at a step."""
        if self.enabled:
            self._record("train", step, values)
            self._line(step, values)

    def validation(self, step: int, values: dict[str, float]) -> None:
        """Measures on the validation set at a step."""
        if self.enabled:
            self._record("validation", step, values)
            self.say(f"step {step:>7}  validation  " + "  ".join(f"{k} {v:.1f}" for k, v in values.items()))

    def _record(self, table: str, step: int, values: dict[str, float]) -> None:
        self._tables[table].write(step, values)
        for name, value in values.items():
            if self._board is not None:
                self._board.add_scalar(f"{table}/{name}", value, step)

    def _line(self, step: int, values: dict[str, float]) -> None:
        left = (time.monotonic() - self._started) / max(1, step - self._first) * (self.steps - step)
        hours, minutes = divmod(round(left / 60), 60)
        text = "  ".join(f"{k} {v:.4g}" for k, v in values.items())
        line = f"step {step:>7}/{self.steps}  {text}  left {hours}:{minutes:02d}"
        if sys.stdout.isatty():
            done = round(20 * step / self.steps)
            print(f"\r\x1b[K[{'#' * done}{'.' * (20 - done)}] {line}", end="", flush=True)
        else:
            self.say(line)

    def say(self, text: str) -> None:
        """One line of plain text."""
        if self.enabled:
            print(("\r\x1b[K" if sys.stdout.isatty() else "") + text, flush=True)

    def close(self) -> None:
        """Flush what is buffered."""
        if self.enabled and self._board is not None:
            self._board.close()


def _tensorboard(folder: Path, first_step: int) -> Any | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the optional extra metricpose[train]
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first_step or None)
