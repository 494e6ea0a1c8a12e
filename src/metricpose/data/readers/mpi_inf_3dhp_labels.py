"""Labels as MPI-INF-3DHP and the sets made of it have them: the two scales of a pose, boxes, marks, sanity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from metricpose.data.faults import fault
from metricpose.skeleton.catalog import MPI_INF_3DHP_17
from metricpose.types import OUTSIDE, UNKNOWN

METRIC, UNIVERSAL = "annot3", "univ_annot3"
"""Names of the two scales, as the files have them: the person's own, and one height for all."""
ROOT = MPI_INF_3DHP_17.root
MARGIN = 0.1
"""Share of the joints' longer side that is added on each side to make a box (ours; there are no official boxes)."""
_LEGS = [MPI_INF_3DHP_17.index(f"{side}_{name}") for side in "lr" for name in ("knee", "ankle")]
_SCALED = [j for j in range(17) if j not in (ROOT, *_LEGS)]
_THIGHS = [(MPI_INF_3DHP_17.index(f"{side}_hip"), MPI_INF_3DHP_17.index(f"{side}_knee")) for side in "lr"]
_THIGH_MM = (250.0, 700.0)


def universal_scale(metric: Float[np.ndarray, "*t 17 3"], universal: Float[np.ndarray, "*t 17 3"]) -> float:
    """The number that univ_annot3, seen from the pelvis, must be multiplied by to give annot3; NaN where there is none.

    Knees and ankles do not count: in the revised release of TS6 they are wrong in univ_annot3 (found by MargiPose).
    """
    ours, theirs = (np.linalg.norm(_from_root(p)[..., _SCALED, :], axis=-1) for p in (metric, universal))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(theirs > 1.0, ours / theirs, np.nan)
    return float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else float("nan")


def scale_error(
    metric: Float[np.ndarray, "t 17 3"], universal: Float[np.ndarray, "t 17 3"], scale: float
) -> Float[np.ndarray, " t"]:
    """How far, in each frame, some joint of univ_annot3 is from annot3 divided by the scale, mm; legs left out."""
    apart = np.linalg.norm((_from_root(metric) / scale - _from_root(universal))[:, _SCALED], axis=-1)
    return apart.max(1)


def placed_universal(
    metric: Float[np.ndarray, "17 3"], universal: Float[np.ndarray, "17 3"], scale: float
) -> Float[np.ndarray, "17 3"]:
    """univ_annot3 moved to where it projects onto the picture: the pelvis at annot3's divided by the scale."""
    return _from_root(universal) + metric[ROOT] / scale


def _from_root(pose: Float[np.ndarray, "*t 17 3"]) -> Float[np.ndarray, "*t 17 3"]:
    return pose - pose[..., ROOT : ROOT + 1, :]


def check_thighs(joints: Float[np.ndarray, "t 17 3"], path: Path) -> None:
    """Refuse poses in another unit or joint order.

    Raises:
        DataError: the median thigh is nobody's, or there is no pose.
    """
    lengths = np.array([np.linalg.norm(joints[:, a] - joints[:, b], axis=-1) for a, b in _THIGHS])
    thigh = np.nanmedian(lengths) if np.isfinite(lengths).any() else float("nan")
    if not _THIGH_MM[0] < thigh < _THIGH_MM[1]:
        wanted = f"thighs of {_THIGH_MM[0]:.0f} to {_THIGH_MM[1]:.0f} mm"
        raise fault(path, wanted, f"{thigh:.4g}", "Is the file in another unit, or its joints in another order?")


def joints_box(pixels: Float[np.ndarray, "j 2"], size: tuple[int, int]) -> Float[np.ndarray, " 4"]:
    """Left, top, width, height of the joints, widened by `MARGIN`, as far as it lies in the picture."""
    low, high = pixels.min(0), pixels.max(0)
    pad = MARGIN * (high - low).max()
    return clipped_box(np.concatenate([low - pad, high - low + 2 * pad]), size)


def clipped_box(box: Float[np.ndarray, " 4"], size: tuple[int, int]) -> Float[np.ndarray, " 4"]:
    """The part of a box that lies in the picture; its width or height is 0 or less if there is none."""
    low, high = np.maximum(box[:2], -0.5), np.minimum(box[:2] + box[2:], np.array(size) - 0.5)
    return np.concatenate([low, high - low])


def in_picture(pixels: Float[np.ndarray, "*n 2"], size: tuple[int, int]) -> np.ndarray:
    """Whether each point lies in the picture."""
    with np.errstate(invalid="ignore"):
        return np.asarray(((pixels >= -0.5) & (pixels <= np.array(size) - 0.5)).all(-1))


def marks(pixels: Float[np.ndarray, "j 2"], size: tuple[int, int]) -> UInt8[np.ndarray, " j"]:
    """OUTSIDE or UNKNOWN for each joint."""
    return np.where(in_picture(pixels, size), UNKNOWN, OUTSIDE).astype(np.uint8)
