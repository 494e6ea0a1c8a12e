from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metricpose.synthetic.body import Body, read_archive
from metricpose.synthetic.wardrobe import Wardrobe, allowed, held_out, load_wardrobe

NAMES = [f"garment{i}" for i in range(40)]


def test_a_seventh_is_held_out_whatever_the_order() -> None:
    kept = held_out(NAMES)
    assert len(kept) == 6
    assert held_out(reversed(NAMES)) == kept
    assert set(allowed(NAMES, "train")) | kept == set(NAMES)
    assert set(allowed(NAMES, "val")) == set(allowed(NAMES, "test")) == kept


def test_small_sets_keep_something_for_both() -> None:
    assert len(held_out(["a", "b"])) == 1
    assert held_out(["a"]) == set()
    assert allowed(["a"], "val") == ["a"]


@pytest.fixture(scope="module")
def rich(assets: Path) -> dict[str, Wardrobe]:
    file = read_archive(assets / "people.npz")
    body = Body(file)
    return {split: load_wardrobe(body, file, split) for split in ("train", "val")}


def test_splits_share_no_clothes_and_no_skins(rich: dict[str, Wardrobe]) -> None:
    for kind in ("suit", "shoes", "hair"):
        train, val = ({item.name for item in rich[split].items[kind]} for split in ("train", "val"))
        assert train
        assert val
        assert not train & val
    assert not {name for name, _ in rich["train"].skins} & {name for name, _ in rich["val"].skins}
    for wardrobe in rich.values():
        assert {item.name[:4] for item in wardrobe.items["suit"]} == {"male", "fema"}


def test_garments_lie_outside_the_body_they_hide(rich: dict[str, Wardrobe], assets: Path) -> None:
    body = Body.load(assets / "people.npz")
    for item in rich["train"].items["suit"]:
        fitted = item.fit(body.template)
        np.testing.assert_allclose(fitted, item.mesh.welded_attributes[:, :3], atol=0.02)  # rulers differ a little
        assert 0.02 < 1 - item.shows.mean() < 0.9
        assert np.abs(fitted).max() < 1.0
        assert len(item.luminance) == item.component.max() + 1


def test_garments_grow_with_the_body(rich: dict[str, Wardrobe], assets: Path) -> None:
    body = Body.load(assets / "people.npz")
    item = rich["train"].items["suit"][0]
    np.testing.assert_allclose(item.fit(1.5 * body.template), 1.5 * item.fit(body.template), atol=1e-5)


def test_plain_bodies_have_an_empty_wardrobe(body: Body) -> None:
    wardrobe = load_wardrobe(body, {}, "train")
    assert not any(wardrobe.items.values())
    assert wardrobe.textures.shape == (1, 512, 512, 4)
