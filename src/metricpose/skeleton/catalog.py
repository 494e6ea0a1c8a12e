"""The skeletons of the field by name, each with its source, and the conversions between them."""

from __future__ import annotations

import re

from metricpose.errors import InputError
from metricpose.skeleton import definitions
from metricpose.skeleton.core import Conversion, Skeleton, subset_conversion, weighted_conversion


def _tree(name: str, source: str, definition: str, joints: dict[str, str | None]) -> Skeleton:
    """Build a skeleton from an ordered table joint -> parent name."""
    names = tuple(joints)
    parents = tuple(-1 if p is None else names.index(p) for p in joints.values())
    return Skeleton(name, names, parents, source, definition)


_H36M_TREE: dict[str, str | None] = {
    "pelvis": None,
    "r_hip": "pelvis",
    "r_knee": "r_hip",
    "r_ankle": "r_knee",
    "l_hip": "pelvis",
    "l_knee": "l_hip",
    "l_ankle": "l_knee",
    "spine": "pelvis",
    "thorax": "spine",
    "nose": "thorax",
    "head_top": "nose",
    "l_shoulder": "thorax",
    "l_elbow": "l_shoulder",
    "l_wrist": "l_elbow",
    "r_shoulder": "thorax",
    "r_elbow": "r_shoulder",
    "r_wrist": "r_elbow",
}

H36M_17 = _tree(
    "h36m_17",
    "Human3.6M, 17 of the 32 recorded joints in the order used since Martinez et al. 2017 (raw 0,1,2,3,6,7,8,12,13,14,"
    "15,17,18,19,25,26,27); 'nose' is raw joint 14, named Neck/Nose or Head elsewhere",
    "h36m",
    _H36M_TREE,
)

METRICPOSE_25 = _tree(
    "metricpose_25",
    "what metricpose networks predict: h36m_17, then eyes, ears, big toes and heels as surface points",
    "h36m",
    {
        **_H36M_TREE,
        "l_eye": "nose",
        "r_eye": "nose",
        "l_ear": "l_eye",
        "r_ear": "r_eye",
        "l_toe": "l_ankle",
        "r_toe": "r_ankle",
        "l_heel": "l_ankle",
        "r_heel": "r_ankle",
    },
)

MPI_INF_3DHP_17 = _tree(
    "mpi_inf_3dhp_17",
    "MPI-INF-3DHP test set, 17 joints in file order (Mehta et al. 2017)",
    "mpi_inf_3dhp",
    {
        "head_top": "neck",
        "neck": "spine",
        "r_shoulder": "neck",
        "r_elbow": "r_shoulder",
        "r_wrist": "r_elbow",
        "l_shoulder": "neck",
        "l_elbow": "l_shoulder",
        "l_wrist": "l_elbow",
        "r_hip": "pelvis",
        "r_knee": "r_hip",
        "r_ankle": "r_knee",
        "l_hip": "pelvis",
        "l_knee": "l_hip",
        "l_ankle": "l_knee",
        "pelvis": None,
        "spine": "pelvis",
        "head": "neck",
    },
)

MUCO_21 = _tree(
    "muco_21",
    "MuCo-3DHP as Moon et al. 2019 distribute it: mpi_inf_3dhp_17, then hands and toes (its authors' extended set)",
    "mpi_inf_3dhp",
    {
        **{
            j: None if p < 0 else MPI_INF_3DHP_17.joints[p]
            for j, p in zip(MPI_INF_3DHP_17.joints, MPI_INF_3DHP_17.parents)
        },
        "r_hand": "r_wrist",
        "l_hand": "l_wrist",
        "r_toe": "r_ankle",
        "l_toe": "l_ankle",
    },
)

_COCO_TREE: dict[str, str | None] = {
    "nose": None,
    "l_eye": "nose",
    "r_eye": "nose",
    "l_ear": "l_eye",
    "r_ear": "r_eye",
    "l_shoulder": "nose",
    "r_shoulder": "nose",
    "l_elbow": "l_shoulder",
    "r_elbow": "r_shoulder",
    "l_wrist": "l_elbow",
    "r_wrist": "r_elbow",
    "l_hip": "l_shoulder",
    "r_hip": "r_shoulder",
    "l_knee": "l_hip",
    "r_knee": "r_hip",
    "l_ankle": "l_knee",
    "r_ankle": "r_knee",
}

COCO_17 = _tree("coco_17", "COCO keypoints 2017, annotation order (Lin et al. 2014)", "coco", _COCO_TREE)

