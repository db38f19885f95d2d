"""What a walk hands to its folds, asks of features and targets, and writes beside each forecast."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from candlecast.dataset.folds import WalkForward
from candlecast.errors import LookaheadError, NotEnoughDataError
from candlecast.features import Features, feature, log_return, sma_ratio
from candlecast.models import Drift, LinearRegression, Naive
from candlecast.sources import synthetic
from candlecast.targets import NextReturn, ScaledReturn
from candlecast.walkforward import plan_jobs, watch_forward
from candlecast.walkforward.tables import fold_table, is_in_time_order

CANDLES = synthetic.ar1(400, seed=2, phi=0.2).candles


@dataclass
class Asked:
    """Folds that write down what they are asked."""

    memory: list[int] = field(default_factory=list)

    def split(self, times, usable, *, horizon, memory=0):
        self.memory.append(memory)
        return WalkForward(folds=2).split(times, usable, horizon=horizon, memory=memory)


@pytest.mark.parametrize(
    ("window", "features", "target", "memory"),
    [
        (1, Features(log_return()), NextReturn(), 1),
        (8, Features(log_return()), NextReturn(), 8),  # seven bars before, and the return of the first of them
        (8, Features(sma_ratio(20)), NextReturn(), 26),
        (8, Features(log_return()), NextReturn(30), 37),  # a naive forecast may look as far back as its horizon
        (1, Features(log_return()), ScaledReturn(1, halflife=10), ScaledReturn(1, halflife=10).memory),
    ],
)
def test_the_memory_of_a_row_is_its_window_with_its_warm_up_or_its_target(window, features, target, memory):
    folds = Asked()
    plan_jobs(LinearRegression(window=window), CANDLES, features=features, target=target, folds=folds)
    assert folds.memory == [memory]


def test_the_window_may_be_longer_than_the_models():
    (job, _) = plan_jobs(Naive(), CANDLES, features=Features(log_return()), folds=WalkForward(folds=2), window=9)
    assert job.samples.window == 9


@feature(warmup=1)
def tomorrow(candles):
    return np.append(np.log(candles.close[1:] / candles.close[:-1]), 0.0)


@dataclass(frozen=True)
class Impatient(NextReturn):
    """A target that says it is known earlier than it is."""

    def values(self, candles):
        return NextReturn(self.horizon + 1).values(candles)


def test_every_plan_asks_whether_features_and_target_look_ahead():
    with pytest.raises(LookaheadError, match="tomorrow"):
        plan_jobs(Naive(), CANDLES, features=Features(tomorrow), folds=WalkForward(folds=2))
    with pytest.raises(LookaheadError, match="values of target return"):
        plan_jobs(Naive(), CANDLES, features=Features(log_return()), target=Impatient(), folds=WalkForward(folds=2))


def test_beside_each_forecast_stand_figures_of_its_training_rows():
    target = NextReturn(3)
    folds = replace(WalkForward(folds=2), valid=0.3)
    parts = list(watch_forward(Drift(), CANDLES, features=Features(log_return()), target=target, folds=folds))
    for part in parts:
        learnt = target.values(CANDLES)[part.job.fit_rows]
        frame = part.frame
        assert frame["naive_error"].unique().to_list() == pytest.approx([np.abs(learnt).mean()])
        assert frame["train_mean"].unique().to_list() == pytest.approx([learnt.mean()])
        assert frame["mean"].unique().to_list() == pytest.approx([learnt.mean()])
        assert len(part.job.fit_rows) > len(part.job.train_rows) > 0
    last = parts[-1].frame
    assert last["known_at"].is_null().to_list() == [False] * (last.height - 3) + [True] * 3
    assert last["target"].null_count() == 3
    assert (last["known_at"][0] - last["time"][0]) == 3 * CANDLES.interval.timedelta
    table = fold_table(parts)
    assert table["train_bars"].to_list() == [len(part.job.fit_rows) for part in parts]
    assert table["test_bars"].to_list() == [part.frame.height for part in parts]


def test_all_folds_must_be_in_the_order_of_time():
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
    frame = pl.DataFrame({"train_last": [early, late], "test_first": [late, early]})
    assert not is_in_time_order(frame)
    assert is_in_time_order(frame.head(1)) and not is_in_time_order(frame.tail(1))


def test_an_outcome_across_a_hole_is_never_known():
    torn = replace(CANDLES, frame=pl.concat([CANDLES.frame[:300], CANDLES.frame[304:]]))
    (*_, part) = watch_forward(
        Naive(), torn, features=Features(log_return()), target=NextReturn(2), folds=WalkForward(folds=2)
    )
    unknown = part.frame.filter(pl.col("target").is_null())
    assert unknown["time"].to_list()[:2] == torn.frame["close_time"][298:300].to_list()
    assert part.frame["known_at"].is_null().equals(part.frame["target"].is_null())


def test_a_feature_without_any_value_is_named():
    empty = feature(warmup=0)(lambda candles: np.full(len(candles), np.nan))
    with pytest.raises(NotEnoughDataError, match="has no value at any of the 400 bars"):
        plan_jobs(Naive(), CANDLES, features=Features(log_return(), empty))
