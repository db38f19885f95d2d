"""A gain has to follow from the forecast: what a rule of the user's earns beside it is not tested by the forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.panel.loading import load_panel_run
from candlecast.sources import synthetic
from candlecast.study.loading import load_run
from panel_studies import quick_study

STUDY = cc.Study(
    model=cc.Ridge(),
    target=cc.Volatility(),
    features=cc.Features(cc.log_range(), cc.log_return(), cc.realized_volatility(20)),
    folds=cc.WalkForward(folds=2),
    costs=cc.Costs(fee_bps=1, slippage_bps=0),
    baselines=(),
    seeds=1,
)
OF_RETURNS = replace(STUDY, model=cc.LinearRegression(), target=cc.NextReturn(), features=cc.Features(cc.log_return()))
HEADLINE = "No edge found: the gain does not follow from the forecast."


def held(forecast, values):
    frame = forecast.averaged().frame
    return cc.Positions(frame.select("time", "symbol", position=pl.Series(np.asarray(values, float))))


EDGES = (0.0094, 0.0102, 0.0109, 0.0118, 0.0126, 0.013, 0.0139)  # of mean ranges of 60 bars


def cells(candles):
    """The cell of each bar: by the mean ranges of 20 bars and of 60."""
    ranges = pl.Series(np.log(candles.high / candles.low))
    fast, slow = (ranges.rolling_mean(bars).fill_null(0.0).to_numpy() for bars in (20, 60))
    return 8 * np.digitize(fast / np.maximum(slow, 1e-9), (0.8, 0.9, 1.0, 1.1, 1.2)) + np.digitize(slow, EDGES)


def table_of(candles, first):
    """For each of the 48 cells, the direction of the next bar in it, as read off the tested bars."""
    place, ahead = cells(candles)[first:-2], np.log(candles.open[first + 2 :] / candles.open[first + 1 : -1])
    return tuple(float(np.sign(ahead[place == each].sum())) for each in range(48))


def hindsight(candles, first):
    """A rule of 48 cells whose positions were read off the tested bars."""
    table = table_of(candles, first)

    def by_cells(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
        times = forecast.averaged().frame["time"].dt.replace_time_zone(None).to_numpy()
        return held(forecast, np.array(table)[cells(candles)[np.searchsorted(candles.close_time, times)]])

    return by_cells


def by_sign(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
    """Long where a rise is forecast, else short."""
    return held(forecast, np.sign(forecast.averaged().frame["expected_return"].to_numpy()))


def by_calm(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
    """Less where more volatility is forecast."""
    return held(forecast, np.clip(0.015 / np.exp(forecast.averaged().frame["mean"].to_numpy()), 0.0, 1.0))


@pytest.fixture(scope="module")
def market():
    return synthetic.garch(2_500, seed=3).candles


@pytest.fixture(scope="module")
def trending():
    return synthetic.ar1(1_500, seed=11, phi=0.3).candles


def test_a_table_of_hindsight_beside_a_forecast_of_volatility_is_no_edge(market, tmp_path):
    result = replace(STUDY, rule=hindsight(market, 1_250)).run(market, ledger=Ledger(tmp_path))
    assert result.verdict.is_forecastable
    assert result.verdict.evidence.is_significant
    assert result.verdict.headline == HEADLINE
    assert result.conditions.followed_share < 0.2
    assert "keep" in result.verdict.reasons[0]


@dataclass(frozen=True)
class Implied(cc.Volatility):
    """A volatility whose forecasts imply the returns of a table."""

    table: tuple[float, ...] = ()

    def expected_return(self, forecast, candles):
        return 0.01 * np.array(self.table)[cells(candles)]


def test_a_table_of_hindsight_within_a_target_is_no_edge(market, tmp_path):
    target = Implied(table=table_of(market, 1_250))
    result = replace(STUDY, target=target, rule=cc.FollowDirection()).run(market, ledger=Ledger(tmp_path))
    assert result.verdict.is_forecastable and result.verdict.evidence.is_significant
    assert result.verdict.headline == HEADLINE and result.conditions.followed_share < 0.2


def test_the_same_holds_under_an_overlay_and_of_a_run_on_disk(market, tmp_path):
    study = replace(STUDY, rule=cc.VolatilityTarget(annual=1.0, rule=hindsight(market, 1_250)))
    result = study.run(market, ledger=Ledger(tmp_path))
    assert result.conditions.followed_share < 0.2
    again = load_run(result.save(tmp_path / "run"))
    assert again.conditions.followed_share == result.conditions.followed_share


def test_a_table_beside_a_forecast_of_returns_is_no_edge(trending, tmp_path):
    result = replace(OF_RETURNS, rule=hindsight(trending, 750)).run(trending, ledger=Ledger(tmp_path))
    assert result.verdict.is_forecastable
    assert result.verdict.headline == HEADLINE


def test_a_rule_that_follows_its_forecast_keeps_its_edge(trending, tmp_path):
    result = replace(OF_RETURNS, rule=by_sign).run(trending, ledger=Ledger(tmp_path))
    assert result.conditions.followed_share == pytest.approx(1.0, abs=0.02)
    assert result.verdict.has_edge
    assert "if no number in by_sign, code of yours, was chosen by how these bars went" in result.verdict.premise


def test_a_forecast_of_volatility_is_followed_by_holding_less(tmp_path):
    candles = synthetic.regime_volatility(2_500, seed=5).candles
    result = replace(STUDY, rule=by_calm).run(candles, ledger=Ledger(tmp_path))
    assert result.conditions.followed_share == pytest.approx(1.0, abs=0.02)
    assert result.verdict.headline != HEADLINE


@dataclass(frozen=True)
class Own(cc.NextReturn):
    """The next return, as a target of the user's."""

    def expected_return(self, forecast, candles):
        return forecast * self.horizon


