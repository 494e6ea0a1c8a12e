from pathlib import Path

import cv2
import numpy as np
import pytest

from metricpose.errors import DataError
from metricpose.synthetic.makehuman import components, makehuman_arrays, parse_mhclo, parse_obj

MHCLO = """# written by hand
name patch
obj_file patch.obj
x_scale 10 20 2.0
y_scale 30 40 5.0
z_scale 50 60 4.0
z_depth 50
material materials/patch.mhmat
verts 0
 7
 11 12 13 0.5 0.25 0.25 0.1 0.2 0.3
 21 22 23 1.0 0.0 0.0 0 0 0
 31 32 33 0.2 0.3 0.5 -1 0 2
 41
delete_verts
 5 8 - 10 12
 100 - 101
weights weights.json
"""
OBJ = """v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 5 5 5
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vt 0.5 0.5
f 1/1 2/2 3/3 4/4
f 1/5 3/3 5/1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    patch = tmp_path / "assets" / "base" / "clothes" / "patch"
    patch.mkdir(parents=True)
    (patch / "patch.mhclo").write_text(MHCLO)
    (patch / "patch.obj").write_text(OBJ)
    (patch / "materials").mkdir()
    (patch / "materials" / "patch.mhmat").write_text("name patch\ndiffuseTexture ../colour map.png\n")
    cv2.imwrite(str(patch / "colour map.png"), np.full((16, 24, 3), (10, 100, 200), np.uint8))
    return tmp_path / "assets"


def test_ties_scales_and_hidden_vertices_are_read(folder: Path) -> None:
    binding = parse_mhclo(folder / "base/clothes/patch/patch.mhclo")
    np.testing.assert_array_equal(binding.vertices[:2], [[7, 7, 7], [11, 12, 13]])
    np.testing.assert_allclose(binding.weights[:2], [[1, 0, 0], [0.5, 0.25, 0.25]])
    np.testing.assert_allclose(binding.offsets[3], [-1, 0, 2])
    assert binding.scales == {"x": (10, 20, 2.0), "y": (30, 40, 5.0), "z": (50, 60, 4.0)}
    np.testing.assert_array_equal(binding.hidden, [5, 8, 9, 10, 12, 100, 101])
    assert (binding.mesh, binding.material) == ("patch.obj", "materials/patch.mhmat")


def test_polygons_become_fans(folder: Path) -> None:
    mesh = parse_obj(folder / "base/clothes/patch/patch.obj")
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [0, 2, 4]])
    np.testing.assert_array_equal(mesh.corners, [[0, 1, 2], [0, 2, 3], [4, 2, 0]])
    assert (mesh.positions, len(mesh.uv)) == (5, 5)


def test_items_come_out_in_our_frame(folder: Path) -> None:
    arrays = makehuman_arrays(folder)
    assert list(arrays["items"]) == ["suit:patch:1"]
    assert arrays["skins"].tolist() == []
    at = int(np.flatnonzero(arrays["it0_i"][:, 1] == 12)[0])
    # MakeHuman's (x, y, z), y up, facing +z, decimetres, is our (x, -z, y) in metres.
    np.testing.assert_allclose(arrays["it0_o"][at], [0.01, -0.03, 0.02], atol=1e-7)
    np.testing.assert_array_equal(arrays["it0_s"], [[10, 20], [50, 60], [30, 40]])
    np.testing.assert_allclose(arrays["it0_sv"], [0.2, 0.4, 0.5])
    # Vertex 0 has two texture coordinates, vertex 4 shares one with another vertex: six corners in all.
    assert len(arrays["it0_i"]) == len(arrays["it0_uv"]) == 6
    assert arrays["it0_F"].max() == 5
    image = cv2.imdecode(arrays["it0_tex"], cv2.IMREAD_COLOR)
    assert image.shape == (512, 512, 3)
    np.testing.assert_allclose(image.reshape(-1, 3).mean(0), (10, 100, 200), atol=3)


def test_hair_keeps_its_alpha_and_kinds_follow_names(folder: Path) -> None:
    clothes = folder / "base" / "clothes" / "patch"
    for kind, name in (("hair", "fringe"), ("clothes", "shoes_red"), ("clothes", "straw_hat")):
        target = folder / "base" / kind / name
        target.mkdir(parents=True)
        (target / f"{name}.mhclo").write_text(MHCLO)
        (target / "patch.obj").write_text((clothes / "patch.obj").read_text())
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[:4] = (0, 0, 255, 255)
    cv2.imwrite(str(folder / "base/hair/fringe/a_diffuse.png"), picture)
    arrays = makehuman_arrays(folder)
    labels = arrays["items"].tolist()
    assert sorted(labels) == ["hair:fringe:1", "hat:straw_hat:0", "shoes:shoes_red:0", "suit:patch:1"]
    image = cv2.imdecode(arrays[f"it{labels.index('hair:fringe:1')}_tex"], cv2.IMREAD_UNCHANGED)
    assert image.shape == (256, 256, 4)
    np.testing.assert_array_equal(image[10, 10], (0, 0, 255, 255))
    assert image[250, 10, 3] == 0


def test_skins_and_eyes_are_taken(folder: Path) -> None:
    (folder / "base/skins/textures").mkdir(parents=True)
    (folder / "base/eyes/materials").mkdir(parents=True)
    cv2.imwrite(str(folder / "base/skins/textures/young_diffuse.png"), np.full((32, 32, 3), 90, np.uint8))
    cv2.imwrite(str(folder / "base/eyes/materials/blue.png"), np.full((32, 32, 3), (250, 30, 20), np.uint8))
    arrays = makehuman_arrays(folder)
    assert arrays["skins"].tolist() == ["young_diffuse"]
    assert arrays["eyes"].shape == (1, 64, 64, 3)
    np.testing.assert_array_equal(arrays["eyes"][0, 5, 5], (20, 30, 250))  # RGB


def test_components_are_ranked_by_size() -> None:
    faces = np.array([[0, 1, 2], [10, 11, 12], [11, 12, 13], [13, 12, 14], [20, 21, 22], [21, 22, 23]])
    np.testing.assert_array_equal(components(faces), [2, 0, 0, 0, 1, 1])
    lonely = np.arange(24).reshape(8, 3)
    assert components(lonely).max() == 5


def test_unusable_items_are_left_out_with_a_reason(folder: Path) -> None:
    bad = folder / "base" / "clothes" / "bad"
    bad.mkdir()
    (bad / "bad.mhclo").write_text(MHCLO.replace(" 41\n", ""))
    (bad / "patch.obj").write_text(OBJ)
    (bad / "far.mhclo").write_text(MHCLO.replace(" 41\n", " 30000\n"))
    (bad / "nothing.mhclo").write_text("name nothing\n")
    lines: list[str] = []
    assert list(makehuman_arrays(folder, lines.append)["items"]) == ["suit:patch:1"]
    text = "\n".join(lines)
    assert "4 ties for 5 vertices" in text
    assert "30000 is beyond" in text
    assert "nothing.mhclo" in text


def test_pointers_wrong_pictures_and_empty_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    picture = folder / "base/clothes/patch/colour map.png"
    picture.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(DataError, match="git lfs pull"):
        makehuman_arrays(folder)
    picture.write_bytes(b"no picture")
    with pytest.raises(DataError, match="not a picture"):
        makehuman_arrays(folder)
    with pytest.raises(DataError, match="no clothes"):
        makehuman_arrays(tmp_path)
    (tmp_path / "empty" / "skins").mkdir(parents=True)
    with pytest.raises(DataError, match="no MakeHuman clothes"):
        makehuman_arrays(tmp_path / "empty")
