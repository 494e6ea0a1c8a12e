"""The body: rest shapes from a low-rank basis, skinning, and coordinates on the skin for painted clothes.

Read from a baked file (people.npz with clothes, or the body.npz that comes with the package; `bake.py` writes it).
Frame: metres, z up, facing -y, the person's left is +x.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32, Int, Int32

from metricpose.errors import DataError
from metricpose.synthetic.controls import CONTROLS
from metricpose.synthetic.kernel import kernel
from metricpose.synthetic.knees import Heads, refit_knees
from metricpose.synthetic.phenotype import TALL_ADULT, PhenotypePrior
from metricpose.synthetic.rig import Posed, make_rig
from metricpose.synthetic.rotations import unit

_KEYS = ("T", "Tn", "H", "BS", "HB", "A", "top", "tw", "parents", "bones", "mask", "proj", "labels", "table",
         "body_v", "body_uv", "body_F")  # fmt: skip
_TILE = 2048
# Columns of surface attributes.
X, Y, Z, ARM, PART, U, V = range(7)


class Skinning(NamedTuple):
    """Bones and weights per vertex, heaviest first; weights sum to 1."""

    bones: Int32[np.ndarray, "n k"]
    weights: Float32[np.ndarray, "n k"]


class Shape(NamedTuple):
    """A rest-pose person: all vertices of the base mesh and the heads of the bones, metres."""

    vertices: Float32[np.ndarray, "v 3"]
    heads: Float[np.ndarray, "b 3"]


@dataclass(frozen=True, eq=False)
class SkinnedMesh:
    """A mesh that follows the bones; `u` welded vertices move, `n` split ones carry texture coordinates.

    Attributes:
        split: (n,) welded vertex of each split vertex.
        faces: (m, 3) split vertices; welded_faces: (m, 3) welded vertices, for normals without seams.
        attributes: (n, 7) template position, arm coordinate (0 shoulder, 1 elbow, 2 wrist), part (+1 head, -1 arm,
            0 rest), texture u and v (0..1, v down).
        welded_attributes: (u, 7) the same per welded vertex (u and v of any one copy).
        skinning: of the u vertices. face_controls: (m,) control that moves the face most.
    """

    split: Int[np.ndarray, " n"]
    faces: Int32[np.ndarray, "m 3"]
    welded_faces: Int32[np.ndarray, "m 3"]
    attributes: Float32[np.ndarray, "n 7"]
    welded_attributes: Float32[np.ndarray, "u 7"]
    skinning: Skinning
    face_controls: Int32[np.ndarray, " m"]


class Body:
    """A body model, shared by all people and never changed.

    Attributes:
        bones, bone_index, parents, rig: the skeleton. prior: who people are.
        template: (v, 3) positions that painted clothes are cut on. skinning: of the v vertices of the base mesh.
        keypoints: named landmarks as (vertex indices, weights) on the base mesh.
        surface: the naked body's mesh; surface_vertices: (u,) base vertices of its welded vertices;
        eyeballs: (m,) bool per face of it.
    """

    def __init__(self, file: dict[str, Any]) -> None:
        missing = [key for key in _KEYS if key not in file]
        if missing:
            raise DataError(f"not a body file: it lacks {missing}. Bake one with `metricpose synth bake`.")
        self.bones = [str(name) for name in file["bones"]]
        self.bone_index = {name: i for i, name in enumerate(self.bones)}
        self.parents = np.asarray(file["parents"], np.int64)
        self.rig = make_rig(self.bones, self.parents)
        self.prior = PhenotypePrior(file)
        self.template = np.asarray(file["Tn"], np.float32)
        self.skinning = _normalised(np.asarray(file["top"], np.int32), np.asarray(file["tw"], np.float32))
        self._mean = np.asarray(file["T"], np.float32).ravel()
        basis = np.asarray(file["BS"], np.float32)
        heads = Heads(np.asarray(file["H"], np.float64), np.asarray(file["HB"], np.float64))
        skin_vertices, tall = np.unique(file["body_v"]).astype(np.int64), self.prior.coefficients(TALL_ADULT)
        heads = refit_knees(heads, self._mean.reshape(-1, 3), basis, skin_vertices, tall, self.bones)
        self._mean_heads, self._head_basis = heads
        self._basis, self._basis_scale = _quantised(basis)
        if len(self._basis) % 4:
            raise DataError(f"body file: the basis has rank {len(self._basis)}; expected a multiple of 4")
        self.keypoints = _keypoints(file)
        self.surface = self._surface(file)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Body:
        """Read a body file; None reads the one that comes with the package.

        Raises:
            DataError: the file is missing, not an npz archive, or lacks keys.
        """
        return cls(read_archive(path))

    # -- shape -----------------------------------------------------------------------------------------------

    def shape(self, coefficients: Float[np.ndarray, " r"]) -> Shape:
        """Rest vertices and bone heads of one person."""
        vertices = np.empty_like(self._mean)
        _add_basis(self._mean, self._basis, (coefficients * self._basis_scale).astype(np.float32), vertices)
        heads = self._mean_heads + (coefficients @ self._head_basis).reshape(-1, 3)
        return Shape(vertices.reshape(-1, 3), heads)

    def dense_weights(self) -> Float32[np.ndarray, "v b"]:
        """Skin weights of the base mesh as a full matrix."""
        dense = np.zeros((len(self.template), len(self.bones)), np.float32)
        rows = np.arange(len(dense))
        for k in range(self.skinning.bones.shape[1]):
            np.add.at(dense, (rows, self.skinning.bones[:, k]), self.skinning.weights[:, k])
        return dense

    def controls_of(self, dense: Float32[np.ndarray, "n b"]) -> Int32[np.ndarray, " n"]:
        """Control with the most skin weight per row."""
        per_control = np.zeros((len(dense), len(CONTROLS)), np.float32)
        for bone, control in enumerate(self.rig.driver):
            per_control[:, control] += dense[:, bone]
        return per_control.argmax(1).astype(np.int32)

    # -- meshes ----------------------------------------------------------------------------------------------

    def skinned_mesh(
        self,
        split: Int[np.ndarray, " n"],
        faces: Int32[np.ndarray, "m 3"],
        attributes: Float32[np.ndarray, "n 7"],
        dense: Float32[np.ndarray, "u b"],
    ) -> SkinnedMesh:
        """Assemble a mesh from its split vertices and the dense weights of its welded ones."""
        welded = np.zeros((len(dense), 7), np.float32)
        welded[split] = attributes
        welded_faces = np.ascontiguousarray(split[faces], np.int32)
        face_controls = self.controls_of(dense)[welded_faces[:, 0]]
        return SkinnedMesh(split, faces, welded_faces, attributes, welded, top_weights(dense), face_controls)

    def _surface(self, file: dict[str, Any]) -> SkinnedMesh:
        vertex = np.asarray(file["body_v"], np.int64)
        self.surface_vertices, split = np.unique(vertex, return_inverse=True)
        dense = self.dense_weights()
        mean = self._mean.reshape(-1, 3)
        arm, part = _clothes_coordinates(mean, self.template[:, 2], self._mean_heads, self.bone_index, dense)
        uv = np.asarray(file["body_uv"], np.float32)
        columns = [self.template[vertex], arm[vertex, None], part[vertex, None], uv[:, :1], 1.0 - uv[:, 1:]]
        attributes = np.ascontiguousarray(np.concatenate(columns, 1), np.float32)
        faces = np.ascontiguousarray(file["body_F"], np.int32)
        eye = dense[:, [self.bone_index["eye.L"], self.bone_index["eye.R"]]].sum(1) > 0.9
        self.eyeballs = eye[vertex[faces]].all(1)
        return self.skinned_mesh(split.reshape(-1), faces, attributes, dense[self.surface_vertices])


def read_archive(path: str | Path | None) -> dict[str, Any]:
    """All arrays of an npz body file; None is the packaged one.

    Raises:
        DataError: the file is missing or not an npz archive.
    """
    source = Path(path) if path is not None else Path(str(resources.files("metricpose.synthetic") / "assets/body.npz"))
    try:
        with open(source, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"cannot read the body file {source}: {error}. Bake one with `metricpose synth bake`."
        ) from error


def top_weights(dense: Float32[np.ndarray, "n b"], count: int = 6) -> Skinning:
    """The `count` heaviest bones per row, with weights renormalised to 1; weights below 0.003 are dropped."""
    bones = np.argsort(-dense, 1, kind="stable")[:, :count]
    weights = np.take_along_axis(dense, bones, 1)
    return _normalised(bones, np.where(weights < 0.003, 0.0, weights))


def _normalised(bones: Int[np.ndarray, "n k"], weights: Float[np.ndarray, "n k"]) -> Skinning:
    order = np.argsort(-weights, 1, kind="stable")
    bones, weights = np.take_along_axis(bones, order, 1), np.take_along_axis(weights, order, 1)
    weights = weights / weights.sum(1, keepdims=True)
    return Skinning(np.ascontiguousarray(bones, np.int32), np.ascontiguousarray(weights, np.float32))


def skin(
    vertices: Float32[np.ndarray, "n 3"], skinning: Skinning, posed: Posed, rest_heads: Float[np.ndarray, "b 3"]
) -> Float32[np.ndarray, "n 3"]:
    """Linear blend skinning: sum over bones of weight * (R v + t)."""
    out = np.empty_like(vertices)
    rotations, translations = posed.rotations.astype(np.float32), posed.translations(rest_heads).astype(np.float32)
    _skin(vertices, skinning.bones, skinning.weights, rotations, translations, out)
    return out


def _quantised(basis: Float32[np.ndarray, "r n"]) -> tuple[np.ndarray, Float[np.ndarray, " r"]]:
    """16-bit rows and their scales: half the memory traffic of the slowest step of a shape, error below 1 um."""
    scale = np.abs(basis).max(1) / 32767.0
    return np.round(basis / scale[:, None]).astype(np.int16), scale.astype(np.float64)


def _keypoints(file: dict[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Named surface landmarks as (vertex indices, weights)."""
    names = [str(name) for name in file.get("kp_n", ())]
    return {name: (file["kp_i"][i], file["kp_w"][i].astype(np.float64)) for i, name in enumerate(names)}


