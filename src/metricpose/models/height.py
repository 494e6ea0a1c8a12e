"""Scale from the height between knee and neck: root depths of poses that are proportional to it (MargiPose).

The height is a chain of bones: thigh (hip to knee; the left one, or the mean of both), pelvis to spine, spine to neck.
A pose decoded with reference depth 1 has chain lengths l_s; at depth Z they are Z l_s, so ``Z = sum w L / sum w l``
with the lengths L wanted: one division where the published code searches. A bone with an end out of view hardly counts;
with all in view, only the sum of the L matters, which is the published rule (920 mm).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from metricpose.geometry.absolute import MAX_DEPTH_MM, MIN_DEPTH_MM
from metricpose.geometry.bonedepth import bone_lengths
from metricpose.skeleton.core import Skeleton

Legs = Literal["both", "left"]

PUBLISHED_HEIGHT_MM = 920.0
"""Knee to neck of every person of MPI-INF-3DHP, as universally scaled; what is assumed before labels have been seen."""

_SHARES = {"thigh": 0.48, "low": 0.255, "high": 0.265}  # Of the chain, adults, to the nearest half percent.
_SPREAD = 0.1  # Deviation of heights, relative, before labels have been seen.
_UNSEEN_WEIGHT = 1e-6  # Of a bone with an end out of view.
_TINY = 1e-20


class Chain(NamedTuple):
    """Bones from knee to neck: pairs of joints, and what each counts in the sum."""

    edges: tuple[tuple[int, int], ...]
    factors: tuple[float, ...]
    shares: tuple[float, ...]


class Scale(NamedTuple):
    """Root depth of each sample, its relative variance, and whether any bone of the chain was in view."""

    depth_mm: Float[Tensor, " b"]
    variance: Float[Tensor, " b"]
    seen: Bool[Tensor, " b"]


def knee_to_neck(skeleton: Skeleton, legs: Legs) -> Chain:
    """The chain of a skeleton; where it has no neck, the thorax is the upper end.

    Raises:
        InputError: the skeleton lacks one of the joints.
    """
    names = {"left": ["l"], "both": ["l", "r"]}[legs]
    thighs = tuple((skeleton.index(f"{s}_hip"), skeleton.index(f"{s}_knee")) for s in names)
    pelvis, spine = skeleton.index("pelvis"), skeleton.index("spine")
    neck = skeleton.index("neck" if "neck" in skeleton.joints else "thorax")
    n = len(thighs)
    shares = (*[_SHARES["thigh"] / n] * n, _SHARES["low"], _SHARES["high"])
    return Chain((*thighs, (pelvis, spine), (spine, neck)), (*[1 / n] * n, 1.0, 1.0), shares)


class HeightScale(nn.Module):
    """The heights of the training people, and the depth at which a pose is as tall as they are.

    Args:
        skeleton: joint order of the poses.
        legs: which thighs count.
        height_mm: fixed height; None takes the mean of the training people.

    Attributes:
        segment_mm: running mean of each bone of the chain, millimetres, times its factor in the sum.
        height_m, height_variance_m2: running mean and variance of the chain, metres (so that float16 holds them).

    Raises:
        InputError: the skeleton lacks one of the joints.
    """

    segment_mm: Tensor
    segment_count: Tensor
    height_m: Tensor
    height_variance_m2: Tensor
    height_count: Tensor

    def __init__(self, skeleton: Skeleton, legs: Legs = "both", height_mm: float | None = None) -> None:
        super().__init__()
        self.chain = knee_to_neck(skeleton, legs)
        self.fixed_mm = height_mm
        self.register_buffer("segment_mm", PUBLISHED_HEIGHT_MM * torch.tensor(self.chain.shares))
        self.register_buffer("segment_count", torch.zeros(len(self.chain.edges), dtype=torch.int64))
        self.register_buffer("height_m", torch.tensor(PUBLISHED_HEIGHT_MM / 1000))
        self.register_buffer("height_variance_m2", torch.tensor((_SPREAD * PUBLISHED_HEIGHT_MM / 1000) ** 2))
        self.register_buffer("height_count", torch.zeros((), dtype=torch.int64))

    def segments(self, joints: Float[Tensor, "b j 3"]) -> Float[Tensor, "b s"]:
        """Length of every bone of the chain times its factor, in the unit of the joints; NaN joints give NaN."""
        return bone_lengths(joints, self.chain.edges) * joints.new_tensor(self.chain.factors)

    def height(self, joints: Float[Tensor, "b j 3"]) -> Float[Tensor, " b"]:
        """Knee to neck along the chain; NaN where one of its joints is."""
        return self.segments(joints).sum(-1)

    def root_depth(
        self,
        unit_joints: Float[Tensor, "b j 3"],
        in_view: Float[Tensor, "b j"],
        height_mm: Float[Tensor, " b"] | None = None,
    ) -> Scale:
        """Reference depths at which the poses have the height wanted.

        Args:
            unit_joints: poses at reference depth 1.
            in_view: 0 or 1 per joint, see `geometry.absolute.view_weight`.
            height_mm: each person's own height; NaN falls back to that of the training people.
        """
        lengths = self.segments(unit_joints)
        pairs = torch.tensor(self.chain.edges, device=lengths.device)
        ends = in_view[:, pairs].prod(-1)
        weights = ends + _UNSEEN_WEIGHT
        wanted, variance = self._wanted(lengths, height_mm)
        depth = (weights * wanted).sum(-1) / (weights * lengths).sum(-1).clamp_min(_TINY)
        return Scale(depth.clamp(MIN_DEPTH_MM, MAX_DEPTH_MM), variance, (ends > 0).any(-1))

    def _wanted(
        self, lengths: Float[Tensor, "b s"], height_mm: Float[Tensor, " b"] | None
    ) -> tuple[Float[Tensor, "b s"], Float[Tensor, " b"]]:
        """Length of every bone, and the relative variance of the height."""
        mean = self.segment_mm.to(lengths).expand_as(lengths)
        spread = (self.height_variance_m2 / self.height_m.square()).to(lengths).expand(len(lengths))
        if self.fixed_mm is not None:
            mean = mean * (self.fixed_mm / mean.sum(-1, keepdim=True))
        if height_mm is None:
            return mean, spread
        known = height_mm.isfinite()
        own = mean * (height_mm[:, None] / mean.sum(-1, keepdim=True))
        return torch.where(known[:, None], own, mean), torch.where(known, 0.0, spread)

    @torch.no_grad()
    def gather(self, joints_mm: Float[Tensor, "b j 3"], weights: Float[Tensor, "b j"]) -> None:
        """Running means over all labels seen, as batch norm keeps its statistics."""
        pairs = torch.tensor(self.chain.edges, device=weights.device)
        known = (weights[:, pairs] > 0).all(-1)
        lengths = torch.where(known, self.segments(joints_mm), 0.0)
        count = known.sum(0)
        self.segment_count += count
        means = lengths.sum(0) / count.clamp_min(1)
        self.segment_mm += (means - self.segment_mm) * (count / self.segment_count.clamp_min(1))
        self._gather_heights(lengths.sum(-1) / 1000, known.all(-1))

    def _gather_heights(self, heights_m: Float[Tensor, " b"], known: Bool[Tensor, " b"]) -> None:
        """Merge the mean and variance of two sets (Chan et al. 1979)."""
        count = known.sum()
        mean = torch.where(known, heights_m, 0.0).sum() / count.clamp_min(1)
        variance = torch.where(known, heights_m - mean, 0.0).square().sum() / count.clamp_min(1)
        self.height_count += count
        share = count / self.height_count.clamp_min(1)
        distance = mean - self.height_m
        self.height_variance_m2 += (variance - self.height_variance_m2 + distance.square() * (1 - share)) * share
        self.height_m += distance * share
