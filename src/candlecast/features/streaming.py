"""Features bar by bar: the values of `Features.compute` to the last bit, from the bars that `GrowingCandles` keeps.

A feature of candlecast with a finite memory is computed on as many bars. One with an average that never forgets is computed
on all bars that are kept, by TA-Lib in about 10 ns a bar; your own features likewise, on a table of candles. With 65,536 bars
the older half is left out, and the averages begin there: then the values are those of the whole history but for rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from candlecast.candles.growing import GrowingCandles
from candlecast.errors import ConfigError
from candlecast.features.feature import Feature, Features
from candlecast.features.outside import Known

SPARE = 32  # bars beyond the warm-up
FINITE = (
    "log_return",
    "scaled_close",
    "realized_volatility",
    "log_range",
    "leverage_effect",
    "time_of_day",
    "time_of_week",
)
BY_ARRAYS = ("sma_ratio", "ema_ratio", "rsi", "macd", "bollinger", "atr", "trend_strength", "volume_change")
CALENDARS = ("calendar", "intraday_calendar")
ACTIVITY = ("trades_change", "trade_size_change", "taker_imbalance")


def newest_values(features: Features, growing: GrowingCandles, count: int) -> np.ndarray:
    """Values of the newest `count` bars, float64 (count, column), as `features.compute` gives them; NaN where undefined."""
    table = None
    finite = growing.last(count + features.warmup + SPARE)
    values, column = np.empty((count, len(features.columns))), 0
    for feature in features.features:
        if feature.kind in BY_ARRAYS and _is_own(feature):
            own = _by_arrays(feature, growing, count)
        elif feature.kind in FINITE and _is_own(feature):
            own = feature(finite)  # pyright: ignore[reportArgumentType]
        elif feature.kind in CALENDARS and _is_own(feature):
            own = feature(growing.candles(count))  # of each bar alone
        else:
            table = growing.candles(len(growing)) if table is None else table
            own = feature(table)
        width = len(feature.columns)
        values[:, column : column + width] = own[-count:]
        column += width
    return values


def _by_arrays(feature: Feature, growing: GrowingCandles, count: int) -> np.ndarray:
    """As a call of the feature on all bars that are kept, of which only the newest are brought to its form."""
    compute: Any = feature.compute
    values = compute(growing.last(len(growing)), count).reshape(count, -1)
    values[: max(feature.warmup - (len(growing) - count), 0)] = np.nan
    values[~np.isfinite(values)] = np.nan
    return values


def _is_own(feature: Feature) -> bool:
    """Whether it is candlecast's of that kind, not a function of yours with the same name."""
    is_named = not feature.label or feature.label == feature.kind
    return is_named and getattr(feature.compute, "__module__", "").startswith("candlecast.features.")


def require_streaming(features: Features) -> None:
    """Raise ConfigError for features that cannot be computed from the bars of a feed."""
    for feature in features.features:
        if isinstance(feature.compute, Known):
            raise ConfigError(
                f"the feature {feature.name} is data from elsewhere, which a feed of candles does not bring",
                expected="features that are computed from the candles",
                remedy="Run the study without it",
            )
        if feature.kind in ACTIVITY and _is_own(feature):
            raise ConfigError(
                f"the feature {feature.name} needs columns beyond open, high, low, close and volume, which a feed does not bring",
                expected="features of prices and volume",
                remedy="Run the study without it",
            )
