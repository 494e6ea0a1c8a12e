from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from metricpose.errors import InputError
from metricpose.synthetic.generator import Generator, SyntheticConfig, SyntheticSample, to_record
from metricpose.synthetic.procedural import family_shares
from metricpose.types import HIDDEN, OUTSIDE, VISIBLE

COUNT = 10


@pytest.fixture(scope="module")
def samples(generator: Generator) -> list[SyntheticSample]:
    return [generator.scene(index) for index in range(COUNT)]


def digest(sample: SyntheticSample) -> str:
    arrays = (sample.image, sample.alpha, sample.foreground, sample.joints_mm, sample.visibility, sample.K)
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def test_labels_reproject(samples: list[SyntheticSample]) -> None:
    for sample in samples:
        np.testing.assert_allclose(sample.camera.project_camera(sample.joints_mm), sample.joints_px, atol=1e-3)
        world = sample.camera.to_world(sample.joints_mm)
        np.testing.assert_allclose(sample.camera.project(world), sample.joints_px, atol=1e-3)
        assert world[:, 2].min() > -60  # the ground is z = 0
        # The crop is a window of the full frame: same directions.
        np.testing.assert_allclose(sample.full_camera.to_camera(world), sample.joints_mm, atol=1e-6)


def test_order_does_not_matter_and_seeds_do(generator: Generator, samples: list[SyntheticSample]) -> None:
    for index in (7, 0, 3):
        assert digest(generator.scene(index)) == digest(samples[index])
    other = Generator(SyntheticConfig(size=64, seed=1))
    assert digest(other.scene(0)) != digest(samples[0])
    assert len({digest(sample) for sample in samples}) == COUNT


def test_another_process_renders_the_same(samples: list[SyntheticSample]) -> None:
    code = (
        "import hashlib, numpy as np\n"
        "from metricpose.synthetic.generator import Generator, SyntheticConfig\n"
        "s = Generator(SyntheticConfig(size=64)).scene(5)\n"
        "a = (s.image, s.alpha, s.foreground, s.joints_mm, s.visibility, s.K)\n"
        "print(hashlib.sha256(b''.join(np.ascontiguousarray(x).tobytes() for x in a)).hexdigest())\n"
    )
    source = str(Path(__file__).resolve().parents[2] / "src")
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.strip() == digest(samples[5])


def test_masks_boxes_and_visibility_make_sense(samples: list[SyntheticSample]) -> None:
    for sample in samples:
        assert sample.image.shape == (64, 64, 3)
        assert 30 < sample.alpha.sum() / 255 < 64 * 64
        assert (sample.foreground[sample.alpha == 255].max(1) > 0).mean() > 0.9
        assert set(np.unique(sample.visibility)) <= {OUTSIDE, HIDDEN, VISIBLE}
        x, y, w, h = sample.box_xywh
        inside = (sample.joints_px > [x - 2, y - 2]) & (sample.joints_px < [x + w + 2, y + h + 2])
        assert inside.mean() > 0.97
        assert 0.5 < max(w, h) / 64 < 1.0
    visibility = np.concatenate([s.visibility for s in samples])
    assert 0.4 < (visibility == VISIBLE).mean() < 0.95


def test_visible_joints_lie_on_the_mask(samples: list[SyntheticSample]) -> None:
    on = []
    for sample in samples:
        for (x, y), seen in zip(sample.joints_px, sample.visibility):
            if seen == VISIBLE:
                on.append(sample.alpha[round(float(y)), round(float(x))] > 0)
    assert np.mean(on) > 0.93


def test_record_carries_everything(samples: list[SyntheticSample]) -> None:
    record = to_record(samples[0])
    assert record.skeleton == "metricpose_25"
    assert record.image is samples[0].image
    np.testing.assert_allclose(record.camera.project_camera(record.joints_mm), record.joints_px, atol=1e-6)
    facts = {
        "age_years",
        "height_mm",
        "gender",
        "pose",
        "background",
        "distance_mm",
        "outfit",
        "seed",
        "split",
        "index",
    }
    assert facts <= set(record.info)
    assert 500 < record.info["height_mm"] < 2300
    assert record.info["distance_mm"] == pytest.approx(record.joints_mm[0, 2])


def test_config_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        SyntheticConfig(sise=64)
    with pytest.raises(ValidationError):
        SyntheticConfig(size=7)
    with pytest.raises(ValidationError):
        SyntheticConfig(split="training")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_shares_of_poses_that_are_no_shares_are_refused(value: float) -> None:
    with pytest.raises(ValidationError, match=r"finite shares of 0 or more, such as \{lie: 0.1\}, got .*'lie'"):
        SyntheticConfig(pose_shares={"lie": value, "walking": 0.1})
    with pytest.raises(InputError, match="lie"):
        family_shares({"lie": value})


def test_shares_of_backgrounds_beyond_one_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"photo \+ room \+ outdoors of at most 1, got 0.6 \+ 0.9 \+ 0.9 = 2.4"):
        SyntheticConfig(photo=0.6, room=0.9, outdoors=0.9)
    with pytest.raises(ValidationError, match="at most 1"):
        SyntheticConfig(room=1.0)
    SyntheticConfig(photo=0.1 + 0.2, room=0.6, outdoors=0.1)  # 1 but for rounding
    for photo, room, outdoors in ((0.36, 0.54, 0.06), (0.42, 0.42, 0.12), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)):
        SyntheticConfig(photo=photo, room=room, outdoors=outdoors)


@pytest.mark.parametrize("heights", [(1.8, 1.2), (0.0, 1.0), (1.0, 11.0)])
def test_studio_heights_out_of_order_or_reach_are_refused(heights: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match=r"lowest and the highest height in metres, such as \[1.2, 1.8\]"):
        SyntheticConfig(studio_height=heights)


def test_the_hash_of_older_settings_stays() -> None:
    """It is printed beside published results; `studio_height` came after them."""
    settings = SyntheticConfig(split="test").model_dump_json(exclude={"assets"})
    assert hashlib.sha256(settings.encode()).hexdigest()[:16] == "50d02c128b033079"
    high = SyntheticConfig(studio_height=(2.0, 2.5))
    assert SyntheticConfig.model_validate_json(high.model_dump_json()) == high


def test_rich_scenes_use_photographs_and_garments(assets: Path) -> None:
    rich = Generator(SyntheticConfig(size=64, assets=assets, split="val", photo=0.9, room=0.1, outdoors=0.0))
    samples = [rich.scene(index) for index in range(12)]
    assert sum(s.info["background"].startswith("photo") for s in samples) >= 4
    assert sum(s.info["outfit"] != "painted" for s in samples) >= 4
    test = Generator(SyntheticConfig(size=64, assets=assets, split="test", photo=0.9, room=0.1, outdoors=0.0))
    assert digest(test.scene(0)) != digest(samples[0])
