"""Features made of the clock: known long before the bar, and periodic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from candlecast.candles import Candles
from candlecast.candles.clock import DAY, HOUR, MINUTE, local_time
from candlecast.candles.schedule import next_opening, next_trading_day, trading_day
from candlecast.errors import ConfigError
from candlecast.features.feature import Feature, open_feature
from candlecast.interval import Interval

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
YEAR_MONTHS = 12
DAY_SECONDS = 86_400
LEAST_PART = 5 * MINUTE  # of an hour, that has an indicator of its own
SATURDAY = 5  # number of the weekday, Monday 0
MONDAY_SECONDS = 4 * DAY_SECONDS  # 1970-01-01 was a Thursday: the first Monday came four days later


def time_of_day() -> Feature:
    """Hour of the bar's close by the market's clock as a point on a circle: columns `sin` and `cos` of 2 pi * day share.

    The clock is that of `Candles.zone`, through its daylight saving time, and of UTC where there is none: a session opens
    at the same point in summer and winter.
    """
    return _clock("time_of_day", DAY_SECONDS, 0)


def time_of_week() -> Feature:
    """Day and hour of the bar's close as a point on a circle, from Monday 00:00 by the market's clock: `sin` and `cos`."""
    return _clock("time_of_week", 7 * DAY_SECONDS, MONDAY_SECONDS)


def calendar(interval: str | Interval | None = None) -> Feature:
    """Indicators (0 or 1) of when the next bar is scheduled to open, by the market's clock; as many as the interval warrants.

    `interval`: that of the candles, which it is taken from when not given.

    bars                 columns
    shorter than a day   `hour_00` ... `hour_23` (of longer bars one for each of the day), and those of days
    up to a day          `monday` ... `sunday`, the trading day, and `month_end`, the last one scheduled in its month
    up to a month        `month_end`: it holds the last day of a month
    months, quarters     `month_01` ... `month_12`, the month it begins in

    The next bar, since that is what is forecast: at the close of Friday's last bar of a market with weekends, `monday`. The
    schedule knows weekends and sessions, and no holidays (see `session_time`). Known before the bar; it reads no price.

    Raises ConfigError for bars of a year or more.

    >>> from candlecast.sources import sample
    >>> calendar("1d").outputs
    ('monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday', 'month_end')
    >>> int(calendar()(sample("sp500")[:1])[0].argmax())                  # Monday, 1999-01-04: the next bar is Tuesday's
    1
    """
    if interval is None:
        return open_feature("calendar", lambda candles: calendar(candles.interval))
    return _of_next_bar(
        "calendar", interval, _indicator_names, _indicators, what="a calendar", expected="candles shorter than a year"
    )


def intraday_calendar(interval: str | Interval | None = None) -> Feature:
    """Indicators (0 or 1) of the time within a day of the next bar, beside those of `calendar`, by the market's clock.

    `interval`: that of the candles, which it is taken from when not given.

    bars                          columns
    shorter than an hour          `minute_00` ... `minute_55`, the part of the hour, five minutes or a bar long
    of an hour, up to half a day  `weekend_00` ... `weekend_23`, the hour on Saturdays and Sundays; 0 in markets that close then

    Ranges are largest where the hour begins, and the hours of a weekend are not those of a working day (Andersen and
    Bollerslev 1997). Known before the bar; it reads no price.

    Raises ConfigError for bars of more than half a day.

    >>> intraday_calendar("15m").outputs
    ('minute_00', 'minute_15', 'minute_30', 'minute_45')
    >>> len(intraday_calendar("4h").outputs)
    6
    """
    if interval is None:
        return open_feature("intraday_calendar", lambda candles: intraday_calendar(candles.interval))
    return _of_next_bar(
        "intraday_calendar",
        interval,
        _intraday_names,
        _intraday,
        what="an intraday calendar",
        expected="candles of half a day or less",
    )


def _of_next_bar(
    kind: str,
    interval: str | Interval,
    names: Callable[[Interval], tuple[str, ...]],
    values: Callable[[Candles, Interval], np.ndarray],
    *,
    what: str,
    expected: str,
) -> Feature:
    """A feature of indicators of the next bar. Raises ConfigError for an interval without any."""
    parsed = Interval.parse(interval)
    text, outputs = str(parsed), names(parsed)
    if not outputs:
        raise ConfigError(f"{what} of {text} candles", expected=expected, remedy=f"Leave {kind}() out")

    def compute(candles: Candles) -> np.ndarray:
        return values(candles, Interval.parse(text))

    return Feature(kind, compute, 0, {"interval": text}, outputs=outputs, label=kind)


def has_intraday_calendar(interval: Interval) -> bool:
    """Whether `intraday_calendar` has indicators for candles of this interval."""
    return bool(_intraday_names(interval))


def _intraday_names(interval: Interval) -> tuple[str, ...]:
    if interval.months or interval.microseconds > DAY // 2:
        return ()
    if interval.microseconds < HOUR:
        slot = _part_of_hour(interval)
        return tuple(f"minute_{number * slot // MINUTE:02}" for number in range(-(-HOUR // slot)))
    return tuple(f"weekend_{slot * _slot(interval) // HOUR:02}" for slot in range(_slots(interval)))


def _intraday(candles: Candles, interval: Interval) -> np.ndarray:
    """The indicators of the bar that follows each bar, (time, column)."""
    opens = next_opening(candles.clock, local_time(candles.frame["close_time"], candles.zone), in_hours=True)
    if interval.microseconds < HOUR:
        slot = _part_of_hour(interval)
        return _dummies(opens % HOUR // slot, -(-HOUR // slot))
    is_weekend = (trading_day(candles.clock, opens).astype(np.int64) + 3) % 7 >= SATURDAY
    return _dummies(opens % DAY // _slot(interval), _slots(interval)) * is_weekend[:, None]


def _part_of_hour(interval: Interval) -> int:
    """Length of a part of the hour with an indicator of its own, microseconds."""
    return max(interval.microseconds, LEAST_PART)


def _indicator_names(interval: Interval) -> tuple[str, ...]:
    if interval.months:
        return tuple(f"month_{month:02}" for month in range(1, YEAR_MONTHS + 1, interval.months))[
            : YEAR_MONTHS if interval.months < YEAR_MONTHS else 0
        ]
    hours = [f"hour_{slot * _slot(interval) // HOUR:02}" for slot in range(_slots(interval))]
    return (*hours, *(WEEKDAYS if interval.microseconds <= DAY else ()), "month_end")


def _indicators(candles: Candles, interval: Interval) -> np.ndarray:
    """The indicators of the bar that follows each bar, (time, column)."""
    clock, length = candles.clock, interval.microseconds
    closes = local_time(candles.frame["close_time"], candles.zone)
    if interval.months:
        month = ((closes + 2 * DAY) // DAY).astype("datetime64[D]").astype("datetime64[M]").astype(
            np.int64
        ) % YEAR_MONTHS
        return _dummies(month // interval.months, -(-YEAR_MONTHS // interval.months))
    opens = next_opening(clock, closes, in_hours=length < DAY // 2)
    day = trading_day(clock, opens)
    following = next_trading_day(clock, day) if length <= DAY else day + length // DAY
    is_end = following.astype("datetime64[M]") != day.astype("datetime64[M]")
    parts = []
    if _slots(interval):
        parts.append(_dummies(opens % DAY // _slot(interval), _slots(interval)))
    if length <= DAY:
        parts.append(_dummies((day.astype(np.int64) + 3) % 7, 7))  # 1970-01-01 was a Thursday
    return np.column_stack([*parts, is_end])


def _slot(interval: Interval) -> int:
    """Length of a part of the day with an indicator of its own, microseconds."""
    return max(interval.microseconds, HOUR) // HOUR * HOUR


def _slots(interval: Interval) -> int:
    return -(-DAY // _slot(interval)) if interval.microseconds < DAY else 0


def _dummies(number: np.ndarray, kinds: int) -> np.ndarray:
    return (number[:, None] == np.arange(kinds)).astype(np.float64)


def _clock(kind: str, period: int, start: int) -> Feature:
    def compute(candles: Candles) -> np.ndarray:
        seconds = local_time(candles.frame["close_time"], candles.zone) // 1_000_000 - start
        angle = 2 * np.pi * (seconds % period) / period
        return np.column_stack([np.sin(angle), np.cos(angle)])

    return Feature(kind, compute, 0, outputs=("sin", "cos"))
