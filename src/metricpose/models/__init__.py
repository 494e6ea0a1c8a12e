"""The methods by name: a checkpoint names its class, and the command line lists its choices, by this table alone."""

from __future__ import annotations

from pydantic import BaseModel
from torch import nn

from metricpose.errors import InputError
from metricpose.models.chatterbox import Chatterbox, ChatterboxConfig
from metricpose.models.hemlets import Hemlets, HemletsConfig
from metricpose.models.lifting import Lifting, LiftingConfig
from metricpose.models.margipose import Margipose, MargiposeConfig
from metricpose.models.metrabs import Metrabs, MetrabsConfig
from metricpose.models.metrabs_points import MetrabsPoints, MetrabsPointsConfig
from metricpose.models.metro import Metro, MetroConfig
from metricpose.models.twofive import Twofive, TwofiveConfig

MODELS: dict[str, tuple[type[BaseModel], type[nn.Module]]] = {
    "metro": (MetroConfig, Metro),
    "metrabs": (MetrabsConfig, Metrabs),
    "metrabs_points": (MetrabsPointsConfig, MetrabsPoints),
    "twofive": (TwofiveConfig, Twofive),
    "margipose": (MargiposeConfig, Margipose),
    "chatterbox": (ChatterboxConfig, Chatterbox),
    "hemlets": (HemletsConfig, Hemlets),
    "lifting": (LiftingConfig, Lifting),
}


def model_types(name: str) -> tuple[type[BaseModel], type[nn.Module]]:
    """Configuration and model class of a method.

    Raises:
        InputError: the name is unknown.
    """
    if name not in MODELS:
        raise InputError(f"model '{name}' is unknown; choose one of {', '.join(MODELS)}")
    return MODELS[name]
