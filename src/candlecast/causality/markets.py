"""The same market with something changed: another future, other prices, other dates, prices moved by a hair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count

import numpy as np
import polars as pl

from candlecast.candles import Candles

MOMENTS = 6  # bars at which the future is cut off and changed, where time does not matter
CALENDAR = timedelta(days=10_227)  # 28 years: weekdays, months and leap years come back, from 1901 to 2099
GREGORIAN = timedelta(days=146_097)  # 400 years: they come back in any year
WEEKS = timedelta(weeks=52)  # hours and weekdays come back, the days of the year nearly
SHORT = timedelta(days=60)
PERIOD = 120  # bars after which a repeating market begins anew
ENDS = (0.5, 0.9)  # shares of the bars that stay, where those with another end begin alike
STRETCH, LIFT = 0.003, 1e-4  # of log prices and of prices, where prices move by a hair

_drawn = count()


def other_futures(candles: Candles, first: int, seed: int, *, moments: int = MOMENTS) -> Iterator[tuple[int, Candles]]:
    """Bars t after bar `first`, and candles that are the same up to t: first cut off, then going on along another path."""
    generator = np.random.default_rng(seed)
    for bar in np.linspace(first + 20, len(candles) - 2, moments).astype(int).tolist():
        yield bar, candles[: bar + 1]
        yield bar, another_path(candles, bar, generator)


def another_path(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
    """The candles with another path of prices and volumes after bar `bar`."""
    path = _path(len(candles) - bar - 1, candles.close[bar], candles.volume[bar] + 1, generator, candles.activity)
    return _with(
        candles, {name: np.concatenate([getattr(candles, name)[: bar + 1], new]) for name, new in path.items()}
    )


def other_prices(candles: Candles, generator: np.random.Generator) -> Candles:
    """Another path of prices, on another level, and of volumes, at the same times."""
    return _with(
        candles, _path(len(candles), 1.7 * candles.close[0], 1 + 3 * candles.volume.mean(), generator, candles.activity)
    )


def turned_around(candles: Candles) -> Candles:
    """Every price p as g^2 / p, g the first open: what rose falls as much, at the same times."""
    level = candles.open[0] ** 2
    return _with(
        candles,
        {
            "open": level / candles.open,
            "high": level / candles.low,
            "low": level / candles.high,
            "close": level / candles.close,
        },
    )


def other_ends(candles: Candles, seed: int) -> list[Candles]:
    """As many candles with the same first bars: another path from the middle on, and in the last tenth."""
    generator = np.random.default_rng(seed)
    return [another_path(candles, int(share * (len(candles) - 1)), generator) for share in ENDS]


def repeating(candles: Candles, seed: int) -> Candles:
    """A path of `PERIOD` bars without drift over and over again, at the same times."""
    volume, generator = 1 + candles.volume.mean(), np.random.default_rng(seed)
    path = _path(PERIOD, candles.close[0], volume, generator, candles.activity, has_drift=False)
    times = -(-len(candles) // PERIOD)
    return _with(candles, {name: np.tile(values, times)[: len(candles)] for name, values in path.items()})


def unseen(candles: Candles, seed: int) -> Candles:
    """Other prices that nothing in this process has been computed of before."""
    return other_prices(candles, np.random.default_rng([seed, next(_drawn)]))


def moved_by_a_hair(candles: Candles) -> Candles:
    """Every price p as g (p / g)^(1.003) 1.0001, g the geometric mean of the closes, and volumes 0.01 % higher.

    Prices that were equal stay equal, and one that was above another stays there; a return grows by 0.3 % of itself.
    """
    middle = np.exp(np.log(candles.close).mean())
    prices = {
        name: middle * (getattr(candles, name) / middle) ** (1 + STRETCH) * (1 + LIFT)
        for name in ("open", "high", "low", "close")
    }
    every = np.stack(list(prices.values()))
    prices |= {"high": every.max(axis=0), "low": every.min(axis=0)}
    return _with(
        candles, prices | {name: getattr(candles, name) * (1 + LIFT) for name in ("volume", *candles.activity)}
    )


def dated_otherwise(candles: Candles, shift: timedelta) -> Candles:
    """The same bars, each as much later."""
    return replace(candles, frame=candles.frame.with_columns(pl.col("open_time", "close_time") + shift))


def same_calendar(candles: Candles) -> timedelta:
    """A shift after which every bar has its hour, weekday, day of the month and month again."""
    first, last = (int(str(time)[:4]) for time in (candles.open_time[0], candles.close_time[-1]))
    if first > 1900 and last < 2072:
        return CALENDAR
    return -CALENDAR if first > 1928 and last < 2100 else GREGORIAN


def _path(
    bars: int,
    start: float,
    volume: float,
    generator: np.random.Generator,
    activity: tuple[str, ...] = (),
    *,
    has_drift: bool = True,
) -> dict[str, np.ndarray]:
    shocks = 0.03 * generator.standard_normal((4, bars))
    if not has_drift:
        shocks[0] -= shocks[0].mean()
    close = start * np.exp(np.cumsum(shocks[0]))
    opened = np.concatenate([[start], close[:-1]])[:bars]
    traded = volume * np.exp(10 * shocks[3])
    shares = generator.uniform(0.3, 0.7, (len(activity), bars)) if activity else ()
    return {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(np.abs(shocks[1])),
        "low": np.minimum(opened, close) * np.exp(-np.abs(shocks[2])),
        "close": close,
        "volume": traded,
        **{name: share * traded for name, share in zip(activity, shares, strict=True)},
    }


def _with(candles: Candles, columns: dict[str, np.ndarray]) -> Candles:
    return replace(candles, frame=candles.frame.with_columns(**{name: pl.Series(new) for name, new in columns.items()}))
