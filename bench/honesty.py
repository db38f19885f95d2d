"""How often an edge is found where there is none, and where there is one: worlds whose truth is known.

    python bench/honesty.py [--worlds 400] [--processes 2] [--json]

`--worlds` without an edge, and as many with one, over a ladder of strengths. Each world is judged as a workspace of its
own, by the verdict of `Study`: an LSTM, a linear regression, and the oracle, the best forecast that there can be. The same
worlds go through what is usually done instead (`usual_recipes.py`), the tutorial's net through a sixteenth of them.
Repeatable: every world is named by its family, strength and seed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context

import numpy as np

from candlecast.models import Baseline

BARS, FOLDS, SEEDS = 5_000, 2, 4
TUTORIAL_BARS = 1_000  # as many as the tutorial downloads
TUTORIAL_SHARE = 16  # one world in so many goes through the tutorial's own net
BATCH = 8  # worlds whose nets train as one fleet
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")

NULL = ("random walk", "drift", "GARCH-t", "regime volatility", "shuffled S&P 500 and Nasdaq")
LADDERS = {
    "AR(1), phi": (0.03, 0.06, 0.10, 0.15, 0.25),
    "momentum regimes, drift / volatility": (0.05, 0.10, 0.15, 0.20, 0.30),
    "mean reversion, share": (0.1, 0.2, 0.4, 0.6, 0.9),
    "volatility clustering, alpha": (0.02, 0.05, 0.08, 0.12, 0.16),
    "lead-lag, beta": (0.03, 0.06, 0.10, 0.15, 0.25),
}


@dataclass(frozen=True)
class Batch:
    """Worlds of one family and strength (NaN: no edge), by their seeds; `part` says through what they go."""

    family: str
    strength: float
    seeds: tuple[int, ...]
    part: str = "verdict"


@dataclass(frozen=True)
class Oracle(Baseline):
    """The true expectation of every world, as a model."""

    truths: dict = field(hash=False)
    name: str = "oracle"
    window: int = 1
    is_seeded: bool = False

    def learn(self, job):
        truth = self.truths[job.symbol]
        gap = 0.0
        if job.samples.target.name == "volatility":  # of the log range over the log of the standard deviation
            gap = float(np.mean(job.samples.outcomes[job.fit_rows] - truth[job.fit_rows]))
        return lambda samples, rows: truth[rows] + gap


def make_world(family, strength, seed, bars):
    """A world by name. Raises KeyError for a family that is not there."""
    import candlecast as cc
    from candlecast.sources import synthetic

    def shuffled():
        real = cc.sample(("sp500", "nasdaq")[seed % 2])
        return synthetic.shuffled(real[-bars - 1 :] if bars < len(real) else real, seed=seed)

    makers = {
        "random walk": lambda: synthetic.random_walk(bars, seed=seed),
        "drift": lambda: synthetic.random_walk(bars, seed=seed, drift=0.0004),
        "GARCH-t": lambda: synthetic.garch(bars, seed=seed, alpha=0.06, beta=0.92, degrees=5),
        "regime volatility": lambda: synthetic.regime_volatility(bars, seed=seed),
        "shuffled S&P 500 and Nasdaq": shuffled,
        "AR(1), phi": lambda: synthetic.ar1(bars, seed=seed, phi=strength),
        "momentum regimes, drift / volatility": lambda: synthetic.regime_switch(bars, seed=seed, drift=0.01 * strength),
        "mean reversion, share": lambda: synthetic.mean_reversion(bars, seed=seed, share=strength),
        "volatility clustering, alpha": lambda: synthetic.garch(bars, seed=seed, alpha=strength, beta=0.98 - strength),
        "lead-lag, beta": lambda: synthetic.lead_lag(bars, seed=seed, beta=strength),
    }
    return makers[family]()


def judged(batch):
    """One record per world: what our verdict says of each model, and what the usual recipes would have claimed."""
    import usual_recipes

    import candlecast as cc
    from candlecast.walk import FoldForecast, forecast_frame, plan_jobs

    worlds = {}
    for seed in batch.seeds:
        world = make_world(batch.family, batch.strength, seed, BARS)
        worlds[f"W{seed}"] = replace(world, candles=replace(world.candles, symbol=f"W{seed}"))
    is_volatility = batch.family.startswith("volatility clustering")
    target = cc.Volatility() if is_volatility else cc.NextReturn()
    truths = {symbol: np.log(world.volatility) if is_volatility else world.mean for symbol, world in worlds.items()}
    net = cc.LSTM(hidden=4, window=16, training=cc.Fit(epochs=60, batch=16, lr=1e-2, patience=15))
    models = {
        "naive": cc.Naive(),
        "drift": cc.Drift(),
        "oracle": Oracle(truths),
        "linear": cc.LinearRegression(window=4),
        "lstm": net,
    }
    folds, costs = cc.WalkForward(folds=FOLDS), cc.Costs(fee_bps=1.0, slippage_bps=1.0)
    features = {symbol: features_of(world) for symbol, world in worlds.items()}
    parts = {symbol: defaultdict(list) for symbol in worlds}
    for name, model in models.items():
        jobs = [
            job
            for symbol, world in worlds.items()
            for job in plan_jobs(
                model,
                world.candles,
                features=features[symbol],
                target=target,
                folds=folds,
                seeds=range(SEEDS),
                window=net.window,
            )
        ]
        for fitted in model.fit(jobs, progress=lambda event: None):
            part = FoldForecast(fitted.job, fitted, forecast_frame(fitted, name))
            parts[fitted.job.symbol][name].append(part)
    records = []
    for symbol, world in worlds.items():
        record = {"family": batch.family, "strength": batch.strength, "seed": int(symbol[1:])}
        for name in ("oracle", "linear", "lstm"):
            study = cc.Study(
                model=models[name], features=features[symbol], target=target, folds=folds, costs=costs, baselines=()
            )
            chosen = {label: parts[symbol][label] for label in ("naive", "drift", name)}
            verdict = study.assemble(world.candles, chosen, name=name).verdict
            record[name] = {"forecastable": verdict.is_forecastable, "edge": verdict.has_edge}
        record["crossover"] = usual_recipes.best_crossover(world.candles)
        record["regression"] = usual_recipes.lagged_regression(world.candles)
        records.append(record)
    return records


def features_of(world):
    """Return and range, and the leader's return where there is one, known as its bar closes."""
    import polars as pl

    import candlecast as cc

    own = (cc.log_return(1), cc.log_range(1))
    if world.leader is None:
        return cc.Features(*own)
    leader = world.leader.frame.select(known_at="close_time", leader_return=pl.col("close").log().diff())
    return cc.Features(*own, cc.outside("leader_return", leader))