@dataclass(frozen=True)
class Ahead(cc.Price):
    """The next price, as a target of the user's: its level says nothing of the return."""


@pytest.mark.parametrize("target", [Own(), Ahead()])
def test_a_target_whose_returns_follow_its_forecast_keeps_its_edge(trending, tmp_path, target):
    result = replace(OF_RETURNS, target=target).run(trending, ledger=Ledger(tmp_path))
    assert 0.9 < result.conditions.followed_share < 1.1
    assert result.verdict.has_edge


def test_rules_of_candlecast_are_not_asked(trending, tmp_path):
    result = OF_RETURNS.run(trending, ledger=Ledger(tmp_path))
    assert np.isnan(result.conditions.followed_share)
    assert "code of yours" not in result.verdict.premise


def test_positions_in_units_count_by_what_the_account_held(trending, tmp_path):
    def in_units(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
        return replace(by_sign(forecast, candles), in_units=True)

    result = replace(OF_RETURNS, rule=in_units).run(trending, ledger=Ledger(tmp_path))
    assert result.conditions.followed_share > 0.9


class Across:
    """Weights across assets by a function of scores and returns."""

    gross = 1.0

    def __init__(self, decide):
        self.decide = decide

    def weights(self, scores, section):
        is_known = np.isfinite(scores)
        signal = np.where(is_known, self.decide(scores, section), 0.0)
        mean = signal.sum(axis=1, keepdims=True) / np.maximum(is_known.sum(axis=1, keepdims=True), 1)
        signal = np.where(is_known, signal - mean, 0.0)
        total = np.abs(signal).sum(axis=1, keepdims=True)
        return np.divide(signal, total, out=np.zeros_like(signal), where=total > 0)


def of_scores(scores, section):
    return scores


def of_returns(scores, section):
    return np.nan_to_num(section.returns)


def test_weights_of_a_panel_have_to_follow_the_scores(tmp_path):
    assets = [replace(synthetic.ar1(900, seed=seed, phi=0.3).candles, symbol=f"A{seed}") for seed in range(6)]
    study = quick_study(cc.cross_relative(cc.log_return()), fee_bps=0.1)
    following = replace(study, rule=Across(of_scores)).run(assets, ledger=Ledger(tmp_path / "one"))
    assert following.conditions.followed_share > 0.6
    assert following.verdict.headline != HEADLINE
    unrelated = replace(study, features=cc.Features(cc.cross_relative(cc.log_range())), rule=Across(of_returns))
    beside = unrelated.run(assets, ledger=Ledger(tmp_path / "two"))
    assert beside.conditions.followed_share < 0.3
    assert load_panel_run(beside.save(tmp_path / "run")).conditions.followed_share == beside.conditions.followed_share
