"""The nets that users get, against the baselines of a study, on series that did not choose their defaults.

    python bench/default_nets.py --candles PATH ... [--nets lstm gru] [--targets volatility return] [--bars 6000] [--json]

Three folds, three seeds averaged as in a study, standard features. Volatility: squared error over that of HAR, HAR with the
calendar refitted daily, least squares, ridge and EWMA, and of the best of them, chosen on the tested bars. Return: over that of
naive and ridge. `worse` and `better` are two-sided Diebold-Mariano tests with p < 0.05.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

import numpy as np
from models_real import load
from tasks import tell

import candlecast as cc
from candlecast.dataset.forecast import Forecast
from candlecast.models.model import Model
from candlecast.stats import diebold_mariano
from candlecast.targets import Target

NETS: dict[str, Model] = {"lstm": cc.LSTM(), "gru": cc.GRU(), "rnn": cc.RNN(), "mingru": cc.MinGRU()}
FOLDS, SEEDS, LEVEL = cc.WalkForward(folds=3), range(3), 0.05
BASELINES: dict[str, tuple[Target, tuple[Model, ...]]] = {
    "volatility": (cc.Volatility(), (cc.HAR(), cc.CalendarHAR(), cc.LinearRegression(), cc.Ridge(), cc.EWMA())),
    "return": (cc.NextReturn(), (cc.Naive(), cc.Ridge())),
}


def errors(forecast: Forecast, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Changes of the outcome and of the forecast against the naive forecast, (time,), of the mean of all seeds."""
    frame = forecast.averaged().frame.drop_nulls("target")
    outcome, mean, naive = (frame[name].to_numpy() for name in ("target", "mean", "naive"))
    return target.change(outcome, naive), target.change(mean, naive)


def compared(candles: cc.Candles, nets: list[str], kind: str) -> list[dict]:
    """A row for each net and baseline: ratio of squared errors, p-value of the net's being better and of its being worse."""
    target, baselines = BASELINES[kind]
    window = max(NETS[name].window for name in nets)

    def walked(model: Model) -> tuple[np.ndarray, np.ndarray]:
        walk = cc.walk_forward(model, candles, target=target, folds=FOLDS, seeds=SEEDS, window=window)
        return errors(walk, target)

    usual, found = {model.name: walked(model) for model in baselines}, []
    best = min(usual, key=lambda each: float(((usual[each][0] - usual[each][1]) ** 2).mean()))
    if kind == "volatility":
        usual[f"the best, {best}"] = usual[best]
    for name in nets:
        outcome, own = walked(NETS[name])
        for baseline, (_, other) in usual.items():
            ratio = float(((outcome - own) ** 2).mean() / ((outcome - other) ** 2).mean())
            is_same = np.array_equal(own, other)
            test = diebold_mariano(outcome, own, other)  # negative where the net's errors are smaller
            two_sided = 1.0 if is_same else float(test.p_value)
            row = {"series": f"{candles.symbol} {candles.interval}", "target": kind, "net": name, "against": baseline}
            judged = {"better": ratio < 1 and two_sided < LEVEL, "worse": ratio > 1 and two_sided < LEVEL}
            found.append(row | {"ratio": ratio, "t": float(test.statistic)} | judged)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candles", nargs="+", type=Path, required=True, help="files and folders of candles")
    parser.add_argument("--nets", nargs="+", choices=tuple(NETS), default=["lstm"])
    parser.add_argument("--targets", nargs="+", choices=tuple(BASELINES), default=tuple(BASELINES))
    parser.add_argument("--bars", type=int, default=6_000, help="newest bars of each series")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[dict] = []
    for candles in load(options.candles, options.bars):
        for kind in options.targets:
            try:
                new = compared(candles, options.nets, kind)
            except cc.CandleError as error:  # two assets in one file, for example
                tell(f"left out: {error}")
                continue
            rows += new
            if not options.json:
                for row in new:
                    print(json.dumps(row), flush=True)
    figures = []
    for kind in options.targets:
        for net in options.nets:
            for baseline in dict.fromkeys(row["against"].split(",")[0] for row in rows if row["target"] == kind):
                mine = [r for r in rows if (r["target"], r["net"], r["against"].split(",")[0]) == (kind, net, baseline)]
                label = f"{kind}: {net} over {baseline}"
                counts = (
                    f"{sum(r['better'] for r in mine)} better, {sum(r['worse'] for r in mine)} worse of {len(mine)}"
                )
                figures.append(
                    {
                        "name": label,
                        "value": float(np.mean([r["ratio"] for r in mine])),
                        "unit": "ratio of squared errors",
                    }
                    | {"goal": 1.0, "better": "lower", "against": counts}
                )
    if options.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "default_nets", "machine": machine, "figures": figures}))
        return
    for figure in figures:
        print(f"{figure['name']}: {figure['value']:.4f}, {figure['against']}")


if __name__ == "__main__":
    main()
