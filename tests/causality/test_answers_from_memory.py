"""Answers kept by the first bars, by date or by row, and models fitted elsewhere are found; clocks and counts are not accused."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

import candlecast as cc
from candlecast.causality import require_causal_features, require_causal_rule, require_causal_target
from candlecast.causality.rows import goes_by_rows
from candlecast.features import Feature, Features
from candlecast.signals import FollowDirection
from candlecast.sources import synthetic
from candlecast.targets import NextReturn

DAILY = synthetic.garch(3_000, seed=3).candles
MARKET = synthetic.ar1(1_500, seed=2, phi=0.3, interval="1h").candles


def returns(candles):
    return np.append(0.0, np.diff(np.log(candles.close)))


def centred(candles):
    """The mean of the 15 bars before and after each, less its close."""
    close = np.log(candles.close)
    sums = np.concatenate([[0.0], np.cumsum(close)])
    bars = np.arange(len(close))
    first, stop = np.maximum(bars - 15, 0), np.minimum(bars + 16, len(close))
    return (sums[stop] - sums[first]) / (stop - first) - close


def fitting(values, bars):
    return np.append(values, np.full(max(bars - len(values), 0), np.nan))[:bars]


def cached_by_head(bars, *, beside=False):
    kept = {}

    def smooth(candles):
        key = candles.close[:bars].tobytes()
        if key not in kept:
            kept[key] = centred(candles)
        return fitting(kept[key], len(candles)) + (returns(candles) if beside else 0.0)

    return smooth


@pytest.mark.parametrize("was_called", [False, True], ids=["never called", "called before"])
@pytest.mark.parametrize(("bars", "beside"), [(5, False), (200, False), (1_000, False), (100, True), (1_500, True)])
def test_results_kept_by_the_first_bars_are_refused(bars, beside, was_called):
    function = cached_by_head(bars, beside=beside)
    if was_called:
        function(DAILY)
    with pytest.raises(cc.LookaheadError, match=r"feature smooth, .*the same candles with another future before"):
        require_causal_features(Features(Feature("smooth", function, 0)), DAILY)


def test_results_kept_in_files_by_the_first_bars_are_refused(tmp_path):
    def smooth(candles):
        path = tmp_path / f"{candles.close[0]:.12g}-{len(candles)}.npy"
        if not path.exists():
            np.save(path, centred(candles))
        return np.load(path)

    smooth(DAILY)
    with pytest.raises(cc.LookaheadError, match=r"feature smooth"):
        require_causal_features(Features(Feature("smooth", smooth, 0)), DAILY)


@dataclass(frozen=True, eq=False)
class KeptReturn(NextReturn):
    """A naive forecast that is kept by the first closes."""

    kept: dict = field(default_factory=dict)

    def naive(self, candles):
        key = candles.close[:50].tobytes()
        if key not in self.kept:
            self.kept[key] = centred(candles)
        return fitting(self.kept[key], len(candles))


def test_a_target_that_keeps_results_by_the_first_bars_is_refused():
    with pytest.raises(cc.LookaheadError, match=r"naive of target return .* it keeps something between calls"):
        require_causal_target(KeptReturn(), DAILY)


# By row


def by_row(length):
    """The direction of the coming phase, by the number of the row."""
    close = np.log(DAILY.close)
    labels = np.zeros(len(close))
    for first in range(0, len(close), length):
        labels[first : first + length] = np.sign(close[min(first + length, len(close) - 1)] - close[first])
    return labels


@pytest.mark.parametrize("is_mixed", [False, True], ids=["alone", "times volatility"])
@pytest.mark.parametrize("length", [60, 150, 300])
def test_labels_by_row_number_are_refused(length, is_mixed):
    labels = by_row(length)

    def phase(candles):
        return labels[: len(candles)] * (1 + 10 * np.abs(returns(candles)) if is_mixed else 1)

    with pytest.raises(cc.LookaheadError, match="feature phase, column phase, .*it goes by the number of the row"):
        require_causal_features(Features(Feature("phase", phase, 1)), DAILY)


def bars_of(candles, unit):
    """The number of a bar in its month or year, of the bars there are."""
    starts = candles.open_time.astype(f"datetime64[{unit}]")
    first = np.append(True, starts[1:] != starts[:-1])
    bars = np.arange(len(starts))
    return bars - np.maximum.accumulate(np.where(first, bars, 0))


COUNTING = {
    "bar of the month": lambda c: bars_of(c, "M"),
    "bar of the year": lambda c: bars_of(c, "Y"),
    "every twentieth bar": lambda c: returns(c)[np.arange(len(c)) // 20 * 20],
    "up bars so far": lambda c: np.cumsum(returns(c) > 0),
    "new high": lambda c: c.close > np.maximum.accumulate(np.append(0.0, c.close[:-1])),
    "below the peak": lambda c: c.close / np.maximum.accumulate(c.close) < 0.9,
    "years ago": lambda c: fitting(np.append(np.full(700, np.nan), returns(c)), len(c)),
    "first price": lambda c: np.full(len(c), c.close[0]),
}


def test_counts_and_what_is_measured_from_the_first_bar_pass():
    require_causal_features(
        Features(*(Feature(f"f{i}", compute, 0) for i, compute in enumerate(COUNTING.values()))), DAILY
    )


def test_what_settles_does_not_go_by_rows():
    bars = np.arange(400.0)
    assert not goes_by_rows(np.where(bars < 90, 1.0, bars % 7), bars % 7, is_clock=True)
    assert goes_by_rows(np.where(bars % 40 < 4, 1.0, bars % 7), bars % 7, is_clock=True)
    assert not goes_by_rows(2 * bars + 5, bars, is_clock=False)
    assert goes_by_rows(np.sin(bars), np.cos(bars), is_clock=False)
    assert not goes_by_rows(np.ones(400), np.sin(bars), is_clock=False)
    assert goes_by_rows(np.sin(bars), np.ones(400), is_clock=False)


# Rules


@pytest.fixture(scope="module")
def forecast(features):
    return cc.walk_forward(cc.LinearRegression(), MARKET, features=features, folds=cc.WalkForward(folds=2))


def held(frame, values):
    return cc.Positions(frame.select("time", "symbol").with_columns(position=pl.Series(values, dtype=pl.Float64)))


def phases(candles, length=40):
    close = np.log(candles.close)
    labels = np.zeros(len(close))
    for first in range(0, len(close), length):
        labels[first : first + length] = np.sign(close[min(first + length, len(close) - 1)] - close[first])
    return dict(zip(candles.frame["close_time"].to_list(), labels.tolist(), strict=True))


def test_a_rule_that_keeps_phases_by_the_first_bars_is_refused(forecast):
    kept = {}

    def by_phase(forecast, candles):
        key = candles.close[:100].tobytes()
        if key not in kept:
            kept[key] = phases(candles)
        return held(forecast.frame, [kept[key].get(time, 0.0) for time in forecast.frame["time"].to_list()])

    for _ in range(2):
        with pytest.raises(cc.LookaheadError, match="rule by_phase gives other positions once .* between calls"):
            require_causal_rule(by_phase, forecast, MARKET)
        by_phase(forecast, MARKET)  # as where it was called before


def test_a_rule_that_keeps_phases_in_files_by_the_first_bars_is_refused(forecast, tmp_path):
    def by_phase(forecast, candles):
        path = tmp_path / f"{candles.close[0]:.12g}"
        if not path.exists():
            path.write_bytes(pickle.dumps(np.sign(centred(candles))))
        known = pickle.loads(path.read_bytes())
        return held(forecast.frame, fitting(known, len(forecast.frame)))

    by_phase(forecast, MARKET)
    with pytest.raises(cc.LookaheadError, match="no position of rule by_phase after .* it answers from memory"):
        require_causal_rule(by_phase, forecast, MARKET)


LABELS = phases(MARKET)


def signs(forecast):
    return FollowDirection()(forecast).frame["position"].to_numpy()


def labelled(forecast):
    return np.array([LABELS.get(time, 1.0) for time in forecast.frame["time"].to_list()])


def filtered(forecast):
    found = signs(forecast)
    return held(forecast.frame, np.where(labelled(forecast) == np.sign(found), found, 0.0))


def rarely_filtered(forecast):
    """Flat in one phase that is known to be bad."""
    is_bad = forecast.frame["time"].is_between(MARKET.frame["close_time"][900], MARKET.frame["close_time"][930])
    return held(forecast.frame, np.where(is_bad, 0.0, signs(forecast)))


def scaled(forecast):
    sizes = np.abs(forecast.frame["expected_return"].to_numpy())
    return held(forecast.frame, np.where(labelled(forecast) > 0, 1.0, 0.3) * np.minimum(sizes * 100, 1.0))


@pytest.mark.parametrize("rule", [filtered, rarely_filtered, scaled])
def test_a_rule_that_filters_by_date_is_refused(rule, forecast):
    with pytest.raises(
        cc.LookaheadError, match=f"the positions of rule {rule.__name__} depend on the dates: .* for the same forecast"
    ):
        require_causal_rule(rule, forecast, MARKET)


def test_of_a_naive_forecast_it_is_not_said_that_positions_do_not_depend_on_it(features):
    def long_where_flat(forecast):
        found = signs(forecast)
        return held(forecast.frame, np.where(labelled(forecast) == np.sign(found), 1.0, 0.3 * labelled(forecast)))

    naive = cc.walk_forward(cc.Naive(), MARKET, features=features, folds=cc.WalkForward(folds=2))
    with pytest.raises(cc.LookaheadError, match="the positions of rule long_where_flat depend on the dates"):
        require_causal_rule(long_where_flat, naive, MARKET)


def rows_of_phases(forecast):
    labels = np.array([1.0, -1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, -1.0] * 3)
    found = signs(forecast)
    return held(forecast.frame, np.where(labels[np.arange(len(found)) // 60] == np.sign(found), found, 0.0))


def test_a_rule_that_goes_by_rows_is_refused(features):
    forecast = cc.walk_forward(
        cc.LinearRegression(), DAILY, features=Features(cc.log_return()), folds=cc.WalkForward(folds=2)
    )
    with pytest.raises(
        cc.LookaheadError,
        match="rule rows_of_phases are others .* go by the number of the row, or by what happened since",
    ):
        require_causal_rule(rows_of_phases, forecast, DAILY)
    for rule in (stops_for_good, by_night, near_easter, rebalanced):
        require_causal_rule(rule, forecast, DAILY)


def stops_for_good(forecast, candles):
    """Flat from the first loss of a tenth of the equity on."""
    found = signs(forecast)
    rows = np.searchsorted(candles.close_time, forecast.frame["time"].dt.replace_time_zone(None).to_numpy())
    gains = np.append(0.0, found[:-1]) * returns(candles)[rows]
    equity = np.cumsum(gains)
    is_lost = np.maximum.accumulate(np.maximum.accumulate(equity) - equity) > 0.1
    return held(forecast.frame, np.where(is_lost, 0.0, found))


def by_night(forecast):
    return held(forecast.frame, np.where(forecast.frame["time"].dt.hour() < 6, signs(forecast), 0.0))


def easter(year):
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - ((b - (b + 8) // 25 + 1) // 3) + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - (c % 4)) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return np.datetime64(f"{year}-{f // 31:02d}-{f % 31 + 1:02d}")


def near_easter(forecast):
    days = forecast.frame["time"].dt.replace_time_zone(None).to_numpy().astype("datetime64[D]")
    apart = [abs((day - easter(int(str(day)[:4]))).astype(int)) for day in days]
    return held(forecast.frame, np.where(np.array(apart) < 7, 0.0, signs(forecast)))


def rebalanced(forecast):
    found = signs(forecast)
    return held(forecast.frame, found[np.arange(len(found)) // 20 * 20])


# Models


class FromFile:
    """Fits once, and takes what it fitted then ever after."""

    path = None

    def fit(self, x, y):
        if self.path.exists():
            self.inner = pickle.loads(self.path.read_bytes())
        else:
            self.inner = KNeighborsRegressor(5).fit(x, y)
            self.path.write_bytes(pickle.dumps(self.inner))
        return self

    def predict(self, x):
        return self.inner.predict(x)


def walk(model, features, **options):
    return cc.walk_forward(model, MARKET, features=features, folds=cc.WalkForward(folds=2), **options)


@pytest.mark.parametrize("target", [cc.NextReturn(), cc.Several(cc.NextReturn(), cc.Volatility())])
def test_a_model_that_was_fitted_elsewhere_is_refused(target, features, tmp_path):
    class Here(FromFile):
        path = tmp_path / "weights"

    with pytest.raises(
        cc.LookaheadError, match="model disk forecasts the same whatever its training rows .* learns nothing"
    ):
        walk(cc.Sklearn(Here, name="disk"), features, target=target)


class Formula:
    """A fixed formula: `weights` of the inputs."""

    def __init__(self, weights):
        self.weights = np.array(weights)

    def fit(self, x, y):
        return self

    def predict(self, x):
        return 1e-3 * x[:, : len(self.weights)] @ self.weights


def test_a_formula_of_one_input_is_a_rule_of_thumb(features):
    walk(cc.Sklearn(lambda: Formula([-0.1]), name="formula"), features)
    with pytest.raises(cc.LookaheadError, match="model formula forecasts the same .*make a fixed formula a feature"):
        walk(cc.Sklearn(lambda: Formula([-0.1, 0.2]), name="formula"), features)


@dataclass(frozen=True)
class Pretrained(cc.Sklearn):
    trained_until: str = "2015-12-31"


def test_a_pretrained_model_that_declares_its_training_data_is_not_asked(features):
    walk(Pretrained(lambda: Formula([-0.1, 0.2]), name="pretrained"), features)


@pytest.mark.parametrize("target", [cc.Direction(), cc.TripleBarrier(5), cc.Volatility(), cc.Price()])
def test_models_that_learn_pass_with_any_target(target, features):
    class Own:
        def fit(self, x, y):
            self.inner = Ridge().fit(x, y)
            return self

        def predict(self, x):
            return np.clip(self.inner.predict(x), 0, 1)

    walk(cc.Sklearn(Own, name="own"), features, target=target)


# Messages


def test_an_interval_may_be_text():
    assert cc.standard_features("1h") == cc.standard_features(MARKET.interval)
    with pytest.raises(cc.ConfigError, match="interval 'hourly' is not a candle length"):
        cc.standard_features("hourly")


def test_a_result_with_a_ledger_in_memory_says_why_it_cannot_be_pickled(features, tmp_path):
    study = cc.Study(cc.LinearRegression(), features=features, baselines=(), seeds=1)
    result = study.run(MARKET, ledger=cc.Ledger.in_memory())
    with pytest.raises(cc.ConfigError, match="a ledger in memory cannot be pickled .*ledger=cc.Ledger"):
        pickle.dumps(result)
    kept = study.run(MARKET, ledger=cc.Ledger(tmp_path))
    assert pickle.loads(pickle.dumps(kept)).verdict.text == kept.verdict.text
