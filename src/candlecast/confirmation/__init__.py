"""Confirmations: a study repeated on the candles of a second source."""

from candlecast.confirmation.confirm import confirm
from candlecast.confirmation.confirmation import Confirmation, Found

__all__ = ["Confirmation", "Found", "confirm"]
