"""Masked, batched alignment of one point set to another (Procrustes; Kabsch 1976, Umeyama 1991).

===========  =======================  =====================================================
kind         maps p to                needs, among the valid joints of the source
===========  =======================  =====================================================
translation  p + t                    one joint
scale        s p, s >= 0              one joint away from the origin
rigid        R p + t                  three joints, not on one line (in both sets)
similarity   s R p + t                the same
===========  =======================  =====================================================

Where the data do not determine the alignment of a sample, its result is NaN. Rotations are proper (determinant +1)
unless reflections are asked for. Everything is differentiable; the gradient of a rotation is undefined where the two
smallest singular values of the covariance coincide up to sign.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from metricpose.errors import InputError

Kind = Literal["translation", "scale", "rigid", "similarity"]

_RANK_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


class Alignment(NamedTuple):
    """The map ``p -> scale * rotation @ p + translation`` of each sample."""

    rotation: Float[Tensor, "*b 3 3"]
    scale: Float[Tensor, "*b"]
    translation: Float[Tensor, "*b 3"]

    def apply(self, points: Float[Tensor, "*b j 3"]) -> Float[Tensor, "*b j 3"]:
        """Map points, of the fitted joints or any others."""
        rotated = (points[..., None, :] * self.rotation[..., None, :, :]).sum(-1)
        return self.scale[..., None, None] * rotated + self.translation[..., None, :]


def procrustes(
    source: Float[Tensor, "*b j 3"],
    target: Float[Tensor, "*b j 3"],
    weights: Float[Tensor, "*b j"] | Bool[Tensor, "*b j"] | None = None,
    kind: Kind = "similarity",
    *,
    allow_reflection: bool = False,
) -> Alignment:
    """Least-squares map of `source` onto `target`, per sample.

    Args:
        source, target: corresponding points; float64 arrays come in through `torch.from_numpy`.
        weights: of each joint, or a mask; joints of weight 0 may hold NaN. Default: all equal.
        kind: what may change, see the module's table. `scale` keeps the origin where it is.
        allow_reflection: accept a mirrored pose as if it were rotated.

    Raises:
        InputError: the kind is unknown.
    """
    if kind not in ("translation", "scale", "rigid", "similarity"):
        raise InputError(f"alignment '{kind}' is unknown; choose translation, scale, rigid or similarity")
    w = torch.ones_like(source[..., 0]) if weights is None else weights.to(source.dtype)
    known = (w > 0)[..., None]
    source, target = torch.where(known, source, 0.0), torch.where(known, target, 0.0)
    if kind == "scale":
        return _scaling(source, target, w)
    source_mean, target_mean = _mean(source, w), _mean(target, w)
    rotation, scale = _no_rotation(source)
    if kind in ("rigid", "similarity"):
        offsets = source - source_mean[..., None, :], target - target_mean[..., None, :]
        rotation, scale = _rotation_and_scale(*offsets, w, allow_reflection)
        scale = scale if kind == "similarity" else torch.ones_like(scale)
    moved = scale[..., None] * (rotation * source_mean[..., None, :]).sum(-1)
    return Alignment(rotation, scale, target_mean - moved)


def _mean(x: Float[Tensor, "*b j 3"], w: Float[Tensor, "*b j"]) -> Float[Tensor, "*b 3"]:
    """Weighted mean; NaN without any weight."""
    return (x * w[..., None]).sum(-2) / w.sum(-1, keepdim=True)


def _no_rotation(x: Float[Tensor, "*b j 3"]) -> tuple[Float[Tensor, "*b 3 3"], Float[Tensor, "*b"]]:
    identity = torch.eye(3, dtype=x.dtype, device=x.device).expand(*x.shape[:-2], 3, 3)
    return identity, torch.ones_like(x[..., 0, 0])


def _scaling(source: Float[Tensor, "*b j 3"], target: Float[Tensor, "*b j 3"], w: Float[Tensor, "*b j"]) -> Alignment:
    product, power = ((source * x).sum(-1) * w for x in (target, source))
    rotation, _ = _no_rotation(source)
    # A negative scale would mirror the pose. 0 / 0 is NaN: a source at the origin has no scale.
    return Alignment(rotation, product.sum(-1).clamp_min(0.0) / power.sum(-1), torch.zeros_like(source[..., 0, :]))


def _rotation_and_scale(
    source: Float[Tensor, "*b j 3"], target: Float[Tensor, "*b j 3"], w: Float[Tensor, "*b j"], allow_reflection: bool
) -> tuple[Float[Tensor, "*b 3 3"], Float[Tensor, "*b"]]:
    """Rotation and the scale that goes with it, for centred points; NaN where the points lie on a line."""
    weighted = source * w[..., None]
    matrix = target.mT @ weighted
    # LAPACK refuses NaN for the whole batch: a sample that holds one gets an arbitrary matrix here and NaN below.
    finite = torch.isfinite(matrix).all(-1).all(-1)
    u, s, vh = torch.linalg.svd(torch.where(finite[..., None, None], matrix, _arbitrary(matrix)))
    sign = torch.ones_like(s[..., 0])
    if not allow_reflection:
        sign = torch.where(torch.det(u.detach()) * torch.det(vh.detach()) < 0, -1.0, 1.0).to(s)
    signs = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
    determined = finite & (s[..., 1] > _RANK_TOLERANCE[s.dtype] * s[..., 0]) & (s[..., 0] > 0)
    nan = torch.where(determined, 0.0, torch.nan).to(s)
    rotation = (u * signs[..., None, :]) @ vh + nan[..., None, None]
    scale = (s * signs).sum(-1) / (weighted * source).sum((-2, -1)) + nan
    return rotation, scale


def _arbitrary(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "3 3"]:
    """A matrix of distinct singular values, whose decomposition has a finite gradient."""
    return torch.diag(torch.tensor([3.0, 2.0, 1.0], dtype=matrix.dtype, device=matrix.device))
