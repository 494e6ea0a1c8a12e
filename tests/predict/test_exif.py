"""EXIF facts against blocks written byte by byte, and the focal length they imply."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricpose.predict.exif import Exif, focal_px, parse
from reference.exif_writer import ASCII, LONG, RATIONAL, SHORT, block

FIRST = {0x0112: (SHORT, 6), 0x010F: (ASCII, "Maker"), 0x0110: (ASCII, "Phone 3")}
SUB = {
    0x920A: (RATIONAL, (425, 100)),
    0xA405: (SHORT, 26),
    0xA20E: (RATIONAL, (7000, 1)),
    0xA210: (SHORT, 3),
    0xA002: (LONG, 4000),
    0xA003: (LONG, 3000),
}


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_tag_is_read_in_both_byte_orders(order: str) -> None:
    assert parse(block(FIRST, SUB, order)) == Exif(6, 4.25, 26.0, 700.0, (4000, 3000), "Maker Phone 3")


def test_inches_are_the_default_plane_unit() -> None:
    sub = {0xA20E: (RATIONAL, (2540, 1))}
    assert parse(block({}, sub)).sensor_px_per_mm == pytest.approx(100.0)


@given(st.binary(max_size=200), st.integers(0, 199), st.integers(1, 60))
def test_damaged_blocks_never_raise(noise: bytes, at: int, length: int) -> None:
    whole = block(FIRST, SUB)
    assert isinstance(parse(noise), Exif)
    assert isinstance(parse(b"II*\0" + noise), Exif)
    assert isinstance(parse(whole[:at] + noise[:length] + whole[at + length :]), Exif)
    assert isinstance(parse(whole[:at]), Exif)


def test_what_is_sound_in_a_damaged_block_is_used() -> None:
    """Editors cut the camera's notes off and leave the pointer to them; the picture still has to be turned."""
    whole = block(FIRST, SUB)
    without_sub = whole[: len(block(FIRST)) + 12]
    assert parse(without_sub).orientation == 6
    assert parse(without_sub).focal_mm == 0.0
    announced = bytearray(block({0x0112: (SHORT, 6)}))
    announced[8:10] = (3).to_bytes(2, "little")  # three entries, of which one is there
    assert parse(bytes(announced[:22])).orientation == 6


def test_orientation_out_of_range_counts_as_absent() -> None:
    assert parse(block({0x0112: (SHORT, 9)})).orientation == 1
    assert parse(block({0x0112: (SHORT, 0)})).orientation == 1


def test_full_frame_equivalent_is_taken_by_the_diagonal() -> None:
    f, source = focal_px(Exif(focal_35mm=50.0), (3600, 2400))  # type: ignore[misc]
    assert f == pytest.approx(5000.0)  # 3:2 like film: 36 mm are 3600 px
    assert "50 mm equivalent" in source
    f, _ = focal_px(Exif(focal_35mm=26.0), (4000, 3000))  # type: ignore[misc]
    assert f == pytest.approx(26.0 * 5000.0 / math.hypot(36, 24))


def test_sensor_resolution_is_the_second_choice_and_scales_with_the_image() -> None:
    exif = Exif(focal_mm=4.25, sensor_px_per_mm=700.0, pixels=(4000, 3000))
    assert focal_px(exif, (4000, 3000))[0] == pytest.approx(2975.0)  # type: ignore[index]
    assert focal_px(exif, (2000, 1500))[0] == pytest.approx(1487.5)  # type: ignore[index]
    assert focal_px(exif, (1500, 2000))[0] == pytest.approx(1487.5)  # type: ignore[index]  # turned upright


@pytest.mark.parametrize(
    "exif",
    [
        Exif(),
        Exif(focal_mm=4.25),
        Exif(focal_35mm=26.0, pixels=(4000, 2000)),  # cropped since it was taken
        Exif(focal_35mm=2000.0),  # 1.2 degrees: not a person's picture, or a wrong tag
        Exif(focal_35mm=0.5),
    ],
)
def test_silent_or_implausible_exif_gives_nothing(exif: Exif) -> None:
    assert focal_px(exif, (4000, 3000)) is None