OPENPOSE_25 = _tree(
    "openpose_25",
    "OpenPose BODY_25 points in the order Pose2Sim writes them (Head instead of MidHip)",
    "coco",
    {
        "nose": "neck",
        "l_eye": "nose",
        "r_eye": "nose",
        "l_ear": "l_eye",
        "r_ear": "r_eye",
        "l_shoulder": "neck",
        "r_shoulder": "neck",
        "l_elbow": "l_shoulder",
        "r_elbow": "r_shoulder",
        "l_wrist": "l_elbow",
        "r_wrist": "r_elbow",
        "l_hip": "neck",
        "r_hip": "neck",
        "l_knee": "l_hip",
        "r_knee": "r_hip",
        "l_ankle": "l_knee",
        "r_ankle": "r_knee",
        "neck": None,
        "head": "neck",
        "l_toe": "l_ankle",
        "l_small_toe": "l_ankle",
        "l_heel": "l_ankle",
        "r_toe": "r_ankle",
        "r_small_toe": "r_ankle",
        "r_heel": "r_ankle",
    },
)

MPII_16 = _tree(
    "mpii_16",
    "MPII Human Pose annotation order (Andriluka et al. 2014)",
    "mpii",
    {
        "r_ankle": "r_knee",
        "r_knee": "r_hip",
        "r_hip": "pelvis",
        "l_hip": "pelvis",
        "l_knee": "l_hip",
        "l_ankle": "l_knee",
        "pelvis": None,
        "thorax": "pelvis",
        "neck": "thorax",
        "head_top": "neck",
        "r_wrist": "r_elbow",
        "r_elbow": "r_shoulder",
        "r_shoulder": "thorax",
        "l_shoulder": "thorax",
        "l_elbow": "l_shoulder",
        "l_wrist": "l_elbow",
    },
)

LSP_14 = _tree(
    "lsp_14",
    "Leeds Sports Pose annotation order (Johnson and Everingham 2010)",
    "mpii",
    {
        "r_ankle": "r_knee",
        "r_knee": "r_hip",
        "r_hip": "neck",
        "l_hip": "neck",
        "l_knee": "l_hip",
        "l_ankle": "l_knee",
        "r_wrist": "r_elbow",
        "r_elbow": "r_shoulder",
        "r_shoulder": "neck",
        "l_shoulder": "neck",
        "l_elbow": "l_shoulder",
        "l_wrist": "l_elbow",
        "neck": None,
        "head_top": "neck",
    },
)

COCO_19 = _tree(
    "coco_19",
    "COCO's 17 joints with the neck and pelvis of CMU Panoptic, in the order of the MeTRAbs networks (Sarandi 2023)",
    "coco",
    {
        "neck": "pelvis",
        "nose": "neck",
        "pelvis": None,
        "l_shoulder": "neck",
        "l_elbow": "l_shoulder",
        "l_wrist": "l_elbow",
        "l_hip": "pelvis",
        "l_knee": "l_hip",
        "l_ankle": "l_knee",
        "r_shoulder": "neck",
        "r_elbow": "r_shoulder",
        "r_wrist": "r_elbow",
        "r_hip": "pelvis",
        "r_knee": "r_hip",
        "r_ankle": "r_knee",
        "l_eye": "nose",
        "l_ear": "l_eye",
        "r_eye": "nose",
        "r_ear": "r_eye",
    },
)

SMPL_24 = _tree(
    "smpl_24",
    "the joints of the SMPL body model, in its order (Loper et al. 2015)",
    "smpl",
    {
        "pelvis": None,
        "l_hip": "pelvis",
        "r_hip": "pelvis",
        "spine1": "pelvis",
        "l_knee": "l_hip",
        "r_knee": "r_hip",
        "spine2": "spine1",
        "l_ankle": "l_knee",
        "r_ankle": "r_knee",
        "spine3": "spine2",
        "l_toe": "l_ankle",
        "r_toe": "r_ankle",
        "neck": "spine3",
        "l_collar": "spine3",
        "r_collar": "spine3",
        "head": "neck",
        "l_shoulder": "l_collar",
        "r_shoulder": "r_collar",
        "l_elbow": "l_shoulder",
        "r_elbow": "r_shoulder",
        "l_wrist": "l_elbow",
        "r_wrist": "r_elbow",
        "l_hand": "l_wrist",
        "r_hand": "r_wrist",
    },
)


def _grafted(trunk: dict[str, str | None], *branches: Skeleton) -> dict[str, str | None]:
    """A tree with further skeletons hung on its pelvis, joints named ``joint@definition``; joints it has are shared."""
    tree = dict(trunk)
    for branch in branches:
        names = [j if branch.definition == "coco" and j in _FACE else f"{j}@{branch.definition}" for j in branch.joints]
        for name, parent in zip(names, branch.parents):
            tree.setdefault(name, "pelvis" if parent < 0 else names[parent])
    return tree


_FACE: dict[str, str | None] = {"l_eye": "nose", "r_eye": "nose", "l_ear": "l_eye", "r_ear": "r_eye"}

