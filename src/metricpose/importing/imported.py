"""What every importer returns."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn


class Imported(NamedTuple):
    """A model with somebody else's weights.

    Attributes:
        model: ours, with every tensor of the file in it.
        name: its name in `models.MODELS`.
        tensors: how many tensors of the file it uses, which is all of them.
        sha256: of the file the tensors came from.
        settings_from: where the settings that no tensor shows were found.
        licence: what its makers allow.
        skeleton: joints that predictions show if none are asked for; '' for the model's own.
        notes: what the user should know.
    """

    model: nn.Module
    name: str
    tensors: int
    sha256: str
    settings_from: str
    licence: str
    skeleton: str = ""
    notes: tuple[str, ...] = ()

    def facts(self, source: str) -> dict[str, Any]:
        """For the model file: where it came from, and how to use it. `source` is the name of the file."""
        facts: dict[str, Any] = {
            "imported_from": {"file": source, "sha256": self.sha256, "settings": self.settings_from},
            "licence": self.licence,
        }
        return facts | ({"default_skeleton": self.skeleton} if self.skeleton else {})
