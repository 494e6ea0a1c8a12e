"""Weights that others have published, turned into model files of ours: strictly, and without running their code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metricpose.errors import InputError
from metricpose.importing.hemlets import import_hemlets
from metricpose.importing.imported import Imported
from metricpose.importing.margipose import import_margipose
from metricpose.importing.metrabs import import_metrabs

IMPORTERS: dict[str, Callable[[Path], Imported]] = {
    "margipose": import_margipose,
    "hemlets": import_hemlets,
    "metrabs-pytorch": import_metrabs,
}


def import_weights(layout: str, path: Path) -> Imported:
    """A model of ours with the weights of a public checkpoint, which is opened and checked but never run.

    Args:
        layout: one of `IMPORTERS`.
        path: the checkpoint; for metrabs-pytorch also the folder it came in.

    Raises:
        InputError: the layout is unknown.
        CheckpointError: the file cannot be read, needs code to be opened, or does not fit; what is missing, extra or of
            another shape is listed.
    """
    if layout not in IMPORTERS:
        raise InputError(f"unknown layout '{layout}'; known: {', '.join(IMPORTERS)}")
    return IMPORTERS[layout](path)
