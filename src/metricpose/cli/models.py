"""metricpose models: the methods by name, with their papers and sizes as published, and the models at hand."""

from __future__ import annotations

import sys
from typing import Any, Literal

PUBLISHED: dict[str, dict[str, Any]] = {
    "metro": {"backbone": "resnet50"},
    "metrabs": {"backbone": "resnet50"},
    "metrabs_points": {"backbone": "efficientnetv2_l", "side": 384, "skeleton": "metrabs_77"},
    "twofive": {"backbone": "resnet50"},
    "margipose": {
        "skeleton": "mpi_inf_3dhp_17",
        "backbone": "inceptionv4_stem",
        "stride": 8,
        "stages": 4,
        "widths": (128, 192),
    },
    "chatterbox": {"skeleton": "mpi_inf_3dhp_17", "backbone": "resnet34_stem", "widths": (128, 512)},
    "hemlets": {
        "skeleton": "hemlets_18",
        "backbone": "resnet50",
        "deconvolutions": (256, 256, 256),
        "feature_width": 1024,
        "encoder_width": 256,
        "head_width": 1024,
        "depth_bins": 64,
    },
    "lifting": {"skeleton": "hemlets_18", "backbone": "resnet50"},
}
"""What the papers used where it differs from our defaults."""

_NUMBERS = ("crop", "parameters", "GMAC")
_WHOLE = ("name", "network", "joints", *_NUMBERS)
"""Columns of names, which one types, and of numbers: never cut or broken."""

CITED = {
    "metro": "Sarandi et al., FG 2020",
    "metrabs": "Sarandi et al., T-BIOM 2021",
    "metrabs_points": "Sarandi et al., WACV 2023",
    "twofive": "as in Sarandi et al. 2020",
    "margipose": "Nibali et al., WACV 2019",
    "chatterbox": "A. Nibali's MargiPose repository",
    "hemlets": "Zhou et al., ICCV 2019",
    "lifting": "Zhang et al., AAAI 2021",
}


def run() -> int:
    """List the methods: paper, parameters and operations (GMAC per crop) as published and as bundled."""
    from rich.console import Console

    from metricpose.models import MODELS

    rows: list[tuple[str, ...]] = []
    for name, (config_type, _) in MODELS.items():
        config = config_type.model_validate(PUBLISHED.get(name, {}))
        cited = f"{paper(name)} ({CITED[name]})" if name in CITED else paper(name)
        rows.append((name, cited, *_facts(name, config.model_dump())))
    console = Console()
    headings: tuple[str, ...] = ("name", "paper", "backbone", "crop", "parameters", "GMAC")
    console.print(_table("methods, with the backbone of the paper", headings, rows))
    headings = ("name", "network", "crop", "parameters", "GMAC", "joints", "sha256")
    rows, faults = _bundled()
    console.print(_table("models at hand", headings, rows))
    for fault in faults:
        console.print(fault, markup=False, highlight=False, soft_wrap=True)
    return 0


def paper(name: str) -> str:
    """The method's title: first sentence of its module, which cites the paper."""
    from metricpose.models import MODELS

    text = sys.modules[MODELS[name][1].__module__].__doc__ or ""
    return " ".join(text.strip().split("\n\n")[0].split()).rstrip(".")


def size(name: str, config: dict[str, Any]) -> tuple[int, float]:
    """(parameters, GMAC per crop) of a model, without computing anything: on tensors that have only a shape."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from metricpose.weights import build_model

    with torch.device("meta"):
        model: Any = build_model(name, config)
        image = torch.zeros(1, 3, model.config.side, model.config.side)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(image)
    parameters = sum(p.numel() for p in model.parameters())
    return parameters, counter.get_total_flops() / 2e9


def _facts(name: str, config: dict[str, Any]) -> tuple[str, str, str, str]:
    parameters, gmac = size(name, config)
    side = str(config.get("side", ""))
    return str(config.get("backbone", "")), side, f"{parameters:,}", f"{gmac:.2f}"


def _bundled() -> tuple[list[tuple[str, ...]], list[str]]:
    """The rows of the models at hand, and what is wrong with those that cannot be read."""
    from metricpose.errors import CheckpointError
    from metricpose.weights import known_names, read_metadata, resolve

    rows: list[tuple[str, ...]] = []
    faults: list[str] = []
    for name in known_names():
        try:
            facts = read_metadata(resolve(name, offline=True))
        except CheckpointError as error:
            rows.append((name, "see below", "", "", "", "", ""))
            faults.append(f"{name}: {error}")
            continue
        backbone, *sizes = _facts(facts["model"], facts["config"])
        rows.append((name, f"{facts['model']}\n{backbone}", *sizes, facts["skeleton"], facts["sha256"][:12]))
    return rows or [("(none)", "", "", "", "", "", "")], faults


def _table(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Any:
    """A table whose names and numbers stay whole however narrow the terminal; the other columns fold."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for index, heading in enumerate(headings):
        whole = heading in _WHOLE
        longest = max(len(line) for row in (headings, *rows) for line in row[index].split("\n"))
        justify: Literal["left", "right"] = "right" if heading in _NUMBERS else "left"
        least = longest if whole else None
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=whole, min_width=least)
    for row in rows:
        table.add_row(*row)
    return table
