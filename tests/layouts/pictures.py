"""Pictures and videos as the files of data sets: JPEG of the best quality, PNG, H.264, MPEG-4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

BEST = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


def write_image(path: Path, image: np.ndarray) -> None:
    """An RGB picture, JPEG or PNG by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(path.suffix, image[..., ::-1], BEST if path.suffix == ".jpg" else [])
    assert done, path
    path.write_bytes(data.tobytes())


def write_frames(folder: Path, images: list[np.ndarray], name: str, start: int = 0, every: int = 1) -> None:
    """Every so many pictures as JPEG files; `name` is such as "frame_{:06d}.jpg", numbered from `start`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        if number % every == 0:
            write_image(folder / name.format(number + start), image)


def write_video(path: Path, images: list[np.ndarray], codec: str = "libx264", rate: int = 50) -> None:
    """A video of these pictures, with B-frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = {"libx264": {"crf": "2", "bf": "2"}, "mpeg4": {"qmin": "1", "qmax": "1", "bf": "2"}}[codec]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, options={"g": "12", **small})
        stream.width, stream.height = images[0].shape[1], images[0].shape[0]
        stream.pix_fmt = "yuv444p" if codec == "libx264" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