def by_the_tutorial(batch):
    """One record per world: the preset's verdict, and what the tutorial as written would have claimed."""
    import usual_recipes

    import candlecast as cc

    records = []
    for seed in batch.seeds:
        candles = make_world(batch.family, batch.strength, seed, TUTORIAL_BARS).candles
        preset = replace(cc.tutorial(), baselines=())
        verdict = preset.run(candles, ledger=cc.Ledger.in_memory()).verdict
        (written,) = usual_recipes.tutorial_as_written([candles])
        records.append(
            {
                "family": batch.family,
                "strength": batch.strength,
                "seed": seed,
                "preset": {"forecastable": verdict.is_forecastable, "edge": verdict.has_edge},
                "written": written,
            }
        )
    return records


def run(batch):
    """What comes of a batch, with the seconds that it took."""
    began = time.perf_counter()
    records = judged(batch) if batch.part == "verdict" else by_the_tutorial(batch)
    return batch, records, time.perf_counter() - began


def planned(worlds):
    """All batches: as many worlds without an edge as with one, and a share of both for the tutorial's net."""
    cells = [(family, float("nan")) for family in NULL]
    ladder = [(family, strength) for family, strengths in LADDERS.items() for strength in strengths]
    batches = []
    for kind, group in enumerate((cells, ladder)):
        each = -(-worlds // len(group))
        for place, (family, strength) in enumerate(group):
            first = 1_000_000 * kind + 10_000 * place
            seeds = range(first, first + each)
            batches += [Batch(family, strength, tuple(seeds[at : at + BATCH])) for at in range(0, each, BATCH)]
    whole = [batch for batch in batches for _ in batch.seeds]
    seeds = [seed for batch in batches for seed in batch.seeds]
    chosen = range(0, len(whole), TUTORIAL_SHARE)
    tutorial = [Batch(whole[i].family, whole[i].strength, (seeds[i],), "tutorial") for i in chosen]
    return tutorial + batches  # the slow ones first, so that no process is left alone with one


def share(records, *path):
    """How many of how many records say yes."""
    found = 0
    for record in records:
        value = record
        for key in path:
            value = value[key]
        found += bool(value)
    return found, len(records)


def interval(found, of):
    """Clopper and Pearson's 95 % interval of a share."""
    from scipy.stats import binomtest

    bounds = binomtest(found, of).proportion_ci(method="exact")
    return bounds.low, bounds.high


def words(found, of):
    if not of:
        return "-"
    low, high = interval(found, of)
    return f"{100 * found / of:.1f} % ({100 * low:.1f} .. {100 * high:.1f})"


def figures_of(records, tutorial, seconds):
    """The figures that have a goal, and those of the usual recipes beside them."""
    null = [record for record in records if np.isnan(record["strength"])]
    found = []

    def add(name, counts, goal, better, against=""):
        value = 100 * counts[0] / counts[1] if counts[1] else None
        bounds = [100 * bound for bound in interval(*counts)] if counts[1] else None
        found.append(
            {"name": name, "value": value, "unit": "%", "goal": goal, "better": better, "against": against}
            | {"interval": bounds, "worlds": counts[1]}
        )

    for model in ("lstm", "linear"):
        add(f"false edges, {model}", share(null, model, "edge"), 5.0, "lower")
        add(f"false forecasts, {model}", share(null, model, "forecastable"), 5.0, "lower")
    no_edge = [record for record in tutorial if np.isnan(record["strength"])]
    add("false edges, tutorial preset", share(no_edge, "preset", "edge"), 5.0, "lower")
    for question in ("forecastable", "edge"):
        clear = [rung for rung in rungs(records) if rung_share(rung, "oracle", question) >= 0.95]
        for model in ("lstm", "linear"):
            least = min((rung_share(rung, model, question) for rung in clear), default=None)
            pooled = [record for rung in clear for record in rung]
            name = f"found where the oracle is: {question}, {model}"
            add(name, share(pooled, model, question), 80.0, "higher", "oracle at 95 % or above")
            found[-1] |= {"rungs": len(clear), "least_of_a_rung": None if least is None else 100 * least}
    for name, claims in claims_of(null, no_edge).items():
        add(f"claimed without an edge: {name}", claims, None, "lower")
    found.append(
        {
            "name": "whole benchmark",
            "value": seconds / 60,
            "unit": "minutes",
            "goal": 20.0,
            "better": "lower",
            "against": "",
        }
    )
    return found


def claims_of(records, tutorial):
    """What the usual recipes would have claimed, as counts."""
    return {
        "tutorial, chart (R2 of price above 0.9)": share(tutorial, "written", "chart"),
        "tutorial, profit of its signals": share(tutorial, "written", "profit"),
        "best of 100 crossovers beats holding": share(records, "crossover"),
        "lagged regression, error below 5 %": share(records, "regression"),
    }


def rungs(records):
    """Planted worlds by family and strength, one list each."""
    grouped = defaultdict(list)
    for record in records:
        if not np.isnan(record["strength"]):
            grouped[record["family"], record["strength"]].append(record)
    return list(grouped.values())


def rung_share(rung, model, question):
    found, of = share(rung, model, question)
    return found / of


def show(records, tutorial, figures):
    null = [record for record in records if np.isnan(record["strength"])]
    print("| no edge in them | worlds | LSTM: edge | LSTM: forecastable | linear: edge | linear: forecastable |")
    print("| --- | --- | --- | --- | --- | --- |")
    for family in (*NULL, None):
        group = [record for record in null if family in (record["family"], None)]
        cells = [words(*share(group, model, key)) for model in ("lstm", "linear") for key in ("edge", "forecastable")]
        print(f"| {family or 'all'} | {len(group)} | {' | '.join(cells)} |")
    print("\n| planted | strength | worlds | oracle: forecastable | linear | LSTM | oracle: edge | linear | LSTM |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for rung in rungs(records):
        shares = [
            f"{100 * rung_share(rung, model, key):.0f} %"
            for key in ("forecastable", "edge")
            for model in ("oracle", "linear", "lstm")
        ]
        print(f"| {rung[0]['family']} | {rung[0]['strength']:g} | {len(rung)} | {' | '.join(shares)} |")
    print("\n| what is usually done | claims success without an edge | with one |")
    print("| --- | --- | --- |")
    planted = [record for record in records if not np.isnan(record["strength"])]
    halves = [
        claims_of(group, [record for record in tutorial if np.isnan(record["strength"]) == is_null])
        for group, is_null in ((null, True), (planted, False))
    ]
    for name in halves[0]:
        print(f"| {name} | {words(*halves[0][name])} | {words(*halves[1][name])} |")
    print("\n| figure | value | goal |\n| --- | --- | --- |")
    for figure in figures:
        value = "-" if figure["value"] is None else f"{figure['value']:.1f} {figure['unit']}"
        if figure.get("interval"):
            value += f" ({figure['interval'][0]:.1f} .. {figure['interval'][1]:.1f}; {figure['worlds']} worlds)"
        if figure.get("least_of_a_rung") is not None:
            value += f", least of {figure['rungs']} rungs {figure['least_of_a_rung']:.0f} %"
        sign = "at most" if figure["better"] == "lower" else "at least"
        goal = "" if figure["goal"] is None else f"{sign} {figure['goal']:g}"
        print(f"| {figure['name']} | {value} | {goal} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=400, help="without an edge, and as many with one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for name in ONE_THREAD:  # a process a core
        os.environ[name] = "1"
    began = time.perf_counter()
    batches, records, tutorial = planned(arguments.worlds), [], []
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        for done, (batch, found, seconds) in enumerate(pool.map(run, batches), start=1):
            (records if batch.part == "verdict" else tutorial).extend(found)
            elapsed = time.perf_counter() - began
            left = elapsed / done * (len(batches) - done)
            line = f"{done}/{len(batches)} {batch.part} {batch.family} {batch.strength:g}: {seconds:.1f} s"
            print(f"{line}; {elapsed:.0f} s gone, about {left:.0f} s left", file=sys.stderr, flush=True)
    figures = figures_of(records, tutorial, time.perf_counter() - began)
    if arguments.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "honesty", "machine": machine, "figures": figures}))
    else:
        show(records, tutorial, figures)


if __name__ == "__main__":
    main()
