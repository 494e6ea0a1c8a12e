"""Every kind of image that comes along: read to upright 8-bit RGB with a note, or refused with a reason."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from metricpose.errors import InputError
from metricpose.predict.images import as_photo, find_images, left_out, read_photo, upright
from reference.exif_writer import SHORT, block, into_jpeg, into_png

H, W = 37, 52


def picture() -> np.ndarray:
    """(H, W, 3) uint8 RGB, smooth so that JPEG keeps it, different in every corner and channel."""
    y, x = np.mgrid[:H, :W]
    return np.stack([40 + 4 * x, 30 + 5 * y, 250 - 2 * x - 2 * y], -1).clip(0, 255).astype(np.uint8)


def encode(suffix: str, rgb: np.ndarray, *options: int) -> bytes:
    order = rgb if rgb.ndim == 2 else rgb[..., [2, 1, 0, *range(3, rgb.shape[2])]]
    return cv2.imencode(suffix, order, list(options))[1].tobytes()


def write(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
def test_lossless_files_come_back_exactly_as_rgb(tmp_path: Path, suffix: str) -> None:
    photo = read_photo(write(tmp_path, "a" + suffix, encode(suffix, picture())))
    np.testing.assert_array_equal(photo.image, picture())
    assert (photo.size, photo.warnings) == ((W, H), ())
    assert photo.image.flags.c_contiguous


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_files_come_back_nearly(tmp_path: Path, suffix: str) -> None:
    photo = read_photo(write(tmp_path, "a" + suffix, encode(suffix, picture())))
    assert np.abs(photo.image.astype(int) - picture()).mean() < 4


def test_the_name_does_not_matter_only_the_bytes(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_photo(write(tmp_path, "a.jpg", encode(".png", picture()))).image, picture())


def test_sixteen_bits_are_divided_by_257(tmp_path: Path) -> None:
    deep = picture().astype(np.uint16) * 257
    deep[0, 0] = (128, 129, 65535)
    photo = read_photo(write(tmp_path, "a.png", encode(".png", deep)))
    np.testing.assert_array_equal(photo.image[1:], picture()[1:])
    assert photo.image[0, 0].tolist() == [0, 1, 255]
    assert "16 bits" in photo.warnings[0]


def test_greyscale_is_repeated(tmp_path: Path) -> None:
    grey = picture()[..., 0]
    photo = read_photo(write(tmp_path, "a.png", encode(".png", grey)))
    np.testing.assert_array_equal(photo.image, np.repeat(grey[..., None], 3, 2))
    assert "greyscale" in photo.warnings[0]


def test_alpha_is_composited_over_white(tmp_path: Path) -> None:
    alpha = np.full((H, W, 1), 255, np.uint8)
    alpha[:10], alpha[10:20] = 0, 51
    photo = read_photo(write(tmp_path, "a.png", encode(".png", np.concatenate([picture(), alpha], 2))))
    assert (photo.image[:10] == 255).all()
    np.testing.assert_array_equal(photo.image[20:], picture()[20:])
    expected = 0.2 * picture()[10:20] + 0.8 * 255
    assert np.abs(photo.image[10:20] - expected).max() <= 0.5 + 1e-4
    assert "composited over white" in photo.warnings[0]


def test_cmyk_jpeg_has_its_colours(tmp_path: Path) -> None:
    photo = read_photo(write(tmp_path, "a.jpg", base64.b64decode(CMYK_JPEG)))
    assert photo.size == (24, 20)
    left, right = photo.image[10, 4].astype(int), photo.image[10, 20].astype(int)
    assert np.abs(left - (200, 40, 60)).max() < 12
    assert np.abs(right - (20, 120, 220)).max() < 12


# -- orientation ------------------------------------------------------------------------------------------------

NAIVE = {  # row r, column c of the upright picture, as a place (row, column) in the stored one of size h x w
    1: lambda r, c, h, w: (r, c),
    2: lambda r, c, h, w: (r, w - 1 - c),
    3: lambda r, c, h, w: (h - 1 - r, w - 1 - c),
    4: lambda r, c, h, w: (h - 1 - r, c),
    5: lambda r, c, h, w: (c, r),
    6: lambda r, c, h, w: (h - 1 - c, r),
    7: lambda r, c, h, w: (h - 1 - c, w - 1 - r),
    8: lambda r, c, h, w: (c, w - 1 - r),
}


def turned(orientation: int) -> np.ndarray:
    """Naive twin: pixel by pixel by the definition of the orientations."""
    height, width = (H, W) if orientation < 5 else (W, H)
    out = np.empty((height, width, 3), np.uint8)
    for r in range(height):
        for c in range(width):
            out[r, c] = picture()[NAIVE[orientation](r, c, H, W)]
    return out


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_equals_the_naive_twin(orientation: int) -> None:
    np.testing.assert_array_equal(upright(picture(), orientation), turned(orientation))


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_orientation_is_applied_exactly_once(tmp_path: Path, orientation: int, kind: str) -> None:
    exif = block({0x0112: (SHORT, orientation)})
    if kind == "png":
        data = into_png(encode(".png", picture()), exif)
    else:
        data = into_jpeg(encode(".jpg", picture(), cv2.IMWRITE_JPEG_QUALITY, 100), exif)
    photo = read_photo(write(tmp_path, "a.img", data))
    assert photo.image.shape == turned(orientation).shape
    assert np.abs(photo.image.astype(int) - turned(orientation)).mean() < 3
    assert any("upright" in w for w in photo.warnings) == (orientation != 1)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_tiff_orientation_is_applied_exactly_once(tmp_path: Path, orientation: int) -> None:
    """OpenCV's TIFF reader turns the picture itself: turning it again would undo or double it."""
    photo = read_photo(write(tmp_path, "a.tiff", tiff(picture(), orientation)))
    np.testing.assert_array_equal(photo.image, turned(orientation))


