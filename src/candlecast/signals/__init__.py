"""Rules that turn a forecast into positions."""

from candlecast.signals.across import (
    EqualWeight,
    QuantileSpread,
    RankWeights,
    RuleAcross,
    SectorNeutral,
    TopBottom,
    TurnoverLimited,
    VolatilityScaled,
)
from candlecast.signals.direction import FollowDirection
from candlecast.signals.given import as_positions, equal_weights
from candlecast.signals.hold import HoldPosition
from candlecast.signals.kelly import Kelly
from candlecast.signals.no_trade_band import NoTradeBand
from candlecast.signals.optimisers import (
    HierarchicalRiskParity,
    MaximumDiversification,
    MeanVariance,
    MinimumVariance,
    RiskParity,
)
from candlecast.signals.positions import Positions
from candlecast.signals.rule import Rule
from candlecast.signals.sizing import InverseVolatility
from candlecast.signals.threshold import Threshold
from candlecast.signals.volatility_target import VolatilityTarget

__all__ = [
    "EqualWeight",
    "FollowDirection",
    "HierarchicalRiskParity",
    "HoldPosition",
    "InverseVolatility",
    "Kelly",
    "MaximumDiversification",
    "MeanVariance",
    "MinimumVariance",
    "NoTradeBand",
    "Positions",
    "QuantileSpread",
    "RankWeights",
    "RiskParity",
    "Rule",
    "RuleAcross",
    "SectorNeutral",
    "Threshold",
    "TopBottom",
    "TurnoverLimited",
    "VolatilityScaled",
    "VolatilityTarget",
    "as_positions",
    "equal_weights",
]
