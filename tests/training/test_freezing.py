from __future__ import annotations

import pytest
from torch import nn

from metricpose.errors import InputError
from metricpose.training.freezing import freeze


def network():
    return nn.ModuleDict({"backbone": nn.Linear(2, 3), "head": nn.Linear(3, 4)})


def trained(model):
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def test_patterns_name_what_stays():
    model = network()
    freeze(model, ())
    assert len(trained(model)) == 4
    freeze(model, ("backbone.*", "*.bias"))
    assert trained(model) == ["head.weight"]


def test_something_must_be_named_and_something_left():
    with pytest.raises(InputError, match=r"training\.freeze: no parameter is named like 'tail\.\*'"):
        freeze(network(), ("tail.*",))
    for patterns in (("*",), ("backbone.*", "head.*")):
        with pytest.raises(InputError, match="name every parameter, so nothing is left to train"):
            freeze(network(), patterns)
