"""A fold with nothing to learn or to forecast: every model says so in the same words, before it trains."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.features import Features, log_return
from candlecast.sources import synthetic
from candlecast.study.study import BASELINES

FIT = cc.Fit(epochs=1, batch=32)


class Untaught:
    """An estimator that nobody may fit."""

    def fit(self, x, y):
        pytest.fail("fitted")

    predict = fit


MODELS = (
    *BASELINES,
    cc.LightGBM(trees=5),
    cc.Sklearn(Untaught),
    cc.LSTM(hidden=2, window=1, training=FIT),
    cc.Pooled(cc.LSTM(hidden=2, window=1, training=FIT)),
    cc.Policy(hidden=2, window=1, training=cc.Fit(epochs=1, batch=4)),
    cc.Conformal(cc.Naive()),
    cc.Search(lambda trial: pytest.fail("made"), window=1),
)
MARKET = synthetic.ar1(600, seed=3, interval="1h").candles
RETURN = Features(log_return())


def changed(first, last, **columns):
    """The market with other columns from row `first` to `last`."""
    frame = MARKET.frame.with_row_index("row")
    inside = (pl.col("row") >= first) & (pl.col("row") < last)
    values = [pl.when(inside).then(pl.lit(float(v))).otherwise(pl.col(k)).alias(k) for k, v in columns.items()]
    return cc.Candles(frame.with_columns(values).drop("row"), "DEAD", MARKET.interval)


def delisted(since=360):
    price = MARKET.close[since - 1]
    return changed(since, 600, open=price, high=price, low=price, close=price, volume=0.0)


def said(model, candles, **study):
    with pytest.raises(cc.NotEnoughDataError) as error:
        cc.walk_forward(model, candles, window=4, **study)
    return str(error.value)


@pytest.mark.parametrize("features", [None, RETURN], ids=["standard", "return"])
@pytest.mark.parametrize("target", [cc.NextReturn(), cc.Volatility()], ids=["return", "volatility"])
def test_a_delisted_asset_is_said_by_all_models_alike(target, features):
    models = [
        m for m in MODELS if (m.fits(target) if hasattr(m, "fits") else m.name != "policy" or target.name == "return")
    ]
    words = {said(model, delisted(), target=target, features=features) for model in models}
    assert len(models) >= 13 and len(words) == 1
    (text,) = words
    assert text.startswith(f"fold {0 if features is None else 1} of DEAD has nothing to test on from 2015-01-1")
    assert f"bars): the price stands still at {MARKET.close[359]:g} and nothing is traded" in text
    assert "Give candles of the time in which the asset was traded" in text


def test_a_study_says_it_before_anything_trains():
    study = cc.Study(cc.LSTM(hidden=2, window=4, training=FIT), seeds=1)
    with pytest.raises(cc.NotEnoughDataError, match="fold 0 of DEAD has nothing to test on"):
        study.run(delisted(), ledger=cc.Ledger.in_memory())


def test_nothing_moves_where_a_fold_would_learn():
    flat = changed(0, 320, **dict.fromkeys(("open", "high", "low", "close"), MARKET.open[320]))
    text = said(cc.ETS(), flat, features=RETURN)
    assert "fold 0 of DEAD has nothing to train on" in text and "the price stands still" in text
    assert "nothing is traded" not in text


def test_undefined_features_are_named_with_how_often():
    nothing = cc.Feature("rare", lambda c: np.where(c.close_time > MARKET.close_time[500], np.nan, 1.0) * c.close, 0)
    table = MARKET.frame[:500].select(known_at="close_time", rare="close")
    rare = cc.outside("rare", table, max_age="2h")
    text = said(cc.EWMA(), MARKET, features=Features(log_return(), rare))
    assert "fold 4 of AR(1) has nothing to test on" in text
    assert "undefined features are rare in 62 of 62 bars" in text
    assert "Leave these features out" in text
    with pytest.raises(cc.LookaheadError):
        said(cc.EWMA(), MARKET, features=Features(nothing))  # found by date


@pytest.mark.parametrize(
    "model", [cc.Naive(), cc.EWMA(), cc.ETS(), cc.ARIMA(), cc.LSTM(hidden=2, window=4, training=FIT)]
)
def test_a_fold_in_a_hole_is_said(model):
    """Bars of a day, then one of six hours after the other: no window of eight is whole there."""
    rows = np.r_[0:400, 400:480:6, 480:600]
    holed = cc.Candles(MARKET.frame[rows.tolist()], "HOLED", MARKET.interval, has_sessions=False)
    with pytest.raises(cc.NotEnoughDataError) as error:
        cc.walk_forward(model, holed, features=RETURN, folds=cc.WalkForward(train=392, test=13), window=8)
    assert "fold 0 of HOLED has nothing to test on" in str(error.value)
    assert "gaps in the candles cut its windows of 8 bars" in str(error.value)


def test_folds_that_are_too_short_name_the_asset():
    with pytest.raises(
        cc.NotEnoughDataError, match=r"the 600 candles of AR\(1\) are too few for these folds: train='40y' takes"
    ):
        cc.walk_forward(cc.Naive(), MARKET, folds=cc.WalkForward(train="40y", test="1y"))


def test_a_quiet_hour_is_no_reason():
    quiet = changed(500, 505, **dict.fromkeys(("open", "high", "low", "close"), MARKET.close[499]))
    folds = cc.WalkForward(train=400, test=4)
    forecast = cc.walk_forward(cc.EWMA(), quiet, features=RETURN, folds=folds)
    assert forecast.frame["fold"].n_unique() == 50
