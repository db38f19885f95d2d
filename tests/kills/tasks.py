"""Work that is killed: a study, a fetch, a compaction, and writing to a ledger. Loading this file does no work."""

from __future__ import annotations

import os
from datetime import datetime

import ccxt  # noqa: F401  loaded before the fork, as all that a task needs
import deltalake  # noqa: F401
import httpx  # noqa: F401
import numpy as np
import polars as pl
import torch  # noqa: F401

from candlecast import Store
from candlecast.cli import main, source_registry
from candlecast.dataset.folds import WalkForward
from candlecast.features import Features, log_range, log_return
from candlecast.fleet import trainer  # noqa: F401
from candlecast.fleet.settings import Fit
from candlecast.ledger import Ledger
from candlecast.ledger.trials import Trial
from candlecast.models import LSTM
from candlecast.sources import dumps, exchange, synthetic  # noqa: F401
from candlecast.sources.binance import Binance
from candlecast.store import compact as compaction, update
from candlecast.study import Study
from candlecast.study.checkpoints import run_study
from shelf import Shelf

TRIALS = 20


def run(folder: str) -> None:
    """A study of 16 jobs, stored."""
    model = LSTM(hidden=3, window=4, training=Fit(epochs=1, batch=64, sampling="windows"))
    features = Features(log_return(), log_range())
    study = Study(model=model, baselines=(), features=features, folds=WalkForward(folds=8), seeds=2)
    run_study(study, synthetic.ar1(400, seed=1, phi=0.3, interval="1h").candles, runs=folder)


def fetch(url: str, addresses: dict[str, str], now: str, since: str) -> None:
    """`candlecast fetch`, with a commit for every page, and a compaction at the end."""
    source_registry.SOURCES["binance"] = lambda: Binance(
        **addresses, is_paced=False, clock=lambda: datetime.fromisoformat(now)
    )
    update.BATCH_BARS, compaction.CROWDED = 1, 3
    main(["fetch", "BTCUSDT", "--interval", "1m", "--since", since, "--store", url, "--quiet"])


def fill(url: str, bars: str) -> None:
    """A store of many small files."""
    update.BATCH_BARS, compaction.CROWDED = 1, 1_000
    Store(url).update(Shelf(pl.read_parquet(bars), size=40), "X", "1h")


def compact(url: str) -> None:
    """A compaction."""
    Store(url).compact()


def record(folder: str, acknowledged: str) -> None:
    """Trials one after another; the number of each is written to a file once it is recorded."""
    handle = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(TRIALS):
        Ledger(folder).record(trial(number))
        os.write(handle, f"{number}\n".encode())


def trial(number: int) -> Trial:
    """A trial of 50 daily returns."""
    times = np.datetime64("2024-01-01", "us") + np.arange(50) * np.timedelta64(1, "D")
    returns = 0.01 * np.random.default_rng(number).standard_normal(50)
    return Trial("d1", {"number": number}, "0.1", "BTCUSDT", "1d", "a", 365.0, times, returns)
