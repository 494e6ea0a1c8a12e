from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open

from metricpose.data.shards import Shard, ShardFolder, render_shards, shard_path, write_shard
from metricpose.errors import DataError, InputError
from metricpose.geometry.camera import Camera
from people import person


def render(index):
    return person(index, size=(60 + index % 3, 50))


def make_renderer():
    return render


class Failing:
    """A renderer that must not be called."""

    def __call__(self):
        raise AssertionError("rendered again")


def test_records_come_back(tmp_path):
    lens = np.array([0.1, -0.05, 0.001, 0.002, 0.01])
    first = person(0)
    turned = Camera(first.camera.K, first.camera.size, lens, np.diag([-1.0, -1, 1]), np.array([5.0, 6, 7]))
    records = [replace(first, camera=turned, abs_valid=False), person(1, size=(80, 90), alpha=False)]
    path = tmp_path / "a" / "shard-000000.safetensors"
    write_shard(path, records, facts={"generator": "by hand"})
    shard = Shard(path)
    assert len(shard) == 2
    assert shard.metadata["generator"] == "by hand"
    for wanted, got in zip(records, (shard[0], shard[1])):
        assert np.abs(got.image.astype(int) - wanted.image).mean() < 2
        assert got.image.shape == wanted.image.shape
        assert got.joints_mm == pytest.approx(wanted.joints_mm, abs=1e-3)
        assert got.joints_px == pytest.approx(wanted.joints_px, abs=1e-4)
        assert got.box_xywh.tolist() == wanted.box_xywh.tolist()
        assert got.visibility.tolist() == wanted.visibility.tolist()
        assert (got.skeleton, got.abs_valid) == (wanted.skeleton, wanted.abs_valid)
        assert got.camera.size == wanted.camera.size
        for name in ("K", "R", "t"):
            assert (getattr(got.camera, name) == getattr(wanted.camera, name)).all()
        assert got.info == {"number": wanted.info["number"], "height_mm": 1700.5, "pose": "made up"}
    assert shard[0].camera.project(np.array([[1.0, 2, 900]])) == pytest.approx(
        turned.project(np.array([[1.0, 2, 900]]))
    )
    assert shard[1].alpha is None
    assert np.abs(shard[0].alpha.astype(int) - first.alpha).mean() < 3


def test_missing_labels_stay_nan(tmp_path):
    record = person(0)
    record = replace(record, joints_mm=np.full_like(record.joints_mm, np.nan))
    write_shard(shard_path(tmp_path, 0), [record])
    assert np.isnan(ShardFolder(tmp_path)[0].joints_mm).all()


def test_ordinal_labels_come_back_and_files_without_any_have_no_room_for_them(tmp_path):
    order = np.random.default_rng(0).integers(-1, 2, 300).astype(float)
    weights = np.random.default_rng(1).choice([0.0, 0.25, 1.0], 300)
    order[weights == 0] = np.nan
    labelled = replace(person(1), order=order, order_w=weights)
    write_shard(shard_path(tmp_path, 0), [person(0), labelled, person(2)])
    folder = ShardFolder(tmp_path)
    assert folder[0].order is folder[0].order_w is folder[2].order is None
    np.testing.assert_array_equal(folder[1].order, np.nan_to_num(order))
    np.testing.assert_array_equal(folder[1].order_w, weights)
    write_shard(shard_path(tmp_path, 1), [person(0)])
    with safe_open(shard_path(tmp_path, 1), framework="np") as file:
        assert not {"order", "order_w"} & set(file.keys())
    assert Shard(shard_path(tmp_path, 1))[0].order is None


def test_mixed_skeletons_are_refused(tmp_path):
    with pytest.raises(DataError, match="one skeleton"):
        write_shard(tmp_path / "x.safetensors", [person(0), person(1, skeleton="h36m_17")])


def test_a_folder_grows_and_keeps_its_indices(tmp_path):
    with pytest.raises(DataError, match="shard-000000"):
        ShardFolder(tmp_path)
    write_shard(shard_path(tmp_path, 0), [person(i) for i in range(3)])
    folder = ShardFolder(tmp_path)
    write_shard(shard_path(tmp_path, 2), [person(9)])  # not yet: number 1 is missing
    assert folder.refresh() == 3
    write_shard(shard_path(tmp_path, 1), [person(i) for i in (5, 6)])
    assert folder.refresh() == 6
    assert [folder[i].info["number"] for i in range(6)] == [0, 1, 2, 5, 6, 9]
    for index in (-1, 6):
        with pytest.raises(IndexError):
            folder[index]


