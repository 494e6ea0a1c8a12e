"""The result of an evaluation: protocol cards, rows of means with intervals, and their JSON form."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from metricpose.errors import DataError
from metricpose.evaluation.predictions import Header
from metricpose.files import atomic_path

FORMAT = "metricpose-report-1"


@dataclass(frozen=True)
class Measure:
    """How a measure is shown.

    Attributes:
        title: column heading.
        unit: "mm", "%" or "px".
        meaning: one line for documents.
    """

    title: str
    unit: str
    meaning: str


MEASURES: dict[str, Measure] = {
    "mpjpe": Measure("MPJPE", "mm", "joint error after subtracting the root"),
    "pa_mpjpe": Measure("PA-MPJPE", "mm", "after the best rotation, translation and scale of each person"),
    "rigid_mpjpe": Measure("rigid MPJPE", "mm", "after the best rotation and translation of each person, size kept"),
    "n_mpjpe": Measure("N-MPJPE", "mm", "after subtracting the root and the best scale of each person"),
    "pck150": Measure("PCK@150", "%", "root-relative error strictly below 150 mm"),
    "auc": Measure("AUC", "%", "exact area under the PCK curve to 150 mm; perfect = 100"),
    "auc31": Measure(
        "AUC-31", "%", "mean PCK at 31 thresholds 0, 5 ... 150 mm, strict (MPI-INF-3DHP); perfect = 96.77"
    ),
    "pa_pck150": Measure("PA-PCK@150", "%", "error after the best similarity strictly below 150 mm"),
    "pa_auc31": Measure("PA-AUC-31", "%", "AUC-31 of errors after the best similarity"),
    "pck50": Measure("PCK@50", "%", "root-relative error of 50 mm or less (3DPW challenge)"),
    "auc200": Measure("AUC-200", "%", "area under the PCK curve, thresholds 0, 1 ... 199 mm (3DPW challenge)"),
    "a_mpjpe": Measure("A-MPJPE", "mm", "joint error in the camera frame, nothing subtracted"),
    "a_pck150": Measure("A-PCK@150", "%", "camera-frame error strictly below 150 mm"),
    "a_auc31": Measure("A-AUC-31", "%", "AUC-31 of camera-frame errors"),
    "mrpe": Measure("MRPE", "mm", "error of the root's position in the camera frame"),
    "bone": Measure("bone", "mm", "absolute difference of bone lengths"),
    "px": Measure("2D", "px", "distance in the full image, of joints truly inside the crop"),
    "cover50": Measure("in 50 %", "%", "joints inside their stated 50 % ellipsoid; ideal = 50"),
    "cover90": Measure("in 90 %", "%", "joints inside their stated 90 % ellipsoid; ideal = 90"),
    "recall": Measure("found", "%", "annotated people that a prediction was matched to"),
}


@dataclass(frozen=True)
class Value:
    """A mean, its bootstrap interval, and what it rests on: values counted and images or persons resampled."""

    mean: float
    low: float
    high: float
    count: int
    units: int


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        group, subset: what is averaged.
        breakdown: "" for the main table, else the kind.
        part: which part of the breakdown; in the main table "" for everything pooled, else which mean it is.
        people: people with anything counted.
        values: measure name -> value; measures that make no sense here are absent.
    """

    group: str
    subset: str
    breakdown: str
    part: str
    people: int
    values: dict[str, Value]


@dataclass(frozen=True)
class Report:
    """Everything one evaluation found.

    Attributes:
        header: of the predictions.
        cards: group name -> protocol card: label -> text.
        rows: main rows first, then breakdowns.
        notes: remarks on the data.
    """

    header: Header
    cards: dict[str, dict[str, str]]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())

    def select(self, breakdown: str = "") -> list[Row]:
        """Rows of one breakdown; "" for the main table."""
        return [row for row in self.rows if row.breakdown == breakdown]

    def to_json(self) -> str:
        """All of it; NaN becomes null."""
        return json.dumps(_null({"format": FORMAT, **asdict(self)}), indent=1, allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Write the JSON atomically."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf8")

    @staticmethod
    def load(path: str | Path) -> Report:
        """Read a file of `save`.

        Raises:
            DataError: missing, damaged or another format.
        """
        try:
            top = json.loads(Path(path).read_text(encoding="utf8"))
            if not isinstance(top, dict) or top.pop("format", None) != FORMAT:
                raise DataError(f"{path}: expected a {FORMAT} file")
            rows = tuple(_row(values) for values in top["rows"])
            return Report(Header(**top["header"]), top["cards"], rows, tuple(top["notes"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot read report {path}: {error}") from error


def _row(values: dict[str, Any]) -> Row:
    def cell(mean: float | None, low: float | None, high: float | None, count: int, units: int) -> Value:
        mean, low, high = (math.nan if v is None else v for v in (mean, low, high))
        return Value(mean, low, high, count, units)

    cells = {name: cell(**stored) for name, stored in values["values"].items()}
    return Row(**{**values, "values": cells})


def _null(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _null(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_null(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
