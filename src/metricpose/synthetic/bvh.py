"""Read Biovision hierarchy (.bvh) files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.errors import DataError
from metricpose.synthetic.motion import Motion
from metricpose.synthetic.rotations import euler_matrices


class _Joint(NamedTuple):
    name: str
    parent: int
    offset: list[float]
    channels: list[str]
    first_channel: int
    ends: list[list[float]]  # offsets of End Sites


def read_bvh(path: str | Path) -> tuple[Motion, Motion]:
    """The clip twice: against the pose of its offsets, and against its first frame.

    Which of the two is the rig's neutral pose differs between programs; `mocap.retarget` takes the one that stands.

    Raises:
        DataError: the file is missing or not a whole BVH file.
    """
    path = Path(path)
    try:
        header, motion = path.read_text(encoding="utf-8", errors="replace").split("MOTION", 1)
        joints = _hierarchy(header)
        frame_time, values = _frames(motion, sum(len(j.channels) for j in joints))
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            f"{path} is not a readable BVH file: {error}. Export it again with hierarchy and motion."
        ) from error
    rotations = _global_rotations(joints, values)
    offsets = _ends(joints, np.tile(np.eye(3), (len(joints), 1, 1)))
    first = _ends(joints, rotations[0])
    names, fps = tuple(j.name for j in joints), 1.0 / frame_time
    relative = rotations @ np.swapaxes(rotations[0], -1, -2)
    return Motion(names, rotations, *offsets, fps), Motion(names, relative, *first, fps)


def _hierarchy(text: str) -> list[_Joint]:
    joints: list[_Joint] = []
    stack: list[int] = []
    total = 0
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in ("ROOT", "JOINT"):
            joints.append(_Joint(" ".join(words[1:]), stack[-1] if stack else -1, [], [], 0, []))
            stack.append(len(joints) - 1)
        elif words[0] == "End":
            stack.append(-1)
        elif words[0] == "OFFSET":
            numbers = [float(word) for word in words[1:4]]
            if stack[-1] < 0:
                joints[stack[-2]].ends.append(numbers)
            else:
                joints[stack[-1]].offset.extend(numbers)
        elif words[0] == "CHANNELS":
            names = words[2 : 2 + int(words[1])]
            joints[stack[-1]] = joints[stack[-1]]._replace(channels=names, first_channel=total)
            total += len(names)
        elif words[0] == "}":
            stack.pop()
    if not joints or stack:
        raise ValueError("the hierarchy is cut off")
    return joints


def _frames(text: str, channels: int) -> tuple[float, Float[np.ndarray, "n c"]]:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    count, frame_time = int(lines[0][-1]), float(lines[1][-1])
    rows = lines[2 : 2 + count]
    if len(rows) < count or any(len(row) != channels for row in rows):
        raise ValueError(f"it announces {count} frames of {channels} numbers and has {len(rows)} lines")
    if not frame_time > 0 or count < 1:
        raise ValueError(f"{count} frames at a frame time of {frame_time}")
    return frame_time, np.array(rows, dtype=np.float64)


def _global_rotations(joints: list[_Joint], values: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n b 3 3"]:
    result = np.empty((len(values), len(joints), 3, 3))
    for i, joint in enumerate(joints):
        turns = [(k, name[0].upper()) for k, name in enumerate(joint.channels) if name.lower().endswith("rotation")]
        columns = [joint.first_channel + k for k, _ in turns]
        local = euler_matrices("".join(axis for _, axis in turns), np.deg2rad(values[:, columns]))
        result[:, i] = local if joint.parent < 0 else result[:, joint.parent] @ local
    return result


def _ends(joints: list[_Joint], rotations: Float[np.ndarray, "b 3 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Heads and tails of the bones under global `rotations`, root at the origin."""
    heads = np.zeros((len(joints), 3))
    tips: list[list[np.ndarray]] = [[] for _ in joints]
    for i, joint in enumerate(joints):
        if joint.parent >= 0:
            heads[i] = heads[joint.parent] + rotations[joint.parent] @ np.array(joint.offset)
            tips[joint.parent].append(heads[i])
        tips[i] += [heads[i] + rotations[i] @ np.array(end) for end in joint.ends]
    return heads, np.stack([np.mean(t, axis=0) if t else head for t, head in zip(tips, heads)])
