"""The headline claims of the papers as differences between rows of the plan, and what our numbers say about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from metricpose.benchmark.compare import Estimate, Results, difference, level

Kind = Literal["lower", "higher", "matches"]
"""The later row should be lower than the earlier one, higher, or no worse."""
Verdict = Literal["holds", "fails", "not resolved at this scale", "not measured"]

MARGIN = 0.02
"""Part of the earlier row's error by which "matches" lets the later one be worse (ours: no paper states one)."""


@dataclass(frozen=True)
class Claim:
    """One statement "going from `before` to `after` changes `key`".

    Attributes:
        paper: who says it. text: what.
        before, after: rows. key: "subset/measure".
        figure: the paper's numbers, in words.
        kind: what the claim says of the change.
    """

    paper: str
    text: str
    before: str
    after: str
    key: str
    figure: str
    kind: Kind = "lower"


@dataclass(frozen=True)
class CostClaim:
    """A statement on time or memory, answered by the measured costs (`benchmark.costs`).

    Attributes:
        key: of the ratio among the costs' ratios.
        limit: the ratio may not be beyond it.
        at_least: whether the limit is the smallest ratio wanted instead of the largest.
    """

    paper: str
    text: str
    key: str
    figure: str
    limit: float
    at_least: bool = False


@dataclass(frozen=True)
class Finding:
    """A claim with our numbers."""

    claim: Claim
    before: Estimate
    after: Estimate
    change: Estimate
    verdict: Verdict


_METRO = "MeTRo"
_METRABS = "MeTRAbs"
_MARGI = "MargiPose"
_HEM = "HEMlets"
_CDL = "CDL"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        _METRO, "metric heatmaps without scale at test time match the 2.5D baseline with bone lengths",
        "twofive", "metro", "whole/mpjpe", "50.2 -> 49.3 mm", "matches",
    ),
    Claim(
        _METRO, "truncation training helps on truncated people, all joints",
        "metro-whole", "metro", "truncated/mpjpe", "124.7 -> 77.8 mm",
    ),
    Claim(
        _METRO, "truncation training helps on truncated people, joints in view",
        "metro-whole", "metro", "truncated-present/mpjpe", "76.8 -> 59.8 mm",
    ),
    Claim(
        _METRABS, "the same for MeTRAbs, all joints", "metrabs-whole", "metrabs", "truncated/mpjpe", "none",
    ),
    Claim(
        _METRABS, "the absolute loss lowers the absolute error",
        "metrabs-relative", "metrabs", "whole/a_mpjpe", "328.8 -> 248.2 mm",
    ),
    Claim(
        _METRO, "coarse heatmaps suffice: stride 32 against 4, same weights",
        "metro-fine", "metro-coarse", "whole/mpjpe", "little accuracy", "matches",
    ),
    Claim(
        _MARGI, "axis permutation", "margipose-plain", "margipose-permuted", "whole/pa_mpjpe", "74.9 -> 74.5 mm",
    ),
    Claim(
        _MARGI, "Jensen-Shannon regularisation",
        "margipose-permuted", "margipose-one-stage", "whole/pa_mpjpe", "74.5 -> 68.5 mm",
    ),
    Claim(
        _MARGI, "four stages instead of one",
        "margipose-one-stage", "margipose", "whole/pa_mpjpe", "68.5 -> 62.7 mm",
    ),
    Claim(
        _MARGI, "5-crop test-time augmentation", "margipose", "margipose-5-views", "whole/mpjpe", "none",
    ),
    Claim(
        _MARGI, "10-crop test-time augmentation",
        "margipose", "margipose-10-views", "whole/mpjpe", "57.0 -> 55.4 mm",
    ),
    Claim(
        _HEM, "2D maps", "hemlets-none", "hemlets-2d", "whole/mpjpe", "47.1 -> 44.2 mm",
    ),
    Claim(
        _HEM, "HEMlets", "hemlets-none", "hemlets-hem", "whole/mpjpe", "47.1 -> 42.6 mm",
    ),
    Claim(
        _HEM, "HEMlets and 2D maps against 2D maps alone", "hemlets-2d", "hemlets", "whole/mpjpe", "44.2 -> 39.9 mm",
    ),
    Claim(
        _HEM, "HEMlets and 2D maps against HEMlets alone", "hemlets-hem", "hemlets", "whole/mpjpe", "42.6 -> 39.9 mm",
    ),
    Claim(
        _HEM, "three states are better than two", "hemlets-two-states", "hemlets", "whole/mpjpe", "loss curve only",
    ),
    Claim(
        _HEM, "three states are better than five", "hemlets-five-states", "hemlets", "whole/mpjpe", "loss curve only",
    ),
    Claim(
        _HEM, "ordinal labels on a domain without 3D labels help there, against 2D labels alone",
        "hemlets-target-2d", "hemlets-target-ordinal", "target/pck150", "75.3 -> 76.9 3DPCK", "higher",
    ),
    Claim(
        _CDL, "joint maps", "lifting-baseline", "lifting-joint", "whole/mpjpe", "54.1 -> 52.0 mm",
    ),
    Claim(
        _CDL, "bone maps", "lifting-joint", "lifting-bone-joint", "whole/mpjpe", "52.0 -> 50.8 mm",
    ),
    Claim(
        _CDL, "depth-centric block", "lifting-bone-joint", "lifting", "whole/mpjpe", "50.8 -> 48.7 mm",
    ),
)  # fmt: skip

COST_CLAIMS: tuple[CostClaim, ...] = (
    CostClaim(
        _METRO, "stride 32 is faster than stride 4", "stride_speed", "511 / 92 crops a second = 5.6", 5.6,
        True,
    ),
    CostClaim(_HEM, "time of the whole network over its baseline's", "hemlets_time", "13.3 / 8.5 = 1.56", 1.56),
    CostClaim(
        _MARGI, "activation memory of the marginal maps over the volume's, n = 64", "maps_memory", "far less", 0.1
    ),
    CostClaim("ours", "time of the slowest decoding over one plain sum of its logits", "decode_time", "1.5", 1.5),
)  # fmt: skip


def judge(claim: Claim, results: Results) -> Finding:
    """Our numbers for a claim, and whether they bear it out.

    It holds if the interval of the change lies wholly on the claimed side, fails if wholly on the other; "matches"
    holds if the interval ends below `MARGIN` of the earlier row's error and fails if it begins above.
    """
    before, after = (level(results, row, claim.key) for row in (claim.before, claim.after))
    change = difference(results, claim.before, claim.after, claim.key)
    return Finding(claim, before, after, change, _verdict(claim.kind, before, change))


def _verdict(kind: Kind, before: Estimate, change: Estimate) -> Verdict:
    if not change.known:
        return "not measured"
    low, high = (-change.high, -change.low) if kind == "higher" else (change.low, change.high)
    limit = MARGIN * before.value if kind == "matches" else 0.0
    if high < limit:
        return "holds"
    return "fails" if low > limit else "not resolved at this scale"
