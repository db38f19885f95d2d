"""The features that a study uses when none are named."""

from __future__ import annotations

from candlecast.features.calendar import (
    YEAR_MONTHS,
    calendar,
    has_intraday_calendar,
    intraday_calendar,
    time_of_day,
    time_of_week,
)
from candlecast.features.feature import Features
from candlecast.features.indicators import bollinger, macd, rsi, sma_ratio, trend_strength
from candlecast.features.returns import log_return
from candlecast.features.volatility import leverage_effect, log_range, realized_volatility
from candlecast.features.volume import volume_change
from candlecast.interval import SECONDS, Interval

TRENDS = (3, 14)  # periods of `trend_strength`
LONG_TREND = 60, 160  # its period and bars for bars shorter than a day; ranges have as long a warm-up
QUARTER = 66  # bars of a day, of three months of trading
MOST_DAY, MOST_OF_WEEKS = 288, 24  # bars of a day: the most that a range is taken over, and that a week's is taken over


def standard_features(interval: str | Interval, *, has_calendar: bool = False, of_volatility: bool = False) -> Features:
    """Return, trend, momentum, volatility, volume and, for bars shorter than a day, the clock.

    `interval` is that of the candles, such as "1h". Raises ConfigError for a text that is no interval.

    The ranges of 1, 5 and 22 bars are the regressors of the HAR model of volatility (Corsi 2009). With `has_calendar`,
    indicators of hour, weekday and month's end as well (`calendar`). With `of_volatility`, as a walk has it for a volatility
    target, these indicators, those of the time within the day (`intraday_calendar`), the `leverage_effect`, the
    `trend_strength` of 3 and 14 bars, for bars shorter than a day that of 60 too, and ranges of longer times: 66 daily bars; of
    bars shorter than a day, those of a day and of a week, where a day has 24 bars at most, else 66 bars and those of a day, 288
    at most.
    """
    interval = Interval.parse(interval)
    clock = (time_of_day(), time_of_week()) if interval.seconds < SECONDS["d"] else ()
    has_calendar = (has_calendar or of_volatility) and interval.months < YEAR_MONTHS
    indicators = (calendar(interval),) if has_calendar else ()
    if of_volatility and has_intraday_calendar(interval):
        indicators = (*indicators, intraday_calendar(interval))
    period, bars = LONG_TREND
    long_trend = (trend_strength(period, bars=bars),) if interval.seconds < SECONDS["d"] else ()
    trends = (*map(trend_strength, TRENDS), *long_trend)
    of_causes = (*map(log_range, _long_ranges(interval)), leverage_effect(), *trends)
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
        *(of_causes if of_volatility else ()),
        volume_change(20),
        *clock,
        *indicators,
    )


def _long_ranges(interval: Interval) -> tuple[int, ...]:
    """Bars of the ranges of longer times than 22 bars that forecast volatility; none of bars longer than a day.

    >>> [_long_ranges(Interval.parse(text)) for text in ("5m", "1h", "1d", "1w")]
    [(66, 288), (24, 168), (66,), ()]
    """
    if interval.seconds >= SECONDS["d"]:
        return (QUARTER,) if interval.seconds == SECONDS["d"] else ()
    day = round(SECONDS["d"] / interval.seconds)
    usual = (day, 7 * day) if day <= MOST_OF_WEEKS else (QUARTER, min(day, MOST_DAY))
    return tuple(sorted({*usual} - {1, 5, 22}))
