"""Learning the position against forecasting the return, where reversion is injected and trading costs.

    python bench/policy_worlds.py [--worlds 4] [--bars 8000] [--seeds 2] [--costs 0 5 12 25 50] [--json]

Worlds of `synthetic.mean_reversion`, the same features, folds and seeds for all; every cost trains policies of its own. The
rival is a GRU of the same size that forecasts the next return, traded by `Threshold(enter=k x cost)` for k = 0, 1, 2, of which
the best after costs counts, chosen in hindsight; the oracle is the exact expectation, traded likewise. Figures are means over
the worlds, of the account after costs; turnover is the change of the position per bar.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

import candlecast as cc
from candlecast.dataset.forecast import Forecast
from candlecast.signals import Positions
from candlecast.sources import synthetic

FEATURES = cc.Features(cc.log_return(), cc.log_return(5), cc.sma_ratio(20))
FIRST = 100  # seed of the first world: on those from 0 on, the policy's usual settings were chosen
FOLDS = cc.WalkForward(folds=2)
MULTIPLES = (0.0, 1.0, 2.0)  # of the costs a side: what a forecast has to exceed
POLICIES = {
    "policy, Sharpe": cc.Policy(),
    "policy, utility": cc.Policy(objective="utility"),
    "policy, no layers": cc.Policy(layers=0),
}


@dataclass(frozen=True)
class Outcome:
    """One way to trade at one cost: mean return per bar in bp, Sharpe ratio per bar, change of the position per bar."""

    name: str
    cost_bps: float
    net_bps: float
    sharpe: float
    turnover: float


def measure(
    *, worlds: int = 4, bars: int = 8_000, seeds: int = 2, costs: Sequence[float] = (0.0, 5.0, 12.0, 25.0, 50.0)
) -> list[Outcome]:
    """Everybody's outcome at each cost, worst cost last."""
    made = [
        synthetic.mean_reversion(bars, seed=seed, share=0.6, persistence=0.7, interval="1h")
        for seed in range(FIRST, FIRST + worlds)
    ]
    markets = [replace(world.candles, symbol=f"W{seed}") for seed, world in enumerate(made)]
    forecasts = _walk(cc.GRU(hidden=16), markets, seeds)
    oracles = [_exact(forecasts.only(market.symbol), world) for world, market in zip(made, markets, strict=True)]
    found = []
    for cost in costs:
        rules = [cc.Threshold(enter=multiple * cost / 1e4) for multiple in MULTIPLES]
        for name, each in (
            ("oracle, threshold", oracles),
            ("GRU, threshold", [forecasts.only(market.symbol) for market in markets]),
        ):
            tried = [_traded(name, markets, [rule(one) for one in each], cost) for rule in rules]
            found.append(max(tried, key=lambda outcome: outcome.net_bps))
        for name, policy in POLICIES.items():
            learnt = _walk(replace(policy, cost_bps=cost), markets, seeds)
            held = [cc.HoldPosition()(learnt.only(market.symbol)) for market in markets]
            found.append(_traded(name, markets, held, cost))
    return found


def figures(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """The outcomes as figures; the Sharpe policy's goals are the rival's ratio, and less turnover than at the cost before."""
    rival = {outcome.cost_bps: outcome.sharpe for outcome in outcomes if outcome.name == "GRU, threshold"}
    rows, before = [], None
    for outcome in outcomes:
        label, is_ours = f"{outcome.name}, {outcome.cost_bps:g} bp", outcome.name == "policy, Sharpe"
        goal = rival[outcome.cost_bps] if is_ours else None
        rows += [
            _figure(label, outcome.net_bps, "bp per bar", None, "higher", ""),
            _figure(label, 100 * outcome.sharpe, "% Sharpe per bar", goal and 100 * goal, "higher", "GRU, threshold"),
            _figure(label, outcome.turnover, "turnover", before if is_ours else None, "lower", "at the cost before"),
        ]
        before = outcome.turnover if is_ours else before
    return rows


def _figure(name: str, value: float, unit: str, goal: float | None, better: str, against: str) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "better": better, "against": against}


def _walk(model, markets: list[cc.Candles], seeds: int) -> Forecast:
    return cc.walk_forward(model, markets, features=FEATURES, folds=FOLDS, seeds=range(seeds))


def _exact(forecast: Forecast, world: synthetic.World) -> Forecast:
    """The same rows with the exact expectation in place of what was forecast."""
    known = pl.DataFrame({"time": world.candles.frame["close_time"], "expected_return": world.mean})
    frame = forecast.averaged().frame.drop("expected_return").join(known, on="time", how="left")
    return Forecast(frame, forecast.horizon)


def _traded(name: str, markets: list[cc.Candles], held: list[Positions], cost: float) -> Outcome:
    costs = cc.Costs(fee_bps=cost, slippage_bps=0.0)
    returns = [cc.backtest(market, each, costs=costs).returns for market, each in zip(markets, held, strict=True)]
    turnover = [np.abs(np.diff(each.frame["position"].to_numpy(), prepend=0.0)).mean() for each in held]
    ratios = [each.mean() / each.std() if each.std() > 0 else 0.0 for each in returns]
    net = 1e4 * float(np.mean([each.mean() for each in returns]))
    return Outcome(name, cost, net, float(np.mean(ratios)), float(np.mean(turnover)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--bars", type=int, default=8_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--costs", type=float, nargs="+", default=[0.0, 5.0, 12.0, 25.0, 50.0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcomes = measure(worlds=options.worlds, bars=options.bars, seeds=options.seeds, costs=sorted(options.costs))
    if options.json:
        print(json.dumps({"bench": "policy", "machine": platform.machine(), "figures": figures(outcomes)}))
        return
    print(f"{'':20} {'costs':>8} {'net per bar':>12} {'Sharpe/bar':>11} {'turnover':>9}")
    for one in outcomes:
        print(f"{one.name:20} {one.cost_bps:5g} bp {one.net_bps:9.2f} bp {100 * one.sharpe:9.2f} % {one.turnover:9.3f}")


if __name__ == "__main__":
    main()
