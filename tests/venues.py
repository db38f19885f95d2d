"""The same market at several venues, and a feed whose prices are off at times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from candlecast.candles import Candles


def at_venue(candles: Candles, *, seed: int, noise: float = 3e-4, symbol: str | None = None) -> Candles:
    """The market as another venue records it: opens and closes differ by a normal noise, volumes by up to a half."""
    generator, bars = np.random.default_rng(seed), len(candles)
    opened, close = (each * np.exp(noise * generator.standard_normal(bars)) for each in (candles.open, candles.close))
    volume = candles.volume * generator.uniform(0.5, 1.5, bars)
    return replace(_with_prices(candles, opened, close, volume), symbol=symbol or candles.symbol)


def with_offsets(candles: Candles, *, seed: int, every: int = 25, size: float = 0.015) -> Candles:
    """A feed that shows prices `size` too high from random closes on, for 4 to 12 bars, one close in `every`."""
    generator, bars = np.random.default_rng(seed), len(candles)
    is_off = np.zeros(bars, dtype=bool)  # at the close
    for start in np.flatnonzero(generator.random(bars) < 1 / every):
        is_off[start : start + generator.integers(4, 13)] = True
    at_close = np.exp(size * is_off)
    at_open = np.concatenate([[1.0], at_close[:-1]])
    return _with_prices(candles, candles.open * at_open, candles.close * at_close, candles.volume)


def with_fading_noise(candles: Candles, *, seed: int, noise: float = 7e-4) -> Candles:
    """The market at a venue whose closes have a noise of its own, which is in the next open and gone at the next close."""
    off = np.exp(noise * np.random.default_rng(seed).standard_normal(len(candles) + 1))
    return _with_prices(candles, candles.open * off[:-1], candles.close * off[1:], candles.volume)


def with_flow(candles: Candles, *, seed: int, noise: float = 0.1) -> Candles:
    """The candles with `taker_volume`: buyers took more of the volume in bars that rose, up to a normal noise of their share."""
    generator = np.random.default_rng(seed)
    moves = np.log(candles.close / candles.open)
    share = 0.5 + 0.2 * np.tanh(moves / moves.std()) + noise * generator.standard_normal(len(candles))
    return candles.with_activity(taker_volume=candles.volume * np.clip(share, 0.0, 1.0))


def with_day_totals(candles: Candles, *, bars: int) -> Candles:
    """A table in which volume and taker volume of the whole day, `bars` bars, stand beside each of them, the first included."""
    days = np.arange(len(candles)) // bars
    totals = {name: np.bincount(days, getattr(candles, name))[days] for name in ("volume", "taker_volume")}
    return replace(
        candles, frame=candles.frame.with_columns(**{name: pl.Series(each) for name, each in totals.items()})
    )


def filled_between(candles: Candles, *, every: int) -> Candles:
    """A table that knows one close in `every`, with the others on a straight line between; bars open at the close before."""
    rows = np.arange(len(candles))
    known = rows[::every]
    close = np.exp(np.interp(rows, known, np.log(candles.close[known])))
    return _with_prices(candles, np.concatenate([candles.open[:1], close[:-1]]), close, candles.volume)


def _with_prices(candles: Candles, opened: np.ndarray, close: np.ndarray, volume: np.ndarray) -> Candles:
    """The candles with other opens and closes, whose ranges grow or shrink with them."""
    up = np.maximum(opened / candles.open, close / candles.close)
    down = np.minimum(opened / candles.open, close / candles.close)
    columns = {"open": opened, "high": candles.high * up, "low": candles.low * down, "close": close, "volume": volume}
    return replace(
        candles, frame=candles.frame.with_columns(**{name: pl.Series(each) for name, each in columns.items()})
    )
