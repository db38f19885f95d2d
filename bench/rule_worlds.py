"""Rules on worlds whose truth is known: how often the default study finds an edge that is there, and one that is not.

    python bench/rule_worlds.py [--worlds 6] [--models oracle ridge lstm] [--only PART ...] [--records FILE] [--json]

Three parts. `edges`: a reversal of 5-minute bars at 1.5 bp a side, drift by the hour of the day at 5 bp, and daily worlds at
12 bp, each traded by `FollowDirection`, by thresholds of the costs, and by the default rule. `nulls`: the same where there is
nothing to find. `volatility`: worlds whose volatility can be forecast while the drift stays the same, so that holding less when
it is high pays, and worlds where it does not, since there is no drift, no change of volatility, or a drift in proportion to the
variance; traded by the default rule for forecasts of volatility, and by the oracle (with `--rules`, by all models) with those
that it was chosen among. An edge counts as found by the verdict, one trial. The oracle forecasts the true expectation.

Features are the standard ones, with the leader's return where there is a leader and the calendar for the drift by the hour;
`--features short`: return and range of the bar alone. With `--records`, each world is appended to FILE as it ends, and worlds
that FILE holds are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import honesty_worlds
import numpy as np
import polars as pl
from honesty_models import Oracle
from honesty_tables import words

import candlecast as cc
from candlecast.dataset.forecast import Forecast
from candlecast.features import standard_features
from candlecast.sources import synthetic
from candlecast.study import StudyResult
from candlecast.walkforward import FoldForecast, forecast_frame, plan_jobs

PARTS = ("edges", "nulls", "volatility")
FOUND, LEAST_FOUND, MOST_FALSE = 0.95, 0.8, 0.05  # share of worlds in which the oracle is found; goals
EDGES = (  # family, strength, costs a side in bp
    ("5-minute reversal, phi", 0.15, 1.5),
    ("hour of the day, drift / volatility", 0.4, 5.0),
    ("AR(1), phi", 0.15, 12.0),
    ("AR(1), phi", 0.25, 12.0),
    ("momentum regimes, drift / volatility", 0.2, 12.0),
    ("momentum regimes, drift / volatility", 0.3, 12.0),
    ("mean reversion, share", 0.6, 12.0),
    ("mean reversion, share", 0.9, 12.0),
    ("lead-lag, beta", 0.15, 12.0),
    ("lead-lag, beta", 0.25, 12.0),
)
NULLS = (
    ("5-minute random walk", 0.0, 1.5),
    ("random walk by the hour", 0.0, 5.0),
    ("random walk", 0.0, 12.0),
    ("drift", 0.0, 12.0),
    ("GARCH-t", 0.0, 12.0),
    ("regime volatility", 0.0, 12.0),
    ("shuffled S&P 500 and Nasdaq", 0.0, 12.0),
)
VOLATILITY = (  # families whose strength is 0 have no edge
    ("volatility regimes, drift", 0.0015, 12.0),
    ("volatility clustering, drift", 0.0015, 12.0),
    ("volatility regimes, drift in proportion to the variance", 0.0, 12.0),
    ("volatility regimes, no drift", 0.0, 12.0),
    ("constant volatility, drift", 0.0, 12.0),
)
VOLATILITY_RULES = (  # power, cap, band, at a usual position of 1
    (1.0, 1.0, 0.0),
    (1.0, 1.0, 0.25),
    (1.0, 2.0, 0.25),
    (1.0, 2.0, 0.5),
    (1.5, 2.0, 0.25),
    (1.5, 2.0, 0.5),
    (2.0, 2.0, 0.25),
    (2.0, 2.0, 0.5),
)
FAVOURABLE_HOURS, HOURS = (13, 14, 15, 16), 12_000
MODELS = {
    "linear": cc.LinearRegression(window=4),
    "ridge": cc.Ridge(),
    "lstm4": cc.LSTM(hidden=4, window=16, training=cc.Fit(epochs=60, batch=16, lr=1e-2, patience=15)),
    "lstm": cc.LSTM(),
}


@dataclass(frozen=True)
class Outcome:
    """One world traded by one rule."""

    part: str
    family: str
    strength: float
    seed: int
    model: str
    rule: str
    is_forecastable: bool
    pays: bool
    has_edge: bool
    sharpe: float
    return_p: float
    timing_p: float
    sharpe_p: float


def make_world(family: str, strength: float, seed: int) -> Any:
    """A world by name: those of this benchmark, and those of `honesty_worlds`."""
    match family:
        case "5-minute reversal, phi":
            return synthetic.ar1(30_000, seed=seed, phi=-strength, volatility=0.001, interval="5m")
        case "5-minute random walk":
            return synthetic.random_walk(30_000, seed=seed, volatility=0.001, interval="5m")
        case "hour of the day, drift / volatility":
            world = synthetic.random_walk(HOURS, seed=seed, volatility=0.006, interval="1h")
            is_up = np.isin(world.candles.frame["open_time"].dt.hour().to_numpy(), FAVOURABLE_HOURS)
            return with_drift(world, 0.006 * strength * (is_up - is_up.mean()), is_even=True)  # holding earns nothing
        case "random walk by the hour":
            return synthetic.random_walk(HOURS, seed=seed, volatility=0.006, interval="1h")
        case "volatility regimes, drift":
            return with_drift(synthetic.regime_volatility(5_000, seed=seed), np.full(5_000, strength))
        case "volatility clustering, drift":
            world = synthetic.garch(5_000, seed=seed, alpha=0.12, beta=0.86)
            return with_drift(world, np.full(5_000, strength))
        case "volatility regimes, no drift":
            return synthetic.regime_volatility(5_000, seed=seed)
        case "volatility regimes, drift in proportion to the variance":
            world = synthetic.regime_volatility(5_000, seed=seed)
            variance = np.append(world.volatility[0], world.volatility[:-1]) ** 2
            return with_drift(world, 0.0015 * variance / variance.mean())
        case "constant volatility, drift":
            return synthetic.random_walk(5_000, seed=seed, drift=0.0015)
        case _:
            return honesty_worlds.make_world(family, strength, seed, 5_000)


def with_drift(world: Any, drift: np.ndarray, *, is_even: bool = False) -> Any:
    """The same world whose close moves by `drift`, (time,), more from open to close of each bar; `mean` follows.

    High and low move by the whole drift of the bar, or by half of it where it is spread evenly over the bar.
    """
    growth = np.exp(np.cumsum(drift))
    before, candles = np.append(1.0, growth[:-1]), world.candles
    opened, close = candles.open * before, candles.close * growth
    middle = np.sqrt(before * growth) if is_even else growth
    prices = {
        "open": opened,
        "high": np.maximum(candles.high * middle, np.maximum(opened, close)),
        "low": np.minimum(candles.low * middle, np.minimum(opened, close)),
        "close": close,
    }
    frame = candles.frame.with_columns(**{name: pl.Series(values) for name, values in prices.items()})
    return replace(world, candles=replace(candles, frame=frame), mean=world.mean + np.append(drift[1:], drift[-1]))


def hold(forecast: Forecast) -> cc.Positions:
    """All long, whatever is forecast."""
    return cc.Positions(forecast.averaged().frame.select("time", "symbol", position=pl.lit(1.0)))


def rules_of(part: str, cost: float, *, has_all: bool) -> dict[str, Any]:
    """The rules that are compared; None is the default."""
    if part == "volatility" and not has_all:
        return {"hold": hold, "default": None}
    if part == "volatility":
        return {"hold": hold, "default": None} | {
            f"power {power}, cap {cap}, band {band}": cc.InverseVolatility(power=power, cap=cap, band=band)
            for power, cap, band in VOLATILITY_RULES
        }
    return {
        "direction": cc.FollowDirection(),
        "threshold c, -c": cc.Threshold(cost, -cost),
        "threshold 2c, 2c": cc.Threshold(2 * cost, 2 * cost),
        "default": None,
    }


def features_of(world: Any, family: str, kind: str) -> cc.Features:
    """Standard features of returns, or return and range alone; with what the world's signal is in."""
    own = (cc.log_return(1), cc.log_range(1))
    if kind == "usual":
        own = standard_features(world.candles.interval, has_calendar="hour" in family).features
    leader = () if world.leader is None else (honesty_worlds.leader_return(world.leader),)
    return cc.Features(*own, *leader)


