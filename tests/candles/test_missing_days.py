"""Days that are missing one by one: holidays are few, and days that were kept for what happened in them are many."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.candles.missing_days import are_chosen, missing_days
from candlecast.ledger import Ledger
from candlecast.sources import synthetic

HOURS = synthetic.random_walk(24 * 300, seed=5, interval="1h").candles


def days_of(frame: pl.DataFrame) -> np.ndarray:
    return frame["open_time"].dt.date().to_numpy()


def without(is_out):
    days = days_of(HOURS.frame)
    left = np.unique(days)[is_out(np.arange(len(np.unique(days))))]
    frame = HOURS.frame.filter(pl.Series(~np.isin(days, left))).drop("close_time")
    return cc.Candles.from_frame(frame, interval="1h", symbol="X")


@pytest.mark.parametrize(
    ("is_out", "share", "chosen"),
    [
        (lambda day: day < 0, 0.0, False),
        (lambda day: day % 7 == 3, 0.0, False),  # a weekday on which the market is closed
        (lambda day: (day > 50) & (day <= 110), 0.0, False),  # an outage
        (lambda day: day % 20 == 5, 0.05, False),  # holidays
        (lambda day: np.random.default_rng(1).random(len(day)) < 0.4, 0.4, True),
    ],
)
def test_holes_of_single_days_count(is_out, share, chosen):
    candles = without(is_out)
    assert missing_days(candles) == pytest.approx(share, abs=0.06)
    assert are_chosen(candles, missing_days(candles)) is chosen


def test_markets_with_sessions_and_longer_bars_miss_few():
    assert missing_days(cc.sample("sp500")) < 0.05 and missing_days(cc.sample("nasdaq")) < 0.05
    assert missing_days(synthetic.random_walk(300, seed=1, interval="1w").candles) == 0.0


@cc.feature(warmup=0)
def since_midnight(candles):
    days = days_of(candles.frame)
    begins = np.append(True, days[1:] != days[:-1])
    first = np.maximum.accumulate(np.where(begins, np.arange(len(days)), 0))
    return np.log(candles.close / candles.open[first])


def test_days_that_were_kept_for_their_moves_are_no_edge():
    """Each bar is true, and that a day is in the file is known at its end."""
    days = days_of(HOURS.frame)
    moves = {day: abs(np.log(HOURS.close[days == day][-1] / HOURS.open[days == day][0])) for day in np.unique(days)}
    least = np.quantile(list(moves.values()), 0.6)
    frame = HOURS.frame.filter(pl.Series([bool(moves[day] >= least) for day in days])).drop("close_time")
    study = cc.Study(
        model=cc.Ridge(),
        features=cc.Features(cc.log_return(), since_midnight),
        folds=cc.WalkForward(folds=2),
        rule=cc.FollowDirection(),
        baselines=(),
        seeds=1,
        costs=cc.Costs(fee_bps=0.5, slippage_bps=0),
    )
    chosen = study.run(cc.Candles.from_frame(frame, interval="1h", symbol="X"), ledger=Ledger.in_memory()).verdict
    assert chosen.evidence.is_known and not chosen.is_forecastable and not chosen.has_edge
    assert chosen.headline == "No edge found: many days are missing from the candles. Were they chosen?"
    assert not study.run(HOURS, ledger=Ledger.in_memory()).verdict.evidence.is_known
