"""People found in images, and which annotated person each of them is, by pixels: as MuPoTS-3D's script does it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from metricpose.errors import InputError
from metricpose.evaluation.definition import Group, Matching
from metricpose.evaluation.matching import truth_of
from metricpose.evaluation.predictions import MISSED, Header, Predictions, Truth
from metricpose.evaluation.protocols import joint_map
from metricpose.skeleton import catalog

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Crowd:
    """The people a system found in the images of `truth`; more or fewer than there are.

    Attributes:
        images: for each person, the image, as in `truth.images`.
        joints_mm, joints_abs_mm, joints_px, covariance_mm2, flags: as in Predictions, a row for each person.
    """

    header: Header
    truth: Truth
    images: tuple[str, ...]
    joints_mm: Float[np.ndarray, "p j 3"]
    joints_abs_mm: Float[np.ndarray, "p j 3"]
    joints_px: Float[np.ndarray, "p j 2"]
    covariance_mm2: Float[np.ndarray, "p j 3 3"]
    flags: Int[np.ndarray, " p"]

    def __post_init__(self) -> None:
        strange = sorted(set(self.images) - set(self.truth.images))
        if strange:
            raise InputError(f"people in images that the protocol does not have: {', '.join(strange[:3])}")


def one_per_box(predictions: Predictions) -> Crowd:
    """Predictions of true boxes as a crowd that has forgotten whose boxes they were."""
    p = predictions
    return Crowd(
        p.header, p.truth, p.truth.images, p.joints_mm, p.joints_abs_mm, p.joints_px, p.covariance_mm2, p.flags
    )


class Associated(NamedTuple):
    """One row for each annotated person, NaN and MISSED where nobody was found; and how many people matched nobody."""

    predictions: Predictions
    extra: int


def associate(crowd: Crowd, group: Group, matching: Matching) -> Associated:
    """Give every annotated person one of the people found in the image, or nobody.

    Args:
        group: whose skeleton the matching joints belong to.

    Raises:
        InputError: no conversion between the skeletons.
    """
    choice = _choices(crowd, group, matching)
    missed = choice == NOBODY
    extra = len(crowd.images) - int((~missed).sum())

    def taken(values: np.ndarray) -> np.ndarray:
        out = np.full((len(choice), *values.shape[1:]), np.nan)
        out[~missed] = values[choice[~missed]]
        return out

    flags = np.full(len(choice), MISSED, np.int64)
    flags[~missed] = crowd.flags[choice[~missed]]
    predictions = Predictions(
        header=replace(crowd.header, people=len(crowd.truth)),
        truth=crowd.truth,
        joints_mm=taken(crowd.joints_mm),
        joints_abs_mm=taken(crowd.joints_abs_mm),
        joints_px=taken(crowd.joints_px),
        covariance_mm2=taken(crowd.covariance_mm2),
        flags=flags,
    )
    return Associated(predictions, extra)


def _choices(crowd: Crowd, group: Group, matching: Matching) -> Int[np.ndarray, " n"]:
    """For each annotated person the row of the crowd, or NOBODY."""
    joints = [catalog.get(group.skeleton).index(j) for j in matching.joints]
    _, true, _, _ = truth_of(crowd.truth, np.arange(len(crowd.truth)), group)
    # The pixel of a mixture of joints is not the mixture of their pixels, but close enough to tell people apart.
    found = joint_map(crowd.header.skeleton, group).conversion.apply(crowd.joints_px)
    annotated, seen = _rows(crowd.truth.images), _rows(crowd.images)
    out = np.full(len(crowd.truth), NOBODY)
    for image, people in annotated.items():
        there = seen.get(image, np.zeros(0, np.int64))
        picked = pick(true[people][:, joints], found[there][:, joints], matching.within_px)
        out[people] = np.where(picked == NOBODY, NOBODY, there[picked] if len(there) else NOBODY)
    return out


def _rows(images: tuple[str, ...]) -> dict[str, Int[np.ndarray, " k"]]:
    """Image -> rows, in order."""
    names, image_of = np.unique(np.asarray(images, dtype=str), return_inverse=True)
    order = np.argsort(image_of, kind="stable")
    ends = np.cumsum(np.bincount(image_of, minlength=len(names)))[:-1]
    return dict(zip(names.tolist(), np.split(order, ends)))


def pick(
    true_px: Float[np.ndarray, "t j 2"], found_px: Float[np.ndarray, "p j 2"], within_px: float
) -> Int[np.ndarray, " t"]:
    """For each annotated person of an image the index of a found one, or NOBODY; `definition.Matching` states the rule.

    Args:
        true_px: NaN where not annotated.
        found_px: NaN, or (0, 0), where not found.
    """
    agree = _agreeing(true_px, found_px, within_px)
    out = np.full(len(true_px), NOBODY)
    for person, votes in enumerate(agree):
        if len(votes) and votes.max() > 0:
            out[person] = votes.argmax()
            agree[:, out[person]] = 0
    return out


def _agreeing(
    true_px: Float[np.ndarray, "t j 2"], found_px: Float[np.ndarray, "p j 2"], within_px: float
) -> Int[np.ndarray, "t p"]:
    """How many joints of each pair of people are close."""
    there: Bool[np.ndarray, "p j"] = (found_px != 0).any(-1)
    with np.errstate(invalid="ignore"):
        near = (np.abs(true_px[:, None] - found_px[None]) < within_px).all(-1)
    return (near & there).sum(-1)
