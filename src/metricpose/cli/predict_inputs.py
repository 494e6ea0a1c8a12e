"""metricpose predict: which images, under which names, with which boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SUMMARY = "summary"
PICTURES = ("_overlay.jpg", "_sheet.png")
"""Endings of the pictures that `predict` writes."""


def own_pictures(images: list[Path], out: Path) -> list[Path]:
    """Those that an earlier run wrote into the same folder: they lie in `out` and are named like its pictures."""
    here = out.resolve()
    return [image for image in images if image.name.endswith(PICTURES) and image.resolve().parent == here]


def output_names(images: list[Path]) -> list[str]:
    """File names without suffix for the results; images that differ only in suffix or folder keep apart.

    None of them is that of the summary.
    """
    stems = [image.stem for image in images]
    taken = [s for s in stems if stems.count(s) > 1 or s.lower() == SUMMARY]
    names = [s if s not in taken else f"{i.stem}_{i.suffix[1:].lower()}" for s, i in zip(stems, images)]
    return [n if names.count(n) == 1 else f"{n}_{k}" for k, n in enumerate(names)]


def boxes_of(images: list[Path], given: dict[str, Any]) -> dict[Path, Any]:
    """The entry of each image: the one that names most of its path. Images without an entry are left out.

    Raises:
        InputError: one entry fits several images.
    """
    from metricpose.errors import InputError

    owners: dict[str, Path] = {}
    for image in images:
        parts = image.parts
        names = [image.as_posix(), *("/".join(parts[i:]) for i in range(len(parts)))]
        key = next((name for name in names if name in given), None)
        if key is not None and key in owners:
            raise InputError(
                f"the boxes file's entry '{key}' fits both {owners[key]} and {image}; expected entries that tell them "
                f"apart, such as '{'/'.join(parts[-2:])}'"
            )
        if key is not None:
            owners[key] = image
    return {image: given[key] for key, image in owners.items()}
