"""3D human pose in millimetres from one ordinary camera.

Names are loaded on first use, so that `import metricpose` costs nothing and the command line answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metricpose.errors import InputError, MetricposeError
    from metricpose.formats import load as load_people
    from metricpose.formats import save
    from metricpose.geometry.camera import Camera
    from metricpose.predict.api import PoseModel, load
    from metricpose.predict.detect import open_detector
    from metricpose.skeleton.core import Skeleton
    from metricpose.types import People

__version__ = "0.1.0"
__all__ = [
    "Camera",
    "InputError",
    "MetricposeError",
    "People",
    "PoseModel",
    "Skeleton",
    "load",
    "load_people",
    "open_detector",
    "save",
]

_PLACES = {
    "Camera": ("geometry.camera", "Camera"),
    "InputError": ("errors", "InputError"),
    "MetricposeError": ("errors", "MetricposeError"),
    "People": ("types", "People"),
    "PoseModel": ("predict.api", "PoseModel"),
    "Skeleton": ("skeleton.core", "Skeleton"),
    "load": ("predict.api", "load"),
    "load_people": ("formats", "load"),
    "open_detector": ("predict.detect", "open_detector"),
    "save": ("formats", "save"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'metricpose' has no attribute '{name}'")
    module, attribute = _PLACES[name]
    value = getattr(importlib.import_module(f"metricpose.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
