"""Checks that any source, feature, target or way to fold must pass, for the tests of those who write their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from candlecast import folds as arithmetic
from candlecast.candles import Candles
from candlecast.errors import ConfigError, LookaheadError, NotEnoughDataError, SourceError
from candlecast.features import Feature
from candlecast.folds import Folds
from candlecast.interval import Interval
from candlecast.sources import Source, synthetic
from candlecast.sources.source import Moment, moment, period, utc_now
from candlecast.targets import Target, bars_until_known

__all__ = ["check_feature", "check_folds", "check_source", "check_target"]

WARMUP_TOLERANCE = 1e-3  # of a column's standard deviation
MOMENTS = 6  # bars at which the future is cut off and changed
MEMORY = 10  # bars that inputs look back on, where folds are checked


def check_feature(feature: Feature, candles: Candles | None = None, *, seed: int = 0) -> None:
    """Raise unless the feature is causal, its warm-up long enough and its values well formed.

    Causal: at several bars t the candles after t are cut off, then replaced by another path of prices and volumes; no
    value at or before t may move by a single bit. Warm-up: the feature is computed again on candles that begin later;
    from row `warmup` on, no value may differ from the first computation by more than 1e-3 standard deviations of its
    column. `candles` is a synthetic hourly market when not given, in which every value behind the warm-up must be
    defined as well.

    Raises LookaheadError naming column, bar and movement; ConfigError for a short warm-up, naming one that would do, or
    for values of a wrong shape or type; NotEnoughDataError when `candles` are fewer than four warm-ups and 40 more.

    >>> from candlecast.features import feature
    >>> @feature(warmup=0)
    ... def share_of_high(candles):
    ...     return candles.close / candles.high.max()
    >>> check_feature(share_of_high)
    Traceback (most recent call last):
    candlecast.errors.LookaheadError: feature share_of_high, column share_of_high, moved from 0.9... to 0.9... at bar 0 ...
    """
    market = _market(4 * feature.warmup + 1_000, seed) if candles is None else candles
    _require_bars(market, 4 * feature.warmup + 40, f"feature {feature.name} with a warm-up of {feature.warmup:,} bars")
    raw = np.asarray(feature.compute(market))
    if raw.dtype.kind not in "fiub":
        raise ConfigError(
            f"feature {feature.name} gave values of type {raw.dtype}",
            expected="numbers",
            remedy="Return a NumPy array of floats, NaN where there is no value",
        )
    values = feature(market)
    for bar, other in _other_futures(market, feature.warmup, seed):
        _require_equal(
            values[: bar + 1],
            feature(other)[: bar + 1],
            feature.columns,
            market,
            bar,
            subject=f"feature {feature.name}",
        )
    _require_warm(feature, market, must_be_defined=candles is None)


def check_target(target: Target, candles: Candles | None = None, *, seed: int = 0) -> None:
    """Raise unless each outcome is known `horizon` bars later, and its naive forecast at once.

    At several bars t the candles after t are cut off, then replaced by another path. `values` at and before
    t - horizon, `naive` and `expected_return` at and before t may not move by a single bit. All three have one float64
    per candle; the last `horizon` values are NaN. In the synthetic hourly market that is used when no `candles` are
    given, all values before them must be defined, behind the first `horizon` bars. Of a target that is known earlier
    (`bars_until_known`, from 1 to horizon), the values that are known at t may not move either, nor when they are known.

    Raises LookaheadError naming method, bar and movement; ConfigError for a wrong shape, type or undefined value;
    NotEnoughDataError when `candles` are fewer than four horizons and 40 more.

    >>> from candlecast.targets import NextReturn
    >>> check_target(NextReturn(horizon=5))
    """
    horizon = target.horizon
    market = _market(4 * horizon + 1_000, seed) if candles is None else candles
    _require_bars(market, 4 * horizon + 40, f"target {target.name} with a horizon of {horizon:,} bars")
    values, naive = target.values(market), target.naive(market)
    _require_one_per_candle(target, "values", values, market)
    _require_one_per_candle(target, "naive", naive, market)
    generator = np.random.default_rng(seed)
    is_chance = target.kind == "probability"
    forecast = generator.random(len(market)) if is_chance else naive + 0.01 * generator.standard_normal(len(market))
    implied = target.expected_return(forecast, market)
    _require_one_per_candle(target, "expected_return", implied, market)
    _require_known_in_time(target, values, must_be_defined=candles is None)
    ends = bars_until_known(target, market)
    if ends.shape != (len(market),) or ends.dtype.kind != "i" or ends.min() < 1 or ends.max() > horizon:
        raise ConfigError(
            f"bars_until_known of target {target.name} has shape {ends.shape}, type {ends.dtype} and values from {ends.min()} "
            f"to {ends.max()}",
            expected=f"({len(market)},) whole numbers from 1 to the horizon of {horizon}",
            remedy="Return the horizon where the outcome is not known earlier",
        )
    for bar, other in _other_futures(market, horizon, seed):
        rows = np.arange(len(other))
        changed = np.where(rows <= bar, forecast[: len(other)], forecast[::-1][: len(other)])
        pairs = {
            "values": (values, target.values(other), max(bar + 1 - horizon, 0)),
            "naive": (naive, target.naive(other), bar + 1),
            "expected_return": (implied, target.expected_return(changed, other), bar + 1),
        }
        for name, (before, after, stop) in pairs.items():
            subject = f"{name} of target {target.name} (horizon {horizon})"
            _require_equal(before[:stop, None], after[:stop, None], (name,), market, bar, subject=subject)
        if len(other) == len(market):
            is_known = np.arange(len(market)) + ends <= bar
            moved = (
                np.column_stack([values, ends])[is_known],
                np.column_stack([pairs["values"][1], bars_until_known(target, other)])[is_known],
            )
            _require_equal(*moved, ("values", "bars_until_known"), market, bar, subject=f"target {target.name}")


def check_source(
    source: Source, symbol: str, interval: str | Interval, *, since: Moment, until: Moment | None = None
) -> None:
    """Raise unless the source keeps what `Source.pages` promises, on a period in which it has bars.

    Columns and types are those of the market table; bars come in order of time, none twice, each as long as `interval`,
    none that ends in the future or lies outside the period; and the two halves of the period, asked for alone, hold the
    same bars as the whole. The source is asked three times.

    Raises SourceError naming the promise and the bar, NotEnoughDataError when the period has fewer than two bars.

    >>> import candlecast as cc
    >>> check_source(cc.Binance(), "BTCUSDT", "1h", since="2025-01-01", until="2025-02-01")  # doctest: +SKIP
    """
    interval = Interval.parse(interval)
    start, end = period(since, until, now=utc_now(), first=moment(since))
    whole = _pages(source, symbol, interval, start, end)
    if whole.height < 2:
        raise NotEnoughDataError(
            f"{source.name} has {whole.height} bars of {symbol} {interval} from {start:%Y-%m-%d} to {end:%Y-%m-%d}",
            expected="at least 2 to check the source",
            remedy="Choose a period with bars",
        )
    opened, closed = whole["open_time"], whole["close_time"]
    broken = {
        "a bar does not follow the one in front of it": opened.diff() <= timedelta(0),
        f"a bar is not {interval} long": closed - opened != interval.timedelta,
        "a bar opens before since": opened < start,
        "a bar closes after until": closed > end,
    }
    for promise, rows in broken.items():
        if rows.any():
            _break_promise(source, promise, opened.filter(rows.fill_null(False))[0])
    middle = opened[whole.height // 2]
    halves = pl.concat([_pages(source, symbol, interval, start, middle), _pages(source, symbol, interval, middle, end)])
    if not halves.equals(whole):
        lost = pl.concat([whole, halves]).filter(pl.struct(pl.all()).is_unique())
        first = lost["open_time"].min() if lost.height else opened[0]
        _break_promise(source, "two halves of the period hold other bars than the whole", first)


def _pages(source: Source, symbol: str, interval: Interval, start: datetime, end: datetime) -> pl.DataFrame:
    """All pages as one table, each with the columns and types that are promised."""
    times = dict.fromkeys(("open_time", "close_time"), pl.Datetime("us", "UTC"))
    schema = {**times, **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64)}
    pages = list(source.pages(symbol, interval, since=start, until=end))
    for page in pages:
        if dict(list(page.schema.items())[: len(schema)]) != schema:
            _break_promise(source, f"a page has the columns {dict(page.schema)}", start)
    return pl.concat(pages) if pages else pl.DataFrame(schema=schema)


def _break_promise(source: Source, promise: str, at: Any) -> None:
    raise SourceError(
        f"{source.name}: {promise}, at {at:%Y-%m-%d %H:%M:%S} UTC",
        expected="what Source.pages promises",
        remedy="Correct pages() of the source",
    )


def check_folds(folds: Folds, *, bars: int = 2_000, horizon: int = 24) -> tuple[arithmetic.Fold, ...]:
    """The folds of a synthetic hourly calendar; raises unless they are honest.

    No label may be known later than the part begins that is judged by it or learnt behind it; all rows lie among the usable
    ones; and every tested bar is forecast equally often: once, or by several folds that assemble into whole paths.

    Raises LookaheadError for a label that reaches too far, ConfigError for rows that may not be used or are forecast more
    often than others, NotEnoughDataError for a part without rows.

    >>> from candlecast.folds import Holdout
    >>> check_folds(Holdout(0.8), bars=100, horizon=1)
    (Fold(index=0, train=Rows(range(10, 81)), valid=Rows(), test=Rows(range(82, 100))),)
    """
    times = _market(bars, seed=0).close_time
    usable = range(bars // 10, bars)
    divided = folds.split(times, usable, horizon=horizon, memory=MEMORY)
    parts = arithmetic.check_folds(divided, times, horizon=horizon)
    for fold in parts:
        for name, rows in {"train": fold.train, "valid": fold.valid, "test": fold.test}.items():
            if len(rows) and not (rows.first in usable and rows.last in usable):
                raise ConfigError(
                    f"{name} of fold {fold.index} is {rows}",
                    expected=f"rows inside {usable}",
                    remedy="Divide only the usable rows: those before them have no whole window",
                )
    forecasts = np.bincount(np.concatenate([fold.test.array for fold in parts]), minlength=bars)
    most, fewest = int(forecasts.argmax()), int(np.where(forecasts, forecasts, bars).argmin())
    if forecasts[most] != forecasts[fewest]:
        raise ConfigError(
            f"row {most:,} is tested by {forecasts[most]} folds, row {fewest:,} by {forecasts[fewest]}",
            expected="every tested row in equally many folds",
            remedy="Begin each test part where the one before ends",
        )
    return parts


def _market(bars: int, seed: int) -> Candles:
    return synthetic.garch(bars, seed=seed, interval="1h").candles


def _require_bars(candles: Candles, least: int, subject: str) -> None:
    if len(candles) < least:
        raise NotEnoughDataError(
            f"{candles.symbol} has {len(candles):,} candles to check {subject}",
            expected=f"at least {least:,}",
            remedy="Give more candles, or none to use a synthetic market",
        )


def _other_futures(candles: Candles, first: int, seed: int) -> Iterator[tuple[int, Candles]]:
    """Bars t behind bar `first`, and candles that are the same up to t: first cut off, then going on along another path."""
    generator = np.random.default_rng(seed)
    for bar in np.linspace(first + 20, len(candles) - 2, MOMENTS).astype(int).tolist():
        yield bar, candles[: bar + 1]
        yield bar, _another_path(candles, bar, generator)


def _another_path(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
    later = len(candles) - bar - 1
    shocks = 0.03 * generator.standard_normal((4, later))
    close = candles.close[bar] * np.exp(np.cumsum(shocks[0]))
    opened = np.concatenate([candles.close[bar : bar + 1], close[:-1]])
    path = {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(np.abs(shocks[1])),
        "low": np.minimum(opened, close) * np.exp(-np.abs(shocks[2])),
        "close": close,
        "volume": (candles.volume[bar] + 1) * np.exp(10 * shocks[3]),
    }
    columns = [pl.Series(name, np.concatenate([getattr(candles, name)[: bar + 1], new])) for name, new in path.items()]
    return replace(candles, frame=candles.frame.with_columns(columns))


def _require_equal(
    before: np.ndarray, after: np.ndarray, columns: tuple[str, ...], candles: Candles, bar: int, *, subject: str
) -> None:
    """Raise LookaheadError when a value moved; both arrays have shape (time, column)."""
    moved = (before != after) & ~(np.isnan(before) & np.isnan(after))
    if not moved.any():
        return
    row, column = (int(index) for index in np.argwhere(moved)[0])
    time = str(candles.close_time[row])[:16].replace("T", " ")
    raise LookaheadError(
        f"{subject}, column {columns[column]}, moved from {before[row, column]:.6g} to {after[row, column]:.6g} at bar "
        f"{row:,} ({time} UTC) although only candles after bar {bar:,} had changed",
        expected="values that do not move by a bit when later candles do",
        remedy="Use only earlier bars: no mean or range of all rows, no centred window, no shift towards the past",
    )


def _require_warm(feature: Feature, candles: Candles, *, must_be_defined: bool) -> None:
    """Raise ConfigError when rows behind the warm-up still depend on where the candles begin, or are undefined."""
    bare = replace(feature, warmup=0)
    full = bare(candles)
    spread = np.array([column[np.isfinite(column)].std() if np.isfinite(column).any() else 0.0 for column in full.T])
    needed, shortest = 0, len(candles)
    for start in (len(candles) // 5, len(candles) // 3, len(candles) // 2):
        late, part = full[start:], bare(candles[start:])
        same = (np.abs(part - late) <= WARMUP_TOLERANCE * spread) | (np.isnan(part) & np.isnan(late))
        if must_be_defined:
            same &= np.isfinite(part)
        unsettled = np.flatnonzero(~same.all(axis=1))
        needed = max(needed, int(unsettled[-1]) + 1 if len(unsettled) else 0)
        shortest = min(shortest, len(part))
    if needed > feature.warmup:
        settles = needed < 0.9 * shortest
        raise ConfigError(
            f"feature {feature.name} has a warm-up of {feature.warmup:,} bars, and still depends on where the candles "
            f"begin, or is undefined, {needed - 1:,} bars after the first",
            expected=f"values that differ by at most {WARMUP_TOLERANCE:g} standard deviations from row `warmup` on",
            remedy=f"Use warmup={needed}" if settles else "Compute it over a window of fixed length",
        )


def _require_one_per_candle(target: Target, name: str, array: np.ndarray, candles: Candles) -> None:
    if array.shape != (len(candles),) or array.dtype != np.float64:
        raise ConfigError(
            f"{name} of target {target.name} has shape {array.shape} and type {array.dtype}",
            expected=f"({len(candles)},) and float64, one number per candle",
            remedy="Return NaN where there is no number",
        )


def _require_known_in_time(target: Target, values: np.ndarray, *, must_be_defined: bool) -> None:
    last = len(values) - target.horizon
    early = np.flatnonzero(~np.isnan(values[last:]))
    if len(early):
        raise LookaheadError(
            f"target {target.name} has value {values[last + early[0]]:.6g} at bar {last + early[0]:,}, "
            f"{len(values) - 1 - last - early[0]:,} bars before the end of the candles",
            expected=f"NaN for the last {target.horizon:,} bars: their outcome is known {target.horizon:,} bars later",
            remedy="Return NaN there, or declare the true horizon",
        )
    absent = target.horizon + np.flatnonzero(~np.isfinite(values[target.horizon : last]))
    if must_be_defined and len(absent):
        raise ConfigError(
            f"target {target.name} is {values[absent[0]]} at bar {absent[0]:,} of {len(values):,}",
            expected=f"a finite value at every bar up to {last - 1:,}",
            remedy="Compute it there, or declare the true horizon",
        )
