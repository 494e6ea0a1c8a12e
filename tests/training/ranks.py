"""What one of two processes sees; each writes it as JSON. Started by test_resume.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from metricpose.data.mixing import Phase
from metricpose.errors import MetricposeError
from metricpose.training.distributed import Place, joined, lowest
from metricpose.training.loop import TrainingData, prepare_run, refresher
from training.small import data, network, settings


def growing(place: Place) -> TrainingData:
    """A source that one process finds 30 records long at the next look, the other 20."""
    found = data()
    found.maker.sources[0].refresh = lambda: 30 - 10 * place.rank  # type: ignore[method-assign]
    return found


def phases(place: Place) -> list[list[Phase]]:
    """Histories of the lengths after a look for new records."""
    found, config = growing(place), settings(refresh_every=1)
    run = prepare_run(network(), found, config, place)
    look = refresher(run, found, config, place)
    look(0)
    look(3)
    return run.stream.phases


def refusal(place: Place, state: Path, batch_size: int = 4) -> str:
    """What a run is refused with whose checkpoint may be there for the first process alone."""
    try:
        prepare_run(network(), data(batch_size), settings(batch_size=batch_size), place, state)
    except MetricposeError as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    seen: dict[str, Any] = {}
    with joined("cpu") as place:
        seen["lowest"] = lowest([3 + place.rank, 7 - place.rank], place)
        seen["phases"] = phases(place)
        seen["unshared"] = refusal(place, folder / str(place.rank) / "state.safetensors")
        seen["shared"] = refusal(place, folder / "0" / "state.safetensors")
        seen["uneven"] = refusal(place, folder / "state.safetensors", batch_size=9)
    (folder / f"{place.rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
