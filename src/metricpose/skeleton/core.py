"""Named joints: a skeleton, and the linear map that turns one skeleton's joints into another's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from metricpose.errors import InputError


@dataclass(frozen=True)
class Skeleton:
    """An ordered list of named joints and the tree that connects them.

    Attributes:
        name: catalogue name, such as ``h36m_17``.
        joints: joint names; the prefixes ``l_`` and ``r_`` are the person's left and right.
        parents: index of each joint's parent, -1 for the root of the tree.
        source: where this order and these definitions come from.
        definition: family of joint definitions. Equal names mean equal points only within one family;
            between families a fitted matrix is needed (see `skeleton/definitions.py`).
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    source: str
    definition: str

    def __post_init__(self) -> None:
        if len(self.parents) != len(self.joints):
            raise InputError(f"skeleton {self.name}: {len(self.joints)} joints but {len(self.parents)} parents")
        if len(set(self.joints)) != len(self.joints):
            raise InputError(f"skeleton {self.name}: joint names repeat")
        for joint, parent in zip(self.joints, self.parents):
            if not -1 <= parent < len(self.joints):
                raise InputError(f"skeleton {self.name}: parent {parent} of {joint} is not a joint index")
        if self.parents.count(-1) != 1:
            raise InputError(f"skeleton {self.name}: {self.parents.count(-1)} joints have no parent; expected one root")
        if any(_depth(child, self.parents) is None for child in range(len(self))):
            raise InputError(f"skeleton {self.name}: parents run in a circle")
        missing = [j for j in self.joints if _mirrored(j) not in self.joints]
        if missing:
            raise InputError(f"skeleton {self.name}: no mirror partner for {missing}")

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs (parent, child), in the children's order."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent >= 0)

    @cached_property
    def mirror(self) -> Int[np.ndarray, " j"]:
        """Index array that swaps left and right: ``joints[mirror]`` is the mirrored order."""
        return np.array([self.joints.index(_mirrored(j)) for j in self.joints])

    @cached_property
    def root(self) -> int:
        """Index of the joint other joints are given relative to: the pelvis, else the tree's root."""
        return self.joints.index("pelvis") if "pelvis" in self.joints else self.parents.index(-1)

    @cached_property
    def sides(self) -> tuple[str, ...]:
        """'left', 'right' or 'centre' for each joint."""
        return tuple({"l_": "left", "r_": "right"}.get(j[:2], "centre") for j in self.joints)

    def index(self, joint: str) -> int:
        """Index of a joint by name.

        Raises:
            InputError: the skeleton has no such joint.
        """
        if joint not in self.joints:
            raise InputError(f"skeleton {self.name} has no joint '{joint}'; it has {', '.join(self.joints)}")
        return self.joints.index(joint)


class Conversion(NamedTuple):
    """``target = matrix @ source``; rows of joints that cannot be derived are zero and not valid."""

    matrix: Float[np.ndarray, "target source"]
    valid: Bool[np.ndarray, " target"]

    def apply(self, joints: Float[np.ndarray, "*batch source c"]) -> Float[np.ndarray, "*batch target c"]:
        """Convert joints (any leading axes); joints that cannot be derived come out as NaN.

        A NaN source joint spoils only the targets that use it.
        """
        used = self.matrix != 0
        known = np.isfinite(joints).all(-1)
        clean = np.where(known[..., None], joints, 0.0)
        out = np.einsum("ts,...sc->...tc", self.matrix, clean)
        usable = self.valid & ~np.einsum("ts,...s->...t", used.astype(np.int64), (~known).astype(np.int64)).astype(bool)
        return np.where(usable[..., None], out, np.nan)

    def carry(self, values: Shaped[np.ndarray, "*batch source"], otherwise: int) -> Shaped[np.ndarray, "*batch target"]:
        """Per-joint marks such as visibility: a target that is one source joint keeps its mark, else `otherwise`."""
        single = (self.matrix == 1).any(axis=1)
        return np.where(single, values[..., self.matrix.argmax(axis=1)], otherwise).astype(values.dtype)


def subset_conversion(source: Skeleton, target: Skeleton) -> Conversion:
    """Conversion by equal joint names; meant for skeletons of one definition family."""
    matrix = np.zeros((len(target), len(source)))
    for row, joint in enumerate(target.joints):
        if joint in source.joints:
            matrix[row, source.joints.index(joint)] = 1.0
    return Conversion(matrix, (matrix != 0).any(axis=1))


def weighted_conversion(source: Skeleton, target: Skeleton, weights: dict[str, dict[str, float]]) -> Conversion:
    """Conversion from a table: target joint name -> {source joint name: weight}.

    Raises:
        InputError: a name is unknown, or a row's weights do not sum to 1 (the map would not commute with translation).
    """
    matrix = np.zeros((len(target), len(source)))
    for joint, row in weights.items():
        for name, weight in row.items():
            matrix[target.index(joint), source.index(name)] = weight
        if abs(sum(row.values()) - 1.0) > 1e-3:
            raise InputError(
                f"{source.name} -> {target.name}: weights of {joint} sum to {sum(row.values()):.4f}, not 1"
            )
        matrix[target.index(joint)] /= sum(row.values())
    return Conversion(matrix, (matrix != 0).any(axis=1))


def _depth(joint: int, parents: tuple[int, ...]) -> int | None:
    """Steps up to the root, None in a circle."""
    for steps in range(len(parents)):
        if parents[joint] < 0:
            return steps
        joint = parents[joint]
    return None


def _mirrored(joint: str) -> str:
    return {"l_": "r_", "r_": "l_"}.get(joint[:2], joint[:2]) + joint[2:]
