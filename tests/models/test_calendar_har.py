"""HAR with the calendar, refitted, and of two regimes: by hand, by parts, and on worlds that have what they look for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.evaluation.accuracy import accuracy
from candlecast.features import Features
from candlecast.models import HAR, CalendarHAR, ThresholdHAR
from candlecast.models.baselines import har
from candlecast.recipes import describe, restore
from candlecast.testing import check_model
from candlecast.walkforward import plan_jobs

FEATURES, TARGET = Features(cc.log_range()), cc.Volatility()
DAILY = cc.sample("sp500")[:1_200]
HOURLY = cc.synthetic.garch(1_500, seed=2, interval="1h").candles


def job_of(model, candles, target=TARGET, folds=None):
    return plan_jobs(model, candles, features=FEATURES, target=target, folds=folds or cc.WalkForward(folds=2))[0]


def forecast(model, job, rows=None):
    rows = job.test_rows if rows is None else rows
    return model.restore(job, {}).forecast(job.samples, rows).mean


def squared(model, candles):
    found = cc.walk_forward(model, candles, features=FEATURES, target=TARGET).frame.drop_nulls("target")
    return float(((found["mean"] - found["target"]) ** 2).mean())


def whole_days(size):
    """Days whose range is `size`, (time,)."""
    opened = pl.datetime_range(pl.datetime(2012, 1, 1), pl.datetime(2019, 1, 1), "1d", eager=True, time_zone="UTC")[
        : len(size)
    ]
    frame = pl.DataFrame(
        {"open_time": opened, "open": 1.0, "high": np.exp(size), "low": 1.0, "close": 1.0, "volume": 1.0}
    )
    return cc.Candles.from_frame(frame, interval="1d")


@pytest.mark.parametrize("candles", [DAILY, HOURLY], ids=["days", "hours"])
def test_it_is_least_squares_on_what_it_says(candles):
    job = job_of(CalendarHAR(), candles)
    inputs = har._regressors(job.samples, har._lags(job))
    weights = np.linalg.lstsq(inputs[job.fit_rows], job.samples.outcomes[job.fit_rows], rcond=None)[0]
    expected = inputs[job.test_rows] @ weights
    np.testing.assert_allclose(forecast(CalendarHAR(refit=None), job), expected, rtol=1e-4, atol=1e-3)


def test_lags_are_those_of_the_day_and_week_within_the_day():
    assert har._lags(job_of(CalendarHAR(), DAILY)) == (1, 5, 22)
    assert har._lags(job_of(CalendarHAR(), HOURLY)) == (1, 5, 22, 24, 168)


@pytest.mark.parametrize("horizon", [1, 3])
def test_each_refit_knows_the_outcomes_known_by_then_and_no_others(horizon):
    job = job_of(CalendarHAR(), DAILY, cc.Volatility(horizon))
    inputs, y = har._regressors(job.samples, (1, 5, 22)), job.samples.outcomes
    found = forecast(CalendarHAR(), job)
    for place in (0, 1, 50, 199):
        row = job.test_rows[place]
        rows = np.arange(job.fit_rows[0], row - horizon + 1)
        weights = np.linalg.lstsq(inputs[rows], y[rows], rcond=None)[0]
        assert found[place] == pytest.approx(inputs[row] @ weights, abs=1e-3)


@pytest.mark.parametrize("refit", ["1d", "1w", None])
def test_a_forecast_does_not_depend_on_what_is_asked_with_it(refit):
    model = CalendarHAR(refit=refit)
    for candles in (DAILY, HOURLY):
        job = job_of(model, candles)
        fitted, whole = model.restore(job, {}), forecast(model, job)
        for rows in (
            job.test_rows[:1],
            job.test_rows[37:38],
            job.test_rows[5:100:7],
            job.test_rows[-30:],
            job.fit_rows[-5:],
        ):
            part = fitted.forecast(job.samples, rows).mean
            if rows[0] >= job.test_rows[0]:
                np.testing.assert_array_equal(part, whole[np.searchsorted(job.test_rows, rows)])
        assert len(fitted.forecast(job.samples, job.test_rows[:0]).mean) == 0


@pytest.mark.parametrize("model", [CalendarHAR(), CalendarHAR(refit="1w"), ThresholdHAR()], ids=str)
def test_they_keep_what_models_promise(model):
    check_model(model, target=TARGET, features=FEATURES)
    assert restore(describe(model)) == model


def test_folds_that_are_not_in_the_order_of_time_are_not_refitted():
    job = job_of(CalendarHAR(), DAILY, folds=cc.PurgedKFold(3))
    assert not job.fold.is_in_time_order
    np.testing.assert_array_equal(forecast(CalendarHAR(), job), forecast(CalendarHAR(refit=None), job))


def test_a_rhythm_of_the_week_is_learnt_and_one_that_changes_is_learnt_again():
    generator = np.random.default_rng(0)
    day = np.arange(2_000)
    steady = np.where(day % 7 < 2, 0.5, 1.0)
    noise = 0.02 * np.exp(0.2 * generator.standard_normal(2_000))
    assert squared(CalendarHAR(), whole_days(noise * steady)) < 0.7 * squared(HAR(), whole_days(noise * steady))
    shifted = whole_days(noise * np.where(day < 1_000, steady, np.where(day % 7 > 4, 0.5, 1.0)))
    assert squared(CalendarHAR(), shifted) < 0.95 * squared(CalendarHAR(refit=None), shifted)


def test_two_regimes_are_found():
    generator = np.random.default_rng(1)
    logs = np.empty(2_000)
    logs[0] = mean = np.log(0.02)
    for t in range(1, 2_000):
        away = logs[t - 1] - mean
        logs[t] = mean + (0.1 if away > 0.2 else 0.9) * away + 0.2 * generator.standard_normal()
    candles = whole_days(np.exp(logs))
    assert squared(ThresholdHAR(), candles) < 0.98 * squared(HAR(), candles)


def test_candles_without_volume_or_moves_are_forecast():
    still = DAILY.frame.with_columns(volume=pl.lit(float("nan")))
    candles = cc.Candles(still, "X", DAILY.interval, clock=DAILY.clock)
    assert np.isfinite(forecast(CalendarHAR(), job_of(CalendarHAR(), candles))).all()
    monthly = cc.sample("sp500").resample("1mo")
    assert np.isfinite(forecast(CalendarHAR(), job_of(CalendarHAR(), monthly))).all()


def test_it_stands_beside_studies_of_volatility():
    study = cc.Study(model=cc.Naive(), target=TARGET)
    assert CalendarHAR() in study.baseline_models and ThresholdHAR() not in study.baseline_models
    assert CalendarHAR() not in cc.Study(model=cc.Naive()).baseline_models


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CalendarHAR(lags=()), r"lags are \(\)"),
        (lambda: CalendarHAR(refit="daily"), "span 'daily' is not a length of time"),
        (lambda: ThresholdHAR(lags=(0,)), r"lags are \(0,\)"),
        (lambda: cc.walk_forward(CalendarHAR(), DAILY), "har-calendar forecasts volatility"),
    ],
)
def test_wrong_parameters_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_qlike_is_that_of_the_best_scale():
    forecasts = {"har": cc.walk_forward(HAR(), DAILY, features=FEATURES, target=TARGET)}
    row = accuracy(forecasts, TARGET).row(0, named=True)
    frame = forecasts["har"].frame.drop_nulls("target")
    ratio = np.exp(2 * (frame["target"] - frame["mean"]).to_numpy())
    scales = np.linspace(0.8, 3.0, 2_000)[:, None]
    losses = (ratio / scales - np.log(ratio / scales) - 1).mean(axis=1)
    assert row["qlike"] == pytest.approx(losses.min(), abs=1e-5)
    assert row["qlike_low"] < row["qlike"] < row["qlike_high"]
    moved = frame.with_columns(pl.col("mean") + 0.3)
    again = accuracy({"har": Forecast(moved, 1)}, TARGET)
    assert again["qlike"][0] == pytest.approx(row["qlike"])
    returns = accuracy({"naive": cc.walk_forward(cc.Naive(), DAILY)}, cc.NextReturn())
    assert "qlike" not in returns.columns
