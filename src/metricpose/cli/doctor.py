"""metricpose doctor: is this installation sound, and how fast is it?"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

EXTRAS = {
    "onnxruntime": "detect",
    "transformers": "transformers",
    "anny": "synth",
    "tensorboard": "train",
    "onnx": "test",
    "scipy": "data",
    "h5py": "data",
    "cdflib": "data",
    "av": "data",
}
_CORE = ("torch", "numpy", "numba", "opencv-python-headless", "safetensors", "pydantic", "tyro", "rich", "PyYAML")


class Finding(NamedTuple):
    """One line of the report; `level` is 'ok', 'note' or 'bad'."""

    what: str
    found: str
    level: str = "ok"


def run(*, model: str | None = None, device: str | None = None) -> int:
    """Check versions, device, threads, extras and model files, and predict on one bundled photograph.

    Args:
        model: model for the self-test; default the bundled one.
        device: cpu, cuda, mps; default CUDA if there is any.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    findings = [
        *_versions(),
        *_machine(),
        *_extras(),
        *_guarded(_weights),
        *_guarded(lambda: _self_test(model, device)),
    ]
    table = Table(title="metricpose doctor", title_justify="left", show_header=False)
    colours = {"ok": "green", "note": "yellow", "bad": "red"}
    for finding in findings:
        mark = f"[{colours[finding.level]}]{finding.level}[/]"
        table.add_row(mark, finding.what, escape(finding.found))
    Console().print(table)
    return 1 if any(f.level == "bad" for f in findings) else 0


def _versions() -> list[Finding]:
    rows = [Finding("python", f"{platform.python_version()} on {platform.platform()}")]
    for name in _CORE:
        try:
            rows.append(Finding(name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            rows.append(_without_metadata(name))
    return rows


def _without_metadata(name: str) -> Finding:
    """OpenCV comes under several package names."""
    if name.startswith("opencv") and importlib.util.find_spec("cv2"):
        import cv2

        return Finding("opencv", cv2.__version__)
    return Finding(name, "not installed", "bad")


def _machine() -> list[Finding]:
    import torch

    cores = os.cpu_count() or 1
    if torch.cuda.is_available():
        device = f"CUDA, {torch.cuda.get_device_name()}"
    else:
        device = "MPS" if torch.backends.mps.is_available() else "CPU only"
    policy = os.environ.get("OMP_WAIT_POLICY", "not set")
    passive = policy.upper() == "PASSIVE"
    advice = "" if passive else "; set it to PASSIVE if other programs keep this machine busy"
    return [
        Finding("device", device),
        Finding("threads", f"{torch.get_num_threads()} of {cores} cores"),
        Finding("OMP_WAIT_POLICY", policy + advice, "ok" if passive else "note"),
    ]


def _extras() -> list[Finding]:
    rows = []
    for name, extra in EXTRAS.items():
        present = importlib.util.find_spec(name) is not None
        text = _version(name) if present else f"absent (pip install {name}; extra '{extra}')"
        rows.append(Finding(f"extra: {name}", text, "ok" if present else "note"))
    return rows


def _version(module: str) -> str:
    """Of a module that is there; a module may come in packages of other names, such as onnxruntime-gpu."""
    packages = [module, *importlib.metadata.packages_distributions().get(module, [])]
    for package in packages:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "there, of unknown version"


def _weights() -> list[Finding]:
    from metricpose.files import sha256
    from metricpose.weights import BUNDLED, load_model

    files = sorted(BUNDLED.glob("*.safetensors"))
    if not files:
        return [Finding("bundled models", "none; pass --model or name a model file", "note")]
    sums = _recorded_hashes(BUNDLED / "SHA256SUMS")
    rows = []
    for path in files:
        digest = sha256(path)
        _, facts = load_model(path, offline=True)
        expected = sums.get(path.name)
        level = "ok" if expected == digest else "note" if expected is None else "bad"
        verdict = {"ok": "matches", "note": "not recorded", "bad": f"differs from {(expected or '')[:12]}"}[level]
        rows.append(Finding(f"model: {path.stem}", f"{facts['model']}, sha256 {digest[:12]} {verdict}", level))
    return rows


def _recorded_hashes(path: Path) -> dict[str, str]:
    """File name -> hash, from a file as `sha256sum` writes it."""
    if not path.is_file():
        return {}
    pairs = (line.split(maxsplit=1) for line in path.read_text(encoding="utf8").splitlines() if line.strip())
    return {name.strip().lstrip("*"): digest for digest, name in pairs}


def _self_test(model: str | None, device: str | None) -> list[Finding]:
    import numpy as np

    from metricpose.predict.api import load
    from metricpose.weights import known_names

    if model is None and not known_names():
        return [Finding("self-test", "skipped: no bundled model", "note")]
    photo = next(iter(sorted((Path(__file__).parents[1] / "photos").glob("*.jpg"))))
    start = time.perf_counter()
    loaded = load(model, device, offline=True)
    ready = time.perf_counter()
    box = [[0.0, 0.0, 511.0, 511.0]]
    people = loaded.predict(photo, boxes=box)
    first = time.perf_counter()
    again = loaded.predict(photo, boxes=box)
    done = time.perf_counter()
    sound = bool(np.isfinite(people.joints_mm).all()) and np.allclose(people.joints_mm, again.joints_mm)
    times = f"load {ready - start:.2f} s, first {first - ready:.2f} s, then {done - first:.3f} s per photograph"
    return [
        Finding(f"self-test on {photo.name}", times if sound else "the result is not sound", "ok" if sound else "bad")
    ]


def _guarded(check: Callable[[], list[Finding]]) -> list[Finding]:
    """A check that fails is a finding, not the end of the report."""
    from metricpose.errors import MetricposeError

    try:
        return check()
    except (MetricposeError, OSError, RuntimeError, AssertionError) as error:
        return [Finding("error", str(error), "bad")]


if __name__ == "__main__":
    sys.exit(run())
