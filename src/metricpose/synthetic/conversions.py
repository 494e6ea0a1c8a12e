"""Other people's joint definitions on the same body, and the linear maps from ours to theirs.

`skeleton/definitions.py` holds the fitted numbers; this file is how they were made, and how they can be checked or made
again after a change of `joints.py`: pose random people, compute both sets of joints, fit few weights that sum to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metricpose.synthetic.body import Body, skin
from metricpose.synthetic.joints import JOINTS, JointDefinition, Weights, one_side
from metricpose.synthetic.poses import PoseLibrary, procedural
from metricpose.synthetic.rig import pose_bones

Recipes = dict[str, tuple[str, Weights]]

_HALF = {"left_": "l_", "right_": "r_"}
_COCO_NAMES = {"big_toe": "toe"}

# MPI-INF-3DHP (marker-less capture by The Captury), placed after three frames: hips 40 mm above Human3.6M's, ankles
# 40 mm above the malleoli, neck in mid-neck, head at the ear lobes, head_top on the crown. Good to +-30 mm.
_3DHP_SIDE: Recipes = {
    "hip": ("root", {"upperleg01.L": 1.07, "upperleg01.O": -0.07, "neck01": 0.16, "root": -0.16}),
    "knee": ("upperleg02.L", {"lowerleg01.L": 1.0}),
    "ankle": ("lowerleg02.L", {"foot.L": 0.91, "lowerleg01.L": 0.09}),
    "shoulder": ("shoulder01.L", {"upperarm01.L": 0.5, "shoulder01.L": 0.5}),
    "elbow": ("lowerarm01.L", {"lowerarm01.L": 0.935, "wrist.L": 0.065}),
    "wrist": ("lowerarm02.L", {"wrist.L": 1.08, "lowerarm01.L": -0.08}),
}
_3DHP_CENTRE: Recipes = {
    "pelvis": ("root", {"upperleg01.L": 0.5, "upperleg01.R": 0.5, "neck01": 0.16, "root": -0.16}),
    "spine": ("spine02", {"neck01": 0.34, "spine04": 0.42, "spine01": 0.24}),
    "neck": ("spine01", {"neck01": 0.6, "neck02": 0.4}),
    "head": ("head", {"head": 1.0}),
    "head_top": ("head", {"kp:crown": 1.0}),
}
# MPII's thorax lies between the shoulders, its neck where the head begins; its limbs are COCO's.
_MPII_CENTRE: Recipes = {
    "thorax": ("spine01", {"neck01": 0.5, "clavicle.L": 0.25, "clavicle.R": 0.25}),
    "neck": ("neck03", {"neck03": 1.0}),
    "head_top": ("head", {"kp:crown": 1.0}),
}
# Source joints that may stand in for a target joint ("~" is the other side's): what moves with it.
_NEAR = {
    "hip": "hip ~hip pelvis spine thorax knee shoulder ~shoulder", "knee": "hip ~hip knee ankle",
    "ankle": "hip knee ankle",
    "toe": "toe heel ankle knee", "small_toe": "toe heel ankle knee", "heel": "toe heel ankle knee",
    "shoulder": "shoulder ~shoulder thorax spine neck elbow", "elbow": "shoulder elbow wrist",
    "wrist": "shoulder elbow wrist", "pelvis": "pelvis hip spine thorax neck knee",
    "spine": "pelvis hip spine thorax neck shoulder ear",
    "thorax": "pelvis hip spine thorax neck shoulder nose head ear",
}  # fmt: skip
_NEAR_HEAD = "nose head_top head eye ear thorax neck shoulder"


class Population(NamedTuple):
    """Joints of posed people, metres, per definition family: name -> (people, 3)."""

    h36m: dict[str, np.ndarray]
    coco: dict[str, np.ndarray]
    mpi_inf_3dhp: dict[str, np.ndarray]
    mpii: dict[str, np.ndarray]


def sample_population(body: Body, people: int, seed: int, poses: str | Path | None = None) -> Population:
    """Random people of the prior in procedural poses, half of them recorded ones where a library is given."""
    rng = np.random.default_rng(seed)
    library = PoseLibrary.load(poses) if poses else None
    crown = int(body.surface_vertices[body.template[body.surface_vertices, 2].argmax()])
    keypoints = body.keypoints | {"crown": (np.array([crown]), np.ones(1))}
    own = JointDefinition(body.bones, keypoints)
    others = JointDefinition(body.bones, keypoints, _captury_recipes())
    mpii = JointDefinition(body.bones, keypoints, _MPII_CENTRE)
    rows: dict[str, list[np.ndarray]] = {"h36m": [], "coco": [], "mpi_inf_3dhp": [], "mpii": []}
    for i in range(people):
        shape = body.shape(body.prior.coefficients(body.prior.sample(rng, "train")))
        pose = (library.sample(rng) if library and i % 2 else procedural(rng)).rotations
        posed = pose_bones(body.rig, shape.heads, pose)
        vertices = skin(shape.vertices, body.skinning, posed, shape.heads)
        rows["coco"].append(np.stack([w @ vertices[index] for index, w in body.keypoints.values()]))
        for family, definition in (("h36m", own), ("mpi_inf_3dhp", others), ("mpii", mpii)):
            rows[family].append(definition.posed(shape.vertices, shape.heads, posed.rotations, posed.positions))
    stacked = {family: np.stack(values, 1) for family, values in rows.items()}
    coco = dict(zip(map(_coco_name, body.keypoints), stacked["coco"]))
    return Population(
        dict(zip(JOINTS, stacked["h36m"])),
        coco | {"neck": 0.5 * (coco["l_shoulder"] + coco["r_shoulder"]), "head": stacked["mpii"][2]},
        dict(zip(others.names, stacked["mpi_inf_3dhp"])),
        _mpii_joints(coco, dict(zip(mpii.names, stacked["mpii"]))),
    )


def fit_conversion(
    source: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray], most: int = 5, gain: float = 0.05
) -> dict[str, dict[str, float]]:
    """Weights per target joint that sum to 1: greedy least squares, left and right tied together.

    Starting from the nearest source joint, the joint that lowers the rms error most is added, up to `most` of them,
    while each lowers it by a share of at least `gain` and 1 mm.
    """
    table: dict[str, dict[str, float]] = {}
    for joint in target:
        if joint.startswith("r_"):
            continue
        weights = _greedy(joint, source, target, most, gain)
        table[joint] = weights
        if joint.startswith("l_"):
            table[mirrored_name(joint)] = {mirrored_name(name): w for name, w in weights.items()}
    return {joint: table[joint] for joint in target}


def residuals_mm(
    table: Mapping[str, Mapping[str, float]], source: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Mean distance, millimetres, between converted and actual joints."""
    return {
        joint: float(1000.0 * np.linalg.norm(sum(w * source[n] for n, w in row.items()) - target[joint], axis=1).mean())
        for joint, row in table.items()
    }


