"""Small markets and models that many tests share."""

# ruff: noqa: E402

from __future__ import annotations

import os
import signal
from importlib import import_module

# Before the libraries are loaded: on a machine whose cores all run tests, their threads would wait for each other.
for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
import pytest

# Tables of tests are small: threads of Polars wake for nothing. Processes that tests start have theirs, as those of users do.
with pytest.MonkeyPatch.context() as patch:
    if "POLARS_MAX_THREADS" not in os.environ:
        patch.setenv("POLARS_MAX_THREADS", "1")
    import polars as pl

    pl.thread_pool_size()  # which starts them

from candlecast.candles import Candles
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.ledger import Ledger, as_ledger
from candlecast.models import LSTM
from candlecast.sources import synthetic


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """A shell starts what it runs in the background deaf to Ctrl-C; tests of interruptions, and their children, hear it."""
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, heard)


@pytest.fixture(scope="session", autouse=True)
def forgotten():
    """Trials of tests are not remembered, unless a test names a workspace: no verdict depends on what ran before."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("study.study", "study.comparison", "study.result", "audit.audit", "audit.shortcuts"):
            patch.setattr(
                import_module(f"candlecast.{module}"),
                "as_ledger",
                lambda given: Ledger.in_memory() if given is None else as_ledger(given),
            )
        yield


@pytest.fixture(scope="session")
def market() -> Candles:
    """600 hourly bars with planted momentum."""
    return synthetic.ar1(600, seed=1, phi=0.3, interval="1h").candles


@pytest.fixture(scope="session")
def features() -> Features:
    """Two features that settle at once."""
    return Features(log_return(), log_range())


@pytest.fixture(scope="session")
def small() -> LSTM:
    """An LSTM that trains in a moment."""
    return LSTM(hidden=4, window=6, training=Fit(epochs=2, batch=16, lr=5e-3, sampling="windows"))


@pytest.fixture(scope="session")
def other_future():
    """A function that gives the candles with everything behind a bar replaced by another path."""

    def change(candles: Candles, bar: int, *, seed: int = 9) -> Candles:
        generator = np.random.default_rng(seed)
        frame = candles.frame
        factor = np.ones(len(candles))
        factor[bar + 1 :] = np.exp(np.cumsum(0.02 * generator.standard_normal(len(candles) - bar - 1)))
        changed = frame.with_columns(pl.col("open", "high", "low", "close") * pl.Series(factor))
        volume = pl.Series(np.where(factor == 1.0, 1.0, 1.7))
        return Candles(changed.with_columns(pl.col("volume") * volume), candles.symbol, candles.interval)

    return change
