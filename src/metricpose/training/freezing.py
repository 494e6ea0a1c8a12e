"""Parts of a network that are not trained."""

from __future__ import annotations

from fnmatch import fnmatchcase

from torch import nn

from metricpose.errors import InputError


def freeze(model: nn.Module, patterns: tuple[str, ...]) -> None:
    """Train no parameter whose name is like one of the patterns, such as ``backbone.conv[0-9].*``.

    Raises:
        InputError: a pattern names no parameter, or the patterns name all.
    """
    for pattern in patterns:
        found = [p for n, p in model.named_parameters() if fnmatchcase(n, pattern)]
        if not found:
            raise InputError(f"training.freeze: no parameter is named like '{pattern}'")
        for parameter in found:
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise InputError(
            f"training.freeze: the patterns {', '.join(map(repr, patterns))} name every parameter, so nothing is left "
            "to train; expected patterns of a part of the network, such as 'backbone.*'"
        )
