"""Motion capture to a pose library: clips retargeted to the 22 controls, thinned, split by clip.

One retarget serves every rig. Of each source bone only its rotation against the rig's zero pose is used, turned into
our frame by `M`; where the zero pose holds a limb elsewhere than the T pose does, the minimal rotation from the T
direction to that direction comes first: `G[c] = M (R R0^T) M^T minimal(T direction -> M rest direction)`. The body
model adds, per shape, the minimal rotation of its own rest bone to the T direction.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from metricpose.errors import DataError
from metricpose.files import atomic_path
from metricpose.synthetic.asf import read_asf_amc
from metricpose.synthetic.bvh import read_bvh
from metricpose.synthetic.controls import (
    CONTROL_INDEX,
    CONTROLS,
    T_DIRECTIONS,
    global_rotations,
    local_rotations,
    pivot_positions,
)
from metricpose.synthetic.motion import Motion
from metricpose.synthetic.rigs import bones_of
from metricpose.synthetic.rotations import matrices_to_quaternions, minimal_rotation, unit

_NEXT = {"uarm": "farm", "farm": "hand", "thigh": "shin", "shin": "foot", "foot": "toes"}
# Largest believable turn against the parent, radians: beyond it a marker was lost or a bone has flipped.
_BELIEVABLE = {
    "hand": 1.75,
    "foot": 1.4,
    "neck": 1.3,
    "head": 1.3,
    "clav": 1.0,
    "spine": 1.2,
    "spine2": 1.2,
    "chest": 1.2,
}
_KNEE_BACKWARDS = 0.45


def retarget(*candidates: Motion) -> Float[np.ndarray, "n 22 3 3"]:
    """Local rotations of the controls, frame by frame.

    Args:
        candidates: one clip against each pose that may be its rig's neutral one; the first in which the person stands
            upright with hanging or spread arms is used.

    Raises:
        DataError: the rig is unknown, or no candidate is a standing pose.
    """
    controls = bones_of(candidates[0].bones)
    for motion in candidates:
        axes = _axes(motion, controls)
        if axes is not None and _stands(motion, controls, axes):
            return _retarget(motion, controls, axes)
    raise DataError(
        "neither the offsets nor the first frame is a standing neutral pose; put a T pose into the first frame"
    )


def plausible(local: Float[np.ndarray, "n 22 3 3"]) -> Bool[np.ndarray, " n"]:
    """Frames without broken wrists, feet, necks, backs and knees."""
    trace = np.trace(local, axis1=-2, axis2=-1)
    angle = np.arccos(np.clip((trace - 1) / 2, -1, 1))
    good = np.ones(len(local), bool)
    for control, i in CONTROL_INDEX.items():
        good &= angle[:, i] < _BELIEVABLE.get(control.split(".")[0], np.pi + 1)
    for side in "LR":
        shin = local[:, CONTROL_INDEX[f"shin.{side}"]]
        good &= np.arctan2(shin[:, 2, 1], shin[:, 2, 2]) > -_KNEE_BACKWARDS
    return good


def features(local: Float[np.ndarray, "n 22 3 3"]) -> Float[np.ndarray, "n 66"]:
    """Pivots of the mean adult relative to the pelvis, heading removed, millimetres / sqrt(22).

    The Euclidean distance of two rows is the rms distance of their joints in millimetres.
    """
    rotations = global_rotations(local)
    front = rotations[:, 0] @ np.array([0.0, -1.0, 0.0])
    # The up direction of the pelvis stands in where the front points up or down.
    up = rotations[:, 0] @ np.array([0.0, 0.0, 1.0])
    front = np.where(np.abs(front[:, 2:]) < 0.9, front, -up * np.sign(front[:, 2:]))
    heading = np.arctan2(front[:, 0], -front[:, 1])
    c, s = np.cos(-heading), np.sin(-heading)
    points = 1000.0 * pivot_positions(rotations)
    x, y = points[..., 0], points[..., 1]
    turned = np.stack([c[:, None] * x - s[:, None] * y, s[:, None] * x + c[:, None] * y, points[..., 2]], -1)
    return turned.reshape(len(local), -1) / np.sqrt(len(CONTROLS))


def farthest_points(points: Float[np.ndarray, "n k"], spacing: float) -> Int[np.ndarray, " m"]:
    """Rows chosen one by one, each the farthest from those chosen, until all rows lie within `spacing`; sorted."""
    data = points.astype(np.float32)
    squares = (data * data).sum(1)
    chosen, nearest = [0], np.full(len(data), np.inf, np.float32)
    while True:
        last = chosen[-1]
        distance = squares + squares[last] - 2.0 * (data @ data[last])
        nearest = np.minimum(nearest, distance)
        farthest = int(nearest.argmax())
        if nearest[farthest] <= spacing**2:
            return np.sort(np.array(chosen))
        chosen.append(farthest)


def held_out(clips: Sequence[str], share: float = 0.1) -> set[str]:
    """About `share` of the clips (at least one of two or more), chosen by the hash of their names."""
    ranked = sorted(set(clips), key=lambda clip: hashlib.sha256(clip.encode()).hexdigest())
    return set(ranked[: max(1, round(share * len(ranked)))]) if len(ranked) > 1 else set()


def bake_poses(
    folder: str | Path,
    out: str | Path,
    *,
    fps: float = 20.0,
    spacing_mm: float = 22.0,
    progress: Callable[[str], None] | None = None,
) -> int:
    """Write a pose library from the clips below `folder`; returns the number of poses.

    A clip is a .bvh file, or an .amc file with the .asf file of the same name, of the name's part before the last "_",
    or the only one in its folder. Its activity is the name of the subfolder it lies in, else its own name without the
    number at the end. Whole clips are held out for testing. Clips that cannot be used are left out with a line to
    `progress`.

    Raises:
        DataError: no clip can be used.
    """
    say = progress or (lambda line: None)
    root = Path(folder)
    paths = sorted([*root.rglob("*.bvh"), *root.rglob("*.amc")])
    clips: dict[str, np.ndarray] = {}
    activities: dict[str, str] = {}
    for path in paths:
        name = path.relative_to(root).with_suffix("").as_posix()
        try:
            local = _clip(path, fps)
        except DataError as error:
            say(f"left out {name}: {error}")
            continue
        clips[name] = local
        activities[name] = name.split("/")[0] if "/" in name else re.sub(r"[_\-. ]*\d+$", "", name) or name
        say(f"{name}: {len(local)} poses, activity {activities[name]}")
    if not sum(len(local) for local in clips.values()):
        raise DataError(f"no usable motion among {len(paths)} .bvh and .amc files below {folder}")
    poses = np.concatenate(list(clips.values()))
    source = np.repeat(list(clips), [len(local) for local in clips.values()])
    kept = farthest_points(features(poses), spacing_mm)
    poses, source = poses[kept], source[kept]
    test = held_out(list(clips))
    with atomic_path(out) as temporary:
        np.savez_compressed(
            temporary,
            Q=np.round(matrices_to_quaternions(poses) * 32767).astype(np.int16),
            src=source,
            split=np.isin(source, list(test)).astype(np.uint8),
            act=np.array([activities[str(clip)] for clip in source]),
        )
    return len(poses)


def _clip(path: Path, fps: float) -> Float[np.ndarray, "n 22 3 3"]:
    """Believable poses of one file, `fps` of them per second."""
    if path.suffix == ".bvh":
        candidates: tuple[Motion, ...] = read_bvh(path)
    else:
        candidates = (read_asf_amc(_skeleton_of(path), path),)
    step = max(1, round(candidates[0].fps / fps))
    candidates = tuple(motion._replace(rotations=motion.rotations[::step]) for motion in candidates)
    local = retarget(*candidates)
    return local[plausible(local)]


def _skeleton_of(amc: Path) -> Path:
    for stem in (amc.stem, amc.stem.rsplit("_", 1)[0]):
        if amc.with_name(f"{stem}.asf").exists():
            return amc.with_name(f"{stem}.asf")
    found = sorted(amc.parent.glob("*.asf"))
    if len(found) != 1:
        raise DataError(f"no skeleton for {amc}; put its .asf beside it, named {amc.stem.rsplit('_', 1)[0]}.asf")
    return found[0]


def _axes(motion: Motion, controls: dict[str, int]) -> Float[np.ndarray, "3 3"] | None:
    """M: rotation from the file's axes to ours (left +x, front -y, up +z), found from the neutral pose."""

    def axis(vector: np.ndarray) -> np.ndarray:
        best = int(np.abs(vector).argmax())
        return np.eye(3)[best] * np.sign(vector[best])

    up = axis(motion.heads[controls["head"]] - motion.heads[controls["pelvis"]])
    left = axis(motion.heads[controls["uarm.L"]] - motion.heads[controls["uarm.R"]])
    if abs(up @ left) > 0.5 or not up.any() or not left.any():
        return None
    return np.stack([left, np.cross(up, left), up])