def test_truncated_foreign_and_damaged_files_are_reported(tmp_path):
    path = shard_path(tmp_path, 0)
    write_shard(path, [person(0)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated"):
        ShardFolder(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="truncated"):
        ShardFolder(tmp_path)
    with safe_open_bytes(whole) as start:
        broken = bytearray(whole)
        broken[start + 40] ^= 255
    path.write_bytes(bytes(broken))
    with pytest.raises(DataError, match="checksum"):
        ShardFolder(tmp_path)[0]


class safe_open_bytes:  # noqa: N801 (reads as a function)
    """Offset in the file at which the tensor `bytes` starts."""

    def __init__(self, data):
        length = int.from_bytes(data[:8], "little")
        self.start = 8 + length + json.loads(data[8 : 8 + length])["bytes"]["data_offsets"][0]

    def __enter__(self):
        return self.start

    def __exit__(self, *error):
        return None


def test_other_safetensors_files_are_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "shard-000000.safetensors")
    with pytest.raises(DataError, match="metricpose-shard-1"):
        ShardFolder(tmp_path)


def numbers(folder):
    return [record.info["number"] for record in map(ShardFolder(folder).__getitem__, range(len(ShardFolder(folder))))]


@pytest.mark.parametrize("workers", [0, 2])
def test_rendering_is_by_index_and_resumable(tmp_path, workers):
    seen = []
    made = render_shards(
        make_renderer, tmp_path, 5, per_shard=2, workers=workers, start=10, progress=lambda *a: seen.append(a)
    )
    assert made == 5
    assert [total for _, total in seen] == [5, 5, 5]
    assert sorted(np.diff([0, *(done for done, _ in seen)])) == [1, 2, 2]
    assert numbers(tmp_path) == [10, 11, 12, 13, 14]
    assert render_shards(Failing(), tmp_path, 5, per_shard=2, workers=0, start=10) == 0
    before = shard_path(tmp_path, 0).read_bytes()
    shard_path(tmp_path, 1).unlink()
    assert render_shards(make_renderer, tmp_path, 5, per_shard=2, workers=0, start=10) == 2
    assert shard_path(tmp_path, 0).read_bytes() == before
    assert numbers(tmp_path) == [10, 11, 12, 13, 14]


def test_sets_that_start_where_others_end_share_no_record(tmp_path):
    render_shards(make_renderer, tmp_path / "a", 3, per_shard=2, workers=0)
    render_shards(make_renderer, tmp_path / "b", 1, per_shard=2, workers=0, start=3)
    assert (numbers(tmp_path / "a"), numbers(tmp_path / "b")) == ([0, 1, 2], [3])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_short_last_shard_is_made_again_when_more_is_asked_for(tmp_path, workers):
    render_shards(make_renderer, tmp_path, 5, per_shard=3, workers=0)
    first, seen = shard_path(tmp_path, 0).read_bytes(), []
    made = render_shards(make_renderer, tmp_path, 10, per_shard=3, workers=workers, progress=lambda *a: seen.append(a))
    assert made == 7
    assert seen[0] == (6, 10)  # the short one before those after it: there is never a gap behind which it is lost
    assert seen[-1] == (10, 10)
    assert numbers(tmp_path) == list(range(10))
    assert shard_path(tmp_path, 0).read_bytes() == first


def test_a_folder_that_holds_more_is_left_alone(tmp_path):
    render_shards(make_renderer, tmp_path, 6, per_shard=3, workers=0)
    shown = []
    write_shard(shard_path(tmp_path, 2), [person(9)], facts={"generator": "by hand"})
    for count in (5, 4, 2):
        assert render_shards(Failing(), tmp_path, count, per_shard=3, progress=lambda *a: shown.append(a)) == 0
    assert (len(ShardFolder(tmp_path)), shown) == (7, [])
    shard_path(tmp_path, 0).unlink()
    shown.clear()
    render_shards(make_renderer, tmp_path, 4, per_shard=3, workers=0, progress=lambda *a: shown.append(a))
    assert shown == [(4, 4)]


def test_numbers_below_zero_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected a first index of 0 or more, got -5"):
        render_shards(Failing(), tmp_path, 4, start=-5)
    with pytest.raises(InputError, match="expected 0 or more workers, got -2"):
        render_shards(Failing(), tmp_path, 4, workers=-2)


def test_shards_of_other_settings_are_not_mixed(tmp_path):
    render_shards(make_renderer, tmp_path, 4, per_shard=2, workers=0, facts={"generator": "a", "start": "0"})
    assert render_shards(Failing(), tmp_path, 4, per_shard=2, workers=0, facts={"generator": "a", "start": "0"}) == 0
    with pytest.raises(DataError, match="rendered with another generator and start"):
        render_shards(make_renderer, tmp_path, 6, per_shard=2, workers=0, facts={"generator": "b", "start": "9"})
    with pytest.raises(DataError, match="another number of records"):
        render_shards(make_renderer, tmp_path, 9, per_shard=3, workers=0, facts={"generator": "a", "start": "0"})
    assert len(list(tmp_path.iterdir())) == 2
    for count, per_shard in ((0, 2), (-3, 2), (4, 0)):
        with pytest.raises(InputError, match="at least one record"):
            render_shards(make_renderer, tmp_path, count, per_shard=per_shard, workers=0)


def test_the_file_is_plain_safetensors(tmp_path):
    write_shard(shard_path(tmp_path, 0), [person(0)])
    with safe_open(shard_path(tmp_path, 0), framework="np") as file:
        assert file.metadata()["skeleton"] == "metricpose_25"
        assert file.get_tensor("joints_mm").shape == (1, 25, 3)
