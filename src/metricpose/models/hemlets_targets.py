"""What HEMlets Pose learns from: its parts, and coordinates, joint maps and part maps of a batch's labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from metricpose.errors import InputError
from metricpose.heatmap.encode import gaussian_maps, joint_pairs
from metricpose.heatmap.triplets import THRESHOLDS, Polarity, States, label_polarity, pose_polarity, triplet_maps
from metricpose.skeleton.core import Skeleton, pair_index
from metricpose.types import Batch

Outside = Literal["mask", "clamp", "keep"]
"""What becomes of labels beyond the crop or the box, see `Labels.of`."""

Parts = tuple[tuple[int, int], ...]
"""(parent, child) of each part."""

_LIMBS = tuple(
    (f"{side}_{parent}", f"{side}_{child}")
    for parent, child in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
    for side in "rl"
)
# Published, of their 18 joints: the middle of the shoulders; and the neck, here by Human3.6M's name first.
_CHEST, _NECK = ("mid_shoulder", "thorax", "neck"), ("neck", "thorax")


def part_names(skeleton: Skeleton) -> tuple[tuple[str, str], ...]:
    """The paper's 14 parts by joint names: eight of the limbs, two hips, two shoulders, torso, head.

    The paper shows them in a figure only. These can be labelled on Human3.6M and on MPII; where a skeleton has no joint
    in the middle of the shoulders, or no neck apart from it, the thorax takes its place.

    Raises:
        InputError: the skeleton lacks one of the joints.
    """
    chest = next((j for j in _CHEST if j in skeleton.joints), _CHEST[0])
    neck = next((j for j in _NECK if j in skeleton.joints), _NECK[0])
    trunk = [("pelvis", f"{s}_hip") for s in "rl"] + [(chest, f"{s}_shoulder") for s in "rl"]
    names = (*trunk, *_LIMBS, ("pelvis", chest), (neck, "head_top"))
    missing = sorted({j for part in names for j in part} - set(skeleton.joints))
    if missing:
        raise InputError(
            f"HEMlets Pose needs the joints {', '.join(missing)}, which {skeleton.name} does not have: choose another "
            "skeleton, name the parts yourself, or train without part maps (intermediate: 2d or none)"
        )
    return names


def part_indices(skeleton: Skeleton, names: Sequence[tuple[str, str]] | None = None) -> Parts:
    """Parts by joint index; by default those of `part_names`.

    Raises:
        InputError: a joint is unknown, a part is named twice, or the mirror image of a part is no part.
    """
    parts = tuple((skeleton.index(p), skeleton.index(c)) for p, c in names or part_names(skeleton))
    if len(set(parts)) != len(parts) or any(p == c for p, c in parts):
        raise InputError(f"each part must join two different joints, and be named once; got {list(names or ())}")
    mirror_parts(skeleton, parts)
    return parts


def mirror_parts(skeleton: Skeleton, parts: Parts) -> tuple[int, ...]:
    """Permutation of the parts in a mirrored image: part k becomes part ``mirror[k]``; polarities stay.

    Raises:
        InputError: the mirror image of a part is no part.
    """
    mirrored = [(int(skeleton.mirror[p]), int(skeleton.mirror[c])) for p, c in parts]
    alone = [part for part, image in zip(parts, mirrored, strict=True) if image not in parts]
    if alone:
        names = ", ".join(f"{skeleton.joints[p]}-{skeleton.joints[c]}" for p, c in alone)
        raise InputError(f"parts without a mirror image among the parts: {names}")
    return tuple(parts.index(m) for m in mirrored)


class Labels(NamedTuple):
    """Coordinates in the unit cube and what counts; all finite.

    Attributes:
        u: x, y of the crop edge to edge and z of the box, each in [0, 1]; anything where not labelled.
        xy_w, z_w: weights of the coordinates.
        map_w: weights of the joints' maps.
    """

    u: Float[Tensor, "b j 3"]
    xy_w: Float[Tensor, "b j"]
    z_w: Float[Tensor, "b j"]
    map_w: Float[Tensor, "b j"]

    @staticmethod
    def of(batch: Batch, side: int, box_mm: float, root: int, outside: Outside) -> Labels:
        """Labels of a batch; samples whose root has no 3D label have no z.

        Args:
            side: of the crop, pixels.
            box_mm: depth of the box, with the root in its middle.
            root: joint that depths are relative to.
            outside: "mask": a joint beyond the crop or the box counts nowhere (as Sun et al. 2018 do); "clamp": its
                coordinates are moved to the border, as near as an expectation can come, and it has no map; "keep": as
                it is.
        """
        xy_w, z_w = batch.uv_w.clamp_min(0), torch.where(batch.z_w[:, root, None] > 0, batch.z_w, 0.0).clamp_min(0)
        depth = torch.where(z_w > 0, batch.joints_mm[..., 2], 0.0)
        z = torch.where(z_w > 0, depth - depth[:, root, None], 0.0) / box_mm + 0.5
        xy = (torch.where(xy_w[..., None] > 0, batch.joints_px, 0.0) + 0.5) / side
        u = torch.cat([xy, z[..., None]], -1)
        if outside == "keep":
            return Labels(u, xy_w, z_w, xy_w)
        within = (u >= 0) & (u <= 1)
        in_crop, in_box = within[..., :2].all(-1), within[..., 2]
        if outside == "clamp":
            return Labels(u.clamp(0, 1), xy_w, z_w, torch.where(in_crop, xy_w, 0.0))
        counts = (in_crop | (xy_w <= 0)) & in_box
        xy_w, z_w = torch.where(counts, xy_w, 0.0), torch.where(counts, z_w, 0.0)
        return Labels(u, xy_w, z_w, xy_w)

    def coordinate_losses(self, u: Float[Tensor, "b j 3"]) -> tuple[Float[Tensor, "b j"], Float[Tensor, "b j"]]:
        """Weighted L1 of x and y together, and of z (HEMlets Pose, Eq. 6)."""
        x, y, z = (u - self.u).abs().unbind(-1)
        xy = torch.where(self.xy_w > 0, (x + y) * self.xy_w, 0.0)
        return xy, torch.where(self.z_w > 0, z * self.z_w, 0.0)


class TargetMaps(NamedTuple):
    """How maps are drawn, and the squared errors of predicted ones, summed over cells (HEMlets Pose, Eq. 3 and 4).

    Attributes:
        size: rows and columns.
        sigma: of the Gaussians, cells.
        states: variant of the part maps.
        epsilon: see `HemletsConfig`.
    """

    size: tuple[int, int]
    sigma: float
    states: States = 3
    epsilon: float = 0.5

    def joint_losses(self, maps: Float[Tensor, "b j h w"], labels: Labels) -> Float[Tensor, "b j"]:
        """Weighted squared errors of the joint maps."""
        known = labels.map_w > 0
        target = gaussian_maps(labels.u[..., :2], self.size, self.sigma, "corner", valid=known)
        return torch.where(known, (maps - target).square().sum((-1, -2)) * labels.map_w, 0.0)

    def hemlet_losses(
        self, maps: Float[Tensor, "b k s h w"], labels: Labels, batch: Batch, parts: Parts
    ) -> Float[Tensor, "b k"]:
        """Weighted squared errors of the part maps; 0 where an end has no map or the polarity is not known."""
        polarity = self.polarity(batch, parts)
        parent, child = joint_pairs(parts, maps.device)
        weights = torch.where(polarity.known, labels.map_w[:, parent] * labels.map_w[:, child], 0.0)
        known = weights > 0
        target = triplet_maps(
            labels.u[..., :2], parts, polarity.value, self.size, self.sigma, "corner", mask=known, states=self.states
        )
        return torch.where(known, (maps - target).square().sum((-1, -2, -3)) * weights, 0.0)

    def polarity(self, batch: Batch, parts: Parts) -> Polarity:
        """Which end is closer (Eq. 1): from 3D joints, else from the ordinal label of the part's pair of joints.

        An order does not say how steep a part is: the five-state variant leaves ordinal labels out.
        """
        thresholds = (self.epsilon, *THRESHOLDS[self.states][1:])
        measured = pose_polarity(batch.joints_mm, parts, batch.z_w > 0, thresholds)
        if batch.order is None or batch.order_w is None or self.states == 5:
            return measured
        pairs = [pair_index(batch.z_w.shape[1], parent, child) for parent, child in parts]
        labelled = label_polarity(batch.order, batch.order_w, pairs)
        value = torch.where(measured.known, measured.value, labelled.value)
        return Polarity(value, measured.known | labelled.known)
