"""Bars in which nothing was traded, of a market whose other bars have volume: nothing is filled there, and targets wait."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.candles.fills import is_untraded


def traded_volume(candles: Candles) -> np.ndarray:
    """Volumes as the account takes them, float64, shape (time,): NaN where nothing was traded though an earlier bar was.

    Until a first bar has volume, none is reported (indices, currencies), and 0.0 fills as any other. Known at each close.

    >>> from dataclasses import replace
    >>> import polars as pl
    >>> from candlecast.sources import synthetic
    >>> candles = synthetic.random_walk(4, seed=0).candles
    >>> thin = replace(candles, frame=candles.frame.with_columns(volume=pl.Series([0.0, 5.0, 0.0, 1.0])))
    >>> traded_volume(thin).tolist()
    [0.0, 5.0, nan, 1.0]
    """
    untraded, volume = is_untraded(candles), np.nan_to_num(candles.volume, nan=0.0)
    return np.where(untraded, np.nan, volume)


def waiting(targets: np.ndarray, is_closed: np.ndarray) -> np.ndarray:
    """Targets by the bar that is to fill them, each moved on to the first bar that can, unless a later one overtakes it.

    `targets`, float64 (time,), NaN where nothing is decided; `is_closed`, bool (time,): the bar fills nothing.

    >>> nan = float("nan")
    >>> waiting(np.array([nan, 1.0, nan, nan, 0.0, 0.5]), np.array([False, True, True, False, True, False])).tolist()
    [nan, nan, nan, 1.0, nan, 0.5]
    """
    if not is_closed.any():
        return targets
    rows = np.arange(len(targets))
    decided = np.maximum.accumulate(np.where(np.isnan(targets), -1, rows))
    filled = np.maximum.accumulate(np.where(is_closed, -1, rows))
    before = np.concatenate([[-1], filled[:-1]])
    is_due = ~is_closed & (decided > before)
    return np.where(is_due, targets[np.maximum(decided, 0)], np.nan)


def waiting_from(targets: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """The same by the bar that decides them, the next bar to fill them; the last value is what waits after the last bar.

    `volume` as `traded_volume` gives it.
    """
    closed = np.isnan(volume)
    if not closed.any():
        return targets
    return waiting(np.append(np.nan, targets), np.append(closed, False))[1:]
