"""`NoTradeBand` and the region that it solves for: by hand, against other bands, and on worlds with costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.dataset.forecast import SIGNAL, Forecast
from candlecast.errors import ConfigError
from candlecast.signals import NoTradeBand, VolatilityTarget
from candlecast.signals.rule import decide
from candlecast.signals.trading_region import Region, trading_region
from candlecast.sources import synthetic
from candlecast.walkforward import forecast_frame, plan_jobs
from candlecast.walkforward.walk import signal_moments

START = datetime(2024, 1, 1, tzinfo=UTC)


def forecast(expected, *, mean=0.0, std=0.001, persistence=0.0, horizon=1) -> Forecast:
    frame = pl.DataFrame(
        {
            "time": [START + bar * timedelta(days=1) for bar in range(len(expected))],
            "known_at": [START + (bar + 1) * timedelta(days=1) for bar in range(len(expected))],
            "symbol": "A",
            "model": "m",
            "fold": 0,
            "seed": 0,
            "mean": expected,
            "naive": 0.0,
            "target": 0.0,
            "expected_return": expected,
            "signal_mean": mean,
            "signal_std": std,
            "signal_persistence": persistence,
        },
        schema_overrides={"mean": pl.Float64, "expected_return": pl.Float64},
    )
    return Forecast(frame, horizon)


def held(rule, given: Forecast, costs=None) -> list[float]:
    return rule(given, costs=costs).frame["position"].round(6).to_list()


def test_without_costs_the_position_is_in_proportion_to_the_forecast():
    expected = [0.0005, -0.0002, 0.003, 0.0, -0.001]
    assert held(NoTradeBand(cost_bps=0), forecast(expected)) == [0.5, -0.2, 1.0, 0.0, -1.0]
    assert held(NoTradeBand(cost_bps=0, full=2.0), forecast(expected)) == [0.2, -0.1, 1.0, 0.0, -0.5]
    assert held(NoTradeBand(cost_bps=0, allow_short=False), forecast(expected)) == [0.5, 0.0, 1.0, 0.0, 0.0]


def test_a_forecast_of_several_bars_counts_per_bar():
    one, five = (forecast([0.0005 * h], std=0.001 * h, horizon=h) for h in (1, 5))
    rule = NoTradeBand(cost_bps=1)
    assert held(rule, one) == held(rule, five)


def test_what_does_not_pay_is_not_traded_and_what_is_held_stays():
    expected = [0.0005, 0.003, 0.0, -0.0004, -0.003, 0.0004]
    assert held(NoTradeBand(cost_bps=10), forecast(expected)) == [0.0, 1.0, 0.4, 0.2, -1.0, -0.2]
    assert held(NoTradeBand(cost_bps=900), forecast(expected)) == [0.0] * 6


def test_the_band_widens_with_costs_and_narrows_with_persistence():
    def width(cost: float, persistence: float) -> float:
        region = trading_region(cost=cost, mean=0.0, std=0.001, persistence=persistence, full=1.0)
        low, high = region.bounds(np.array([0.0]))
        return float(high[0] - low[0])

    assert width(0.0001, 0.0) < width(0.0005, 0.0) < width(0.002, 0.0)
    assert width(0.001, 0.99) < width(0.001, 0.9) < width(0.001, 0.5)


def test_a_constant_forecast_is_held_by_its_sign():
    assert held(NoTradeBand(cost_bps=10), forecast([1e-5] * 3, mean=1e-5, std=0.0)) == [1.0] * 3
    assert held(NoTradeBand(cost_bps=10), forecast([0.0] * 2, std=0.0)) == [0.0] * 2


def simulated(region: Region, forecasts: np.ndarray, cost: float, aversion: float) -> float:
    """Mean gain less risk and costs of keeping within a region."""
    low, high = region.bounds(forecasts)
    position, total = 0.0, 0.0
    for bar, value in enumerate(forecasts):
        wanted = min(max(position, low[bar]), high[bar])
        total += value * wanted - aversion * wanted**2 / 2 - cost * abs(wanted - position)
        position = wanted
    return total / len(forecasts)


@pytest.mark.parametrize(("persistence", "cost"), [(0.0, 0.0005), (-0.5, 0.0005), (0.9, 0.002)])
def test_no_other_band_earns_more(persistence, cost):
    """Against regions solved for other costs and for another persistence, on one long path of the process."""
    generator, std = np.random.default_rng(3), 0.001
    shocks = generator.normal(size=40_000) * std * np.sqrt(1 - persistence**2)
    forecasts = np.empty(len(shocks))
    forecasts[0] = shocks[0]
    for bar in range(1, len(shocks)):
        forecasts[bar] = persistence * forecasts[bar - 1] + shocks[bar]

    def earned(assumed_cost: float, assumed_persistence: float) -> float:
        region = trading_region(cost=assumed_cost, mean=0.0, std=std, persistence=assumed_persistence, full=1.0)
        return simulated(region, forecasts, cost, aversion=std)

    best = earned(cost, persistence)
    assert best > 0
    for other in (0.0, cost / 3, 3 * cost):
        assert earned(other, persistence) < best
    assert earned(cost, 0.6 if persistence <= 0 else 0.0) < best


def test_costs_of_the_study_reach_the_rule():
    given = forecast([0.0005, 0.003, 0.0, -0.0004, -0.003, 0.0004])
    candles = synthetic.random_walk(10, seed=1).candles
    dear, free = cc.Costs(fee_bps=900), cc.Costs.free()
    assert decide(NoTradeBand(), given, candles, costs=dear).frame["position"].to_list() == [0.0] * 6
    assert decide(NoTradeBand(), given, candles, costs=free).frame["position"].abs().max() == 1.0
    paid = cc.Costs(fee_bps=1, slippage_bps=0.5)
    assert held(NoTradeBand(), given, paid) == held(NoTradeBand(cost_bps=1.5), given)
    assert held(NoTradeBand(), given, paid) != held(NoTradeBand(cost_bps=3.0), given)
    assert held(NoTradeBand(cost_bps=0), given, dear) == held(NoTradeBand(), given, free)
    seen = []

    def mine(forecast, candles, costs=None):
        seen.append(costs)
        return NoTradeBand(cost_bps=5)(forecast)

    def with_a_setting(forecast, candles, scale=2.0):
        seen.append(scale)
        return NoTradeBand(cost_bps=5)(forecast)

    decide(mine, given, candles, costs=dear)
    decide(with_a_setting, given, candles, costs=dear)
    assert seen == [dear, 2.0]


def test_overlays_pass_the_costs_on():
    world = synthetic.ar1(400, seed=2, phi=0.4)
    result = cc.Study(
        model=cc.Ridge(),
        baselines=(),
        folds=cc.WalkForward(folds=2),
        costs=cc.Costs.free(),
        rule=VolatilityTarget(rule=NoTradeBand()),
    ).run(world.candles, ledger=cc.Ledger.in_memory())
    assert result.positions[result.model].frame["position"].n_unique() > 2
    stopped = result.rebacktest(
        rule=cc.DrawdownStop(limit=0.9, resume=0.1, rule=NoTradeBand()), ledger=cc.Ledger.in_memory()
    )
    assert stopped.positions[stopped.model].frame["position"].n_unique() > 2


def test_it_says_what_it_lacks():
    given = forecast([0.1, 0.2])
    with pytest.raises(ConfigError, match=r"called without costs; expected what trading costs.*cost_bps=12"):
        NoTradeBand()(given)
    with pytest.raises(ConfigError, match="the forecast of m has no signal_mean"):
        NoTradeBand(cost_bps=1)(replace(given, frame=given.frame.drop(*SIGNAL)))
    with pytest.raises(ConfigError, match="full is 0; expected a number of standard deviations above 0"):
        NoTradeBand(full=0)
    with pytest.raises(ConfigError, match="cost_bps is -1"):
        NoTradeBand(cost_bps=-1)


def test_the_signal_is_measured_on_fitted_rows_only():
    world = synthetic.ar1(600, seed=4, phi=0.3)
    jobs = plan_jobs(cc.Ridge(), world.candles, folds=cc.PurgedKFold(folds=3))
    for fitted in cc.Ridge().fit(jobs):
        frame, job = forecast_frame(fitted, "ridge"), fitted.job
        means = [fitted.forecast(job.samples, rows).mean for rows in job.fit_stretches]
        assert frame.select(SIGNAL).unique().row(0) == pytest.approx(signal_moments(means))
        assert not set(np.concatenate(job.fit_stretches)) & set(job.test_rows)
        assert np.array_equal(np.concatenate(job.fit_stretches), job.fit_rows)


def test_other_costs_make_the_rule_decide_anew():
    world = synthetic.ar1(600, seed=5, phi=0.5)
    study = cc.Study(model=cc.Ridge(), baselines=(), folds=cc.WalkForward(folds=2), costs=cc.Costs.free())
    result = study.run(world.candles, ledger=cc.Ledger.in_memory())
    dear = replace(study, costs=cc.Costs(fee_bps=100)).run(world.candles, ledger=cc.Ledger.in_memory())
    again = result.rebacktest(costs=cc.Costs(fee_bps=100), ledger=cc.Ledger.in_memory())
    assert again.positions[again.model].frame.equals(dear.positions[dear.model].frame)
    assert not again.positions[again.model].frame.equals(result.positions[result.model].frame)
    assert not again.replaced
    assert again.trial.content == dear.trial.content


def test_a_null_world_is_traded_less_and_a_strong_one_pays():
    found = {}
    for phi in (0.0, 0.5):
        world = synthetic.ar1(2_000, seed=6, phi=phi)
        result = cc.Study(model=cc.Ridge(), baselines=(), folds=cc.WalkForward(folds=2)).run(
            world.candles, ledger=cc.Ledger.in_memory()
        )
        found[phi] = result.rebacktest(rule=cc.FollowDirection(), ledger=cc.Ledger.in_memory()), result
    by_sign, by_band = found[0.0]
    changes = [each.positions[each.model].frame["position"].diff().abs().sum() for each in (by_band, by_sign)]
    assert changes[0] < changes[1] / 2
    assert found[0.5][1].verdict.has_edge
