"""Causal functions of candles, with declared warm-up, and the scaling of their columns."""

from candlecast.features.across import (
    ACROSS,
    Across,
    across,
    across_of,
    cross_rank,
    cross_relative,
    cross_zscore,
    sector_mean,
    sector_relative,
)
from candlecast.features.calendar import calendar, intraday_calendar, time_of_day, time_of_week
from candlecast.features.elsewhere import at, of
from candlecast.features.feature import Feature, Features, feature
from candlecast.features.indicators import (
    atr,
    bollinger,
    ema_ratio,
    macd,
    rsi,
    sma_ratio,
    trend_strength,
)
from candlecast.features.outside import Known, outside
from candlecast.features.returns import log_return, scaled_close
from candlecast.features.scaling import MinMax, Robust, Scaler, Scaling, Standard, Unscaled, fit_scaling
from candlecast.features.sessions import session_time
from candlecast.features.standard import standard_features
from candlecast.features.undefined import undefined_shares, undefined_words
from candlecast.features.volatility import leverage_effect, log_range, realized_volatility
from candlecast.features.volume import taker_imbalance, trade_size_change, trades_change, volume_change

FACTORIES = (  # functions that make one feature from plain parameters: a stored study may name them
    "atr",
    "bollinger",
    "calendar",
    "ema_ratio",
    "intraday_calendar",
    "leverage_effect",
    "log_range",
    "log_return",
    "macd",
    "realized_volatility",
    "rsi",
    "scaled_close",
    "session_time",
    "sma_ratio",
    "taker_imbalance",
    "time_of_day",
    "time_of_week",
    "trade_size_change",
    "trades_change",
    "trend_strength",
    "volume_change",
)

NESTING = ("at", "of", *ACROSS)  # the same, of functions whose parameters hold a feature, and other candles

__all__ = [
    "ACROSS",
    "FACTORIES",
    "NESTING",
    "Across",
    "Feature",
    "Features",
    "Known",
    "MinMax",
    "Robust",
    "Scaler",
    "Scaling",
    "Standard",
    "Unscaled",
    "across",
    "across_of",
    "at",
    "atr",
    "bollinger",
    "calendar",
    "cross_rank",
    "cross_relative",
    "cross_zscore",
    "ema_ratio",
    "feature",
    "fit_scaling",
    "intraday_calendar",
    "leverage_effect",
    "log_range",
    "log_return",
    "macd",
    "of",
    "outside",
    "realized_volatility",
    "rsi",
    "scaled_close",
    "sector_mean",
    "sector_relative",
    "session_time",
    "sma_ratio",
    "standard_features",
    "taker_imbalance",
    "time_of_day",
    "time_of_week",
    "trade_size_change",
    "trades_change",
    "trend_strength",
    "undefined_shares",
    "undefined_words",
    "volume_change",
]
