"""An interactive page of one result: a single HTML file without any dependency, to turn the scene with the mouse."""

from __future__ import annotations

import base64
import html
import json
import os
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from metricpose.files import atomic_path
from metricpose.types import INFERRED, MEASURED, NOT_GIVEN, OUT_OF_FRAME, People
from metricpose.vis.overlay import distances_m, draw_overlay
from metricpose.vis.page_template import TEMPLATE
from metricpose.vis.scene import Scene, make_scene
from metricpose.vis.style import bone_colour, side_colour

_LONGER_SIDE = 1100
_STATES = {MEASURED: "measured", INFERRED: "inferred", OUT_OF_FRAME: "outside the frame", NOT_GIVEN: "not given"}


def write_page(
    image: UInt8[np.ndarray, "h w 3"], people: People, path: str | os.PathLike[str], title: str = ""
) -> None:
    """Write the page, atomically.

    Args:
        image: RGB photograph.
        people: result for it.
        path: the `.html` file.
        title: heading, for example the file name.

    Raises:
        DataError: the file cannot be written.
    """
    document = TEMPLATE
    for mark, value in (
        ("@TITLE@", html.escape(title or "metricpose")),
        ("@NOTE@", html.escape(people.scale_source)),
        ("@PHOTO@", _photo(draw_overlay(image, people))),
        ("@DATA@", json.dumps(page_data(people)).replace("<", "\\u003c")),
    ):
        document = document.replace(mark, value)
    with atomic_path(path) as temporary:
        temporary.write_text(document, encoding="utf8")


def page_data(people: People) -> dict[str, Any]:
    """What the page draws: metres, x to the right, y up, z away from the camera."""
    scene, tree = make_scene(people), people.skeleton
    return {
        "joints": list(tree.joints),
        "edges": [[a, b, _css(bone_colour(tree, a, b))] for a, b in tree.edges],
        "colours": [_css(side_colour(side)) for side in tree.sides],
        "ground": scene.ground,
        "corners": scene.corners.round(4).tolist(),
        "people": [_person(scene, k, float(d)) for k, d in enumerate(distances_m(people))],
    }


def _person(scene: Scene, index: int, distance: float) -> dict[str, Any]:
    people = scene.people
    with np.errstate(invalid="ignore"):
        sigma = np.sqrt(np.trace(people.covariance_mm2[index], axis1=-2, axis2=-1) / 3)
    return {
        "points": _plain(scene.joints[index].round(4)),
        "sigma": _plain(sigma.round(1)),
        "state": [_STATES[int(s)] for s in people.state[index]],
        "distance": round(distance, 3) if np.isfinite(distance) else None,
        "score": round(float(people.scores[index]), 3),
    }


def _plain(values: Float[np.ndarray, "*shape"]) -> Any:
    """Nested lists with None for NaN."""
    array = values.astype(object)
    array[array != array] = None
    return array.tolist()


def _photo(image: UInt8[np.ndarray, "h w 3"]) -> str:
    scale = min(1.0, _LONGER_SIDE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _css(colour: tuple[int, int, int]) -> str:
    return f"rgb({colour[0]},{colour[1]},{colour[2]})"
