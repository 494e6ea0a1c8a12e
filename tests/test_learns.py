"""Each method can learn: it overfits eight rendered people to 20 mm. What cannot do that, has a broken loss or decoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from metricpose.data.loading import SampleMaker, fixed_batches
from metricpose.data.synthetic import RenderedSource
from metricpose.models import MODELS
from metricpose.skeleton import catalog
from metricpose.synthetic.generator import Generator, SyntheticConfig, to_record
from metricpose.training.loop import TrainingData, train
from metricpose.training.schedule import ScheduleConfig
from metricpose.training.settings import TrainingConfig

SIDE, PEOPLE, LIMIT_MM = 64, 8, 20.0


class Kept:
    """Eight rendered people, rendered once."""

    def __init__(self) -> None:
        def make() -> Any:
            generator = Generator(SyntheticConfig(size=96, supersample=1, clutter=0, second_person=0, occluder=0))
            return lambda index: to_record(generator.scene(index))

        source = RenderedSource(make, length=PEOPLE)
        self.records = [source[i] for i in range(PEOPLE)]

    def __len__(self) -> int:
        return PEOPLE

    def __getitem__(self, index: int) -> Any:
        return self.records[index]

    def refresh(self) -> int:
        return PEOPLE


@pytest.fixture(scope="module")
def people() -> Kept:
    return Kept()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["metro", "twofive", "metrabs"])
def test_overfits_eight_people(name, people, tmp_path):
    net = catalog.get("metricpose_25")
    config_type, model_type = MODELS[name]
    options = {"absolute_start": 0, "weak_steps": 0} if name == "metrabs" else {}
    torch.manual_seed(0)
    model = model_type(config_type(side=SIDE, stride=16, stride_train=16, **options))
    maker = SampleMaker([people], SIDE, net, None)
    data = TrainingData(maker, (PEOPLE,), fixed_batches(people, range(PEOPLE), SIDE, net, PEOPLE))
    settings = TrainingConfig(
        steps=400, batch_size=PEOPLE, lr=2e-3, ema=0.9, precision="fp32", workers=0, log_every=50, validate_every=400,
        checkpoint_every=400, schedule=ScheduleConfig(kind="cosine", warmup=20), device="cpu",
    )  # fmt: skip
    found = train(model, name, data, settings, tmp_path)
    assert found["mpjpe_mm"] <= LIMIT_MM
    if name == "metrabs":
        assert found["absolute_mm"] <= 5 * LIMIT_MM
