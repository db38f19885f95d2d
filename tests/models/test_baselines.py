"""Baselines: they read nothing ahead, agree with the libraries they stand for, and find what was planted for them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from arch import arch_model
from arch.univariate import HARX
from statsmodels.tsa.arima import model as reference_arima
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from candlecast.candles import Candles
from candlecast.dataset.folds import PurgedKFold, WalkForward
from candlecast.dataset.samples import make_samples
from candlecast.errors import ConfigError
from candlecast.features import Features, log_return
from candlecast.models import (
    ARIMA,
    ETS,
    EWMA,
    GARCH,
    HAR,
    CalendarHAR,
    LightGBM,
    LinearRegression,
    Ridge,
    SeasonalNaive,
    ThresholdHAR,
)
from candlecast.models.baselines import series, smoothing
from candlecast.models.deterministic import deterministic_fit
from candlecast.recipes import describe, restore
from candlecast.sources import sample, synthetic
from candlecast.study import Study
from candlecast.targets import Direction, NextReturn, Price, Volatility
from candlecast.walkforward import plan_jobs, walk_forward

FEATURES = Features(log_return())
OF_RETURNS = [SeasonalNaive(7), EWMA(5), ETS(), ARIMA(), Ridge(), LightGBM(trees=20)]
OF_VOLATILITY = [*OF_RETURNS, HAR(), CalendarHAR(), CalendarHAR(refit=None), ThresholdHAR(), GARCH()]
PAIRS = [
    *((model, target) for model in OF_RETURNS for target in (NextReturn(3), Price(2))),
    *((model, Volatility(2)) for model in OF_VOLATILITY),
    (LightGBM(trees=20), Direction()),
]


@pytest.fixture(scope="module")
def candles() -> Candles:
    return synthetic.garch(500, seed=4, interval="1h").candles


@pytest.fixture(scope="module")
def torn(candles) -> Candles:
    """The same with a hole of 24 bars."""
    return Candles(pl.concat([candles.frame[:350], candles.frame[374:]]), candles.symbol, candles.interval)


def fitted(model, candles, target, folds=None):
    (job,) = plan_jobs(model, candles, features=FEATURES, target=target, folds=folds or WalkForward(folds=1))
    return next(iter(model.fit([job]))), job


@pytest.mark.parametrize(("model", "target"), PAIRS, ids=str)
def test_nothing_ahead_is_read(model, target, candles, other_future):
    learnt, job = fitted(model, candles, target)
    bar = int(job.test_rows[60])
    changed = make_samples(other_future(candles, bar), features=FEATURES, target=target, window=job.samples.window)
    rows = job.test_rows
    before, after = learnt.forecast(job.samples, rows).mean, learnt.forecast(changed, rows).mean
    assert np.array_equal(before[rows <= bar], after[rows <= bar])
    if not isinstance(model, SeasonalNaive):
        assert not np.array_equal(before[rows > bar], after[rows > bar])


@pytest.mark.parametrize(("model", "target"), PAIRS, ids=str)
def test_a_bar_alone_is_forecast_as_among_others(model, target, torn):
    learnt, job = fitted(model, torn, target)
    together = learnt.forecast(job.samples, job.test_rows).mean
    assert np.isfinite(together).all()
    for place in (0, 1, len(together) // 2, len(together) - 1):
        alone = learnt.forecast(job.samples, job.test_rows[place : place + 1]).mean
        np.testing.assert_allclose(alone, together[place], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("target", [NextReturn(2), Volatility(2)], ids=str)
def test_arima_is_statsmodels(target, candles):
    learnt, job = fitted(ARIMA(2, 1), candles, target)
    steps = series.series_of(job.samples).steps
    part = job.fold.fit.parts[0]
    with deterministic_fit():
        reference = reference_arima.ARIMA(steps[part.start : part.stop] * 100, order=(2, 0, 1), trend="c").fit()
    for bar in job.test_rows[[0, 40, 99]]:
        path = reference.apply(steps[: bar + 1] * 100).forecast(2) / 100
        expected = path[-1] if isinstance(target, Volatility) else path.sum()
        assert learnt.forecast(job.samples, np.array([bar])).mean[0] == pytest.approx(expected, rel=0.02, abs=2e-5)


def test_ets_is_statsmodels(candles):
    learnt, job = fitted(ETS(), candles, Price(2))
    part = job.fold.fit.parts[0]
    logs = np.log(candles.close)
    with deterministic_fit():
        own = logs[part.start : part.stop]
        model = ETSModel(own, error="add", trend="add", damped_trend=True, initialization_method="known",
                         initial_level=own[0], initial_trend=0.0)  # fmt: skip
        parameters = model.fit(disp=False).params
    bar = int(job.test_rows[50])
    with deterministic_fit():
        later = ETSModel(logs[: bar + 1], error="add", trend="add", damped_trend=True, initialization_method="known",
                         initial_level=logs[0], initial_trend=0.0)  # fmt: skip
        path = later.smooth([*parameters[:3], logs[0], 0.0]).forecast(2)
    assert learnt.forecast(job.samples, np.array([bar])).mean[0] == pytest.approx(np.exp(path[-1]), rel=1e-6)


def test_ets_of_a_few_bars_follows_the_price():
    """Of 20 bars, a level that hardly moves along a fitted line is the most likely; it must not be followed without the line."""
    candles = sample("sp500").resample("1mo")
    walked = walk_forward(ETS(), candles, folds=WalkForward(folds=3)).frame.drop_nulls("target")
    errors = {name: ((walked[name] - walked["target"]) ** 2).mean() for name in ("mean", "naive")}
    assert errors["mean"] < 1.5 * errors["naive"]


def test_ewma_is_that_of_pandas(candles):
    learnt, job = fitted(EWMA(halflife=5), candles, NextReturn())
    returns = pd.Series(np.diff(np.log(candles.close), prepend=np.nan))
    start = returns[job.fold.fit.first : job.fold.fit.last + 1].mean()
    returns[0] = start  # pandas takes the first value as the mean so far
    expected = returns.ewm(halflife=5, adjust=False).mean()[job.test_rows]
    np.testing.assert_allclose(learnt.forecast(job.samples, job.test_rows).mean, expected, rtol=1e-9, atol=1e-15)


def test_garch_is_arch(candles):
    learnt, job = fitted(GARCH(), candles, Volatility(3))
    returns = np.diff(np.log(candles.close))
    part = job.fold.fit.parts[0]
    scale = 1 / returns[max(part.start - 1, 0) : part.stop - 1].std()
    with deterministic_fit():
        fit = arch_model(scale * returns[max(part.start - 1, 0) : part.stop - 1], dist="t", rescale=False).fit(
            disp="off"
        )
        everything = arch_model(scale * returns, dist="t", rescale=False).fix(fit.params)
    # forecast i of the returns is made at bar i + 1; what is before the training part is forgotten by the test part
    paths = everything.forecast(horizon=3, start=0, reindex=False).variance.to_numpy()
    expected = 0.5 * np.log(paths[job.test_rows - 1].sum(axis=1))
    got = learnt.forecast(job.samples, job.test_rows).mean
    np.testing.assert_allclose(got - got.mean(), expected - expected.mean(), atol=1e-4)
    gap = job.samples.outcomes[job.fit_rows] - learnt.forecast(job.samples, job.fit_rows).mean
    assert gap.mean() == pytest.approx(0.0, abs=1e-12)


def test_har_is_arch():
    candles = synthetic.garch(800, seed=2).candles
    learnt, job = fitted(HAR(), candles, Volatility(), WalkForward(folds=1, valid=0.0))
    ranges = np.log(np.log(candles.high / candles.low))
    part = job.fold.fit.parts[0]
    reference = HARX(ranges[: part.stop + 1], lags=[1, 5, 22]).fit(disp="off")
    constant, day, week, month = reference.params.to_numpy()[:4]
    bar = int(job.test_rows[10])
    expected = constant + day * ranges[bar] + week * ranges[bar - 4 : bar + 1].mean()
    expected += month * ranges[bar - 21 : bar + 1].mean()
    assert learnt.forecast(job.samples, np.array([bar])).mean[0] == pytest.approx(expected, rel=0.02)


def test_seasonal_is_the_same_place_one_season_ago(candles):
    logs = np.log(candles.close)
    learnt, job = fitted(SeasonalNaive(7), candles, NextReturn(3))
    bar = int(job.test_rows[5])
    assert learnt.forecast(job.samples, np.array([bar])).mean[0] == pytest.approx(logs[bar - 4] - logs[bar - 7])
    learnt, job = fitted(SeasonalNaive(2), candles, NextReturn(3))  # a season shorter than the horizon is repeated
    steps = np.diff(logs)
    expected = steps[bar - 2] + steps[bar - 1] + steps[bar - 2]  # returns of bars t-1, t, t-1
    assert learnt.forecast(job.samples, np.array([bar])).mean[0] == pytest.approx(expected)


def test_seasons_follow_the_calendar(candles):
    assert smoothing.season_bars(candles) == 24
    assert smoothing.season_bars(candles.resample("1d")) == 7
    assert smoothing.season_bars(sample("sp500")) == 5
    assert smoothing.season_bars(sample("sp500").resample("1w")) == 52


@pytest.mark.parametrize("model", [ARIMA(), Ridge(), LightGBM()], ids=str)
def test_planted_momentum_is_found(model):
    candles = synthetic.ar1(3_000, seed=3, phi=0.3).candles
    forecast = walk_forward(model, candles, features=FEATURES, folds=WalkForward(folds=1)).frame
    assert np.corrcoef(forecast["mean"][:-1], forecast["target"][:-1])[0, 1] > 0.2


@pytest.mark.parametrize("model", [GARCH(), HAR(), EWMA(), ARIMA()], ids=str)
def test_planted_volatility_is_found(model):
    candles = synthetic.garch(3_000, seed=3, alpha=0.15, beta=0.8).candles
    frame = walk_forward(model, candles, target=Volatility(), folds=WalkForward(folds=1)).frame[:-1]
    error, naive = (((frame["target"] - frame[name]) ** 2).sum() for name in ("mean", "naive"))
    assert error < 0.75 * naive


def test_the_longest_stretch_is_learnt_where_a_test_part_divides_it(candles):
    forecast = walk_forward(ARIMA(), candles, features=FEATURES, folds=PurgedKFold(folds=3))
    assert forecast.frame["mean"].is_finite().all()


@pytest.mark.parametrize("model", [*OF_VOLATILITY, LinearRegression(2), HAR(lags=(1, 10))], ids=str)
def test_baselines_are_made_again_from_json(model):
    assert restore(json.loads(json.dumps(describe(model)))) == model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ARIMA(0, 0), r"p is 0 and q is 0.*Drift\(\)"),
        (lambda: SeasonalNaive(0), "season is 0"),
        (lambda: EWMA(0.0), "halflife is 0"),
        (lambda: Ridge(alpha=0.0), "alpha is 0"),
        (lambda: LightGBM(leaves=1), r"leaves is 1.*LightGBM\(leaves="),
        (lambda: HAR(lags=()), "lags are"),
    ],
)
def test_baselines_that_mean_nothing(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    ("model", "target", "message"),
    [
        (
            ARIMA(),
            Direction(),
            "arima forecasts a return, a price or a volatility, and the target is direction.*LinearRegression",
        ),
        (Ridge(), Direction(), "ridge forecasts values and labels, and the target is direction"),
        (GARCH(), NextReturn(), "garch forecasts volatility, and the target is return"),
        (HAR(), Price(), "har forecasts volatility, and the target is price"),
    ],
)
def test_targets_that_do_not_fit_are_refused(model, target, message, candles):
    assert not model.fits(target)
    with pytest.raises(ConfigError, match=message):
        Study(model=model, target=target)
    with pytest.raises(ConfigError, match=message):
        fitted(model, candles, target)
