from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from metricpose.errors import DataError
from metricpose.synthetic.pictures import TO_LINEAR, Photo, Pictures, load_pictures, photo_behind, sample_fabric
from metricpose.synthetic.rotations import rot_x, rot_z

HEIGHT, WIDTH, SIDE = 300, 480, 65


def ramp() -> Photo:
    """Red tells the row of the full photograph, green the column, both as shares of 200 display steps."""
    rows = np.linspace(0, 200, HEIGHT)[:, None].repeat(WIDTH, 1)
    columns = np.linspace(0, 200, WIDTH)[None].repeat(HEIGHT, 0)
    full = np.stack([rows, columns, np.full_like(rows, 128)], 2).astype(np.uint8)
    levels = [full]
    for _ in range(2):
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return Photo(tuple(levels), False)


def look(pitch: float, roll: float) -> np.ndarray:
    """Rotation of a camera that looks `pitch` radians below the horizon."""
    level = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    return rot_z(roll) @ rot_x(pitch) @ level


def shares(image: np.ndarray) -> np.ndarray:
    """Row of the photograph, as a share of its height, that each pixel shows."""
    return np.searchsorted(TO_LINEAR, image[..., 0]) / 200.0


@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (0.12, 0.05), (-0.1, -0.06), (0.2, 0.0)])
def test_horizon_falls_on_horizon(pitch: float, roll: float) -> None:
    R, focal, cx, cy = look(pitch, roll), 110.0, 30.0, 36.0
    found = 0
    for seed in range(12):
        image = photo_behind(np.random.default_rng(seed), ramp(), R[:, 2], focal, cx, cy, SIDE)
        if image is None:
            continue
        found += 1
        # Directions on the horizon, half a degree apart, that fall inside the picture.
        angle = np.arange(-0.4, 0.4, 0.01)
        rays = np.stack([np.sin(angle), np.cos(angle), np.zeros_like(angle)], 1) @ R.T
        px = rays[:, :2] / rays[:, 2:] * focal + [cx, cy]
        px = px[((px >= 2) & (px <= SIDE - 3)).all(1)]
        rows = np.array([shares(image)[round(y), round(x)] for x, y in px])
        assert len(rows) > 5
        assert 0.36 < rows.mean() < 0.64
        assert np.ptp(rows) < 0.05
    assert found > 6


def test_lower_pixels_show_lower_rows_and_nothing_is_mirrored_beyond_the_slack() -> None:
    R = look(0.05, 0.0)
    image = photo_behind(np.random.default_rng(0), ramp(), R[:, 2], 110.0, 30.0, 36.0, SIDE)
    assert image is not None
    rows = shares(image)[4:-4, 10:-10]
    assert (np.diff(rows.mean(1)) >= -0.005).all()
    assert rows[-1].mean() > rows[0].mean() + 0.1


def test_steep_views_have_no_photograph() -> None:
    for pitch in (1.0, -1.2, 1.5):
        assert photo_behind(np.random.default_rng(0), ramp(), look(pitch, 0.0)[:, 2], 110.0, 30.0, 36.0, SIDE) is None


def write_assets(folder: Path) -> None:
    (folder / "backgrounds").mkdir(parents=True)
    lines = ["file\tsource (repo)\tindoor/outdoor"]
    for i in range(14):
        for part in ("", " (left sub-view)"):
            name = f"bg_{i}{part[2:6]}.png"
            cv2.imwrite(str(folder / "backgrounds" / name), np.full((20, 30, 3), 10 * i, np.uint8))
            lines.append(f"{name}\thost:photo {i}.jpg (blob 0{i}){part}\t{'indoor' if i % 2 else 'outdoor'}")
    (folder / "backgrounds" / "MANIFEST.tsv").write_text("\n".join(lines))


