"""The features that a study uses when none are named."""

from __future__ import annotations

from candlecast.features.calendar import YEAR_MONTHS, calendar, time_of_day, time_of_week
from candlecast.features.feature import Features
from candlecast.features.indicators import bollinger, macd, rsi, sma_ratio
from candlecast.features.returns import log_return
from candlecast.features.volatility import log_range, realized_volatility
from candlecast.features.volume import volume_change
from candlecast.interval import SECONDS, Interval


def standard_features(interval: str | Interval, *, has_calendar: bool = False) -> Features:
    """Return, trend, momentum, volatility, volume and, for bars shorter than a day, the clock.

    `interval` is that of the candles, such as "1h". Raises ConfigError for a text that is no interval.

    The ranges of 1, 5 and 22 bars are the regressors of the HAR model of volatility (Corsi 2009). With `has_calendar`, as a
    walk has it for a volatility target, indicators of hour, weekday and month's end as well (`calendar`).
    """
    interval = Interval.parse(interval)
    clock = (time_of_day(), time_of_week()) if interval.seconds < SECONDS["d"] else ()
    has_calendar = has_calendar and interval.months < YEAR_MONTHS
    indicators = (calendar(interval),) if has_calendar else ()
    return Features(
        log_return(1),
        log_return(5),
        sma_ratio(20),
        rsi(14),
        macd(12, 26, 9),
        bollinger(20),
        realized_volatility(20),
        log_range(1),
        log_range(5),
        log_range(22),
        volume_change(20),
        *clock,
        *indicators,
    )
