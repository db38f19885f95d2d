"""Longer candles from shorter ones, never a partial one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.candles.clock import DAY, HOUR, WEEK, local_time
from candlecast.candles.gaps import day_start, find_gaps, month_numbers, trading_days, wall_clock
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
    if not _is_multiple(interval, candles.interval):
        raise ConfigError(
            f"{interval} is no multiple of {candles.interval}",
            expected="a longer interval made of whole candles",
            remedy=f'Use a multiple, for example candles.resample("{_multiple(candles.interval)}"), or fetch the candles at '
            "the interval wanted",
        )
    if zone not in (None, candles.zone) and not interval.months and interval.microseconds % DAY:
        raise ConfigError(
            f"{interval} candles in the days of {zone}",
            expected="whole days, weeks or months, the only bars whose grid depends on a zone",
            remedy='Leave out zone=..., or use candles.resample("1d", zone=...)',
        )
    start, zone = (_month_starts if interval.months else _starts)(candles, interval, zone)
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
            **{name: _over(np.add, getattr(candles, name), first) for name in candles.activity},
            "known_at": candles.frame["close_time"].gather(last),
            "bars": last - first + 1,
        }
    )
    long = long.with_columns(end=_ends(candles, long["start"], interval)).with_columns(
        _instant(pl.col("start"), zone).alias("open_time"), _instant(pl.col("end"), zone).alias("close_time")
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
    whole = long.filter(pl.Series(_is_whole(candles, long, interval), dtype=pl.Boolean))
    return whole.select(
        "open_time", "close_time", "open", "high", "low", "close", "volume", *candles.activity
    ).rechunk()


def _multiple(interval: Interval) -> Interval:
    """The shortest of the longer intervals that are a multiple of this one."""
    return Interval.parse(f"{2 * interval.months}mo") if interval.months else Interval(2 * interval.seconds)


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


def _is_multiple(long: Interval, short: Interval) -> bool:
    """Whether whole short bars make a long one: months are made of months, and of what divides a day."""
    if short.months:
        return long.months > 0 and long.months % short.months == 0
    return (DAY if long.months else long.microseconds) % short.microseconds == 0


def _month_starts(candles: Candles, interval: Interval, zone: str | None) -> tuple[np.ndarray, str | None]:
    """The same for calendar months: of the trading days of the candles' own clock, or of the days of another zone."""
    is_own = zone in (None, candles.zone)
    if is_own:
        months, zone = month_numbers(candles), candles.zone
    else:
        months = (_clock(candles, zone) // DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    first = (months // interval.months * interval.months).astype("datetime64[M]").astype("datetime64[D]")
    return (day_start(candles.clock, first) if is_own else first.astype(np.int64) * DAY), zone


def _ends(candles: Candles, start: pl.Series, interval: Interval) -> pl.Series:
    """Ends of long bars, on the clock of their starts (microseconds)."""
    if not interval.months:
        return start + interval.microseconds
    within = start.to_numpy() + DAY * (candles.clock.lead + 1)  # a time in the first days of the month
    months = (within // DAY).astype("datetime64[D]").astype("datetime64[M]")
    lead = start.to_numpy() - months.astype("datetime64[D]").astype(np.int64) * DAY
    return pl.Series((months + interval.months).astype("datetime64[D]").astype(np.int64) * DAY + lead)


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


def _has_all_weekdays(candles: Candles, months: int, bars: int) -> np.ndarray:
    """Bool (long bar,): the bars of `months` but the first or the last where a weekday of it before the first or after the
    last day of the candles is absent, or part of that day. 1 January is a holiday everywhere.
    """
    found = np.ones(bars, dtype=bool)
    days = trading_days(candles)
    first, last = (day.astype("datetime64[M]").astype(np.int64) // months * months for day in (days[0], days[-1]))
    begin, end = (np.int64(month).astype("datetime64[M]").astype("datetime64[D]") for month in (first, last + months))
    begins = np.busday_count(begin, days[0], holidays=[f"{str(begin)[:4]}-01-01"]) == 0
    ends = np.busday_count(days[-1] + 1, end) == 0
    step, session = candles.interval.microseconds, candles.clock.session
    if step < DAY:
        clock = wall_clock(candles)
        begins &= session is not None and bool((clock[0] - session[0]) % DAY < step)
        ends &= session is not None and bool((session[1] - clock[-1] - 1) % DAY < step)
    found[0] &= begins
    found[-1] &= ends
    return found


def _is_whole(candles: Candles, long: pl.DataFrame, interval: Interval) -> np.ndarray:
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
    is_within = (opened >= candles.open_time[0]) & (closed <= candles.close_time[-1])
    if not candles.has_sessions:
        return whole & is_within
    if interval.months:  # months differ in days: the others do not show whether one is whole
        return whole & (is_within | _has_all_weekdays(candles, interval.months, len(long)))
    hours = long.select(pl.col("start") % DAY).to_series().to_numpy()
    bars = long["bars"].to_numpy()
    within = bars[1:-1]
    later = within[hours[1:-1] == hours[0]][:WITNESSES]
    earlier = within[hours[1:-1] == hours[-1]]
    for end, others in ((0, later), (-1, earlier)):
        whole[end] &= len(others) > 0 and bars[end] >= others.max()
    return whole