def tiff(rgb: np.ndarray, orientation: int) -> bytes:
    """An uncompressed single-strip RGB TIFF."""
    pixels = rgb.tobytes()
    entries = [
        (256, 4, rgb.shape[1]),
        (257, 4, rgb.shape[0]),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 2),
        (273, 4, 8),
        (274, 3, orientation),
        (277, 3, 3),
        (278, 4, rgb.shape[0]),
        (279, 4, len(pixels)),
        (284, 3, 1),
    ]
    directory = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        directory += struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory + struct.pack("<I", 0)


# -- refusals ---------------------------------------------------------------------------------------------------


def test_missing_empty_folder_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_photo(tmp_path / "none.jpg")
    with pytest.raises(InputError, match=r"is empty .0 bytes"):
        read_photo(write(tmp_path, "zero.jpg", b""))
    with pytest.raises(InputError, match="is a folder"):
        read_photo(tmp_path)
    with pytest.raises(InputError, match="not an image file"):
        read_photo(write(tmp_path, "text.jpg", b"hello, this is text and no picture"))
    with pytest.raises(InputError, match="HEIF"):
        read_photo(write(tmp_path, "phone.jpg", b"\0\0\0\x18ftypheic" + b"\0" * 100))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_truncated_files_are_refused_at_any_length(tmp_path: Path, suffix: str, keep: float) -> None:
    rng = np.random.default_rng(0)
    data = encode(suffix, rng.integers(0, 255, (64, 80, 3), dtype=np.uint8))
    with pytest.raises(InputError, match=r"truncated or damaged .* copy or download it again"):
        read_photo(write(tmp_path, "a" + suffix, data[: int(len(data) * keep)]))


def test_a_thumbnail_inside_the_exif_does_not_hide_a_missing_end(tmp_path: Path) -> None:
    thumbnail = encode(".jpg", picture())  # holds an end marker of its own
    data = into_jpeg(encode(".jpg", picture()), block({}) + thumbnail)
    assert read_photo(write(tmp_path, "whole.jpg", data)).size == (W, H)
    with pytest.raises(InputError, match="end marker is missing"):
        read_photo(write(tmp_path, "cut.jpg", data[:-40]))


def test_bytes_after_the_end_are_harmless(tmp_path: Path) -> None:
    assert read_photo(write(tmp_path, "a.jpg", encode(".jpg", picture()) + b"\0" * 50 + b"maker data")).size == (W, H)


