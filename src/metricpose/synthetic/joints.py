"""Where the 25 joints of the network skeleton lie in an anny body.

A joint is a point of the *rest* body, a linear combination of named landmarks whose weights sum to 1 (so it scales
with the person, child or adult), carried rigidly by one bone (so it is exact in every pose). Landmarks are heads of
anny's bones and the surface keypoints baked with the body. The first seventeen follow Human3.6M's motion-capture
skeleton, not anatomy: errors of definition there are 20 to 50 mm and would outweigh those of any network.

How they were placed: anny was fitted to the silhouettes, faces, hands and feet of four Human3.6M frames, and the joints
read off in the bones' frames; then the weights were set so that they and the lengths below agree. Mean remaining offset
of a joint over the frames 5 to 20 mm. Where they lie: hips at the belt line, 50 mm above and 20 mm outside the hip
joints; ankles 20 mm below and 15 mm behind the malleoli, towards the heel; shoulders 35 mm inside the humeral heads;
thorax at the seventh neck vertebra; nose behind the mouth; head_top 115 mm from it, inside the skull above the ears.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

JOINTS: tuple[str, ...] = (
    "pelvis", "r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "spine", "thorax", "nose", "head_top",
    "l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist",
    "l_eye", "r_eye", "l_ear", "r_ear", "l_toe", "r_toe", "l_heel", "r_heel",
)  # fmt: skip

Weights = Mapping[str, float]

LENGTHS_MM: dict[str, tuple[int, int, int]] = {
    "l_hip-r_hip": (276, 267, 185), "l_hip-l_knee": (449, 453, 307), "l_knee-l_ankle": (463, 443, 298),
    "pelvis-spine": (237, 242, 156), "spine-thorax": (263, 256, 178), "thorax-nose": (116, 125, 91),
    "nose-head_top": (114, 114, 89), "thorax-l_shoulder": (160, 151, 108), "l_shoulder-l_elbow": (286, 284, 197),
    "l_elbow-l_wrist": (263, 244, 176),
}  # fmt: skip
"""Mean length: men of 1.75 m, women of 1.75 m, children of 1.20 m; arms hanging. Measured, not used.