def _clothes_coordinates(
    vertices: Float32[np.ndarray, "v 3"],
    template_z: Float32[np.ndarray, " v"],
    heads: Float[np.ndarray, "b 3"],
    index: dict[str, int],
    dense: Float32[np.ndarray, "v b"],
) -> tuple[Float32[np.ndarray, " v"], Float32[np.ndarray, " v"]]:
    """Arm coordinate and part of every vertex (of the mean shape, which `heads` belong to).

    They say where sleeves end, whatever the shape or the pose.
    """

    def weight(*prefixes: str) -> np.ndarray:
        return dense[:, [i for name, i in index.items() if name.startswith(prefixes)]].sum(1)

    points = np.abs(vertices) * [1, 0, 0] + vertices * [0, 1, 1]  # both arms folded onto the left one
    chain = [heads[index[f"{name}.L"]] for name in ("upperarm01", "lowerarm01", "wrist")]
    chain.append(chain[-1] + 0.2 * unit(chain[-1] - chain[-2]))
    arm, best = np.zeros(len(points)), np.full(len(points), np.inf)
    first = np.zeros(len(points))
    for k in range(3):
        axis = chain[k + 1] - chain[k]
        t = (points - chain[k]) @ axis / (axis @ axis)
        first = t if k == 0 else first
        t = np.clip(t, -9.0 if k == 0 else 0.0, 1.0)
        distance = np.linalg.norm(points - chain[k] - t[:, None] * axis, axis=1)
        arm, best = np.where(distance < best, k + t, arm), np.minimum(distance, best)
    on_arm = weight("upperarm", "lowerarm", "wrist", "finger", "metacarpal") > 0.5
    arm = np.where(on_arm, arm, np.minimum(first, 0.25))
    arm = np.where(weight("finger", "metacarpal") > 0.5, np.maximum(arm, 2.05), arm)
    arm = np.where(~on_arm & (template_z < 0.36), -1.0, arm)  # the trunk below the chest is not a sleeve
    part = np.where(weight("head", "eye", "neck03") > 0.5, 1.0, np.where(on_arm, -1.0, 0.0))
    return arm.astype(np.float32), part.astype(np.float32)