def test_a_flipped_bit_in_a_png_is_noticed(tmp_path: Path) -> None:
    data = bytearray(encode(".png", picture()))
    data[len(data) // 2] ^= 1
    with pytest.raises(InputError, match="IDAT chunk is cut off or damaged"):
        read_photo(write(tmp_path, "a.png", bytes(data)))


def test_undecodable_body_behind_a_good_signature(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be decoded"):
        read_photo(write(tmp_path, "a.jpg", b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9"))


def test_tiny_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 x 1 pixels"):
        read_photo(write(tmp_path, "a.png", encode(".png", np.zeros((1, 1, 3), np.uint8))))


# -- arrays -----------------------------------------------------------------------------------------------------


def test_arrays_of_every_accepted_kind_agree() -> None:
    rgb = picture()
    for array in (rgb, rgb / 255.0, (rgb / 255.0).astype(np.float32), rgb.astype(np.uint16) * 257):
        np.testing.assert_array_equal(as_photo(array).image, rgb)
    np.testing.assert_array_equal(as_photo(rgb[..., 0]).image, np.repeat(rgb[..., :1], 3, 2))
    np.testing.assert_array_equal(as_photo(rgb[..., :1]).image, np.repeat(rgb[..., :1], 3, 2))
    opaque = np.concatenate([rgb, np.full((H, W, 1), 255, np.uint8)], 2)
    np.testing.assert_array_equal(as_photo(opaque).image, rgb)
    assert as_photo(rgb[:, ::-1]).image.flags.c_contiguous


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, H, W), np.uint8), "channels-first"),
        (np.zeros((2, H, W, 3), np.uint8), "one image at a time"),
        (np.zeros((H, W, 2), np.uint8), "expected shape"),
        (np.zeros((H,), np.uint8), "expected shape"),
        (np.zeros((H, W, 3), np.int64), "got int64"),
        (np.zeros((H, W, 3), bool), "got bool"),
        (np.full((H, W, 3), 255.0), "divide by 255"),
        (np.full((H, W, 3), -0.1), r"got \[-0.1, -0.1\]"),
        (np.full((H, W, 3), np.nan), "NaN"),
        (np.zeros((8, W, 3), np.uint8), "52 x 8 pixels"),
        (np.zeros((0, W, 3), np.uint8), "52 x 0 pixels"),
        (torch.zeros(3, H, W), "got Tensor"),
        (None, "got NoneType"),
    ],
)
def test_arrays_that_cannot_be_right_are_refused(array: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_photo(array)


# -- sources ----------------------------------------------------------------------------------------------------


def test_file_folder_and_pattern(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", ".hidden.jpg", "notes.txt"):
        write(tmp_path, name, b"x")
    assert [p.name for p in find_images(tmp_path, tmp_path / "b.jpg", tmp_path / "notes.txt")] == [
        "a.PNG", "b.jpg", "notes.txt",
    ]  # fmt: skip
    (tmp_path / "c.HEIC").touch()
    assert [p.name for p in left_out(tmp_path, tmp_path / "b.jpg")] == ["c.HEIC"]
    assert [p.name for p in find_images(tmp_path)] == ["a.PNG", "b.jpg"]
    assert find_images(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    assert [p.name for p in find_images(str(tmp_path / "*.jpg"))] == ["b.jpg"]


def test_sources_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image files"):
        find_images(tmp_path)
    with pytest.raises(InputError, match="no file matches"):
        find_images(str(tmp_path / "*.jpg"))
    with pytest.raises(InputError, match="does not exist"):
        find_images(tmp_path / "none")


CMYK_JPEG = (
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwPFxgWFB"
    "gSFBUU/8AAFAgAFAAYBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQEC"
    "AwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dX"
    "Z3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4E"
    "QwBNAFkASwAAPwD7Ar4Ur5Kr9U6+D/8AgqN/zTP/ALif/tpXtf7N3/Mxf9u3/tWvtX/gm7/zUT/uHf8At1RXwfXtdfatFfvBXxTX4q0V8H/8FR"
    "v+aZ/9xP8A9tK9r/Zu/wCZi/7dv/atfav/AATd/wCaif8AcO/9uqK+D69rr7Vor94K+Ka/FWivg/8A4Kjf80z/AO4n/wC2le1/s3f8zF/27f8A"
    "tWvtX/gm7/zUT/uHf+3VFfB9e119q0V//9k="
)