Human3.6M's subjects 1, 5, 7 and 8, mean: 268 443 443 236 254 116 115 151 277 248, at about 1.72 m.
"""


@runtime_checkable
class AnnyBody(Protocol):
    """What a body must tell: bone names, and surface keypoints as (vertex indices, weights)."""

    bones: list[str]
    keypoints: dict[str, tuple[np.ndarray, np.ndarray]]


# Joint -> (bone that carries it, landmarks and weights). On the right ".L" reads ".R", and ".O" is the other side.
# "kp:..." are surface keypoints.
LEFT: dict[str, tuple[str, Weights]] = {
    "hip": ("root", {"upperleg01.L": 1.09, "upperleg01.O": -0.09, "neck01": 0.092, "root": -0.092}),
    "knee": ("upperleg02.L", {"lowerleg01.L": 0.98, "upperleg01.L": 0.055, "upperleg01.O": -0.035}),
    "ankle": ("lowerleg02.L", {"foot.L": 0.5, "kp:left_heel": 0.5}),
    "shoulder": ("shoulder01.L", {"upperarm01.L": 0.60, "shoulder01.L": 0.34, "neck01": 0.06}),
    "elbow": ("upperarm02.L", {"lowerarm01.L": 0.965, "upperarm01.L": 0.035}),
    "wrist": ("lowerarm02.L", {"wrist.L": 1.035, "lowerarm01.L": -0.035}),
    "eye": ("head", {"kp:left_eye": 1.0}),
    "ear": ("head", {"kp:left_ear": 1.0}),
    "toe": ("toe1-1.L", {"kp:left_big_toe": 1.0}),
    "heel": ("foot.L", {"kp:left_heel": 1.0}),
}
CENTRE: dict[str, tuple[str, Weights]] = {
    "pelvis": ("root", {"upperleg01.L": 0.5, "upperleg01.R": 0.5, "neck01": 0.092, "root": -0.092}),
    "spine": ("spine02", {"neck01": 0.265, "spine04": 0.5, "spine01": 0.235}),
    "thorax": ("spine01", {"neck01": 0.7, "clavicle.L": 0.15, "clavicle.R": 0.15}),
    "nose": ("head", {"kp:nose": 0.58, "neck01": 0.42}),
    "head_top": (
        "head",
        {"kp:left_ear": 0.5, "kp:right_ear": 0.5, "kp:left_eye": 0.5, "kp:right_eye": 0.5, "kp:nose": -1.0},
    ),
}


class JointDefinition:
    """Recipes of joints, resolved against one body model's bones and keypoints.

    Attributes:
        names: of the joints, in the order of the results.
    """

    def __init__(
        self,
        bones: Sequence[str],
        keypoints: Mapping[str, tuple[np.ndarray, np.ndarray]],
        recipes: Mapping[str, tuple[str, Weights]] | None = None,
    ) -> None:
        recipes = metricpose_recipes() if recipes is None else recipes
        self.names = tuple(recipes)
        bone_index = {name: i for i, name in enumerate(bones)}
        landmarks = sorted({name for _, weights in recipes.values() for name in weights if name.startswith("kp:")})
        self._keypoints = [keypoints[name[3:]] for name in landmarks]
        columns = {**bone_index, **{name: len(bones) + i for i, name in enumerate(landmarks)}}
        self._carrier = np.array([bone_index[bone] for bone, _ in recipes.values()])
        self._weights = np.zeros((len(recipes), len(columns)))
        for row, (_, weights) in enumerate(recipes.values()):
            for name, weight in weights.items():
                self._weights[row, columns[name]] += weight

    def rest(self, vertices: Float[np.ndarray, "v 3"], heads: Float[np.ndarray, "b 3"]) -> Float[np.ndarray, "j 3"]:
        """Joints of the rest body, in the frame and unit of `vertices` and `heads`."""
        points = [weights @ vertices[indices] for indices, weights in self._keypoints]
        return self._weights @ np.concatenate([heads, np.array(points, dtype=np.float64)])

    def posed(
        self,
        vertices: Float[np.ndarray, "v 3"],
        heads: Float[np.ndarray, "b 3"],
        rotations: Float[np.ndarray, "b 3 3"],
        positions: Float[np.ndarray, "b 3"],
    ) -> Float[np.ndarray, "j 3"]:
        """Joints of the posed body: each rest offset from its carrying bone's head, turned with that bone.

        Args:
            vertices: rest vertices.
            heads: rest bone heads.
            rotations: of each bone from rest to pose.
            positions: posed bone heads.
        """
        offsets = self.rest(vertices, heads) - heads[self._carrier]
        return positions[self._carrier] + np.einsum("jab,jb->ja", rotations[self._carrier], offsets)


def metricpose_recipes() -> dict[str, tuple[str, Weights]]:
    """(carrying bone, landmark weights) of the 25 joints, in their order."""
    return {joint: CENTRE[joint] if joint in CENTRE else one_side(joint[0], LEFT[joint[2:]]) for joint in JOINTS}


def one_side(side: str, recipe: tuple[str, Weights]) -> tuple[str, Weights]:
    """A recipe written for the left, for side "l" or "r": ".O" becomes the other side's suffix."""
    bone, weights = recipe
    if side == "l":
        return bone, {landmark.replace(".O", ".R"): w for landmark, w in weights.items()}

    def right(landmark: str) -> str:
        return landmark.replace(".L", ".R").replace(".O", ".L").replace("left_", "right_")

    return right(bone), {right(landmark): w for landmark, w in weights.items()}


_definitions: weakref.WeakKeyDictionary[AnnyBody, JointDefinition] = weakref.WeakKeyDictionary()


def joint_positions(
    body: AnnyBody,
    rest_vertices: Float[np.ndarray, "v 3"],
    rest_heads: Float[np.ndarray, "b 3"],
    bone_rotations: Float[np.ndarray, "b 3 3"],
    bone_positions: Float[np.ndarray, "b 3"],
) -> Float[np.ndarray, "25 3"]:
    """The 25 joints (order `JOINTS`) of a posed body, metres; see `JointDefinition.posed`."""
    if body not in _definitions:
        _definitions[body] = JointDefinition(body.bones, body.keypoints)
    return _definitions[body].posed(rest_vertices, rest_heads, bone_rotations, bone_positions)
