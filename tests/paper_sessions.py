"""A small run, feeds that give what they are told to, and sessions played to their end: what tests of paper trading share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from candlecast.dataset.folds import WalkForward
from candlecast.features import Features, ema_ratio, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.live import paper
from candlecast.models import LSTM
from candlecast.signals import Threshold
from candlecast.sources import synthetic
from candlecast.sources.feed import Seen, Tape
from candlecast.study import Study
from candlecast.study.checkpoints import run_study
from candlecast.study.loading import load_run

FIRST = 260
OF_STREAMS = Study(
    model=LSTM(hidden=4, window=8, training=Fit(epochs=1, batch=8, sampling="sequence")),
    features=Features(log_return(), log_range()),
    folds=WalkForward(folds=2),
    rule=Threshold(0.0005),
    seeds=1,
    baselines=(),
)  # of bars that come from a loopback exchange


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    candles = bars()[:420]
    study = Study(
        model=LSTM(hidden=6, window=8, training=Fit(epochs=1, batch=8, sampling="sequence")),
        features=Features(log_return(), ema_ratio(5)),
        folds=WalkForward(folds=2),
        seeds=2,
        rule=Threshold(0.0002),
        baselines=(),
    )
    folder = tmp_path_factory.mktemp("work") / "runs"
    _, path = run_study(study, candles, runs=folder)
    return load_run(path)


def bars():
    return replace(synthetic.ar1(460, seed=3, phi=0.3, interval="1h").candles, symbol="AR1")


def played(run, folder, *, first=FIRST, **options):
    feed = options.pop("feed", None) or Tape(run.candles[first:])
    session = paper(run, feed=feed, session=folder, **options)
    events = list(session)
    return session, events


@dataclass
class Scripted:
    """A feed that gives the batches that it was made with, from the bar that is asked for."""

    candles: object
    given: list
    symbol: str = ""
    interval: object = None
    name: str = "scripted"
    at: object = None
    closed: list = field(default_factory=list)

    def __post_init__(self):
        self.symbol, self.interval = self.candles.symbol, self.candles.interval
        self.at = self.candles.frame["close_time"][-1] if self.at is None else self.at

    def batches(self, since):
        for batch in self.given:
            if batch and isinstance(batch[-1], Seen):
                self.at = max(self.at, batch[-1].received_at)
            yield batch

    def now(self):
        return self.at

    def close(self):
        self.closed.append(True)


def seen(candles, row, *, delay=0.0, **changed):
    opened, closed, *values = candles.frame.row(row)
    bar = Seen(opened, *values, received_at=closed + timedelta(seconds=delay), how="stream")
    return replace(bar, **changed)


@pytest.fixture
def later(run):
    """Bars of the run, and after them."""
    return bars()
