"""All costs in one file: heads at a size and as published, memory over resolution, decoding, strides, and the ratios
that claims look at."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from metricpose.benchmark import plan
from metricpose.benchmark.costs import HeadCost, head_cost
from metricpose.benchmark.curves import CELLS, DecodeTime, MapMemory, decode_times, map_memory, stride_speed
from metricpose.benchmark.environment import Facts, describe, pick_device
from metricpose.benchmark.sizes import Size
from metricpose.errors import DataError
from metricpose.files import atomic_path
from metricpose.models import MODELS

FORMAT = "metricpose-costs-1"
_RATIO_CELLS = 64


class Published(NamedTuple):
    """A network as published: preset of its configuration, and settings on top."""

    title: str
    method: str
    settings: dict[str, Any]
    preset: str = ""


PUBLISHED = (
    Published("2.5D, ResNet-50", "twofive", {"backbone": "resnet50", "skeleton": "h36m_17"}),
    Published("MeTRo, ResNet-50", "metro", {"backbone": "resnet50", "skeleton": "h36m_17"}),
    Published("MeTRAbs, ResNet-50", "metrabs", {"backbone": "resnet50", "skeleton": "h36m_17"}),
    Published("MargiPose, Inception-v4 stem", "margipose", {}, "published"),
    Published("HEMlets, ResNet-50", "hemlets", {}, "published"),
    Published("HEMlets' baseline, ResNet-50", "hemlets", {"intermediate": "none"}, "published"),
    Published("CDL, ResNet-50", "lifting", {}, "published"),
    Published("CDL's baseline, ResNet-50", "lifting", {"variant": "baseline"}, "published"),
)


class Costs(NamedTuple):
    """Everything measured.

    Attributes:
        heads: row of the plan, or title of a published network -> costs.
        published: which of them are published networks.
        memory: bytes of maps and volumes over the resolution.
        decode: decoding next to a plain sum.
        strides: crops per second of the size's backbone at 256 pixels.
    """

    size: str
    environment: Facts
    heads: dict[str, HeadCost]
    published: tuple[str, ...]
    memory: tuple[MapMemory, ...]
    decode: tuple[DecodeTime, ...]
    strides: dict[int, float]

    @property
    def ratios(self) -> dict[str, float]:
        """What `claims.COST_CLAIMS` look at; NaN where not measured."""
        return {
            "hemlets_time": self.time_ratio("HEMlets, ResNet-50", "HEMlets' baseline, ResNet-50"),
            "maps_memory": next(
                (m.maps_training / m.volume_training for m in self.memory if m.cells == _RATIO_CELLS), math.nan
            ),
            "decode_time": max((d.ratio for d in self.decode), default=math.nan),
            "stride_speed": self.strides[32] / self.strides[4] if 4 in self.strides else math.nan,
        }

    def time_ratio(self, whole: str, baseline: str) -> float:
        """Time of a whole network over another's."""
        if whole not in self.heads or baseline not in self.heads:
            return math.nan
        a, b = (self.heads[name] for name in (whole, baseline))
        return (a.backbone_ms + a.head_ms + a.decode_ms) / (b.backbone_ms + b.head_ms + b.decode_ms)

    def save(self, path: Path) -> None:
        """Write it atomically."""
        values = self._asdict() | {"heads": {k: v._asdict() for k, v in self.heads.items()}}
        values |= {"memory": [m._asdict() for m in self.memory], "decode": [d._asdict() for d in self.decode]}
        ratios = {k: None if math.isnan(v) else round(v, 4) for k, v in self.ratios.items()}
        with atomic_path(path) as temporary:
            text = json.dumps({"format": FORMAT, **values, "ratios": ratios}, indent=1)
            temporary.write_text(text + "\n", encoding="utf8")

    @staticmethod
    def load(path: Path) -> Costs:
        """Read a file of `save`.

        Raises:
            DataError: missing, damaged or another format.
        """
        try:
            top = json.loads(path.read_text(encoding="utf8"))
            if top.pop("format", None) != FORMAT:
                raise DataError(f"{path}: expected a {FORMAT} file")
            top.pop("ratios")
            return Costs(
                **top
                | {
                    "heads": {k: HeadCost(**v | {"features": tuple(v["features"])}) for k, v in top["heads"].items()},
                    "published": tuple(top["published"]),
                    "memory": tuple(MapMemory(**m) for m in top["memory"]),
                    "decode": tuple(DecodeTime(**d | {"shape": tuple(d["shape"])}) for d in top["decode"]),
                    "strides": {int(k): v for k, v in top["strides"].items()},
                }
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot read the costs {path}: {error}. Delete it to measure again.") from error


def measure(size: Size, progress: Callable[[str, int, int], None] | None = None) -> Costs:
    """Measure everything on the size's device; the smoke size leaves out what takes long.

    Args:
        progress: called with (what, done, in all) before each part.
    """
    device, quick = pick_device(size.device), size.name == "smoke"
    if device.type == "cpu":
        torch.set_num_threads(size.threads)
    batch, repeats = (2, 1) if quick else (8, 5)  # batch norm trains on two or more
    heads: dict[str, HeadCost] = {}
    wanted = list(networks(size, published=not quick))
    titles = {p.title for p in PUBLISHED}
    for number, (name, method, settings) in enumerate(wanted):
        if progress is not None:
            progress(name, number, len(wanted) + 1)
        crops = 2 if name in titles and device.type == "cpu" else batch
        heads[name] = head_cost(method, settings, device, batch=crops, repeats=repeats)
    if progress is not None:
        progress("maps, decoding, strides", len(wanted), len(wanted) + 1)
    cells, side = (CELLS[:2], 64) if quick else (CELLS, 256)
    return Costs(
        size=size.name,
        environment=describe(device),
        heads=heads,
        published=tuple(p.title for p in PUBLISHED if p.title in heads),
        memory=tuple(map_memory(n) for n in cells),
        decode=tuple(decode_times(device, batch=batch, repeats=repeats, largest=16 if quick else 64)),
        strides=stride_speed(size.backbone, side, device, batch=batch, repeats=repeats),
    )


def networks(size: Size, *, published: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, method, settings) of every network whose method is there: the plan's, and the published ones."""
    for row in plan.chosen():
        if not row.weights_of and row.truncation > 0 and row.labels == "full":
            yield row.name, row.method, plan.settings_of(row, size)
    for p in PUBLISHED if published else ():
        if p.method in MODELS:
            kind: Any = MODELS[p.method][0]
            made = getattr(kind, p.preset)(**p.settings) if p.preset else kind(**p.settings)
            yield p.title, p.method, made.model_dump(mode="json")
