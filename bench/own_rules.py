"""Rules of one's own on worlds whose truth is known: how much of a gain follows from the forecast.

    python bench/own_rules.py [--worlds 16] [--json]

Two parts. `hindsight`: martingales with GARCH, a forecast of volatility, and a rule of 48 cells of past range and return whose
signs were read off the tested bars; it ignores the forecast, or reads it in place of the range. There is no edge. `edges`: AR(1)
markets and a forecast of the return, traded by seven rules that also smooth, rank, scale by volatility, filter by trend, wait or
stop. `followed` is the share of the gain that positions keep as a function of the forecast alone; below 0.5 there is no edge.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.sources import synthetic

BARS = 3_000
RANGES, MOVES = 6, 8  # quantiles of which the cells are made
SURE = 0.3  # t-statistic of a cell below which nothing is held there
PHI, COST_BPS = 0.17, 1.0
VOLATILITY = cc.Features(cc.log_range(), cc.log_return(), cc.realized_volatility(20))


class Outcome(NamedTuple):
    """One study: its part and rule, whether its tests alone find an edge, the verdict, and the share that follows."""

    part: str
    rule: str
    passes: bool
    has_edge: bool
    followed: float


def judged(part: str, name: str, rule: cc.signals.Rule, candles: cc.Candles, **study: Any) -> Outcome:
    result = cc.Study(rule=rule, baselines=(), seeds=1, **study).run(candles, ledger=Ledger.in_memory())
    verdict = result.verdict
    passes = verdict.evidence.is_known and verdict.evidence.is_significant
    return Outcome(part, name, passes, verdict.has_edge, result.conditions.followed_share)


def positions(forecast: cc.Forecast, values: np.ndarray) -> cc.Positions:
    frame = forecast.averaged().frame
    return cc.Positions(frame.select("time", "symbol", position=pl.Series(np.nan_to_num(values))))


def rows(forecast: cc.Forecast, candles: cc.Candles) -> np.ndarray:
    """The bar of each decision."""
    times = forecast.averaged().frame["time"].dt.replace_time_zone(None).to_numpy()
    return np.searchsorted(candles.close_time, times)


def past(candles: cc.Candles) -> tuple[np.ndarray, np.ndarray]:
    """The mean range of 20 bars and the return of five, at each bar."""
    ranges = pl.Series(np.log(candles.high / candles.low)).rolling_mean(20).fill_null(0.0).to_numpy()
    closes = np.log(candles.close)
    return ranges, np.append(np.zeros(5), closes[5:] - closes[:-5])


def hindsight(first: cc.StudyResult, *, reads_forecast: bool) -> cc.signals.Rule:
    """The rule whose table was read off the bars that an earlier study tested."""
    candles = first.candles
    tested = rows(first.forecast, candles)
    tested = tested[tested < len(candles) - 2]
    ahead = np.log(candles.open[tested + 2] / candles.open[tested + 1])

    def levels(forecast: cc.Forecast, candles: cc.Candles) -> tuple[np.ndarray, np.ndarray]:
        at, (ranges, moves) = rows(forecast, candles), past(candles)
        return (forecast.averaged().frame["mean"].to_numpy() if reads_forecast else ranges[at]), moves[at]

    seen = [each[: len(tested)] for each in levels(first.forecast, candles)]
    edges = [
        tuple(np.quantile(each, np.arange(1, parts) / parts).tolist())
        for each, parts in zip(seen, (RANGES, MOVES), strict=True)
    ]
    cell = np.digitize(seen[0], edges[0]) * MOVES + np.digitize(seen[1], edges[1])
    table = []
    for number in range(RANGES * MOVES):
        own = ahead[cell == number]
        score = own.mean() / own.std() * np.sqrt(len(own)) if len(own) > 2 else 0.0
        table.append(float(np.sign(score) * (abs(score) > SURE)))
    held, ends = tuple(table), tuple(edges)

    def by_cells(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
        one, two = levels(forecast, candles)
        return positions(forecast, np.array(held)[np.digitize(one, ends[0]) * MOVES + np.digitize(two, ends[1])])

    return by_cells


def expected(forecast: cc.Forecast) -> tuple[np.ndarray, np.ndarray]:
    """The expected return of each bar, and its usual size in the training part."""
    frame = forecast.averaged().frame
    return frame["expected_return"].to_numpy(), frame["signal_std"].to_numpy()


def sign(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
    return positions(forecast, np.sign(expected(forecast)[0]))


def waits(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
    held, found = 0.0, []
    for value, usual in zip(*expected(forecast), strict=True):
        held = float(np.sign(value)) if abs(value) > usual else held
        found.append(held)
    return positions(forecast, np.array(found))


def scaled(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
    squares = pl.Series(np.diff(np.log(candles.close), prepend=np.log(candles.close[0])) ** 2)
    volatility = np.sqrt(squares.ewm_mean(half_life=20).to_numpy())[rows(forecast, candles)]
    return positions(forecast, np.clip(np.sign(expected(forecast)[0]) * 0.007 / volatility, -1, 1))


def with_the_trend(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
    mean = pl.Series(candles.close).rolling_mean(50).fill_null(np.inf).to_numpy()
    is_up = (candles.close > mean)[rows(forecast, candles)]
    return positions(forecast, ((expected(forecast)[0] > 0) & is_up).astype(float))


def smoothed(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
    value = pl.Series(expected(forecast)[0] / 0.001).ewm_mean(half_life=1).to_numpy()
    return positions(forecast, np.clip(value, -1, 1))


def ranked(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
    value = expected(forecast)[0]
    shares = [np.mean(value[max(0, bar - 99) : bar + 1] <= value[bar]) for bar in range(len(value))]
    return positions(forecast, 2 * np.array(shares) - 1)


def stopped(forecast: cc.Forecast, candles: cc.Candles) -> cc.Positions:
    last = np.abs(np.diff(np.log(candles.close), prepend=np.log(candles.close[0])))[rows(forecast, candles)]
    return positions(forecast, np.where(last > 0.02, 0.0, np.sign(expected(forecast)[0])))


RULES: tuple[Callable[[cc.Forecast, cc.Candles], cc.Positions], ...] = (
    sign,
    waits,
    scaled,
    with_the_trend,
    smoothed,
    ranked,
    stopped,
)


def measure(worlds: int) -> Iterator[Outcome]:
    costs = cc.Costs(fee_bps=COST_BPS, slippage_bps=0)
    for seed in range(worlds):
        candles = synthetic.garch(BARS, seed=seed).candles
        study: dict[str, Any] = {
            "model": cc.Ridge(),
            "target": cc.Volatility(),
            "features": VOLATILITY,
            "folds": cc.WalkForward(folds=2),
            "costs": costs,
        }
        first = cc.Study(baselines=(), seeds=1, **study).run(candles, ledger=Ledger.in_memory())
        for reads_forecast in (False, True):
            name = "cells with the forecast" if reads_forecast else "cells of past bars"
            yield judged("hindsight", name, hindsight(first, reads_forecast=reads_forecast), candles, **study)
        candles = synthetic.ar1(BARS, seed=seed, phi=PHI).candles
        study = {"model": cc.LinearRegression(window=5), "folds": cc.WalkForward(folds=3), "costs": costs}
        for rule in RULES:
            yield judged("edges", rule.__name__, rule, candles, **study)


def summed(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """A line for each part: studies, those that pass by their tests alone, edges, and the range of what follows in the latter."""
    lines = []
    for part in dict.fromkeys(each.part for each in outcomes):
        own = [each for each in outcomes if each.part == part]
        passing = [each.followed for each in own if each.passes]
        ends = (min(passing), max(passing)) if passing else (np.nan, np.nan)
        edges = sum(each.has_edge for each in own)
        lines.append({"part": part, "studies": len(own), "passing": len(passing), "edges": edges, "followed": ends})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lines = summed(list(measure(options.worlds)))
    if options.json:
        print(json.dumps({"bench": "own rules", "machine": platform.machine(), "figures": lines}))
        return
    print(f"{'':12} {'studies':>8} {'pass tests':>11} {'edges':>6} {'followed, of those that pass':>29}")
    for line in lines:
        low, high = line["followed"]
        print(f"{line['part']:12} {line['studies']:8} {line['passing']:11} {line['edges']:6} {low:20.0%} to {high:.0%}")


if __name__ == "__main__":
    main()
