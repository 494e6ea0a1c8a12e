"""A trained model on the test people: the normal evaluation, then each image's errors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int

from metricpose.benchmark.domain import is_target
from metricpose.benchmark.plan import Test
from metricpose.benchmark.results import Errors
from metricpose.data.shards import ShardFolder
from metricpose.errors import DataError
from metricpose.evaluation import predictions as files
from metricpose.evaluation import protocols
from metricpose.evaluation.matching import match
from metricpose.evaluation.metrics import Scores, restrict
from metricpose.evaluation.predictions import Header, Predictions
from metricpose.evaluation.run import describe_model, predict_records
from metricpose.evaluation.scoring import measure
from metricpose.evaluation.sources import open_items
from metricpose.types import Record

MEASURES = ("mpjpe", "pa_mpjpe", "n_mpjpe", "a_mpjpe", "pck150")
TRUNCATED_MEASURES = ("mpjpe",)
_PROTOCOLS = {"whole": "synthetic", "truncated": "synthetic-truncated"}


@dataclass(frozen=True)
class Measured:
    """Errors of one test.

    Attributes:
        units: hash of the images' names.
        scale: where metric scale came from.
        errors: "test/measure" -> errors; the whole test gives "target/measure" too, on the target domain.
    """

    units: str
    scale: str
    errors: dict[str, Errors]


def run_test(
    model: Any,
    test: Test,
    folder: Path,
    count: int,
    cache: Path,
    *,
    views: int = 1,
    device: torch.device | str = "cpu",
    label: str = "",
    progress: Callable[[int], None] | None = None,
) -> Measured:
    """Predict, or read the predictions of the same model made before, and score them.

    Args:
        folder: shards of test people.
        count: images, from the first on.
        cache: where the predictions are kept.
        label: put before every key, for a second way of decoding.

    Raises:
        DataError: too few images.
    """
    protocol = protocols.get(_PROTOCOLS[test])
    items = open_items(protocol, folder, count)
    header = Header(
        protocol=protocol.name, data=items.data, split=items.split, people=len(items), seed=protocol.seed,
        crop_source=protocol.crop_source, **_named(model, views),
    )  # fmt: skip
    found = _predictions(model, items, header, cache, views, device, progress)
    scores = _scores(found, test)
    members = target_members(folder, count) if test == "whole" else None
    errors = {}
    for key, (units, values) in scores.items():
        errors[f"{label}{key}"] = _per_unit(values, units)
        if members is not None:
            errors[f"{label}{key.replace('whole', 'target')}"] = _per_unit(restrict(values, members[:, None]), units)
    names = hashlib.sha256("\n".join([items.data, *found.truth.ids]).encode()).hexdigest()[:16]
    return Measured(names, header.scale_policy, errors)


def _named(model: Any, views: int) -> dict[str, Any]:
    """Who predicts: the state's hash stands for a file's, because a model measured here need not have one."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return describe_model(model, {"sha256": digest.hexdigest()}, views)


def _predictions(
    model: Any,
    items: Iterable[Record],
    header: Header,
    cache: Path,
    views: int,
    device: torch.device | str,
    progress: Callable[[int], None] | None,
) -> Predictions:
    if cache.exists():
        cached = files.load(cache)
        if not cached.header.differences(header):
            return cached
    made = predict_records(model, items, header, views=views, device=device, progress=progress)
    files.save(made, cache)
    return made


def _scores(predictions: Predictions, test: Test) -> dict[str, tuple[Int[np.ndarray, " n"], Scores]]:
    """Key -> the image each prediction belongs to, and the scores."""
    protocol = protocols.get(predictions.header.protocol)
    (group,) = protocol.groups
    matched = match(predictions, group, np.ones(len(predictions.truth), bool))
    _, units = np.unique(np.asarray(predictions.truth.images), return_inverse=True)
    wanted = MEASURES if test == "whole" else TRUNCATED_MEASURES
    found: dict[str, tuple[Int[np.ndarray, " n"], Scores]] = {}
    for subset in protocol.subsets:
        name = test if subset == "all" else f"{test}-{subset}"
        scores = measure(matched, group, subset)
        found |= {f"{name}/{m}": (units, scores[m]) for m in wanted if m in scores}
    return found


def _per_unit(scores: Scores, units: Int[np.ndarray, " n"]) -> Errors:
    sums, counts = (np.bincount(units, x.sum(1).astype(np.float64)) for x in scores)
    return Errors(sums, counts)


def target_members(folder: Path, count: int) -> Bool[np.ndarray, " n"]:
    """Which of the first test images belong to the target domain.

    Raises:
        DataError: the folder holds fewer.
    """
    shards = ShardFolder(folder)
    if len(shards) < count:
        raise DataError(f"{folder} holds {len(shards)} test people; {count} are needed")
    return np.array([is_target(shards[i].info) for i in range(count)])