def test_views_of_one_photograph_stay_in_one_split(tmp_path: Path) -> None:
    write_assets(tmp_path)
    levels = {}
    for split in ("train", "val", "test"):
        photos = load_pictures(tmp_path, split).photos
        levels[split] = sorted(int(photo.levels[0][0, 0, 0]) for photo in photos)
        assert all(photo.indoor == (photo.levels[0][0, 0, 0] // 10 % 2 == 1) for photo in photos)
    assert len(levels["train"]) == 24
    assert levels["val"] == levels["test"]
    assert not set(levels["train"]) & set(levels["val"])
    assert levels["val"][0] == levels["val"][1]  # both views of it


def test_blank_lines_and_an_empty_manifest_are_no_rows(tmp_path: Path) -> None:
    write_assets(tmp_path)
    path = tmp_path / "backgrounds" / "MANIFEST.tsv"
    wanted = [photo.indoor for photo in load_pictures(tmp_path, "train").photos]
    path.write_text("\n" + path.read_text().replace("\n", "\n\n") + "\n\t\n\n")
    assert [photo.indoor for photo in load_pictures(tmp_path, "train").photos] == wanted
    path.write_text("\n")
    assert not any(photo.indoor for photo in load_pictures(tmp_path, "train").photos)
    path.write_bytes("file\tsource\nbg_0.png\tCafé\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"MANIFEST\.tsv.*UTF-8"):
        load_pictures(tmp_path, "train")


@pytest.mark.parametrize("shape", [(8, 8), (8, 300), (48, 49), (49, 48), (50, 50), (640, 20)])
def test_small_and_very_wide_photographs_can_be_behind_people_and_on_fabrics(shape: tuple[int, int]) -> None:
    level = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    levels = [level]
    for _ in range(2):
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    photo = Photo(tuple(levels), False)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        assert sample_fabric(rng, Pictures([photo], [])).shape == (64, 64, 3)
        behind = photo_behind(rng, photo, look(0.05, 0.0)[:, 2], 110.0, 30.0, 36.0, SIDE)
        assert behind is None or np.isfinite(behind).all()


def test_the_piece_of_a_larger_photograph_is_drawn_as_ever() -> None:
    seed = next(s for s in range(99) if np.random.default_rng(s).random() < 0.85)
    rng, twin = np.random.default_rng(seed), np.random.default_rng(seed)
    fabric = sample_fabric(rng, Pictures([ramp()], []))
    twin.random(), twin.integers(1)
    side = twin.integers(24, 150)
    y, x = twin.integers(150 - side), twin.integers(240 - side)
    piece = ramp().levels[1][y : y + side, x : x + side]
    np.testing.assert_array_equal(fabric, TO_LINEAR[cv2.resize(piece, (64, 64), interpolation=cv2.INTER_AREA)])
    assert rng.random() == twin.random()


def test_photographs_of_a_few_pixels_are_named(tmp_path: Path) -> None:
    (tmp_path / "backgrounds").mkdir()
    cv2.imwrite(str(tmp_path / "backgrounds" / "speck.png"), np.zeros((5, 90, 3), np.uint8))
    with pytest.raises(DataError, match=r"speck\.png is 90 x 5 pixels.*at least 8"):
        load_pictures(tmp_path, "train")


def test_no_folder_no_pictures_and_unreadable_ones_are_named(tmp_path: Path) -> None:
    assert load_pictures(None, "train") == ([], [])
    assert load_pictures(tmp_path, "train") == ([], [])
    (tmp_path / "textures").mkdir()
    (tmp_path / "textures" / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        load_pictures(tmp_path, "train")


def test_fabrics_are_linear_tiles(tmp_path: Path) -> None:
    write_assets(tmp_path)
    for pictures in (load_pictures(None, "train"), load_pictures(tmp_path, "train")):
        if pictures.photos:
            pictures = pictures._replace(photos=[ramp()])
        for seed in range(20):
            fabric = sample_fabric(np.random.default_rng(seed), pictures)
            assert fabric.shape == (64, 64, 3)
            assert 0.0 <= fabric.min() <= fabric.max() <= 1.0