METRABS_77 = _tree(
    "metrabs_77",
    "what is returned of the 555 points of the public MeTRAbs networks (Sarandi et al. 2023): h36m_17, then eyes and "
    "ears, then the other joints of coco_19, mpi_inf_3dhp_17 and smpl_24 as each of these data sets defines them",
    "h36m",
    _grafted({**_H36M_TREE, **_FACE}, COCO_19, MPI_INF_3DHP_17, SMPL_24),
)

HEMLETS_18 = _tree(
    "hemlets_18",
    "HEMlets Pose, released network (Zhou et al. 2019): h36m_17 and the middle of the shoulders; joint 8, here thorax "
    "as in h36m_17, is called neck there, and joint 17 thorax",
    "h36m",
    {
        **_H36M_TREE,
        "thorax": "mid_shoulder",
        "mid_shoulder": "spine",
    },
)

HUMANEVA_15 = _tree(
    "humaneva_15",
    "HumanEva-I, the 15 joints of its official error measure (Sigal et al. 2010) in the order of VideoPose3D; head_top "
    "is the far end of its head, not Human3.6M's joint",
    "humaneva",
    {
        "pelvis": None,
        "thorax": "pelvis",
        "l_shoulder": "thorax",
        "l_elbow": "l_shoulder",
        "l_wrist": "l_elbow",
        "r_shoulder": "thorax",
        "r_elbow": "r_shoulder",
        "r_wrist": "r_elbow",
        "l_hip": "pelvis",
        "l_knee": "l_hip",
        "l_ankle": "l_knee",
        "r_hip": "pelvis",
        "r_knee": "r_hip",
        "r_ankle": "r_knee",
        "head_top": "thorax",
    },
)

SKELETONS: dict[str, Skeleton] = {
    s.name: s
    for s in (
        METRICPOSE_25,
        H36M_17,
        MPI_INF_3DHP_17,
        MUCO_21,
        COCO_17,
        OPENPOSE_25,
        MPII_16,
        LSP_14,
        COCO_19,
        SMPL_24,
        METRABS_77,
        HEMLETS_18,
        HUMANEVA_15,
    )
}


UNNAMED = "unnamed"
"""Definition of points of which only the number is known: they convert to nothing, and no one knows left from right."""


def unnamed(count: int) -> Skeleton:
    """The skeleton ``points_COUNT``: points without names, all hung on the first."""
    names = tuple(f"point_{i}" for i in range(count))
    return Skeleton(f"points_{count}", names, (-1,) + (0,) * (count - 1), "a network that came without names", UNNAMED)


def get(name: str) -> Skeleton:
    """The skeleton of this name; ``points_N`` is N points without names.

    Raises:
        InputError: no such skeleton; the message lists those there are.
    """
    if found := re.fullmatch(r"points_([1-9]\d{0,3})", name):
        return unnamed(int(found.group(1)))
    if name not in SKELETONS:
        raise InputError(f"unknown skeleton '{name}'; known: {', '.join(SKELETONS)}")
    return SKELETONS[name]


def conversion(source: Skeleton, target: Skeleton) -> Conversion:
    """Linear map from one skeleton to another: by name within a definition family, else by a fitted table.

    Joints that the source or the table lacks are made of others where `definitions.DERIVED` says how.

    A source may hold joints of several families; those named ``joint@definition`` are taken as they are where the
    target is of that definition.

    Raises:
        InputError: the definitions differ, no table between them has been fitted, and the source has no such joints.
    """
    table = definitions.CONVERSIONS.get((source.definition, target.definition), {})
    if source.definition == target.definition:
        derived = definitions.DERIVED.get(source.definition, {})
        return subset_conversion(source, target, derived)
    own = {j: {n: 1.0} for j in target.joints if (n := f"{j}@{target.definition}") in source.joints}
    if not table and not own:
        raise InputError(
            f"no conversion from {source.name} ({source.definition} joints) to {target.name} ({target.definition} "
            "joints): equal names are different points there, 20-50 mm apart"
        )
    known = {j: w for j, w in table.items() if set(w) <= set(source.joints)}
    made = _derived_rows(known, definitions.DERIVED.get(target.definition, {}))
    rows = {j: w for j, w in (made | known | own).items() if j in target.joints}
    return weighted_conversion(source, target, rows)


def _derived_rows(
    rows: dict[str, dict[str, float]], derived: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Rows of the joints that are made of others which have rows: the weighted sums of these."""
    made: dict[str, dict[str, float]] = {}
    for joint, parts in derived.items():
        if set(parts) <= set(rows):
            names = dict.fromkeys(name for part in parts for name in rows[part])
            made[joint] = {n: sum(w * rows[part].get(n, 0.0) for part, w in parts.items()) for n in names}
    return made