def studied(study: cc.Study, world: Any) -> StudyResult:
    """The study of a world, in a workspace of its own. The oracle walks without the checks of models that learn."""
    ledger = cc.Ledger.in_memory()
    if not isinstance(study.model, Oracle):
        return study.run(world.candles, ledger=ledger)
    parts: dict[str, list[FoldForecast]] = {}
    for model in (*study.baseline_models, study.model):
        jobs = plan_jobs(
            model,
            world.candles,
            features=study.features,
            target=study.target,
            folds=study.folds,
            seeds=range(1),
            window=32,
        )
        parts[model.name] = [
            FoldForecast(fitted.job, fitted, forecast_frame(fitted, model.name))
            for fitted in model.fit(jobs, progress=lambda event: None)
        ]
    return study.assemble(world.candles, parts, ledger=ledger)


def outcomes(
    part: str, family: str, strength: float, bps: float, name: str, seed: int, options: argparse.Namespace
) -> Iterator[Outcome]:
    """The outcomes of one world: the model walks once, and is traded by all rules."""
    world = make_world(family, strength, seed)
    is_volatility = part == "volatility"
    truth = np.log(world.volatility) if is_volatility else world.mean
    study = cc.Study(
        model=Oracle({world.candles.symbol: truth}) if name == "oracle" else MODELS[name],
        features=None if is_volatility else features_of(world, family, options.features),
        target=cc.Volatility() if is_volatility else cc.NextReturn(),
        costs=cc.Costs(fee_bps=bps, slippage_bps=0.0),
        baselines=(),
    )
    result = studied(study, world)
    for label, rule in rules_of(part, bps / 1e4, has_all=options.rules or name == "oracle").items():
        traded = result if rule is None else result.rebacktest(rule=rule, ledger=cc.Ledger.in_memory())
        verdict = traded.verdict
        sharpe = traded.summary().filter(statistic="Sharpe ratio")["value"][0]
        yield Outcome(
            part, family, strength, seed, name, label,
            verdict.is_forecastable, verdict.pays, verdict.has_edge, float(sharpe if sharpe is not None else np.nan),
            verdict.evidence.return_p, verdict.evidence.timing_p, verdict.evidence.sharpe_p,
        )  # fmt: skip


