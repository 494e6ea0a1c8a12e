"""What is trained and measured: one literal table of rows, six methods first, then the ablations of their papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from metricpose.benchmark.domain import Labels
from metricpose.benchmark.sizes import Size
from metricpose.errors import InputError
from metricpose.models import MODELS

Test = Literal["whole", "truncated"]


@dataclass(frozen=True)
class Row:
    """One line of the comparison.

    Attributes:
        name: also of its files. title: for tables.
        method: name in `models.MODELS`.
        settings: of the method, on top of the size's.
        truncation: share of training crops that show a part of the person only.
        labels: what people of the target domain keep (`benchmark.domain`).
        weights_of: a row whose trained weights are measured again with other `settings`; nothing is trained.
        views: test-time views.
        tests: what it is measured on.
        is_method: one of the six compared methods, trained with more seeds than an ablation.
    """

    name: str
    title: str
    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    truncation: float = 0.3
    labels: Labels = "full"
    weights_of: str = ""
    views: int = 1
    tests: tuple[Test, ...] = ("whole",)
    is_method: bool = False

    def seeds(self, size: Size, seeds: int | None = None) -> range:
        """Seeds of this row's trainings; a repeated measurement has those of the row it measures."""
        if seeds is not None:
            return range(seeds)
        source = find(self.weights_of) if self.weights_of else self
        return range(size.method_seeds if source.is_method else size.ablation_seeds)


_BOTH: tuple[Test, ...] = ("whole", "truncated")

ROWS: tuple[Row, ...] = (
    # The six methods.
    Row("twofive", "2.5D, mean bone lengths", "twofive", tests=_BOTH, is_method=True),
    Row("metro", "MeTRo", "metro", tests=_BOTH, is_method=True),
    Row("metrabs", "MeTRAbs", "metrabs", tests=_BOTH, is_method=True),
    Row("margipose", "MargiPose", "margipose", tests=_BOTH, is_method=True),
    Row("hemlets", "HEMlets", "hemlets", tests=_BOTH, is_method=True),
    Row("lifting", "CDL", "lifting", tests=_BOTH, is_method=True),
    # MeTRo and MeTRAbs.
    Row("metro-whole", "MeTRo, trained on whole people only", "metro", truncation=0.0, tests=_BOTH),
    Row("metrabs-whole", "MeTRAbs, trained on whole people only", "metrabs", truncation=0.0, tests=_BOTH),
    Row("metrabs-relative", "MeTRAbs without the absolute loss", "metrabs", {"absolute_weight": 0.0}),
    Row("metro-coarse", "MeTRo at stride 32", "metro", {"stride": 32, "stride_train": 32}),
    Row(
        "metro-fine",
        "MeTRo, the same weights at stride 4",
        "metro",
        {"stride": 4, "stride_train": 32},
        weights_of="metro-coarse",
    ),
    # MargiPose.
    Row(
        "margipose-plain",
        "MargiPose, one stage, plain",
        "margipose",
        {"stages": 1, "axis_permutation": False, "regularisation": "none"},
    ),
    Row(
        "margipose-permuted",
        "MargiPose, one stage, axis permutation",
        "margipose",
        {"stages": 1, "regularisation": "none"},
    ),
    Row("margipose-one-stage", "MargiPose, one stage, permutation and JSD", "margipose", {"stages": 1}),
    Row("margipose-5-views", "MargiPose, 5 views", "margipose", weights_of="margipose", views=5),
    Row("margipose-10-views", "MargiPose, 10 views", "margipose", weights_of="margipose", views=10),
    # HEMlets.
    Row("hemlets-none", "HEMlets' baseline: no maps", "hemlets", {"intermediate": "none"}),
    Row("hemlets-2d", "HEMlets, joint maps alone", "hemlets", {"intermediate": "2d"}),
    Row("hemlets-hem", "HEMlets, part maps alone", "hemlets", {"intermediate": "hem"}),
    Row("hemlets-two-states", "HEMlets of two states", "hemlets", {"states": 2}),
    Row("hemlets-five-states", "HEMlets of five states", "hemlets", {"states": 5}),
    Row("hemlets-target-2d", "HEMlets, 2D labels on the target domain", "hemlets", labels="2d"),
    Row("hemlets-target-ordinal", "HEMlets, ordinal labels on the target domain", "hemlets", labels="ordinal"),
    # CDL.
    Row("lifting-baseline", "CDL's baseline: volume and lifter", "lifting", {"variant": "baseline"}),
    Row("lifting-joint", "CDL with joint maps", "lifting", {"variant": "joint_maps"}),
    Row("lifting-bone-joint", "CDL with joint and bone maps", "lifting", {"variant": "bone_joint_maps"}),
)  # fmt: skip


def find(name: str) -> Row:
    """The row of this name.

    Raises:
        InputError: no such row; the message lists those there are.
    """
    for row in ROWS:
        if row.name == name:
            return row
    raise InputError(f"unknown row '{name}'; known: {', '.join(r.name for r in ROWS)}")


def chosen(only: Sequence[str] = ()) -> list[Row]:
    """Rows of the plan whose method is there: all, or those named and what they are measured from.

    Raises:
        InputError: an unknown name.
    """
    names = {row.name for row in (map(find, only) if only else ROWS)}
    names |= {find(name).weights_of for name in names} - {""}
    return [row for row in ROWS if row.name in names and row.method in MODELS]


def settings_of(row: Row, size: Size) -> dict[str, Any]:
    """All settings of a row's model: the size's, then the method's at that size, then the row's own.

    Raises:
        InputError: the method refuses one of them.
    """
    shared = {"backbone": size.backbone, "side": size.side, "skeleton": "metricpose_25"}
    wanted = {**shared, **size.methods.get(row.method, {}), **row.settings}
    kind: Any = MODELS[row.method][0]
    make = getattr(kind, size.presets[row.method]) if row.method in size.presets else kind
    try:
        return make(**wanted).model_dump(mode="json")
    except ValueError as error:
        raise InputError(f"row {row.name}, size {size.name}: {error}") from error
