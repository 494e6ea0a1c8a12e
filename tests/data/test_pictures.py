"""Pictures as stored; frames of videos by exact number, in any order; damage named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from metricpose.data import pictures
from metricpose.data.pictures import Picture, frame_count, open_video, picture_size, read_picture
from metricpose.errors import DataError, MissingExtraError
from people import picture

WIDTH, HEIGHT = 96, 64


@pytest.fixture(autouse=True)
def forget() -> None:
    """Files of equal names differ between tests."""
    open_video.cache_clear()
    pictures._read.cache_clear()


def write_video(path: Path, count: int, *, times: list[int] | None = None, gop: int = 12, b_frames: int = 2) -> None:
    """Frame n is grey with the level 3 n; with `times`, at these hundredths of a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"g": str(gop), "bf": str(b_frames), "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), 3 * number, np.uint8), "rgb24")
            frame.pts = times[number] if times else 4 * number
            frame.time_base = Fraction(1, 100)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def level(path: Path, number: int) -> float:
    return float(read_picture(Picture(path, number)).mean()) / 3


@pytest.mark.parametrize("b_frames", [0, 3])
def test_frames_are_found_by_number_in_any_order(tmp_path: Path, b_frames: int) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, 80, b_frames=b_frames)
    assert frame_count(path) == 80
    assert picture_size(Picture(path, 0)) == (WIDTH, HEIGHT)
    for number in [0, 1, 2, 7, 79, 0, 31, 30, 29, 78, 12, 11, 13, *range(40, 50)]:
        assert level(path, number) == pytest.approx(number, abs=0.5), number
    image = read_picture(Picture(path, 5))
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image.dtype == np.uint8


def test_a_video_of_varying_rate_that_starts_late(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    times = (50 + np.cumsum(np.random.default_rng(0).integers(1, 9, 40))).tolist()
    write_video(path, 40, times=times)
    assert frame_count(path) == 40
    for number in (39, 0, 20, 21, 5):
        assert level(path, number) == pytest.approx(number, abs=0.5)


def test_avi_with_b_frames(tmp_path: Path) -> None:
    """Its packets say when they are decoded, which is before they are shown."""
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=60, options={"g": "12", "bf": "2", "qmin": "1", "qmax": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), 5 * number, np.uint8), "rgb24")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    assert frame_count(path) == 50
    for number in (0, 1, 2, 40, 3, 49, 0, 12, 13, 11):
        assert level(path, number) == pytest.approx(5 / 3 * number, abs=0.8), number


def test_forward_reading_decodes_each_frame_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, 60)
    video = open_video(path)
    seeks: list[int] = []
    seek = video._seek
    monkeypatch.setattr(video, "_seek", lambda time: (seeks.append(time), seek(time))[1])
    for number in range(0, 60, 5):
        read_picture(Picture(path, number))
    assert len(seeks) == 1


def test_the_people_of_a_picture_share_one_reading(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(np.random.default_rng(0), 40, 30))
    first = read_picture(Picture(tmp_path / "a.png"))
    assert read_picture(Picture(tmp_path / "a.png")) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0


def test_images_keep_their_stored_pixels(tmp_path: Path) -> None:
    image = picture(np.random.default_rng(0), 40, 30)
    done, data = cv2.imencode(".jpg", image[..., ::-1])
    assert done
    turned = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    (tmp_path / "a.jpg").write_bytes(data.tobytes()[:2] + turned + data.tobytes()[2:])
    assert picture_size(Picture(tmp_path / "a.jpg")) == (40, 30)
    cv2.imwrite(str(tmp_path / "g.png"), image[..., 0])
    grey = read_picture(Picture(tmp_path / "g.png"))
    assert (grey == image[..., :1]).all()
    cv2.imwrite(str(tmp_path / "c.png"), image[..., ::-1])
    assert (read_picture(Picture(tmp_path / "c.png")) == image).all()


def test_faults_name_file_expectation_and_remedy(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 10)
    with pytest.raises(DataError, match=r"a\.mp4: expected frame 10, found 10 frames"):
        read_picture(Picture(tmp_path / "a.mp4", 10))
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[: len(data) // 2])
    (tmp_path / "c.mp4").write_text("not a video" * 100)
    (tmp_path / "d.mp4").write_bytes(b"")
    for name, found in (("b", ""), ("c", ""), ("d", "an empty file"), ("e", "no such file")):
        with pytest.raises(DataError, match=rf"{name}\.mp4: expected a .*video, found {found}"):
            frame_count(tmp_path / f"{name}.mp4")
    done, jpeg = cv2.imencode(".jpg", picture(np.random.default_rng(0), 40, 30))
    assert done
    (tmp_path / "a.jpg").write_bytes(jpeg.tobytes()[:-100])
    with pytest.raises(DataError, match=r"a\.jpg: expected a whole image file, found its end marker is missing"):
        read_picture(Picture(tmp_path / "a.jpg"))
    with pytest.raises(DataError, match=r"x\.jpg: expected an image, found no such file"):
        read_picture(Picture(tmp_path / "x.jpg"))


def test_damage_inside_a_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    write_video(path, 40, gop=40, b_frames=0)
    data = bytearray(path.read_bytes())
    start = data.index(b"movi") + 200
    data[start : len(data) * 2 // 3] = bytes(len(data) * 2 // 3 - start)
    path.write_bytes(bytes(data))
    count = frame_count(path)
    with pytest.raises(DataError, match=r"a\.avi: expected frame \d+, found"):
        [level(path, number) for number in range(count)]


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.mp4", 3)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install av .*\.\[data\]"):
        read_picture(Picture(tmp_path / "a.mp4", 0))
