"""Run the whole suite with shape annotations enforced, one torch thread per worker, and the optional shared files."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from jaxtyping import install_import_hook

install_import_hook("metricpose", "beartype.beartype")

import pytest  # noqa: E402  (after the import hook)
import torch  # noqa: E402

torch.set_num_threads(1)
REPOSITORY = Path(__file__).resolve().parents[1]


def _optional(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / default))
    if not path.is_dir():
        pytest.skip(f"needs {variable} or ../shared/{default}")
    return path


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def assets() -> Path:
    """Folder of rich rendering assets; tests that use it skip where it is absent."""
    return _optional("METRICPOSE_ASSETS", "assets")


@pytest.fixture(scope="session")
def real_dev() -> Path:
    """Folder of labelled real frames to measure on; tests that use it skip where it is absent."""
    return _optional("METRICPOSE_REAL_DEV", "real_dev")
