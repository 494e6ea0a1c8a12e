"""metricpose models: the methods by name, with their papers and sizes as published, and the models at hand."""

from __future__ import annotations

import sys
from typing import Any

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
    from rich.table import Table

    from metricpose.models import MODELS

    table = Table(title="methods, with the backbone of the paper", title_justify="left")
    for column in ("name", "paper", "backbone", "crop", "parameters", "GMAC"):
        table.add_column(column, justify="right" if column in ("crop", "parameters", "GMAC") else "left")
    for name, (config_type, _) in MODELS.items():
        config = config_type.model_validate(PUBLISHED.get(name, {}))
        cited = f"{paper(name)} ({CITED[name]})" if name in CITED else paper(name)
        table.add_row(name, cited, *_facts(name, config.model_dump()))
    console = Console()
    console.print(table)
    console.print(_bundled_table())
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


def _bundled_table() -> Any:
    from rich.table import Table

    from metricpose.errors import CheckpointError
    from metricpose.weights import known_names, read_metadata, resolve

    table = Table(title="models at hand", title_justify="left")
    for column in ("name", "method", "backbone", "crop", "parameters", "GMAC", "joints", "sha256"):
        table.add_column(column)
    for name in known_names():
        try:
            facts = read_metadata(resolve(name, offline=True))
        except CheckpointError as error:
            table.add_row(name, str(error))
            continue
        sizes = _facts(facts["model"], facts["config"])
        table.add_row(name, facts["model"], *sizes, facts["skeleton"], facts["sha256"][:12])
    if not table.rows:
        table.add_row("(none)")
    return table
