"""The one market table: OHLCV candles of one symbol and interval, in UTC."""

from candlecast.candles.clock import TradingClock
from candlecast.candles.issues import CandleReport
from candlecast.candles.mend import Change
from candlecast.candles.table import Candles, Ending, Origin

__all__ = ["CandleReport", "Candles", "Change", "Ending", "Origin", "TradingClock"]
