from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.errors import DataError
from metricpose.synthetic.body import ARM, PART, Body, Shape, read_archive, skin, top_weights
from metricpose.synthetic.rig import pose_bones
from reference.rendering import skinned


def test_shape_is_the_mean_plus_the_basis(body: Body) -> None:
    file = read_archive(None)
    coefficients = np.random.default_rng(0).normal(0.0, 0.5, len(file["BS"]))
    shape = body.shape(coefficients)
    expected = file["T"].astype(float).ravel() + coefficients @ file["BS"].astype(float)
    np.testing.assert_allclose(shape.vertices.ravel(), expected, atol=2e-5)  # 16-bit basis: 0.02 mm
    heads = file["H"].astype(float) + (coefficients @ file["HB"].astype(float)).reshape(-1, 3)
    other = [i for i, name in enumerate(body.bones) if not name.startswith("lowerleg01")]  # knees: see test_knees
    np.testing.assert_allclose(shape.heads[other], heads[other], atol=1e-9)


def test_skinning_equals_the_naive_sum(body: Body, adult: Shape) -> None:
    posed = pose_bones(
        body.rig, adult.heads, Rotation.from_rotvec(np.random.default_rng(1).normal(0, 0.4, (22, 3))).as_matrix()
    )
    rest = np.ascontiguousarray(adult.vertices[body.surface_vertices])
    weights = body.surface.skinning
    some = np.random.default_rng(2).choice(len(rest), 300, replace=False)
    expected = skinned(
        rest[some], weights.bones[some], weights.weights[some], posed.rotations, posed.translations(adult.heads)
    )
    np.testing.assert_allclose(skin(rest, weights, posed, adult.heads)[some], expected, atol=2e-6)


def test_weights_are_sorted_and_sum_to_one(body: Body) -> None:
    for skinning in (body.skinning, body.surface.skinning):
        np.testing.assert_allclose(skinning.weights.sum(1), 1.0, atol=1e-5)
        assert (np.diff(skinning.weights, axis=1) <= 0).all()


def test_top_weights_drop_the_faint_ones() -> None:
    found = top_weights(np.array([[0.001, 0.6, 0.0, 0.399]], np.float32), count=3)
    assert found.bones[0, :2].tolist() == [1, 3]
    assert found.weights[0] == pytest.approx([0.6 / 0.999, 0.399 / 0.999, 0.0])


def test_arm_coordinate_runs_from_shoulder_to_wrist(body: Body) -> None:
    attributes, weights = body.surface.welded_attributes, body.surface.skinning
    for side in "LR":
        for bone, low, high in (("upperarm02", 0.0, 1.3), ("lowerarm02", 1.6, 2.2)):
            mostly = (weights.bones[:, 0] == body.bone_index[f"{bone}.{side}"]) & (weights.weights[:, 0] > 0.55)
            assert mostly.sum() > 20
            assert low < attributes[mostly, ARM].min() < attributes[mostly, ARM].max() < high
            assert (attributes[mostly, PART] == -1).all()
    head = weights.bones[:, 0] == body.bone_index["head"]
    assert (attributes[head & (weights.weights[:, 0] > 0.6), PART] == 1).all()


def test_both_eyeballs_are_found(body: Body) -> None:
    eyes = body.surface.attributes[body.surface.faces[body.eyeballs]].reshape(-1, 7)
    assert 50 < body.eyeballs.sum() < 2000
    assert np.isclose(eyes[eyes[:, 0] > 0, 0].mean(), -eyes[eyes[:, 0] < 0, 0].mean(), atol=1e-3)


def test_a_file_that_is_no_body_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the body file"):
        Body.load(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(DataError, match="cannot read the body file"):
        Body.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", T=np.zeros((3, 3)))
    with pytest.raises(DataError, match="it lacks"):
        Body.load(tmp_path / "other.npz")


def test_the_rich_body_has_the_same_skeleton(body: Body, assets: Path) -> None:
    rich = Body.load(assets / "people.npz")
    assert rich.bones == body.bones
    np.testing.assert_array_equal(rich.parents, body.parents)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive"])
def test_damaged_body_files_say_so(tmp_path, content):
    path = tmp_path / "body.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"body\.npz.*Bake one"):
        read_archive(path)
