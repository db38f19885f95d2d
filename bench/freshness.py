"""What training anew within a test part is worth: error and net return by the cadence of training, and error by age.

    python bench/freshness.py [--candles PATH ...] [--refit 5 21 63 250] [--models har ridge lstm] [--warm] [--pooled] [--json]

Each series walks two folds without refitting, and again with each `--refit`, in bars. The squared error is over that without
refitting, the Sharpe ratio that of the default rule for the target after the default costs, and `ages` the error by the age of
the model, four parts of a fold, over that of the fold. `--warm`: the LSTM begins each training with the weights of the last one.
`--pooled` compares one net for all series with one for each. Embedded daily samples when no candles are given.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import candlecast as cc
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.ageing import accuracy_by_age
from candlecast.models import NetModel
from candlecast.models.model import Model
from candlecast.study.study import VOLATILITY_RULE
from candlecast.targets import Target
from candlecast.walkforward import forecast_frame, plan_jobs

MODELS: dict[str, Model] = {"har": cc.HAR(), "ridge": cc.Ridge(), "lstm": cc.LSTM(), "gru": cc.GRU()}
TARGETS: dict[str, Target] = {"volatility": cc.Volatility(), "return": cc.NextReturn()}
FOLDS = cc.WalkForward(folds=2)


def squared_error(forecast: Forecast, target: Target) -> float:
    """Mean squared error of the change against the naive forecast, of the mean of all seeds."""
    frame = forecast.averaged().frame.drop_nulls("target")
    outcome, mean, naive = (frame[name].to_numpy() for name in ("target", "mean", "naive"))
    return float(np.mean((target.change(outcome, naive) - target.change(mean, naive)) ** 2))


def net_sharpe(forecast: Forecast, candles: cc.Candles, target: Target) -> float:
    """Sharpe ratio a year of the default rule for the target, after the default costs."""
    is_volatility = isinstance(target, cc.Volatility)
    own = forecast.only(candles.symbol)
    held = VOLATILITY_RULE(own) if is_volatility else cc.NoTradeBand()(own, candles, cc.Costs())
    found = cc.backtest(candles, held).summary().filter(statistic="Sharpe ratio")["value"][0]
    return 0.0 if found is None else float(found)


@dataclass(frozen=True)
class Warm(cc.LSTM, uses_local_rng=True):
    """An LSTM that begins with given weights."""

    weights: Any = None

    def build(self, inputs: int, outputs: int) -> Any:
        net = super().build(inputs, outputs)
        if self.weights is not None:
            net.load_state_dict({**net.state_dict(), **self.weights})
        return net


def warm_walk(candles: cc.Candles, target: Target, folds: cc.WalkForward, seeds: int) -> Forecast:
    """Forecasts of an LSTM whose trainings begin with the weights of the training before, the first one from the start."""
    frames = []
    jobs = plan_jobs(cc.LSTM(), candles, target=target, folds=folds, seeds=range(seeds))
    for seed in range(seeds):
        weights = None
        for job in sorted((job for job in jobs if job.seed == seed), key=lambda each: each.fold.index):
            (fitted,) = Warm(weights=weights).fit([job], progress=lambda event: None)
            weights = fitted.weights
            frames.append(forecast_frame(fitted, "lstm"))
    return Forecast.joined(frames, target.horizon)


def by_cadence(
    series: list[cc.Candles], name: str, target: str, cadences: list[int], seeds: int, *, is_warm: bool = False
) -> list[dict]:
    """A row for each cadence, None first: relative error and Sharpe ratio, means over the series, and processor seconds."""
    model, aim, found = MODELS[name], TARGETS[target], []
    if not getattr(model, "fits", lambda _: True)(aim):
        return []
    usual: list[float] = []
    for refit in (None, *cadences):
        began = time.process_time()
        folds = replace(FOLDS, refit=refit)
        walked = [
            warm_walk(each, aim, folds, seeds)
            if is_warm and refit
            else cc.walk_forward(model, each, target=aim, folds=folds, seeds=range(seeds))
            for each in series
        ]
        seconds = time.process_time() - began
        errors = [squared_error(each, aim) for each in walked]
        usual = usual or errors
        ratios = [error / before for error, before in zip(errors, usual, strict=True)]
        sharpes = [net_sharpe(*pair, aim) for pair in zip(walked, series, strict=True)]
        label = f"{name}, warm" if is_warm else name
        row = {"model": label, "target": target, "refit": refit, "error": float(np.mean(ratios)), "seconds": seconds}
        row["better"] = sum(ratio < 1 for ratio in ratios)
        row["sharpe"] = float(np.mean(sharpes))
        row["ages"] = [
            round(float(x), 3)
            for x in np.mean([accuracy_by_age(each, aim, parts=4)["relative"].to_numpy() for each in walked], axis=0)
        ]
        found.append(row)
    return found


def pooled(series: list[cc.Candles], name: str, target: str, seeds: int) -> dict | None:
    """Error of one net for all series over that of one net for each, by series."""
    model, aim = MODELS[name], TARGETS[target]
    if not isinstance(model, NetModel):
        return None
    options = {"target": aim, "folds": FOLDS, "seeds": range(seeds)}
    together = cc.walk_forward(cc.Pooled(model), series, **options)
    ratios = [
        squared_error(together.only(each.symbol), aim) / squared_error(cc.walk_forward(model, each, **options), aim)
        for each in series
    ]
    return {"model": name, "target": target, "error": float(np.mean(ratios)), "better": sum(r < 1 for r in ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candles", nargs="+", type=Path, default=[], help="files and folders of candles")
    parser.add_argument("--refit", nargs="+", type=int, default=[5, 21, 63, 250], help="cadences in bars")
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=["har", "ridge", "lstm"])
    parser.add_argument("--targets", nargs="+", choices=tuple(TARGETS), default=tuple(TARGETS))
    parser.add_argument("--bars", type=int, default=3_000, help="newest bars of each series")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--warm", action="store_true", help="the LSTM from the weights before, too")
    parser.add_argument("--pooled", action="store_true", help="one net for all series, too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from models_real import load

    series = load(options.candles, options.bars)
    figures = []
    for target in options.targets:
        for name in options.models:
            rows = by_cadence(series, name, target, options.refit, options.seeds)
            if options.warm and name == "lstm":
                rows += by_cadence(series, name, target, options.refit, options.seeds, is_warm=True)
            for row in rows:
                figures.append(
                    {
                        "name": f"error, {row['model']}, {target}, refit {row['refit']}",
                        "value": row["error"],
                        "unit": "ratio",
                    }
                    | {"goal": 1.0, "better": "lower", "against": "the same without refitting"}
                )
                if not options.json:
                    print(json.dumps(row), flush=True)
            if options.pooled and (row := pooled(series, name, target, options.seeds)):
                figures.append(
                    {"name": f"error, pooled {name}, {target}", "value": row["error"], "unit": "ratio"}
                    | {"goal": 1.0, "better": "lower", "against": "one net for each series"}
                )
                if not options.json:
                    print(json.dumps({"pooled": row}), flush=True)
    if options.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "freshness", "machine": machine, "figures": figures}))


if __name__ == "__main__":
    main()
