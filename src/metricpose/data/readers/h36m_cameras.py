"""Human3.6M's cameras: `metadata.xml` of the official code, and the lens model that goes with its numbers.

The element ``w0`` holds 300 numbers: for each camera and each of 11 subjects three Euler angles and the camera's
centre in millimetres (264), then for each camera f (2), c (2), k (3), p (2) (36). World to camera is R (X - centre), R
the product Rx Ry Rz. A point at x, y (depth 1) is imaged at, with r^2 = x^2 + y^2,

    x' = x (1 + k1 r^2 + k2 r^4 + k3 r^6 + p1 y + p2 x) + p2 r^2
    y' = y (1 + k1 r^2 + k2 r^4 + k3 r^6 + p1 y + p2 x) + p1 r^2

This is not OpenCV's model, which has 2 p1 y + 2 p2 x inside the bracket and which most code uses nevertheless. OpenCV's
twelve coefficients can say it exactly: tangential p1/2, p2/2, thin prism p2/2 in x, p1/2 in y. On the labelled frames
we have, the difference is up to 0.2 pixels, and the official 2D labels are met to 0.02 instead.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from metricpose.data.faults import fault, need_file
from metricpose.data.readers.h36m_layout import CAMERAS
from metricpose.geometry.camera import Camera

METADATA = ("metadata.xml", "Release-v1.2/metadata.xml", "Release-v1.1/H36M/metadata.xml", "Release-v1.1/metadata.xml")
_PEOPLE, _VIEWS = 11, len(CAMERAS)
_REMEDY = "It comes with the code of the data set ('Visualization and prediction code' on its download page)."


def find_metadata(*folders: Path) -> Path | None:
    """Where metadata.xml lies, if it is in one of the folders or in the official code's folder there."""
    return next((folder / name for folder in folders for name in METADATA if (folder / name).is_file()), None)


def need_metadata(folder: Path) -> Path:
    """Where metadata.xml lies.

    Raises:
        DataError: nowhere it is looked for.
    """
    return find_metadata(folder) or need_file(folder / METADATA[0], "the cameras of Human3.6M", _REMEDY)


@lru_cache(maxsize=4)
def read_cameras(path: Path) -> dict[tuple[str, str], Camera]:
    """The cameras by (subject, serial number), such as ("S9", "54138969").

    Raises:
        DataError: the file is missing, is no XML, or lacks the cameras.
    """
    need_file(path, "the cameras of Human3.6M", _REMEDY)
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise fault(path, "an XML file", str(error)) from error
    numbers = _numbers(root.findtext("w0") or "", path)
    extrinsics = numbers[: _VIEWS * _PEOPLE * 6].reshape(_VIEWS, _PEOPLE, 6)
    intrinsics = numbers[_VIEWS * _PEOPLE * 6 :].reshape(_VIEWS, 9)
    _check_order(root, path)
    sizes = _sizes(root, path)
    return {
        (f"S{person + 1}", name): _camera(extrinsics[view, person], intrinsics[view], sizes[person][view])
        for view, name in enumerate(CAMERAS)
        for person in range(_PEOPLE)
    }


def _numbers(text: str, path: Path) -> Float[np.ndarray, " n"]:
    wanted = _VIEWS * (_PEOPLE * 6 + 9)
    try:
        numbers = np.array([float(n) for n in text.strip().strip("[]").replace(",", " ").split()])
    except ValueError as error:
        raise fault(path, f"{wanted} numbers in the element w0", str(error)) from error
    if len(numbers) != wanted or not np.isfinite(numbers).all():
        raise fault(path, f"{wanted} finite numbers in the element w0", f"{np.isfinite(numbers).sum()}", _REMEDY)
    return numbers


def _check_order(root: ET.Element, path: Path) -> None:
    names = tuple((item.text or "").strip() for item in root.findall("dbcameras/index2id/item"))
    if names != CAMERAS:
        raise fault(path, f"the cameras {', '.join(CAMERAS)} in this order", ", ".join(names) or "none", _REMEDY)


def _sizes(root: ET.Element, path: Path) -> list[list[tuple[int, int]]]:
    """(width, height) by subject and camera, from the row of the table ``mapping`` that holds "[h w;h w;h w;h w]"."""
    for row in root.findall("mapping/tr"):
        cells = [cell.text or "" for cell in row.findall("td")]
        if len(cells) == _PEOPLE + 2 and cells[2].startswith("["):
            found = [[(int(w), int(h)) for h, w in re.findall(r"(\d+) (\d+)", cell)] for cell in cells[2:]]
            if all(len(views) == _VIEWS for views in found):
                return found
    raise fault(path, "the sizes of all cameras' pictures in the element mapping", "none", _REMEDY)


def _camera(extrinsic: Float[np.ndarray, " 6"], intrinsic: Float[np.ndarray, " 9"], size: tuple[int, int]) -> Camera:
    (fx, fy), (cx, cy), (k1, k2, k3), (p1, p2) = np.split(intrinsic, (2, 4, 7))
    R = euler_xyz(extrinsic[:3])
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return Camera(K, size, official_lens(k1, k2, k3, p1, p2), R, -R @ extrinsic[3:])


def official_lens(
    k1: float | np.floating,
    k2: float | np.floating,
    k3: float | np.floating,
    p1: float | np.floating,
    p2: float | np.floating,
) -> Float[np.ndarray, " 12"]:
    """OpenCV's twelve coefficients that image points as the official code does with k1, k2, k3, p1, p2."""
    return np.array([k1, k2, p1 / 2, p2 / 2, k3, 0, 0, 0, p2 / 2, 0, p1 / 2, 0], np.float64)


def euler_xyz(angles: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Rx(a) Ry(b) Rz(c), radians."""
    (ca, cb, cc), (sa, sb, sc) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    about_y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    about_z = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z