def everything(options: argparse.Namespace) -> list[Outcome]:
    """All outcomes that are asked for; those in the file of records are read from there."""
    known = (
        [Outcome(**json.loads(line)) for line in options.records.read_text().splitlines()]
        if (options.records and options.records.exists())
        else []
    )
    found: list[Outcome] = []
    for part, cases in zip(PARTS, (EDGES, NULLS, VOLATILITY), strict=True):
        if part not in options.only:
            continue
        for family, strength, bps in cases:
            if options.families and not any(word in family for word in options.families):
                continue
            for name in options.models:
                for seed in range(options.first, options.first + options.worlds):
                    key = (part, family, strength, name, seed)
                    held = [x for x in known if (x.part, x.family, x.strength, x.model, x.seed) == key]
                    if not held:
                        held = list(outcomes(part, family, strength, bps, name, seed, options))
                        if options.records:
                            with options.records.open("a") as lines:
                                lines.writelines(json.dumps(asdict(each)) + "\n" for each in held)
                    found += held
    return found


def show(found: list[Outcome]) -> None:
    """A row for each part, family and model: worlds in which each rule was found, and its mean Sharpe ratio."""
    rules = list(dict.fromkeys(each.rule for each in found))
    print(f"\n| {found[0].part} | model | forecastable | {' | '.join(rules)} |\n| {'--- | ' * (3 + len(rules))}")
    groups: dict[Any, list[Outcome]] = {}
    for each in found:
        groups.setdefault((each.family, each.strength, each.model), []).append(each)
    for (family, strength, model), group in groups.items():
        cells = []
        for rule in rules:
            mine = [each for each in group if each.rule == rule]
            if not mine:
                cells.append("")
                continue
            mean = np.nanmean([each.sharpe for each in mine])
            cells.append(f"{sum(each.has_edge for each in mine)} of {len(mine)}, {mean:.2f}")
        seen = [each for each in group if each.rule == rules[0]]
        forecastable = f"{sum(each.is_forecastable for each in seen)} of {len(seen)}"
        label = f"{family} {strength:g}" if strength else family
        print(f"| {label} | {model} | {forecastable} | {' | '.join(cells)} |")