def mirrored_name(joint: str) -> str:
    """The same joint on the other side."""
    return {"l_": "r_", "r_": "l_"}.get(joint[:2], joint[:2]) + joint[2:]


def _groups(joint: str, source: Mapping[str, np.ndarray]) -> list[tuple[str, ...]]:
    """Source joints that `joint` may be made of; a central joint takes left and right in equal parts."""
    names = _NEAR.get(joint.removeprefix("l_"), _NEAR_HEAD).split()
    if joint.startswith("l_"):
        sided = [f"r_{n[1:]}" if n.startswith("~") else f"l_{n}" for n in names]
        return [(n,) for pair in zip(names, sided) for n in pair if n in source]
    return [(n,) for n in names if n in source] + [(f"l_{n}", f"r_{n}") for n in names if f"l_{n}" in source]


def _greedy(
    joint: str, source: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray], most: int, gain: float
) -> dict[str, float]:
    """Forward selection of the columns that explain one joint, on the people and on their mirror images."""
    groups = _groups(joint, source)
    columns = {group: np.mean([source[n] for n in group], axis=0) for group in groups}
    twins = {group: np.mean([source[mirrored_name(n)] for n in group], axis=0) for group in groups}
    goal, twin = target[joint], target[mirrored_name(joint)]
    stacked = {g: np.concatenate([columns[g], twins[g]]).ravel() for g in groups}
    wanted = np.concatenate([goal, twin]).ravel()
    chosen = [min(groups, key=lambda g: float(np.square(stacked[g] - wanted).sum()))]
    weights, error = np.ones(1), _rms(stacked[chosen[0]] - wanted)
    while len(chosen) < min(most, len(groups)):
        trials = {g: _solve(stacked, wanted, [*chosen, g]) for g in groups if g not in chosen}
        best = min(trials, key=lambda g: trials[g][1])
        if error - trials[best][1] < max(gain * error, 1e-3):
            break
        chosen.append(best)
        weights, error = trials[best]
    shares = {n: round(float(w) / len(g), 3) for g, w in zip(chosen, weights) for n in g}
    rest = (1.0 - sum(shares.values())) / len(chosen[0])
    return shares | {name: round(shares[name] + rest, 4) for name in chosen[0]}


def _solve(
    columns: Mapping[tuple[str, ...], np.ndarray], wanted: np.ndarray, groups: list[tuple[str, ...]]
) -> tuple[Float[np.ndarray, " k"], float]:
    """Ridge least squares with weights that sum to 1, written as differences to the first column."""
    first = columns[groups[0]]
    matrix = np.stack([columns[g] - first for g in groups[1:]], 1)
    ridge = 1e-4 * len(wanted) * np.eye(matrix.shape[1])
    rest = np.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ (wanted - first))
    return np.concatenate([[1.0 - rest.sum()], rest]), _rms(matrix @ rest + first - wanted)


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(3.0 * np.square(error).mean()))


def _captury_recipes() -> Recipes:
    sides = {f"{s}_{name}": one_side(s, recipe) for s in "lr" for name, recipe in _3DHP_SIDE.items()}
    return _3DHP_CENTRE | sides


def _coco_name(keypoint: str) -> str:
    for word, prefix in _HALF.items():
        if keypoint.startswith(word):
            name = keypoint[len(word) :]
            return prefix + _COCO_NAMES.get(name, name)
    return keypoint


def _mpii_joints(coco: dict[str, np.ndarray], centre: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    limbs = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    joints = {f"{s}_{limb}": coco[f"{s}_{limb}"] for s in "lr" for limb in limbs}
    return joints | {"pelvis": 0.5 * (joints["l_hip"] + joints["r_hip"])} | centre
