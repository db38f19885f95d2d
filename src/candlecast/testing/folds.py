"""The check of a way to fold: no label across a boundary, no bar left out, every tested bar equally often."""

from __future__ import annotations

import numpy as np

from candlecast.dataset import folds as arithmetic
from candlecast.dataset.coverage import left_out
from candlecast.dataset.folds import Folds
from candlecast.errors import ConfigError
from candlecast.testing.markets import synthetic_market

MEMORY = 10  # bars that inputs look back on, where folds are checked


def check_folds(folds: Folds, *, bars: int = 2_000, horizon: int = 24) -> tuple[arithmetic.Fold, ...]:
    """The folds of a synthetic hourly calendar; raises where a label reaches into a later part.

    Each label must be known before the next part begins, whether that is tested or trained after it. All rows lie among
    the usable ones. From the first tested bar on no bar is left out, or there is no edge: bars that are not tested may have been
    chosen by what happened in them. Every tested bar is forecast equally often: once, or by several folds that assemble into
    whole paths.

    Raises LookaheadError for a label that reaches too far, ConfigError for rows that may not be used, are left out or
    are forecast more often than others, NotEnoughDataError for a part without rows.

    >>> from candlecast.dataset.folds import Holdout
    >>> check_folds(Holdout(0.8), bars=100, horizon=1)
    (Fold(index=0, train=Rows(range(10, 81)), valid=Rows(), test=Rows(range(82, 100))),)
    """
    times = synthetic_market(bars, seed=0).close_time
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
    could = np.arange(bars) >= usable.start
    missed = left_out([fold.test for fold in parts], could, horizon=horizon)
    if missed.any():
        fold = parts[int(missed.argmax())]
        raise ConfigError(
            f"after rows that fold {fold.index} tests, {missed.max():,} rows are tested by no fold",
            expected="every row from the first tested one on in a test part",
            remedy="Begin each test part where the one before ends, and go on to the end of the usable rows",
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
