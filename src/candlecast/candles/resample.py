"""Longer candles from shorter ones, never a partial one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.candles.clock import DAY, HOUR, WEEK, local_time
from candlecast.candles.gaps import find_gaps
from candlecast.errors import ConfigError
from candlecast.interval import Interval
from candlecast.reading.instants import require_zone

if TYPE_CHECKING:
    from candlecast.candles.table import Candles

MONDAY = 4 * DAY  # from 1970-01-01, a Thursday, to the first Monday
WITNESSES = 5  # later long bars that show whether the first is whole; if all did, later bars would change it


def resample(candles: Candles, interval: Interval, zone: str | None) -> pl.DataFrame:
    """The market table of `candles` in bars of `interval`; see `Candles.resample`.

    A long bar is made when the candles reach from its beginning to its end without a gap. A market with sessions opens
    and closes inside its long bars, so that there the first and the last one are made only when they hold as many short
    bars as the fullest of the next few, or of those before, at the same time of day.

    Where a short bar would reach past the end of a long one, which would then show what is not known by its close, the
    grid is shifted by the offset that the short bars have, or begins anew after each pause of the session.
    """
    if interval.seconds % candles.interval.seconds:
        raise ConfigError(
            f"{interval} is no multiple of {candles.interval}",
            expected="a longer interval made of whole candles",
            remedy="Resample to a multiple, or fetch the candles at the interval wanted",
        )
    if zone not in (None, candles.zone) and interval.microseconds % DAY:
        raise ConfigError(
            f"{interval} candles in the days of {zone}",
            expected="whole days or weeks, the only bars whose grid depends on a zone",
            remedy="Leave zone out, or resample to days",
        )
    length = interval.microseconds
    start, zone = _starts(candles, interval, zone)
    first = np.flatnonzero(np.diff(start, prepend=start[:1] - 1))  # short bar that each long one opens with
    last = np.append(first[1:], len(start))[: len(first)] - 1
    long = pl.DataFrame(
        {
            "start": start[first],
            "open": candles.open[first],
            "high": _over(np.maximum, candles.high, first),
            "low": _over(np.minimum, candles.low, first),
            "close": candles.close[last],
            "volume": _over(np.add, candles.volume, first),
            "known_at": candles.frame["close_time"].gather(last),
            "bars": last - first + 1,
        }
    ).with_columns(
        _instant(pl.col("start"), zone).alias("open_time"), _instant(pl.col("start") + length, zone).alias("close_time")
    )
    following = pl.col("open_time").shift(-1)  # a grid that begins anew ends the bar before
    long = long.with_columns(pl.min_horizontal("close_time", following).alias("close_time"))
    crossing = long.filter(pl.col("known_at") > pl.col("close_time"))
    if crossing.height:
        raise ConfigError(
            f"a {candles.interval} candle of {candles.symbol} ends at {crossing['known_at'][0]:%Y-%m-%d %H:%M} UTC, after "
            f"the end of the {interval} bar that it opens in ({crossing['close_time'][0]:%Y-%m-%d %H:%M} UTC)",
            expected="candles that end with the long bars",
            remedy="Use shorter candles, or another zone",
        )
    whole = long.filter(pl.Series(_is_whole(candles, long), dtype=pl.Boolean))
    return whole.select("open_time", "close_time", "open", "high", "low", "close", "volume").rechunk()


def _starts(candles: Candles, interval: Interval, zone: str | None) -> tuple[np.ndarray, str | None]:
    """Start of the long bar that each candle belongs to, microseconds on a zone's clock, int64 (time,); and that zone.

    Days and weeks of the candles' own clock begin with its trading day, shorter bars with its session where the clock has a
    zone, and else on the UTC grid.
    """
    is_own, length, step = zone in (None, candles.zone), interval.microseconds, candles.interval.microseconds
    clock = _clock(candles, zone if not is_own else candles.zone)
    zone = candles.zone if is_own else zone
    if length % DAY == 0:
        offset = MONDAY if length % WEEK == 0 else 0
        if is_own and candles.clock.day_start:
            offset += candles.clock.day_start - candles.clock.lead * DAY
        elif zone is None and ((clock - offset) % length + step > length).any():
            offset += int(clock[0] % step)
        return (clock - offset) // length * length + offset, zone
    session = candles.clock.session
    offset = session[0] if zone is not None and session else 0
    if zone is not None and HOUR % length == 0:  # daylight saving time moves no such grid, and repeats no hour in UTC
        opened = candles.open_time.astype(np.int64)
        offset, clock, zone = int(opened[0] - clock[0] + offset) if len(opened) else 0, opened, None
    elif zone is None and ((clock - offset) % length + step > length).any():
        offset += int(clock[0] % step)
    start = (clock - offset) // length * length + offset
    if candles.breaks and session and ((clock - start) + step > length).any():
        local = _clock(candles, candles.zone)
        begins = np.sort([(mark - session[0]) % DAY for mark in (session[0], *(end for _, end, *_ in candles.breaks))])
        since = (local - session[0]) % DAY
        part = begins[np.searchsorted(begins, since, side="right") - 1]
        start = clock - (since - part) % length
    return start, zone


def _over(function: np.ufunc, values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The function over each long bar; NumPy adds from left to right, so that the sum depends on the bar's values alone."""
    return function.reduceat(values, first) if len(first) else values[:0]


def _clock(candles: Candles, zone: str | None) -> np.ndarray:
    """What the clocks of the zone show as each bar opens, int64 microseconds (time,)."""
    if zone is not None:
        require_zone(zone)
    return local_time(candles.frame["open_time"], zone)


def _instant(clock: pl.Expr, zone: str | None) -> pl.Expr:
    """The moment in UTC at which the clocks of a zone show `clock` (microseconds since 1970)."""
    local = clock.cast(pl.Datetime("us"))
    if zone is None:
        return local.dt.replace_time_zone("UTC")
    moved = (clock + HOUR).cast(pl.Datetime("us"))  # where the day begins at one o'clock, for daylight saving
    named = [time.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null") for time in (local, moved)]
    return pl.coalesce(named).dt.convert_time_zone("UTC")


def _is_whole(candles: Candles, long: pl.DataFrame) -> np.ndarray:
    """Bool (long bar,): nothing of the long bar is missing."""
    if long.is_empty():
        return np.zeros(0, dtype=bool)
    opened = long["open_time"].dt.replace_time_zone(None).to_numpy()
    closed = long["close_time"].dt.replace_time_zone(None).to_numpy()
    gaps = find_gaps(candles)
    is_counted = gaps.bars > candles.bridge
    entered = np.searchsorted(closed, gaps.start[is_counted], side="right")
    left = np.searchsorted(opened, gaps.end[is_counted], side="left")
    depth = np.zeros(len(long) + 1, dtype=np.int64)
    np.add.at(depth, entered, 1)
    np.add.at(depth, np.maximum(left, entered), -1)
    whole = np.cumsum(depth[:-1]) == 0
    if not candles.has_sessions:
        return whole & (opened >= candles.open_time[0]) & (closed <= candles.close_time[-1])
    hours = long.select(pl.col("start") % DAY).to_series().to_numpy()
    bars = long["bars"].to_numpy()
    within = bars[1:-1]
    later = within[hours[1:-1] == hours[0]][:WITNESSES]
    earlier = within[hours[1:-1] == hours[-1]]
    for end, others in ((0, later), (-1, earlier)):
        whole[end] &= len(others) > 0 and bars[end] >= others.max()
    return whole
