from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricpose.errors import DataError
from metricpose.synthetic.controls import mirrored
from metricpose.synthetic.poses import PoseLibrary
from metricpose.synthetic.rotations import matrices_to_quaternions


def quaternions(count: int, seed: int) -> np.ndarray:
    matrices = Rotation.from_rotvec(np.random.default_rng(seed).normal(size=(count * 22, 3))).as_matrix()
    return np.round(matrices_to_quaternions(matrices).reshape(count, 22, 4) * 32767).astype(np.int16)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "poses.npz"
    act = np.array(["dance"] * 90 + ["wave"] * 10 + ["jump"] * 5)
    split = np.array([0] * 100 + [1] * 5, np.uint8)
    np.savez(path, Q=quaternions(105, 0), src=np.array(["clip"] * 105), split=split, act=act)
    return path


def test_splits_are_kept_apart(file: Path) -> None:
    assert PoseLibrary.load(file).names == ("dance", "wave")
    assert len(PoseLibrary.load(file)) == 100
    assert PoseLibrary.load(file, "test").names == ("jump",)


def test_rotations_are_those_stored(file: Path) -> None:
    library = PoseLibrary.load(file, "test")
    drawn = library.sample(np.random.default_rng(0), mirror=False)
    stored = [Rotation.from_quat(q).as_matrix() for q in library.quaternions / 32767.0]
    assert min(np.abs(drawn.rotations - s).max() for s in stored) < 1e-9
    assert drawn.kind == "jump"
    assert not drawn.seated


def test_large_activities_are_tempered(file: Path) -> None:
    library, rng = PoseLibrary.load(file), np.random.default_rng(1)
    counts = Counter(library.sample(rng).kind for _ in range(3000))
    assert counts["wave"] / 3000 == pytest.approx(np.sqrt(10) / (np.sqrt(10) + np.sqrt(90)), abs=0.03)


def test_half_of_the_draws_are_mirrored(file: Path) -> None:
    library, rng = PoseLibrary.load(file, "test"), np.random.default_rng(2)
    plain = np.stack([Rotation.from_quat(q).as_matrix() for q in library.quaternions / 32767.0])
    drawn = np.stack([library.sample(rng).rotations for _ in range(200)])
    is_plain = np.abs(drawn[:, None] - plain).max((2, 3, 4)).min(1) < 1e-6
    is_mirrored = np.abs(drawn[:, None] - mirrored(plain)).max((2, 3, 4)).min(1) < 1e-6
    assert (is_plain ^ is_mirrored).all()
    assert 70 < is_mirrored.sum() < 130


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut off"])
def test_unreadable_files_say_what_was_expected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a pose library"):
        PoseLibrary.load(path)


def test_missing_keys_splits_and_rows_are_refused(tmp_path: Path, file: Path) -> None:
    with pytest.raises(DataError, match="unknown"):
        PoseLibrary.load(file, "val")
    np.savez(tmp_path / "keys.npz", Q=quaternions(2, 0), split=np.zeros(2))
    with pytest.raises(DataError, match="act"):
        PoseLibrary.load(tmp_path / "keys.npz")
    np.savez(tmp_path / "empty.npz", Q=quaternions(2, 0), split=np.zeros(2), act=np.array(["a", "b"]))
    with pytest.raises(DataError, match="no poses"):
        PoseLibrary.load(tmp_path / "empty.npz", "test")


def test_shared_library_has_both_splits(assets: Path) -> None:
    train, test = (PoseLibrary.load(assets / "poses.npz", split) for split in ("train", "test"))
    assert len(train) > 4 * len(test) > 0