def _directions(motion: Motion, controls: dict[str, int], axes: Float[np.ndarray, "3 3"]) -> dict[str, np.ndarray]:
    """Direction of each limb in the neutral pose, our frame."""
    result = {}
    for control in T_DIRECTIONS:
        limb, side = control.split(".")
        bone = controls[control]
        end = motion.heads[controls[f"{_NEXT[limb]}.{side}"]] if limb in _NEXT else motion.tails[bone]
        result[control] = axes @ unit(end - motion.heads[bone])
    return result


def _stands(motion: Motion, controls: dict[str, int], axes: Float[np.ndarray, "3 3"]) -> bool:
    """Legs down, feet forwards, arms not above the shoulders and out to their own side."""
    d = _directions(motion, controls, axes)
    legs = all(d[f"{limb}.{s}"][2] < -0.8 for limb in ("thigh", "shin") for s in "LR")
    feet = all(d[f"foot.{s}"][1] < -0.3 for s in "LR")
    arms = all(sign * d[f"uarm.{s}"][0] > 0.1 and d[f"uarm.{s}"][2] < 0.5 for s, sign in (("L", 1), ("R", -1)))
    return legs and feet and arms


def _retarget(
    motion: Motion, controls: dict[str, int], axes: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "n 22 3 3"]:
    directions = _directions(motion, controls, axes)
    rotations = np.empty((len(motion.rotations), len(CONTROLS), 3, 3))
    for control, i in CONTROL_INDEX.items():
        rotations[:, i] = axes @ motion.rotations[:, controls[control]] @ axes.T
        limb = control.split(".")[0]
        if limb in _NEXT or (limb == "hand" and np.linalg.norm(directions[control]) > 0.5):
            rotations[:, i] = rotations[:, i] @ minimal_rotation(T_DIRECTIONS[control], directions[control])
    for side in "LR":  # toes follow the foot: their markers are the least reliable
        rotations[:, CONTROL_INDEX[f"toes.{side}"]] = rotations[:, CONTROL_INDEX[f"foot.{side}"]]
    return local_rotations(rotations)
