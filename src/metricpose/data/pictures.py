"""Pictures of data sets: image files, and frames of videos by exact number; the last ones are kept.

Pixels are returned as the file stores them: an EXIF orientation is not applied, because the labels of a data set were
made on the stored pixels. (`predict.images.read_photo` turns pictures upright, for people's own photographs.)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from metricpose.data.faults import COPY_AGAIN, fault, need_file
from metricpose.errors import InputError, MissingExtraError
from metricpose.predict.containers import inspect
from metricpose.predict.images import to_rgb8

WHOLE_FILE = -1
_FORWARD_AT_MOST = 60  # frames decoded and dropped rather than looking for the next key frame


class Picture(NamedTuple):
    """Where the pixels of an item are: an image file, or a frame, counted from 0, of a video."""

    path: Path
    frame: int = WHOLE_FILE

    def __str__(self) -> str:
        return str(self.path) if self.frame == WHOLE_FILE else f"{self.path}, frame {self.frame}"


def read_picture(picture: Picture) -> UInt8[np.ndarray, "h w 3"]:
    """RGB pixels. The last two are kept, so that the people of one picture share one reading; do not write into them.

    Raises:
        DataError: no such file or frame, or one that is empty, truncated or damaged.
        MissingExtraError: a video without the package av.
    """
    return _read(Path(picture.path), picture.frame)


def picture_size(picture: Picture) -> tuple[int, int]:
    """(width, height), from the header of a video, else by reading the image.

    Raises:
        DataError: as `read_picture`.
    """
    if picture.frame != WHOLE_FILE:
        return open_video(Path(picture.path)).size
    height, width = read_picture(picture).shape[:2]
    return width, height


def frame_count(path: Path) -> int:
    """Number of frames of a video, counted in the file, not taken from its header.

    Raises:
        DataError: as `read_picture`.
    """
    return len(open_video(path))


@lru_cache(maxsize=2)
def _read(path: Path, frame: int) -> UInt8[np.ndarray, "h w 3"]:
    image = read_image(path) if frame == WHOLE_FILE else open_video(path).read(frame)
    image.setflags(write=False)
    return image


def read_image(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """RGB pixels of an image file as they are stored: greyscale is repeated, alpha laid over white, 16 bits made 8.

    Raises:
        DataError: missing, empty, truncated, damaged, or no image.
    """
    data = need_file(path, "an image", "Mend the path, or copy or extract it again.").read_bytes()
    container = inspect(data)
    if container.problem or not container.kind:
        raise fault(path, "a whole image file", container.problem or "bytes of no known image format")
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        decoded = None
    if decoded is None:
        raise fault(path, f"a {container.kind.upper()} image", "bytes that cannot be decoded")
    try:
        return np.ascontiguousarray(to_rgb8(decoded, str(path), bgr=True)[0])
    except InputError as error:
        raise fault(path, "a colour or grey image", str(error)) from error


@lru_cache(maxsize=4)
def open_video(path: Path) -> Video:
    """The opened video; the last four stay open."""
    return Video(path)


class Video:
    """Frames of a video by number, exact also with B-frames, a late start or a varying rate.

    The time stamps of all frames are listed first, without decoding; frame n is the n-th in time.

    Args:
        path: of the file.

    Raises:
        DataError: missing, empty, no video, or without frames.
        MissingExtraError: the package av is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = need_file(path, "a video", "Mend the path, or copy or extract it again.")
        self._av = _import_av()
        try:
            self._container = self._av.open(str(path))
            self._stream = self._container.streams.video[0]
            self._stream.thread_count = 1  # work is spread over processes, one video each
            packets = [p for p in self._container.demux(self._stream) if p.pts is not None and not p.is_discard]
            self._times = sorted(p.pts for p in packets)
            # Some containers (AVI) are searched by decoding time, which lies this much before the frame's own.
            self._lead = max((p.pts - p.dts for p in packets if p.dts is not None), default=0)
        except (self._av.FFmpegError, IndexError, OSError) as error:
            raise fault(path, "a readable video", str(error)) from error
        if not self._times:
            raise fault(path, "a video with frames", "none")
        self._number_at = {time: number for number, time in enumerate(self._times)}
        self._frames: Iterator[Any] = iter(())
        self._next = len(self._times)

    def __len__(self) -> int:
        return len(self._times)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self._stream.codec_context.width, self._stream.codec_context.height

    def read(self, number: int) -> UInt8[np.ndarray, "h w 3"]:
        """RGB pixels of a frame. Going forward is fast; going back looks for the key frame before it.

        Raises:
            DataError: no such frame, or it cannot be decoded.
        """
        if not 0 <= number < len(self):
            raise fault(
                self.path, f"frame {number}", f"{len(self)} frames", f"{COPY_AGAIN} Or its labels are another's."
            )
        try:
            if self._next <= number <= self._next + _FORWARD_AT_MOST:
                found = self._forward_to(number)
            else:
                self._seek(self._times[number])
                found = self._forward_to(number)
            if found is None:  # some files announce key frames where there are none
                self._seek(self._times[0])
                found = self._forward_to(number)
        except self._av.FFmpegError as error:
            self._next = len(self)
            raise fault(self.path, f"frame {number}", f"damage ({error})") from error
        if found is None:
            raise fault(self.path, f"frame {number}", "that it cannot be decoded")
        return found

    def _seek(self, time: int) -> None:
        self._container.seek(max(time - self._lead, min(0, self._times[0])), stream=self._stream, backward=True)
        self._frames = self._container.decode(self._stream)

    def _forward_to(self, number: int) -> UInt8[np.ndarray, "h w 3"] | None:
        """Decode up to a frame; None if the next frame comes after it, or there is none."""
        self._next = len(self)
        for frame in self._frames:
            at = self._number_at.get(frame.pts, -1)
            if at >= number:
                self._next = at + 1
                return frame.to_ndarray(format="rgb24") if at == number else None
        return None


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("av", "data", "reading frames of a video") from error
    return av
