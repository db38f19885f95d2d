"""Markets to check on, and what is changed in them: the candles behind a bar cut off, then replaced by another path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.errors import LookaheadError, NotEnoughDataError
from candlecast.sources import synthetic

MOMENTS = 6  # bars at which the future is cut off and changed


def synthetic_market(bars: int, seed: int) -> Candles:
    return synthetic.garch(bars, seed=seed, interval="1h").candles


def require_bars(candles: Candles, least: int, subject: str) -> None:
    if len(candles) < least:
        raise NotEnoughDataError(
            f"{candles.symbol} has {len(candles):,} candles to check {subject}",
            expected=f"at least {least:,}",
            remedy="Give more candles, or none to use a synthetic market",
        )


def other_futures(candles: Candles, first: int, seed: int) -> Iterator[tuple[int, Candles]]:
    """Bars t behind bar `first`, and candles that are the same up to t: first cut off, then going on along another path."""
    generator = np.random.default_rng(seed)
    for bar in np.linspace(first + 20, len(candles) - 2, MOMENTS).astype(int).tolist():
        yield bar, candles[: bar + 1]
        yield bar, another_path(candles, bar, generator)


def another_path(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
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


def require_equal(
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
