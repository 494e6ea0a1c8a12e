"""MargiPose's loss: Euclidean distance of the coordinates, and divergence of every plane's map from a Gaussian.

Equations 5 to 7 of the paper. Labels become normalised coordinates (`geometry.depthcodec`) with one weight per axis;
everything else follows from those weights: a plane's map is trained where both its axes have a label, the coordinates
along the axes that have one. A joint with 2D labels alone thus trains the xy map alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from metricpose.geometry.depthcodec import DepthCodec, edge_coordinates
from metricpose.heatmap.divergence import jensen_shannon, kullback_leibler, variance_penalty
from metricpose.heatmap.encode import gaussian_maps
from metricpose.heatmap.grid import cell_centres
from metricpose.losses import masked_mean, ordinal_ranking_losses
from metricpose.models.columns import PLANES
from metricpose.types import Batch

Regularisation = Literal["none", "jsd", "kl", "variance"]
Outside = Literal["mask", "clamp", "keep"]

_AXES = {"xy": (0, 1), "zy": (2, 1), "xz": (0, 2)}  # Column and row of each plane.
_PLACEHOLDER_MM = 1000.0  # Any depth before the camera, where there is no label.
_ROOT_EPS = 1e-12  # Inside the square root, whose slope is infinite at 0.


class Labels(NamedTuple):
    """Normalised labels and what each axis counts: in the coordinates' loss, and in the maps' losses."""

    u: Float[Tensor, "b j 3"]
    weights: Float[Tensor, "b j 3"]
    map_weights: Float[Tensor, "b j 3"]


def labels_of(batch: Batch, codec: DepthCodec, root: int, side: int, outside: Outside) -> Labels:
    """Labels in the crop's normalised coordinates; depths need that of the root joint.

    Args:
        batch: of the labels; where their weight is 0 they may hold anything.
        codec: of the batch's crop cameras.
        root: joint whose depth is the reference.
        side: of the crops.
        outside: see `MargiposeConfig`.
    """
    known_z = (batch.z_w > 0) & (batch.z_w[:, root : root + 1] > 0)
    far = torch.tensor([0.0, 0.0, _PLACEHOLDER_MM], device=batch.z_w.device)
    points = torch.where(known_z[..., None], batch.joints_mm, far)
    z = codec.encode(points, points[:, root, 2])[..., 2:]
    uv = edge_coordinates(torch.where(batch.uv_w[..., None] > 0, batch.joints_px, 0.0), (side, side))
    u = torch.cat([uv, torch.where(known_z[..., None], z, 0.0)], -1)
    weights = torch.stack([batch.uv_w, batch.uv_w, torch.where(known_z, batch.z_w, 0.0)], -1)
    if outside == "keep":
        return Labels(u, weights, weights)
    inside = torch.where(u.abs() <= 1, weights, 0.0)
    return Labels(u, inside, inside) if outside == "mask" else Labels(u.clamp(-1, 1), weights, inside)


def stage_losses(
    maps: Float[Tensor, "t b 3 j n n"],
    u: Float[Tensor, "t b j 3"],
    labels: Labels,
    batch: Batch,
    regularisation: Regularisation,
    *,
    sigma: float,
    weight: float,
    weight_ordinal: float,
    ordinal_scale: float,
) -> dict[str, Tensor]:
    """The loss terms, each summed over the stages.

    Args:
        maps: of planes xy, zy and xz, summing to 1.
        u: coordinates of every stage.
        labels: see `labels_of`.
        batch: for the ordinal labels.
        regularisation: which divergence, if any.
        sigma: of the target maps, cells.
        weight: of the divergences.
        weight_ordinal: of the ordinal term; 0 leaves it out.
        ordinal_scale: see `losses.ordinal_ranking_losses`, in normalised units.
    """
    joints = labels.weights.amax(-1)
    # A joint counts once, whatever it has labels for.
    count = torch.where(joints > 0, joints, 0.0).sum().clamp_min(1.0)
    terms = {"coordinates": _weighted_sum(distances(u, labels), joints) / count}
    if regularisation != "none":
        found = divergences(maps, labels, regularisation, sigma)
        for plane, losses in zip(PLANES, found.unbind(1)):
            terms[f"map_{plane}"] = weight * _weighted_sum(losses, _plane_weights(labels, plane)) / count
    if weight_ordinal > 0:
        terms["ordinal"] = weight_ordinal * ordinal(u[..., 2], batch, ordinal_scale)
    return terms


def distances(u: Float[Tensor, "t b j 3"], labels: Labels) -> Float[Tensor, "b j"]:
    """Euclidean distance along the axes that have a label (Eq. 5), summed over the stages."""
    difference = torch.where(labels.weights > 0, u - labels.u, 0.0)
    return (difference.square().sum(-1) + _ROOT_EPS).sqrt().sum(0)


def divergences(
    maps: Float[Tensor, "t b 3 j n n"], labels: Labels, regularisation: Regularisation, sigma: float
) -> Float[Tensor, "b 3 j"]:
    """How far each map is from its Gaussian, summed over the stages; of any value where a plane has no label.

    "jsd" and "kl" compare with the Gaussian around the label (KL of the map from it, as in DSNT), "variance" compares
    the variances along both axes alone.
    """
    n, dims = maps.shape[-1], (-1, -2)
    if regularisation == "variance":
        axes = [cell_centres(n, "centre", device=maps.device)] * 2
        return variance_penalty(maps, dims, axes, [2 * sigma / n] * 2).sum(0)
    planes = torch.stack([labels.u[..., list(_AXES[plane])] for plane in PLANES], 1)
    valid = torch.stack([_plane_weights(labels, plane) > 0 for plane in PLANES], 1)
    target = gaussian_maps(planes, (n, n), sigma, "centre", unit="sum", valid=valid)
    divergence = jensen_shannon if regularisation == "jsd" else kullback_leibler
    return divergence(maps, target.expand_as(maps), dims).sum(0)


def ordinal(z: Float[Tensor, "t b j"], batch: Batch, scale: float) -> Float[Tensor, ""]:
    """Mean contradiction of the labelled pairs, summed over the stages; 0 without a graph if the batch has none."""
    if batch.order is None or batch.order_w is None:
        return z.new_zeros(())
    losses = [ordinal_ranking_losses(stage, batch.order, batch.order_w, scale) for stage in z]
    return masked_mean(torch.stack(losses).sum(0), batch.order_w)


def _plane_weights(labels: Labels, plane: str) -> Float[Tensor, "b j"]:
    return labels.map_weights[..., list(_AXES[plane])].amin(-1)


def _weighted_sum(losses: Float[Tensor, "b j"], weights: Float[Tensor, "b j"]) -> Float[Tensor, ""]:
    counted = weights > 0
    return (torch.where(counted, losses, 0.0) * torch.where(counted, weights, 0.0)).sum()