@kernel
@no_type_check
def _add_basis(mean, basis, coefficients, out):
    """out = mean + coefficients @ basis. Four rows at a time, tile by tile: `out` stays in the first-level cache."""
    for start in range(0, len(mean), _TILE):
        stop = min(start + _TILE, len(mean))
        tile = out[start:stop]
        for i in range(stop - start):
            tile[i] = mean[start + i]
        for r in range(0, len(coefficients), 4):
            c0, c1, c2, c3 = coefficients[r], coefficients[r + 1], coefficients[r + 2], coefficients[r + 3]
            b0, b1 = basis[r, start:stop], basis[r + 1, start:stop]
            b2, b3 = basis[r + 2, start:stop], basis[r + 3, start:stop]
            for i in range(stop - start):
                first = c0 * np.float32(b0[i]) + c1 * np.float32(b1[i])
                tile[i] += first + (c2 * np.float32(b2[i]) + c3 * np.float32(b3[i]))


@kernel
@no_type_check
def _skin(vertices, bones, weights, rotations, translations, out):
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        a = b = c = np.float32(0.0)
        for j in range(bones.shape[1]):
            w = weights[i, j]
            if w <= 0.0:
                break
            g, t = rotations[bones[i, j]], translations[bones[i, j]]
            a += w * (g[0, 0] * x + g[0, 1] * y + g[0, 2] * z + t[0])
            b += w * (g[1, 0] * x + g[1, 1] * y + g[1, 2] * z + t[1])
            c += w * (g[2, 0] * x + g[2, 1] * y + g[2, 2] * z + t[2])
        out[i, 0], out[i, 1], out[i, 2] = a, b, c
