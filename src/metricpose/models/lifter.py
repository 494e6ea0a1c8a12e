"""The last step of cascaded dimension lifting: a residual network from 2.5D joints to a pose in millimetres.

Zhang et al. (AAAI 2021), "3D Lifting block", equations 6, 9 and 10, after J. Martinez et al., "A simple yet effective
baseline for 3d human pose estimation" (ICCV 2017).

=============  ==============  ================================================================================
value          shape           meaning
=============  ==============  ================================================================================
input          b 3J (+ 3)      x, y of the crop in [-1, 1], depth in metres; optionally the view (`view_facts`)
first          b 1024          FC, BN, ReLU, dropout
five blocks    b 1024          each 2 x (FC, BN, ReLU, dropout) inside a shortcut
pose_mm        b J 3           FC, read as metres and given in millimetres
=============  ==============  ================================================================================

Ours, because the paper is silent: batch norm, ReLU and dropout behind the first layer and the order inside a block
(Martinez), the units of input and output, and initialisation: Kaiming, but a last layer near 0, and blocks that add
little at first. The pose is then never a small difference of large numbers, which batch norm in small batches, and its
change to running statistics after training, would disturb: eight poses learned in batches of 32 come out 10 mm off, and
154 mm off with plain Kaiming.

Training targets may be brought to a standard stature (equation 10): all joints times 1077 mm / G, G the length of the
chain knee - hip - pelvis - spine - neck. The hip - pelvis link counts: with it the average bones give 1066 mm. The mean
of left and right is ours.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from metricpose.heatmap.decode import full_precision
from metricpose.skeleton.core import Skeleton

STANDARD_STATURE_MM = 1077.0
"""Mean knee-to-neck length of Human3.6M's training poses (section "3D Lifting block")."""

_FIRST_GAIN, _LAST_STD = 0.1, 1e-3  # Initial scale of what a block adds; initial weights of the last layer.

VIEW_FACTS = 3
"""Numbers that `view_facts` gives."""


class ResidualBlock(nn.Module):
    """Two times (FC, BN, ReLU, dropout), added to their input."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first = _layer(width, width, dropout)
        self.second = _layer(width, width, dropout)

    def forward(self, x: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
        """Features to features."""
        return x + self.second(self.first(x))

    def scale_output(self, gain: float) -> None:
        """Set the scale of what the block adds: the gain of its last batch norm."""
        norm = self.second[1]
        assert isinstance(norm, nn.BatchNorm1d)
        nn.init.constant_(norm.weight, gain)


class Lifter(nn.Module):
    """2.5D joints to a pose; see the module's text.

    Args:
        joints: number of joints, in and out.
        extra: further inputs.
        width: features of the hidden layers.
        blocks: residual blocks.
        dropout: share of features left out in training.
    """

    def __init__(
        self, joints: int, *, extra: int = 0, width: int = 1024, blocks: int = 5, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.first = _layer(3 * joints + extra, width, dropout)
        self.blocks = nn.ModuleList(ResidualBlock(width, dropout) for _ in range(blocks))
        self.last = nn.Linear(width, 3 * joints)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
            elif isinstance(module, ResidualBlock):
                module.scale_output(_FIRST_GAIN)
        nn.init.normal_(self.last.weight, std=_LAST_STD)

    def forward(
        self, points: Float[Tensor, "b j 3"], facts: Float[Tensor, "b f"] | None = None
    ) -> Float[Tensor, "b j 3"]:
        """Millimetres in the axes of the crop camera, in float32 under autocast too: bfloat16 has no 1001 mm.

        Args:
            points: x and y of the crop in [-1, 1], depth in metres.
            facts: the further inputs, if the lifter was made for any.
        """
        with torch.autocast(points.device.type, enabled=False):
            x = full_precision(points).flatten(1)
            x = self.first(x if facts is None else torch.cat([x, full_precision(facts)], 1))
            for block in self.blocks:
                x = block(x)
            return 1000 * self.last(x).unflatten(1, (-1, 3))


def view_facts(K: Float[Tensor, "b 3 3"], side: int) -> Float[Tensor, "b 3"]:
    """What a crop's pixels do not show: x, y of the ray through its middle, and the logarithm of focal length / side.

    Without it the lifter cannot know how strong the perspective is. The crop cameras here look at the crop's middle, so
    the ray is (0, 0) unless a crop was shifted or comes from elsewhere. Ours.
    """
    y = ((side - 1) / 2 - K[:, 1, 2]) / K[:, 1, 1]
    x = ((side - 1) / 2 - K[:, 0, 2] - K[:, 0, 1] * y) / K[:, 0, 0]
    return torch.stack([x, y, (K[:, 0, 0] * K[:, 1, 1]).sqrt().div(side).log()], 1)


def stature_chains(skeleton: Skeleton) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Joints from the left and from the right knee to the neck (the thorax where a skeleton names that point so).

    Raises:
        InputError: a joint of the chain is missing.
    """
    neck = "neck" if "neck" in skeleton.joints else "thorax"
    left, right = (
        tuple(skeleton.index(j) for j in (f"{s}_knee", f"{s}_hip", "pelvis", "spine", neck)) for s in ("l", "r")
    )
    return left, right


def stature(
    joints_mm: Float[Tensor, "b j 3"], weights: Float[Tensor, "b j"], chains: tuple[tuple[int, ...], ...]
) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
    """Mean length of those chains whose joints all have labels (Geo of equation 10), and whether there is any.

    Joints of weight 0 may hold NaN; where no chain is known the length is 1.
    """
    index = torch.tensor(chains, device=joints_mm.device)
    known = (weights[:, index] > 0).all(-1)
    steps = joints_mm[:, index].diff(dim=2).norm(dim=-1).sum(-1)
    count = known.sum(1)
    total = torch.where(known, steps, 0.0).sum(1)
    return torch.where(count > 0, total / count.clamp_min(1), 1.0), count > 0


def standard_factor(
    joints_mm: Float[Tensor, "b j 3"],
    weights: Float[Tensor, "b j"],
    chains: tuple[tuple[int, ...], ...],
    standard_mm: float = STANDARD_STATURE_MM,
) -> Float[Tensor, " b"]:
    """Factor that brings each pose to the standard stature (equation 10); 0 where its stature is not known.

    A sample of unknown stature is thereby recognised and left out (ours), rather than trained on at another scale.
    """
    length, known = stature(joints_mm, weights, chains)
    return torch.where(known, standard_mm / length.clamp_min(1.0), 0.0)


def _layer(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(dropout))
