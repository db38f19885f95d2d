"""Our verdict on worlds with and without an edge: an LSTM, a linear regression, the oracle, and the tutorial's net."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

import honesty_worlds as worlds_by_name
import numpy as np
import usual_recipes

import candlecast as cc
from candlecast.models import Baseline
from candlecast.walkforward import FoldForecast, forecast_frame, plan_jobs

BARS, FOLDS, SEEDS = 5_000, 2, 4
BORROW = (
    0.25  # percent a year that shorts pay where a table from outside might tell of carry: costs have to charge some
)
TUTORIAL_BARS = 1_000  # as many as the tutorial downloads


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


def judged(batch):
    """One record per world: what our verdict says of each model, and what the usual recipes would have claimed."""
    worlds = {}
    for seed in batch.seeds:
        world = worlds_by_name.make_world(batch.family, batch.strength, seed, BARS)
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
    features = {symbol: worlds_by_name.features_of(world) for symbol, world in worlds.items()}
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
            charged = replace(costs, borrow_percent=BORROW) if world.leader is not None else costs
            study = cc.Study(
                model=models[name], features=features[symbol], target=target, folds=folds, costs=charged, baselines=()
            )
            chosen = {label: parts[symbol][label] for label in ("naive", "drift", name)}
            verdict = study.assemble(world.candles, chosen, name=name, ledger=cc.Ledger.in_memory()).verdict
            record[name] = {"forecastable": verdict.is_forecastable, "edge": verdict.has_edge}
        record["crossover"] = usual_recipes.best_crossover(world.candles)
        record["regression"] = usual_recipes.lagged_regression(world.candles)
        records.append(record)
    return records


def by_the_tutorial(batch):
    """One record per world: the preset's verdict, and what the tutorial as written would have claimed."""
    records = []
    for seed in batch.seeds:
        candles = worlds_by_name.make_world(batch.family, batch.strength, seed, TUTORIAL_BARS).candles
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
