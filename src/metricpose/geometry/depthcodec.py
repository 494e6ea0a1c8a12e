"""Normalised crop coordinates (u, v, z_n), each in [-1, 1], and back: what plane and volume heatmaps are drawn in.

u and v are pixels, -1 and 1 at the crop's edges (``u = (2x + 1) / W - 1`` for the centre of pixel x), so a cell of a
heatmap is always where the image shows it and the principal point stays in K (the public MargiPose code divides by it
instead, which shifts its targets by up to a cell). z_n is 0 at the reference depth z_ref, usually the root's, and grows
away from the camera. With ``c = max(W / f_x, H / f_y)``, the crop is ``s = c z_ref`` millimetres wide at the reference:

==========  =============================  ===========================  ============================
codec       z_n                            Z                            dZ / dz_n
==========  =============================  ===========================  ============================
projective  (1 - z_ref / Z) / kappa        z_ref / (1 - kappa z_n)      kappa Z^2 / z_ref
linear      2 (Z - z_ref) / B              z_ref + z_n B / 2            B / 2
==========  =============================  ===========================  ============================

Projective (MargiPose): ``kappa = c / (1 + sqrt(1 + c^2))``, the tangent of half of atan(c), makes z_n = -1 and 1 lie
exactly s apart, +1 farther from z_ref than -1. Coordinates do not change when the scene is scaled about the camera, so
a decoded pose is proportional to z_ref: its scale is found by one division (`depth_from_bones`, `depth_from_chain`).
Linear: the box B is s (then the pose is proportional to z_ref too) or fixed, such as 2000 mm (HEMlets, cascaded
lifting), which makes z_n independent of the distance and the pose affine in z_ref.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from metricpose.geometry.absolute import pixel_rays, project
from metricpose.geometry.bonedepth import bone_lengths

_MIN_DEPTH_MM = 1.0  # Nearer points, and those behind the camera, count as that near: far below z_n = -1.
_TINY = 1e-20


@runtime_checkable
class DepthCodec(Protocol):
    """Camera-frame points <-> normalised coordinates; bound to the crop cameras of one batch."""

    def encode(self, joints_mm: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j 3"]:
        """(u, v, z_n) of camera-frame points, millimetres; NaN stays NaN, in its joint."""

    def decode(self, coords: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j 3"]:
        """Camera-frame points, in the unit of z_ref."""

    def jacobian(self, coords: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j 3 3"]:
        """Derivative of the decoded X, Y, Z (rows) by u, v, z_n, for covariances."""


def edge_coordinates(px: Float[Tensor, "... 2"], size: tuple[int, int]) -> Float[Tensor, "... 2"]:
    """Pixels to [-1, 1] between the outer edges of an image of `size` (width, height)."""
    return (2 * px + 1) / px.new_tensor(size) - 1


def edge_pixels(uv: Float[Tensor, "... 2"], size: tuple[int, int]) -> Float[Tensor, "... 2"]:
    """Inverse of `edge_coordinates`."""
    return ((uv + 1) * uv.new_tensor(size) - 1) / 2


@dataclass(frozen=True)
class ProjectiveCodec:
    """Affine in inverse depth (MargiPose; see the module).

    Attributes:
        K: of the crops; skew is honoured.
        size: width and height of the crops in pixels.
    """

    K: Float[Tensor, "b 3 3"]
    size: tuple[int, int]

    def encode(self, joints_mm: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j 3"]:
        """See `DepthCodec.encode`; depths below 1 mm count as 1 mm."""
        z = joints_mm[..., 2].clamp_min(_MIN_DEPTH_MM)
        return _with_pixels(joints_mm, self.K, self.size, (1 - z_ref[:, None] / z) / self.kappa()[:, None])

    def decode(self, coords: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j 3"]:
        """See `DepthCodec.decode`; z_n must be below 1 / kappa, as every expectation over [-1, 1] is."""
        return _back_project(coords, self.K, self.size, self._depth(coords, z_ref))

    def jacobian(self, coords: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j 3 3"]:
        """See `DepthCodec.jacobian`."""
        z = self._depth(coords, z_ref)
        return _jacobian(coords, self.K, self.size, z, self.kappa()[:, None] * z.square() / z_ref[:, None])

    def kappa(self) -> Float[Tensor, " b"]:
        """Half the range of z_ref / Z over z_n in [-1, 1]."""
        c = relative_width(self.K, self.size)
        return c / (1 + (1 + c.square()).sqrt())

    def _depth(self, coords: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j"]:
        return z_ref[:, None] / (1 - self.kappa()[:, None] * coords[..., 2])


@dataclass(frozen=True)
class LinearCodec:
    """Affine in depth (see the module).

    Attributes:
        K: of the crops; skew is honoured.
        size: width and height of the crops in pixels.
        box_mm: depth of the box, z_ref +- box_mm / 2; None: the width of the crop at z_ref.
    """

    K: Float[Tensor, "b 3 3"]
    size: tuple[int, int]
    box_mm: float | None = None

    def encode(self, joints_mm: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j 3"]:
        """See `DepthCodec.encode`."""
        z_n = (joints_mm[..., 2] - z_ref[:, None]) / self._half_box(z_ref)
        return _with_pixels(joints_mm, self.K, self.size, z_n)

    def decode(self, coords: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j 3"]:
        """See `DepthCodec.decode`."""
        return _back_project(coords, self.K, self.size, self._depth(coords, z_ref))

    def jacobian(self, coords: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j 3 3"]:
        """See `DepthCodec.jacobian`."""
        z = self._depth(coords, z_ref)
        return _jacobian(coords, self.K, self.size, z, self._half_box(z_ref).expand_as(z))

    def _depth(self, coords: Float[Tensor, "b j 3"], z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b j"]:
        return z_ref[:, None] + coords[..., 2] * self._half_box(z_ref)

    def _half_box(self, z_ref: Float[Tensor, " b"]) -> Float[Tensor, "b 1"]:
        if self.box_mm is not None:
            return torch.full_like(z_ref, self.box_mm / 2)[:, None]
        return (z_ref * relative_width(self.K, self.size) / 2)[:, None]


def relative_width(K: Float[Tensor, "b 3 3"], size: tuple[int, int]) -> Float[Tensor, " b"]:
    """Width in millimetres of what the crop shows per millimetre of distance; the larger of width and height."""
    return torch.maximum(size[0] / K[:, 0, 0], size[1] / K[:, 1, 1])


def depth_from_bones(
    unit_joints: Float[Tensor, "b j 3"],
    edges: Sequence[tuple[int, int]],
    lengths_mm: Float[Tensor, "b e"],
    weights: Float[Tensor, "b e"],
) -> Float[Tensor, " b"]:
    """Reference depth at which the bones fit known lengths best, ``sum w l L / sum w l^2``; 0 without any weight.

    Args:
        unit_joints: decoded with z_ref = 1 by a codec whose pose is proportional to z_ref.
        edges: pairs of joints.
        lengths_mm: known lengths of the edges; those of weight 0 may hold NaN.
        weights: of the edges.
    """
    lengths = torch.where(weights > 0, bone_lengths(unit_joints, edges), 0.0)
    known = torch.where(weights > 0, lengths_mm, 0.0)
    return (weights * lengths * known).sum(-1) / (weights * lengths.square()).sum(-1).clamp_min(_TINY)


def depth_from_chain(
    unit_joints: Float[Tensor, "b j 3"], edges: Sequence[tuple[int, int]], length_mm: float | Float[Tensor, " b"]
) -> Float[Tensor, " b"]:
    """Reference depth at which the edges' lengths add up to `length_mm`; arguments as `depth_from_bones`.

    MargiPose on MPI-INF-3DHP: 920 mm over the left thigh, pelvis-spine and spine-neck. The public code searches for it.
    """
    return length_mm / bone_lengths(unit_joints, edges).sum(-1).clamp_min(_TINY)


def _with_pixels(
    joints: Float[Tensor, "b j 3"], K: Float[Tensor, "b 3 3"], size: tuple[int, int], z_n: Float[Tensor, "b j"]
) -> Float[Tensor, "b j 3"]:
    uv = edge_coordinates(project(joints, K, _MIN_DEPTH_MM), size)
    return torch.cat([uv, z_n[..., None]], -1)


def _rays(coords: Float[Tensor, "b j 3"], K: Float[Tensor, "b 3 3"], size: tuple[int, int]) -> Float[Tensor, "b j 3"]:
    xy = pixel_rays(edge_pixels(coords[..., :2], size), K)
    return torch.cat([xy, torch.ones_like(xy[..., :1])], -1)


def _back_project(
    coords: Float[Tensor, "b j 3"], K: Float[Tensor, "b 3 3"], size: tuple[int, int], z: Float[Tensor, "b j"]
) -> Float[Tensor, "b j 3"]:
    return _rays(coords, K, size) * z[..., None]


def _jacobian(
    coords: Float[Tensor, "b j 3"],
    K: Float[Tensor, "b 3 3"],
    size: tuple[int, int],
    z: Float[Tensor, "b j"],
    slope: Float[Tensor, "b j"],
) -> Float[Tensor, "b j 3 3"]:
    """Columns: Z times the ray's derivative by u and by v, and the ray times dZ/dz_n."""
    fx, skew, fy = K[:, None, 0, 0], K[:, None, 0, 1], K[:, None, 1, 1]
    x_by_u, y_by_v, none = z * (size[0] / 2 / fx), z * (size[1] / 2 / fy), torch.zeros_like(z)
    by_u = torch.stack([x_by_u, none, none], -1)
    by_v = torch.stack([-skew / fx * y_by_v, y_by_v, none], -1)
    return torch.stack([by_u, by_v, _rays(coords, K, size) * slope[..., None]], -1)
