"""The verdict by hand: each criterion alone takes the claim away, and each number of the evidence comes from where it should."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from candlecast import stats
from candlecast.backtesting import Costs, backtest
from candlecast.evaluation import verdict as judging
from candlecast.evaluation.conditions import Conditions, conditions_of
from candlecast.evaluation.evidence import Evidence, _account_p_values, gather, largest_p
from candlecast.evaluation.trial_count import TrialCount, count
from candlecast.ledger import Ledger, Trial
from candlecast.ledger.profile import Profile
from candlecast.signals import Positions
from candlecast.sources.synthetic import random_walk
from candlecast.stats.persistence import Persistence
from candlecast.targets import NextReturn

CLEAR = Evidence(
    forecast_p=0.001, forecast_p_adjusted=0.002,
    return_p=0.001, return_p_adjusted=0.003,
    timing_p=0.001, timing_p_adjusted=0.004,
    sharpe_difference=0.8, sharpe_difference_low=0.2, sharpe_difference_high=1.4,
    sharpe_p=0.001, sharpe_p_adjusted=0.005,
    lucky_sharpe=0.0, deflated_sharpe=0.99, detectable_sharpe=0.7, detectable_r2=0.01,
    years=4.0, years_needed=2.0, doubt="",
    conditions=Conditions(break_even_bps=50.0), trial_count=TrialCount(),
)  # fmt: skip
RETURNS = 0.01 * np.random.default_rng(0).standard_normal(400) + 0.001
RESULT = SimpleNamespace(
    returns_until_ruin=RETURNS,
    benchmark_returns_until_ruin=0.01 * np.random.default_rng(1).standard_normal(400),
    bars_per_year=365.25,
    ruined_at=None,
    costs=Costs(fee_bps=10, slippage_bps=2),
    fills=pl.DataFrame({"fee": [1.0, 2.0]}),
)
ROW = {"model": "m", "observations": 400, "r2": 0.02, "r2_low": 0.01, "r2_high": 0.03, "hit_rate": 0.55}
ROW |= {"p_naive": 0.01, "p_drift": 0.03, "p_mean": 0.02}
ROW |= {"hit_rate_low": 0.5, "hit_rate_high": 0.6}
SUMMARY = pl.DataFrame(
    {
        "statistic": ["annual return", "Sharpe ratio", "maximum drawdown"],
        "value": [0.2, 1.0, 0.1],
        "low": [0.1, 0.5, 0.05],
        "high": [0.3, 1.5, 0.2],
        "benchmark": [0.05, 0.2, 0.3],
    }
)


def judged(monkeypatch, **evidence):
    monkeypatch.setattr(judging, "gather", lambda *_, **__: replace(CLEAR, **evidence))
    return judging.judge(pl.DataFrame([ROW]), RESULT, SUMMARY, NextReturn(), model="m", trained=3)


@pytest.mark.parametrize(
    ("changed", "is_forecastable", "pays"),
    [
        ({}, True, True),
        ({"forecast_p_adjusted": 0.0499}, True, True),
        ({"forecast_p_adjusted": 0.05}, False, True),
        ({"forecast_p_adjusted": 0.9}, False, True),
        ({"forecast_p_adjusted": math.nan}, False, True),
        ({"return_p_adjusted": 0.05}, True, False),
        ({"return_p_adjusted": math.nan}, True, False),
        ({"timing_p_adjusted": 0.05}, True, False),
        ({"sharpe_p_adjusted": 0.05}, True, False),
        ({"deflated_sharpe": 0.95}, True, False),
        ({"deflated_sharpe": math.nan}, True, False),
        ({"conditions": Conditions(break_even_bps=50.0, is_in_time_order=False)}, True, False),
        ({"conditions": Conditions(break_even_bps=50.0, jumps=("a jump",))}, False, False),
        ({"conditions": Conditions(break_even_bps=11.9)}, True, False),
        ({"conditions": Conditions(break_even_bps=50.0, middle_bps=12.0)}, True, False),
    ],
)
def test_each_criterion_alone_takes_its_claim_away(monkeypatch, changed, is_forecastable, pays):
    verdict = judged(monkeypatch, **changed)
    assert (verdict.is_forecastable, verdict.pays) == (is_forecastable, pays)
    assert verdict.has_edge == (is_forecastable and pays)
    assert (verdict.headline == "An edge was found, in the candles of one source.") == (is_forecastable and pays)
    assert verdict.headline.startswith(("An edge was found, in the candles of one source.", "No edge", "No verdict"))


def expected_maximum(trials, observations):
    """Of the Sharpe ratios of so many trials without skill, a bar: Bailey and Lopez de Prado (2014)."""
    gamma = 0.5772156649015329
    quantiles = (1 - gamma) * norm.ppf(1 - 1 / trials) + gamma * norm.ppf(1 - 1 / (trials * math.e))
    return quantiles / math.sqrt(observations - 1)


def test_the_evidence_is_that_of_the_functions():
    static = 0.3 * RESULT.benchmark_returns_until_ruin
    tally = TrialCount(trials=9, family=4, forecasts=3.0, trades=9.0, forecasts_before=1.0, trades_before=4.0)
    conditions = Conditions(static_returns=static)
    found = gather(ROW, RESULT, horizon=5, trial_count=tally, conditions=conditions, seed=2)
    growth, record = np.log1p(RETURNS), stats.track_record(np.log1p(RETURNS))
    difference = stats.sharpe_difference(RETURNS, RESULT.benchmark_returns_until_ruin, bars_per_year=365.25, seed=2)
    of_growth, of_timing = stats.bootstrap_p_values(np.column_stack([growth, growth - np.log1p(static)]), seed=2)
    lucky = expected_maximum(9.0, 400)
    assert found.forecast_p == 0.03
    assert found.forecast_p_adjusted == stats.adjusted_p_value(0.03, before=1.0, after=3.0)
    for name, p in (
        ("return_p", of_growth),
        ("timing_p", of_timing),
        ("sharpe_p", difference.p_value),
    ):
        assert getattr(found, name) == p, name
        assert getattr(found, f"{name}_adjusted") == stats.adjusted_p_value(p, before=4.0, after=9.0), name
    assert (found.sharpe_difference, found.sharpe_difference_low, found.sharpe_difference_high) == difference[:3]
    assert found.lucky_sharpe == pytest.approx(lucky * math.sqrt(365.25))
    assert found.deflated_sharpe == pytest.approx(
        norm.cdf((record.sharpe - lucky) / math.sqrt(record.variance)), rel=1e-9
    )
    assert found.detectable_r2 == stats.detectable_r2(400, horizon=5)
    assert found.detectable_sharpe == stats.detectable_sharpe(400, bars_per_year=365.25)
    assert found.years == pytest.approx(400 / 365.25)
    assert found.years_needed == pytest.approx(
        (1 + record.variance * 399 * (norm.ppf(0.95) / (record.sharpe - lucky)) ** 2) / 365.25
        if record.sharpe > lucky
        else math.inf
    )


def test_growth_is_tested_in_logarithms():
    """Gains and losses of a half: a mean of zero, and a loss when they compound."""
    returns = np.tile([0.5, -0.5], 100) + 0.02
    found = gather(
        ROW,
        SimpleNamespace(**vars(RESULT) | {"returns_until_ruin": returns, "benchmark_returns_until_ruin": 0 * returns}),
        horizon=1, trial_count=TrialCount(), conditions=Conditions(),
    )  # fmt: skip
    assert found.return_p == stats.bootstrap_p_value(np.log1p(returns)) > 0.95


def test_ruin_is_no_evidence_of_growth():
    ruined = SimpleNamespace(**vars(RESULT) | {"ruined_at": datetime(2024, 1, 1, tzinfo=UTC)})
    found = gather(ROW, ruined, horizon=1, trial_count=TrialCount(), conditions=Conditions())
    assert (found.return_p, found.timing_p, found.deflated_sharpe) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("changed", "largest"),
    [
        ({}, 0.03),
        ({"p_naive": 0.2}, 0.2),
        ({"p_mean": 0.4}, 0.4),
        ({"p_mean": None}, 0.03),
        ({"p_drift": None}, math.nan),
        ({"p_naive": None}, math.nan),
    ],
)
def test_the_largest_p_value_is_that_of_naive_drift_and_the_past_mean(changed, largest):
    assert largest_p(ROW | changed) == pytest.approx(largest, nan_ok=True)


def test_strategies_of_one_forecast_are_counted_by_what_they_earned():
    generator = np.random.default_rng(3)
    skill = generator.standard_normal(300)
    times = np.datetime64("2024-01-01", "us") + np.arange(1, 301) * np.timedelta64(1, "D")

    def trial(seed):
        own = generator.standard_normal(300)
        values = np.array([own, own, skill]) / 10
        return Trial(
            "d",
            {"seed": seed},
            "0",
            "A",
            "1d",
            "m",
            365.0,
            times,
            own / 100,
            profile=Profile(86_400_000_000, 19_723, values),
        )

    trials = [trial(seed) for seed in range(4)]
    ledger = Ledger.in_memory()
    ledger.record_all(trials)
    tally = count(trials[-1], ledger.entries())
    assert tally.forecasts == pytest.approx(1.0, abs=0.05)
    assert tally.trades == pytest.approx(4.0, abs=0.3)
    assert (tally.forecasts_before, tally.trades_before) == (0.0, 0.0)  # judged together, so none came before


@pytest.mark.parametrize("sign", [-1.0, 0.0])
def test_slow_positions_against_a_price_that_cannot_be_forecast_have_no_timing(sign):
    """The higher the price, the larger the short: whatever was high has fallen by the end of a record."""
    p_values = []
    for seed in range(24):
        candles = random_walk(700, seed=seed, volatility=0.012, drift=0.0015 * sign).candles
        log = np.log(candles.close)
        against = -2.0 * (log - log[0] - 0.0015 * sign * np.arange(700))
        positions = Positions.from_array(candles, np.round(np.clip(0.5 * sign + against, -1.0, 1.0), 1))
        result = backtest(candles, positions, costs=Costs.free())
        found = conditions_of(candles, positions, result, is_in_time_order=True)
        whole = replace(found, expanding_returns=np.empty(0), persistence=Persistence())
        p_values.append(
            [_account_p_values(np.log1p(result.returns), given, is_ruined=False, seed=0)[1] for given in (whole, found)]
        )
    by_whole_record, by_both = (np.array(p_values) < 0.05).mean(axis=0)
    assert by_whole_record > 0.15
    assert by_both < 0.1
