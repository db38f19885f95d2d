"""Targets: what is forecast, when each value becomes known, and what somebody who learns nothing would say."""

from candlecast.targets.across import (
    AboveMean,
    AboveMedian,
    AcrossTarget,
    BottomQuantile,
    CrossSectionRank,
    RelativeReturn,
    TopQuantile,
)
from candlecast.targets.barriers import TripleBarrier
from candlecast.targets.direction import Direction
from candlecast.targets.excess import ExcessReturn
from candlecast.targets.price import Price
from candlecast.targets.returns import NextReturn
from candlecast.targets.scaled import ScaledReturn
from candlecast.targets.several import Several, components, label, primary
from candlecast.targets.target import (
    LABELS,
    Kind,
    KnownEarlier,
    LookingBack,
    Target,
    Weighted,
    bars_until_known,
    memory,
    sample_weight,
)
from candlecast.targets.volatility import Volatility

__all__ = [
    "LABELS",
    "AboveMean",
    "AboveMedian",
    "AcrossTarget",
    "BottomQuantile",
    "CrossSectionRank",
    "Direction",
    "ExcessReturn",
    "Kind",
    "KnownEarlier",
    "LookingBack",
    "NextReturn",
    "Price",
    "RelativeReturn",
    "ScaledReturn",
    "Several",
    "Target",
    "TopQuantile",
    "TripleBarrier",
    "Volatility",
    "Weighted",
    "bars_until_known",
    "components",
    "label",
    "memory",
    "primary",
    "sample_weight",
]
