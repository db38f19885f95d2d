"""Targets: what is forecast, when each value becomes known, and what somebody who learns nothing would say."""

from candlecast.targets.direction import Direction
from candlecast.targets.price import Price
from candlecast.targets.returns import NextReturn
from candlecast.targets.several import Several, label, parts
from candlecast.targets.target import LABELS, Kind, Target
from candlecast.targets.volatility import Volatility

__all__ = [
    "LABELS",
    "Direction",
    "Kind",
    "NextReturn",
    "Price",
    "Several",
    "Target",
    "Volatility",
    "label",
    "parts",
]
