"""Work that is killed: a study, a fetch, a compaction, writing to a ledger and its inbox, a paper session.

Loading this file does no work.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from urllib.parse import urlsplit

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
from candlecast.ledger import Begun, Inbox, Ledger
from candlecast.ledger.trials import Trial
from candlecast.live import paper as paper_session
from candlecast.models import LSTM
from candlecast.sources import dumps, exchange, synthetic  # noqa: F401
from candlecast.sources.binance import Binance
from candlecast.sources.retry import Retry
from candlecast.store import compact as compaction, update
from candlecast.study import Study
from candlecast.study.checkpoints import run_study
from candlecast.study.loading import load_run
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


def wait(folder: str, acknowledged: str) -> None:
    """Studies that begin in the inbox of a ledger, which is opened after every second one; their numbers as by `record`."""
    handle = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(TRIALS):
        made = trial(number)
        Inbox(folder).begin([Begun(made.data, made.study, made.symbol, made.interval, "return_1", made.times)])
        os.write(handle, f"{number}\n".encode())
        if number % 2:
            Ledger(folder).entries()


def paper(run: str, folder: str, addresses: dict[str, str], streams: str, clock: str, until: str, skew: float) -> None:
    """A paper session by the stream of a loopback exchange, which moves on when a bar has been acted on.

    `clock` is a file with the exchange's time; this machine's is ahead of it by `skew` seconds.
    """
    with open(clock, "r+b") as file:
        shown = mmap.mmap(file.fileno(), 8)

    def now() -> datetime:
        return datetime.fromtimestamp(struct.unpack("d", shown[:8])[0] + skew, UTC)

    retry = Retry(attempts=2, first_seconds=0.01, pause=lambda seconds: None)
    source = Binance(**addresses, streams=streams, retry=retry, is_paced=False, clock=now)
    result = load_run(run)
    seconds = {"beat_seconds": 0.02, "first_wait_seconds": 0.01, "longest_wait_seconds": 0.02, "grace_seconds": 2.0}
    feed = replace(source.stream("BTCUSDT", result.candles.interval), **seconds)
    session = paper_session(result, feed=feed, session=folder, cash=10_000.0, until=until)
    known = session.wanted - timedelta(seconds=result.candles.interval.seconds)
    exchange_clock = HTTPConnection(urlsplit(addresses["rest"]).netloc, timeout=30)
    for event in session:
        if event.kind == "bar":
            known = event.bar.open_time
        if event.kind == "bar" or "connected to" in event.text:
            exchange_clock.request("GET", f"/advance?known={known.timestamp():.0f}")
            exchange_clock.getresponse().read()


def trial(number: int) -> Trial:
    """A trial of 50 daily returns."""
    times = np.datetime64("2024-01-01", "us") + np.arange(50) * np.timedelta64(1, "D")
    returns = 0.01 * np.random.default_rng(number).standard_normal(50)
    return Trial("d1", {"number": number}, "0.1", "BTCUSDT", "1d", "a", 365.0, times, returns)
