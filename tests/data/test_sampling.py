"""Which frames are used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metricpose.data.pictures import Picture
from metricpose.data.readers.contract import Item
from metricpose.data.sampling import Rule, parse_rules, select
from metricpose.errors import InputError


def items(*lengths: int) -> list[Item]:
    return [
        Item(f"{s}/{f}", Picture(Path("v"), f), (s, f), sequence=f"s{s}", frame=f)
        for s, length in enumerate(lengths)
        for f in range(length)
    ]


def at(place: np.ndarray) -> np.ndarray:
    return np.stack([place, place * 0, place * 0], 1)


def never(item: Item) -> np.ndarray:
    raise AssertionError("labels are not needed")


def test_rules_are_read_and_refused() -> None:
    assert parse_rules("all") == ()
    assert parse_rules("every:5,motion:100") == (Rule("every", 5), Rule("motion", 100))
    for text in ("", "5", "every:0", "every:2.5", "motion:-1", "motion", "each:5", "every:5;motion:3"):
        with pytest.raises(InputError, match="expected all, every:N"):
            parse_rules(text)


def test_every_nth_frame_of_each_recording() -> None:
    made = items(7, 4)
    assert select(made, parse_rules("every:3"), never).tolist() == [0, 3, 6, 7, 10]
    photographs = [Item(str(i), Picture(Path("p"))) for i in range(4)]
    assert select(photographs, parse_rules("every:3,motion:9"), never).tolist() == [0, 1, 2, 3]
    assert select(made, (), never).tolist() == list(range(11))


def test_a_frame_is_kept_once_some_joint_has_moved_far_enough_since_the_last_kept_one() -> None:
    made = items(6, 3)
    still, moving = np.zeros(6), np.array([0, 40.0, 99.9, 100, 150, 205])

    def joints(item: Item) -> np.ndarray:
        sequence, frame = item.row
        return at(np.array([still[frame], moving[frame]])) if sequence == 0 else at(np.array([5.0, 5]))

    # 100 from frame 0 on: 3; then 105 from frame 3 on: 5; the second recording starts anew and stands still.
    assert select(made, parse_rules("motion:100"), joints).tolist() == [0, 3, 5, 6]
    assert select(made, parse_rules("every:2,motion:100"), joints).tolist() == [0, 4, 6]


def test_joints_without_a_label_stay_where_they_were() -> None:
    made = items(4)
    places = np.array([[0, 0], [500, np.nan], [np.nan, np.nan], [np.nan, 90]])
    assert select(made, parse_rules("motion:80"), lambda item: at(places[item.frame])).tolist() == [0, 1, 3]
    places = np.array([[np.nan, 0], [500, 0], [500, 100], [0, 100]])
    assert select(made, parse_rules("motion:80"), lambda item: at(places[item.frame])).tolist() == [0, 2, 3]


def test_recordings_that_take_turns_do_not_disturb_each_other() -> None:
    """Two people of one video, item by item; one walks 30 mm a frame, the other stands still."""
    turns = [
        Item(f"{s}/{f}", Picture(Path("v"), f), (s, f), sequence=f"s{s}", frame=f) for f in range(9) for s in range(2)
    ]
    walking = select(turns, (Rule("motion", 100),), lambda item: at(np.full(3, 30.0 * item.frame * (item.row[0] == 0))))
    assert [turns[i].id for i in walking] == ["0/0", "1/0", "0/4", "0/8"]
