"""On what a number was measured: device, threads, versions, commit."""

from __future__ import annotations

import contextlib
import platform
import subprocess
from pathlib import Path

import cv2
import numpy as np
import torch

from metricpose import __version__

Facts = dict[str, str | int]

QUIET_PROCESS = {
    "OMP_NUM_THREADS": "1",
    # Spinning OpenMP threads make two busy processes on two cores ten times slower.
    "OMP_WAIT_POLICY": "PASSIVE",
    # glibc returns large blocks to the system after every step, and the next step faults them in again.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "2147483647",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Environment of a process that trains on one core beside others (docs/LOG.md)."""


def describe(device: torch.device) -> Facts:
    """Facts to store with every measurement."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "metricpose": __version__,
        "commit": commit(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
    }


def pick_device(name: str) -> torch.device:
    """The device of this name; auto takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def processor() -> str:
    """The processor's marketing name where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf8").splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """Short hash of the checked-out commit, with a plus sign if files of the package differ from it."""
    here = Path(__file__).parent
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        head, changed = (
            subprocess.run(["git", *command], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
            for command in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "-uno", "--", ".."))
        )
        return head + ("+" if changed else "")
    return "unknown"