def figures_of(found: list[Outcome]) -> list[dict[str, Any]]:
    """Shares of edges found by the default rule: of all worlds with an edge, and of those families where the oracle with its best
    rule is found in 95 % of worlds; false edges; forecasts found by the LSTM where ridge finds them.
    """
    figures = []
    cells = list(dict.fromkeys((each.part, each.family, each.strength) for each in found))
    for part, family, strength in cells:
        here = [each for each in found if (each.part, each.family, each.strength) == (part, family, strength)]
        label = f"{family} {strength:g}" if strength else family
        by_model = {
            name: [each for each in here if each.model == name] for name in dict.fromkeys(x.model for x in here)
        }
        if not strength:
            for name, mine in by_model.items():
                edges = [each.has_edge for each in mine if each.rule == "default"]
                figures.append(_share(f"false edges, {part}: {label}, {name}", edges, MOST_FALSE, "lower"))
            continue
        best = 0.0
        if "oracle" in by_model:
            rules = dict.fromkeys(each.rule for each in by_model["oracle"])
            best = max(np.mean([x.has_edge for x in by_model["oracle"] if x.rule == rule]) for rule in rules)
            figures.append(_number(f"edges found, oracle with its best rule: {label}", float(best), None, ""))
        for name, mine in by_model.items():
            if name != "oracle":
                edges = [each.has_edge for each in mine if each.rule == "default"]
                goal = LEAST_FOUND if best >= FOUND else None
                figures.append(_share(f"edges found: {label}, {name}", edges, goal, "higher"))
        if part == "edges" and {"ridge", "lstm"} <= by_model.keys():
            seen = {name: {x.seed: x.is_forecastable for x in by_model[name]} for name in ("ridge", "lstm")}
            both = [seen["lstm"][seed] for seed, is_found in seen["ridge"].items() if is_found]
            figures.append(_share(f"forecastable by the LSTM where by ridge: {label}", both, FOUND, "higher"))
    return figures


def _share(name: str, found: list[bool], goal: float | None, better: str) -> dict[str, Any]:
    count = sum(found), len(found)
    return _number(name, count[0] / max(count[1], 1), goal, words(*count), better)


def _number(name: str, value: float, goal: float | None, against: str, better: str = "higher") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "share", "goal": goal, "better": better, "against": against}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=6, help="of each family and strength")
    parser.add_argument("--models", nargs="+", choices=("oracle", *MODELS), default=["oracle", "ridge", "lstm"])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--families", nargs="+", default=[], help="words in the names of families")
    parser.add_argument("--rules", action="store_true", help="all rules of volatility for all models")
    parser.add_argument("--features", choices=("usual", "short"), default="usual")
    parser.add_argument("--first", type=int, default=500, help="seed of the first world")
    parser.add_argument("--records", type=Path, help="a file of finished worlds, which is continued")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began = time.perf_counter()
    found = everything(options)
    figures = figures_of(found)
    if options.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "rule_worlds", "machine": machine, "figures": figures}))
        return
    for part in PARTS:
        if mine := [each for each in found if each.part == part]:
            show(mine)
    print()
    for figure in figures:
        goal = "" if figure["goal"] is None else f", goal {100 * figure['goal']:g} %"
        print(f"{figure['name']}: {100 * figure['value']:.0f} %, {figure['against']}{goal}")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
