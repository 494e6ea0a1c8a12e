"""One training's result as a JSON file: settings, surroundings, numbers, and each test image's errors.

The errors are kept as a sum and a count per test image, so that any two results can be compared image by image
(paired bootstrap) long after the predictions are gone. They are arrays of float32 and uint16, little-endian, deflated,
in base64: 6 KB per measure for 1024 images.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from metricpose.benchmark.environment import Facts
from metricpose.errors import DataError
from metricpose.files import atomic_path

FORMAT = "metricpose-benchmark-1"


@dataclass(frozen=True, eq=False)
class Errors:
    """A measure on the test images: per image the sum over its counted joints, and their number."""

    sums: Float[np.ndarray, " n"]
    counts: Float[np.ndarray, " n"]

    @property
    def mean(self) -> float:
        """Over all counted joints of all images; NaN if nothing counts."""
        total = float(self.counts.sum())
        return float(self.sums.sum()) / total if total else math.nan


@dataclass(frozen=True, eq=False)
class Result:
    """What one training of one row gave.

    Attributes:
        row, seed, size: which one.
        settings: everything the numbers depend on but the code.
        environment: see `environment.describe`.
        seconds: by stage, wall time.
        samples: trained on. parameters: of the network. gmac: per crop.
        scale: where metric scale came from, in words.
        units: hash of the test images' names, per test; only equal ones can be paired.
        errors: "subset/measure" -> errors; see `test_of` for the test that a subset belongs to.
    """

    row: str
    seed: int
    size: str
    settings: dict[str, Any]
    environment: Facts
    seconds: dict[str, float]
    samples: int
    parameters: int
    gmac: float
    scale: str
    units: dict[str, str]
    errors: dict[str, Errors] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its file, without the suffix."""
        return result_name(self.row, self.seed)

    def save(self, path: Path) -> None:
        """Write it atomically."""
        top = {"format": FORMAT, "settings_sha256": settings_hash(self.settings)}
        values = {k: v for k, v in vars(self).items() if k != "errors"}
        numbers = {key: None if math.isnan(e.mean) else round(e.mean, 3) for key, e in self.errors.items()}
        errors = {key: {k: _packed(v) for k, v in asdict(e).items()} for key, e in self.errors.items()}
        with atomic_path(path) as temporary:
            text = json.dumps({**top, **values, "numbers": numbers, "errors": errors}, indent=1)
            temporary.write_text(text + "\n", encoding="utf8")

    @staticmethod
    def load(path: Path) -> Result:
        """Read a file of `save`.

        Raises:
            DataError: missing, damaged or another format.
        """
        try:
            top = json.loads(path.read_text(encoding="utf8"))
            if top.pop("format", None) != FORMAT:
                raise DataError(f"{path}: expected a {FORMAT} file")
            for derived in ("settings_sha256", "numbers"):
                top.pop(derived)
            unpacked = {
                key: Errors(_unpacked(e["sums"]), _unpacked(e["counts"])) for key, e in top.pop("errors").items()
            }
            return Result(**top, errors=unpacked)
        except (OSError, ValueError, KeyError, TypeError, zlib.error) as error:
            raise DataError(f"cannot read the result {path}: {error}. Delete it to measure again.") from error


def result_name(row: str, seed: int) -> str:
    """Of the file of one training, without the suffix."""
    return f"{row}-s{seed}"


def test_of(key: str) -> str:
    """The test whose images a measure's subset is taken from: "truncated-present/mpjpe" belongs to "truncated"."""
    return "truncated" if key.startswith("truncated") else "whole"


def settings_hash(settings: dict[str, Any]) -> str:
    """Hash of settings, whatever their order."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def is_current(path: Path, settings: dict[str, Any]) -> bool:
    """Whether `path` holds a result of exactly these settings."""
    try:
        return json.loads(path.read_text(encoding="utf8")).get("settings_sha256") == settings_hash(settings)
    except (OSError, ValueError, AttributeError):
        return False


def read_results(folder: Path) -> dict[str, list[Result]]:
    """All results of a folder: row -> its trainings by seed.

    Raises:
        DataError: a damaged file, or results of several sizes.
    """
    found: dict[str, list[Result]] = {}
    for path in sorted(folder.glob("*-s[0-9]*.json")):
        result = Result.load(path)
        found.setdefault(result.row, []).append(result)
    sizes = sorted({r.size for results in found.values() for r in results})
    if len(sizes) > 1:
        raise DataError(f"{folder} mixes results of the sizes {', '.join(sizes)}; keep one folder for each")
    return {row: sorted(results, key=lambda r: r.seed) for row, results in found.items()}


def _packed(values: np.ndarray) -> str:
    kind = "<u2" if (values == np.rint(values)).all() and values.min() >= 0 and values.max() < 2**16 else "<f4"
    return f"{kind}:" + base64.b64encode(zlib.compress(values.astype(kind).tobytes(), 9)).decode("ascii")


def _unpacked(text: str) -> Float[np.ndarray, " n"]:
    kind, _, data = text.partition(":")
    return np.frombuffer(zlib.decompress(base64.b64decode(data)), kind).astype(np.float64)
