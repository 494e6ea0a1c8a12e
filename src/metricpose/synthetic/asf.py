"""Read Acclaim skeletons and motions (.asf with .amc), the format of the CMU motion capture database."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.errors import DataError
from metricpose.synthetic.motion import Motion
from metricpose.synthetic.rotations import euler_matrices


class _Bone(NamedTuple):
    direction: Float[np.ndarray, 3]
    length: float
    axis: Float[np.ndarray, "3 3"]  # of the bone's own frame, in which its angles are given
    angles: tuple[str, ...]  # rotation axes with a degree of freedom, as listed: "xyz"
    values: int  # numbers per frame


class _Skeleton(NamedTuple):
    bones: dict[str, _Bone]  # parents before children, without the root
    parents: dict[str, str]
    root_angles: list[tuple[int, str]]  # (column, axis)
    to_radians: float


def read_asf_amc(asf: str | Path, amc: str | Path, fps: float = 120.0) -> Motion:
    """A clip against the zero pose of its skeleton file. `fps` is not in the files; CMU recorded at 120.

    Raises:
        DataError: a file is missing or broken, or the two do not belong together.
    """
    try:
        skeleton = _read_asf(Path(asf).read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, KeyError, IndexError, StopIteration) as error:
        raise DataError(f"{asf} is not a readable ASF skeleton: {error}") from error
    try:
        frames = _read_amc(Path(amc).read_text(encoding="utf-8", errors="replace"), skeleton)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"{amc} is not a readable AMC motion for the skeleton {asf}: {error}") from error
    rotations = _global_rotations(skeleton, frames)
    heads, tails = _ends(skeleton)
    return Motion(("root", *skeleton.bones), rotations, heads, tails, fps)


def _sections(text: str) -> dict[str, list[list[str]]]:
    """Lines split into words, by the ":name" line above them; words after that name on its own line come first."""
    sections: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0].startswith(":"):
            current = sections.setdefault(words[0][1:].lower(), [])
            words = words[1:]
        if words:
            current.append(words)
    return sections


def _read_asf(text: str) -> _Skeleton:
    sections = _sections(text)
    units = {words[0]: words[1] for words in sections.get("units", [])}
    to_radians = np.pi / 180 if units.get("angle", "deg") == "deg" else 1.0
    parents = {
        child: words[0] for words in sections["hierarchy"] if words[0] not in ("begin", "end") for child in words[1:]
    }
    read = dict(_bone(block, to_radians) for block in _blocks(sections["bonedata"]))
    order = next(words[1:] for words in sections["root"] if words[0] == "order")
    root_angles = [(i, word[1].lower()) for i, word in enumerate(order) if word[0].lower() == "r"]
    bones: dict[str, _Bone] = {}
    waiting = list(parents)
    while waiting:
        ready = [name for name in waiting if parents[name] == "root" or parents[name] in bones]
        if not ready:
            raise ValueError(f"the hierarchy does not connect {', '.join(waiting)} to the root")
        bones |= {name: read[name] for name in ready}
        waiting = [name for name in waiting if name not in bones]
    return _Skeleton(bones, parents, root_angles, to_radians)


def _blocks(lines: list[list[str]]) -> list[list[list[str]]]:
    blocks: list[list[list[str]]] = []
    for words in lines:
        if words[0] == "begin":
            blocks.append([])
        elif words[0] != "end":
            blocks[-1].append(words)
    return blocks


def _bone(block: list[list[str]], to_radians: float) -> tuple[str, _Bone]:
    facts = {words[0]: words[1:] for words in block}
    axis = np.array([[float(word) * to_radians for word in facts["axis"][:3]]])
    order = facts["axis"][3] if len(facts["axis"]) > 3 else "XYZ"
    columns = ["XYZ".index(letter) for letter in reversed(order.upper())]
    frame = euler_matrices("".join("XYZ"[c] for c in columns), axis[:, columns])[0]
    freedoms = facts.get("dof", [])
    angles = tuple(word[1].lower() if word[0].lower() == "r" else "" for word in freedoms)
    direction = np.array([float(word) for word in facts["direction"][:3]])
    return facts["name"][0], _Bone(direction, float(facts["length"][0]), frame, angles, len(freedoms))


def _read_amc(text: str, skeleton: _Skeleton) -> dict[str, Float[np.ndarray, "n k"]]:
    """Numbers of every frame by bone."""
    frames: list[dict[str, list[float]]] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith(("#", ":")):
            continue
        if len(words) == 1 and words[0].isdigit():
            frames.append({})
        else:
            frames[-1][words[0]] = [float(word) for word in words[1:]]
    if not frames:
        raise ValueError("it has no frames")
    moving = ["root", *(name for name, bone in skeleton.bones.items() if bone.values)]
    return {name: np.array([frame[name] for frame in frames], np.float64) for name in moving}


def _euler(columns: list[tuple[int, str]], values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n 3 3"]:
    """Rotations by x first, y next, z last, whatever the order in which they are listed."""
    ordered = sorted(columns, key=lambda item: item[1], reverse=True)
    return euler_matrices("".join(axis.upper() for _, axis in ordered), values[:, [column for column, _ in ordered]])


def _global_rotations(skeleton: _Skeleton, frames: dict[str, Float[np.ndarray, "n k"]]) -> Float[np.ndarray, "n b 3 3"]:
    names = ["root", *skeleton.bones]
    result = np.empty((len(frames["root"]), len(names), 3, 3))
    result[:, 0] = _euler(skeleton.root_angles, frames["root"] * skeleton.to_radians)
    for i, (name, bone) in enumerate(skeleton.bones.items(), start=1):
        parent = result[:, names.index(skeleton.parents[name])]
        columns = [(k, axis) for k, axis in enumerate(bone.angles) if axis]
        if columns:
            turn = _euler(columns, frames[name] * skeleton.to_radians)
            result[:, i] = parent @ bone.axis @ turn @ bone.axis.T
        else:
            result[:, i] = parent
    return result


def _ends(skeleton: _Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Heads and tails in the zero pose; the root is a point."""
    heads, tails = {"root": np.zeros(3)}, {"root": np.zeros(3)}
    for name, bone in skeleton.bones.items():
        heads[name] = tails[skeleton.parents[name]]
        tails[name] = heads[name] + bone.length * bone.direction
    return np.stack(list(heads.values())), np.stack(list(tails.values()))
