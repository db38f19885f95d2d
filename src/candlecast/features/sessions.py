"""`session_time`: how long ago the market opened, and how long until it opens again, by its schedule."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from candlecast.candles import Candles
from candlecast.candles.clock import DAY, HOUR, local_time
from candlecast.candles.schedule import (
    Holidays,
    is_trading_day,
    last_opening,
    next_opening,
    next_trading_day,
    trading_day,
)
from candlecast.errors import ConfigError, near_misses
from candlecast.features.feature import Feature
from candlecast.process.shared import ignoring

MARGIN = 40  # days around the candles for which holidays are asked for


def session_time(exchange: str = "") -> Feature:
    """Time since the session opened and until the next one opens: `since_open`, `until_open`, and `holiday` of an exchange.

    At the close of bar t, ln(1 + hours) since the newest session opened, and until the market is open again: 0 inside a
    session, ln(1 + 65.5) at the close of New York on a Friday. Of daily bars, in whole days. Both are 0 in a market that
    never closes. Sessions and weekends are those of the candles' clock.

    `exchange` names an exchange of the package exchange_calendars ("XNYS"; extra `calendars`). Its holidays by rule are then
    known too, and `holiday` is 1 where one lies between the bar and the next session. Closings that were decided on shortly
    before, such as that of September 2001, are not known beforehand, so that they are no holidays here.

    Raises ConfigError for an exchange that is not known or whose holidays follow no rule.

    >>> from candlecast.sources import sample
    >>> weekend = session_time()(sample("sp500")[:5])[:, 1]               # Monday to Friday, daily bars
    >>> np.expm1(weekend).round(1).tolist()
    [0.0, 0.0, 0.0, 0.0, 48.0]
    """
    if not isinstance(exchange, str):
        raise ConfigError(
            f"exchange is of type {type(exchange).__name__}",
            expected="text",
            remedy='Use for example session_time("XNYS")',
        )
    if exchange:
        _calendar(exchange)

    def compute(candles: Candles) -> np.ndarray:
        return _session_time(candles, exchange)

    parameters = {"exchange": exchange} if exchange else {}
    outputs = ("since_open", "until_open", *(("holiday",) if exchange else ()))
    return Feature("session_time", compute, 0, parameters, outputs=outputs)


def _session_time(candles: Candles, exchange: str) -> np.ndarray:
    clock, in_hours = candles.clock, candles.interval.microseconds < DAY // 2
    closes = local_time(candles.frame["close_time"], candles.zone)
    holidays = _holidays(exchange, closes) if exchange else None
    opened = last_opening(clock, closes, in_hours=in_hours, holidays=holidays)
    opens = next_opening(clock, closes, in_hours=in_hours, holidays=holidays)
    columns = [np.log1p((closes - opened) / HOUR), np.log1p((opens - closes) / HOUR)]
    if holidays is not None:
        day = trading_day(clock, closes - 1)
        without = next_trading_day(clock, day)
        columns.append(np.where(is_trading_day(clock, without, holidays), 0.0, 1.0))
    return np.column_stack(columns)


def _holidays(exchange: str, local: np.ndarray) -> Holidays:
    """Whether days around these moments are holidays of the exchange."""
    first, last = ((edge // DAY).astype("datetime64[D]") for edge in (local.min(), local.max()))
    known = _dates(exchange, str(first - MARGIN)[:4], str(last + MARGIN)[:4])
    return lambda days: np.isin(days, known)


@lru_cache(maxsize=64)
def _dates(exchange: str, first: str, last: str) -> np.ndarray:
    """Holidays by rule from the first year to the last, datetime64[D]."""
    with ignoring(Warning):  # of pandas, about what the library calls
        found = _calendar(exchange).regular_holidays.holidays(f"{first}-01-01", f"{last}-12-31")
    return np.asarray(found.values, dtype="datetime64[D]")


@lru_cache(maxsize=16)
def _calendar(exchange: str) -> Any:
    try:
        with ignoring(Warning):
            import exchange_calendars
    except ImportError as error:
        raise ConfigError(
            f"the holidays of {exchange} need exchange_calendars, which is not installed",
            expected="the extra calendars",
            remedy="Install it with: pip install 'candlecast[calendars]'",
        ) from error
    names = exchange_calendars.get_calendar_names()
    if exchange not in names:
        raise ConfigError(
            f"exchange is {exchange!r}",
            expected='an exchange of exchange_calendars, such as "XNYS"',
            remedy=near_misses(exchange, names),
        )
    with ignoring(Warning):
        calendar = exchange_calendars.get_calendar(exchange)
    if calendar.regular_holidays is None:
        raise ConfigError(
            f"exchange_calendars has no rules for the holidays of {exchange}",
            expected="an exchange whose holidays follow rules, so that they are known beforehand",
            remedy='Leave it out, or give the dates with cc.outside("holiday", table)',
        )
    return calendar
