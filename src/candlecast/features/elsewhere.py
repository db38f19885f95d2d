"""`of` and `at`: features of other candles and of longer candles, each value used from the moment at which it was known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.candles.clock import DAY
from candlecast.errors import ConfigError
from candlecast.features.feature import Feature, open_feature
from candlecast.features.outside import outside
from candlecast.interval import Interval
from candlecast.parameters import is_whole
from candlecast.sources.files import as_candles

MONTH_DAYS = 31
TRADING_DAYS = {7: 5, MONTH_DAYS: 23}  # most trading days in a week and in a month of a market with weekends


def of(other: Candles, feature: Feature, *, max_age: str | None = None) -> Feature:
    """A feature of other candles: another asset, or the same one at another venue.

    At the close of bar t, the newest value known by then: that of the newest bar of `other` that closed by that moment. It
    counts until the next one is known, also over a weekend of the other market, and no longer than `max_age`, a span such
    as "2d". Undefined before the other candles are warmed up.

    The other candles are part of the feature: other prices are another study. A feature of your own is checked on them.

    Raises CandleError for unsound candles and what is no candles, ConfigError for what is no feature.

    >>> from candlecast.features import log_return
    >>> from candlecast.sources import synthetic
    >>> world = synthetic.lead_lag(100, seed=1)
    >>> leader = of(world.leader, log_return())
    >>> bool(leader(world.candles)[9, 0] == log_return()(world.leader)[9, 0])
    True
    """
    _require_feature("of", feature)
    other = as_candles(other)
    settled = feature.on(other.require_sound())
    name = f"{other.symbol}_{other.interval}_{settled.name}"
    columns = [f"{name}_{output}" for output in settled.outputs] or [name]
    table = other.frame.select(known_at="close_time").hstack(pl.from_numpy(settled(other), columns))
    joined = outside(name, table, max_age=max_age, scaling=feature.scaling)
    parameters = {"other": other, "feature": settled} | ({} if max_age is None else {"max_age": max_age})
    return replace(joined, kind="of", parameters=parameters, outputs=settled.outputs)


def at(interval: str | Interval, feature: Feature, *, bars: int | None = None) -> Feature:
    """A feature of longer candles, which are made of the candles given: `at("1d", rsi(14))` of bars of an hour.

    At the close of bar t, the value of the newest long bar that ended by then; a long bar under way is not used. In a market
    with sessions a long bar counts from the bar after it on, since only that bar shows that it has ended. A long bar with
    a gap in it is not made (`Candles.resample`); where that leaves too few, the feature is undefined.

    `bars`: the most candles that one long bar holds, which is found in their interval and trading hours when not given. The
    warm-up is that of the feature in long bars, and three of them more.

    Raises ConfigError for an interval that the candles do not divide, and for what is no feature.

    >>> from candlecast.features import log_return
    >>> from candlecast.sources import synthetic
    >>> hourly = synthetic.garch(240, seed=1, interval="1h").candles
    >>> daily = hourly.resample("1d")
    >>> value = at("1d", log_return())(hourly)
    >>> bool(value[-1, 0] == log_return()(daily)[-1, 0])
    True
    """
    _require_feature("at", feature)
    text = str(Interval.parse(interval))
    if bars is None:
        found = open_feature(f"{feature.name}_{text}", lambda candles: _at(text, feature, candles))
        return replace(found, scaling=feature.scaling)
    if not is_whole(bars, 1):
        raise ConfigError(
            f"bars is {bars!r}",
            expected="a whole number of 1 or more",
            remedy="Leave it out, to take it from the candles",
        )
    if feature.resolve is not None:
        raise ConfigError(
            f"{feature.name} has no columns yet", expected="a feature of one interval", remedy="Leave bars out"
        )
    warmup = (feature.warmup + 3) * bars

    def compute(candles: Candles) -> np.ndarray:
        return _known(candles, text, feature, bars)

    parameters = {"interval": text, "feature": feature, "bars": bars}
    return Feature("at", compute, warmup, parameters, feature.outputs, feature.scaling, label=f"{feature.name}_{text}")


def _at(interval: str, feature: Feature, candles: Candles) -> Feature:
    long = candles.resample(interval) if feature.resolve is not None else candles
    return at(interval, feature.on(long), bars=_most_bars(candles, Interval.parse(interval)))


def _known(candles: Candles, interval: str, feature: Feature, bars: int) -> np.ndarray:
    """Values of the newest long bar known at each bar, where all long bars that it needs began not too long ago.

    So that the warm-up holds: within `warmup + 2` times `bars`. Long bars in the first `bars` are left out, since whether the
    first one is whole may depend on later ones.
    """
    long = candles.resample(interval)
    begins = np.searchsorted(candles.open_time, long.open_time)
    start = int(np.searchsorted(begins, bars))
    long, begins = long[start:], begins[start:]
    values = np.full((len(candles), len(feature.columns)), np.nan)
    if len(long) <= feature.warmup:
        return values
    known = candles.open_time if candles.has_sessions else candles.close_time
    newest = np.searchsorted(long.close_time, known, side="right") - 1
    oldest = newest - feature.warmup
    is_near = np.arange(len(candles)) - begins[np.maximum(oldest, 0)] <= (feature.warmup + 2) * bars
    is_known = (oldest >= 0) & is_near
    values[is_known] = feature(long)[newest[is_known]]
    return values


def _most_bars(candles: Candles, interval: Interval) -> int:
    """The most candles that a long bar holds, by interval and trading hours."""
    step = candles.interval.microseconds
    if candles.interval.months:
        return max(1, interval.months // candles.interval.months)
    if interval.microseconds < DAY and not interval.months:
        return max(1, -(-interval.microseconds // step))
    days = interval.months * MONTH_DAYS if interval.months else -(-interval.microseconds // DAY)
    if not candles.has_sessions:
        return max(1, -(-days * DAY // step))
    span = MONTH_DAYS if interval.months else 7
    trading = days // span * TRADING_DAYS[span] + min(days % span, TRADING_DAYS[span])
    lengths = [(last - first) % DAY or DAY for first, last in candles.clock.stretches] if step < DAY else [DAY]
    return max(1, trading * sum(-(-length // step) for length in lengths or [DAY]))


def _require_feature(name: str, feature: object) -> None:
    if not isinstance(feature, Feature):
        raise ConfigError(
            f"{name} is given {type(feature).__name__} for a feature",
            expected="a feature, such as cc.log_return()",
            remedy=f"Use for example cc.{name}(..., cc.rsi(14))",
        )
