"""Named joints: a skeleton, the linear map that turns one skeleton's joints into another's, and pairs of joints.

Ordinal depth labels (which of two joints is closer to the camera) belong to the J (J - 1) / 2 pairs (a, b), a < b, of a
skeleton in the order of `itertools.combinations(range(J), 2)`: +1 if b is closer than a, -1 if farther, 0 if about
equally far, which is the sign of z_a - z_b.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
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


class PairMap(NamedTuple):
    """Where each pair of a target skeleton is found among the pairs of a source skeleton.

    Attributes:
        source: index of the source pair; 0 where there is none.
        sign: +1, or -1 where the source pair names the two joints the other way round; 0 where there is none.
    """

    source: Int[np.ndarray, " k"]
    sign: Int[np.ndarray, " k"]

    def apply(
        self, order: Float[np.ndarray, " s"], weights: Float[np.ndarray, " s"]
    ) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """Labels and weights of the target's pairs; 0 and 0 where there is no label, whatever stood there."""
        known = (self.sign != 0) & (weights[self.source] > 0)
        return np.where(known, order[self.source] * self.sign, 0.0), np.where(known, weights[self.source], 0.0)


def pair_count(joints: int) -> int:
    """Number of pairs of different joints."""
    return joints * (joints - 1) // 2


@lru_cache(maxsize=64)
def joint_pairs(joints: int) -> Int[np.ndarray, "k 2"]:
    """The pairs (a, b), a < b, in the order of ordinal labels; read-only."""
    pairs = np.stack(np.triu_indices(joints, 1), axis=1)
    pairs.flags.writeable = False
    return pairs


def pair_index(joints: int, a: int, b: int) -> tuple[int, int]:
    """Place of the pair of joints a and b among all pairs, and the sign that turns its label into that of (a, b).

    The label of "b seen from a" (+1: b is closer) is ``sign * order[index]``; the sign is -1 if b < a.

    Raises:
        InputError: a and b are not two different joint indices.
    """
    low, high = sorted((a, b))
    if not 0 <= low < high < joints:
        raise InputError(f"joints {a} and {b} are no pair: expected two different indices below {joints}")
    return low * (2 * joints - low - 1) // 2 + high - low - 1, 1 if a < b else -1


def pair_map(joints: Int[np.ndarray, " target"], source_count: int) -> PairMap:
    """Pairs of a target whose joint i is joint ``joints[i]`` of a source with `source_count` joints, -1 for none."""
    a, b = joints[joint_pairs(len(joints))].T
    low, high = np.minimum(a, b), np.maximum(a, b)
    found = (low >= 0) & (low < high)
    index = np.where(found, low * (2 * source_count - low - 1) // 2 + high - low - 1, 0)
    return PairMap(index, np.where(found, np.sign(b - a), 0))


def mirror_pairs(skeleton: Skeleton) -> PairMap:
    """How a mirrored picture's ordinal labels come from the picture's: sides swap, depths do not."""
    return pair_map(skeleton.mirror, len(skeleton))


def pair_conversion(source: Skeleton, target: Skeleton) -> PairMap:
    """Ordinal labels of another skeleton's pairs, by joint names.

    Between definition families too: equal names are points 20 to 50 mm apart, less than what ordinal labels tell apart.
    """
    places = [source.joints.index(j) if j in source.joints else -1 for j in target.joints]
    return pair_map(np.array(places), len(source))


def subset_conversion(
    source: Skeleton, target: Skeleton, derived: dict[str, dict[str, float]] | None = None
) -> Conversion:
    """Conversion by equal joint names; meant for skeletons of one definition family.

    Joints that the source lacks come from `derived`, {joint: {source joint: weight}}, where the source has all of them.
    """
    rows = {j: w for j, w in (derived or {}).items() if j in target.joints and set(w) <= set(source.joints)}
    own = {j: {j: 1.0} for j in target.joints if j in source.joints}
    return weighted_conversion(source, target, rows | own)


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
