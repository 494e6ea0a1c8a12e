"""Depth order of pairs of joints: the sign is right, contradictions have no weight, faults are named."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from data.readers.photographs import indexed, people, save_picture
from data.scenes import assert_painted
from layouts.photographs import told, write_ordinal
from metricpose.data.readers import ordinal_depth
from metricpose.data.readers.contract import load
from metricpose.data.readers.ordinal_depth import PARTS
from metricpose.errors import DataError
from metricpose.types import HIDDEN, UNKNOWN, VISIBLE

EQUAL_MM = 30.0


def with_gaps(depth: np.ndarray) -> np.ndarray:
    table = told(depth, EQUAL_MM)
    table[0, 1] = np.nan  # told once
    table[0, 2] = table[2, 0] = np.nan  # not told
    table[0, 3] = table[3, 0] = 1  # contradiction
    return table


def write(folder: Path, split: str, flag: float = 1.0, pair: float = np.nan) -> None:
    part = PARTS[split]
    joints, tables = (
        np.zeros((part.pictures, part.joints, 3)),
        np.full((part.pictures, part.joints, part.joints), np.nan),
    )
    for number, (camera, world) in enumerate(people(part.skeleton, 2)):
        save_picture(folder / part.folder / "images" / part.picture.format(number + 1), camera, world)
        joints[number, :, :2] = camera.project(world) + part.origin
        tables[number] = with_gaps(camera.to_camera(world)[:, 2])
    joints[0, 3, 2], tables[1, 4, 5] = flag, pair if np.isfinite(pair) else tables[1, 4, 5]
    write_ordinal(folder, part, joints, tables)


@pytest.mark.parametrize("split", ["lsp", "mpii"])
def test_joints_lie_where_they_are_painted_and_the_order_is_theirs(tmp_path: Path, split: str) -> None:
    write(tmp_path, split)
    items = indexed(ordinal_depth.READER, tmp_path, split)
    assert (len(items), items[0].skeleton) == (PARTS[split].pictures, PARTS[split].skeleton)
    for item, (camera, world) in zip(items[:2], people(PARTS[split].skeleton, 2)):
        record = load(ordinal_depth.READER, item)
        assert_painted(record)
        np.testing.assert_allclose(record.joints_px, camera.project(world), atol=1e-9)
        assert record.order is not None
        assert record.order_w is not None
        depth = camera.to_camera(world)[:, 2]
        for (a, b), order, weight in zip(combinations(range(len(depth)), 2), record.order, record.order_w):
            if (a, b) in ((0, 2), (0, 3)):
                assert (order, weight) == (0, 0)
            else:
                closer = 0 if abs(depth[a] - depth[b]) < EQUAL_MM else 1 if depth[b] < depth[a] else -1
                assert (order, weight) == (closer, 1), (a, b)
    first = load(ordinal_depth.READER, items[0]).visibility
    assert first[2:4].tolist() == ([VISIBLE, HIDDEN] if split == "lsp" else [UNKNOWN, UNKNOWN])


def test_faults_are_named(tmp_path: Path) -> None:
    write(tmp_path, "lsp", flag=2)
    with pytest.raises(DataError, match=r"joints\.mat: expected x, y and 0 or 1 for each joint of im0001\.jpg"):
        indexed(ordinal_depth.READER, tmp_path, "lsp")
    write(tmp_path, "lsp", pair=2)
    with pytest.raises(DataError, match=r"ordinal\.mat: expected -1, 0, 1 or NaN for each pair of im0002\.jpg"):
        indexed(ordinal_depth.READER, tmp_path, "lsp")
    savemat(tmp_path / "lsp_dataset_original" / "ordinal.mat", {"ord": np.zeros((14, 14, 2000))}, do_compression=True)
    with pytest.raises(DataError, match=r"expected ord of 2000 x 14 x 14 numbers, found 14 x 14 x 2000\. Extract"):
        indexed(ordinal_depth.READER, tmp_path, "lsp")
    with pytest.raises(DataError, match="mpii_upis1h: expected the pictures and labels, found no such folder"):
        indexed(ordinal_depth.READER, tmp_path, "mpii")
