"""Rules that turn a forecast into positions."""

from candlecast.signals.direction import FollowDirection
from candlecast.signals.positions import Positions
from candlecast.signals.rule import Rule
from candlecast.signals.sizing import InverseVolatility
from candlecast.signals.threshold import Threshold

__all__ = ["FollowDirection", "InverseVolatility", "Positions", "Rule", "Threshold"]
