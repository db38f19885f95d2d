"""One net for many assets against one for each, on all candles of each group: squared error, and tests by series.

    python bench/pooled.py --candles PATH ... [--targets volatility return] [--bars 1000000] [--json]

The series of one interval and market are pooled together. Three folds, three seeds averaged, standard features, the default LSTM.
A series counts as better or worse by a two-sided Diebold-Mariano test with p < 0.05.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
from default_nets import FOLDS, LEVEL, SEEDS, errors
from models_real import load

import candlecast as cc
from candlecast.stats import diebold_mariano
from candlecast.targets import Target

TARGETS: dict[str, Target] = {"volatility": cc.Volatility(), "return": cc.NextReturn()}


def groups(series: list[cc.Candles]) -> dict[str, list[cc.Candles]]:
    """Series of the same interval that trade around the clock, or in sessions."""
    found: dict[str, list[cc.Candles]] = {}
    for each in series:
        kind = "in sessions" if each.has_sessions else "around the clock"
        found.setdefault(f"{each.interval}, {kind}", []).append(each)
    return {name: group for name, group in found.items() if len(group) > 1}


def compared(group: list[cc.Candles], target: Target) -> list[dict]:
    """A row for each series: the pooled net's squared error over that of a net of its own, and the test's statistic."""
    together = cc.walk_forward(cc.Pooled(cc.LSTM()), group, target=target, folds=FOLDS, seeds=SEEDS)
    rows = []
    for candles in group:
        outcome, pooled = errors(together.only(candles.symbol), target)
        _, alone = errors(cc.walk_forward(cc.LSTM(), candles, target=target, folds=FOLDS, seeds=SEEDS), target)
        ratio = float(((outcome - pooled) ** 2).mean() / ((outcome - alone) ** 2).mean())
        is_same = np.array_equal(pooled, alone)
        test = diebold_mariano(outcome, pooled, alone)
        is_judged = not is_same and float(test.p_value) < LEVEL
        row = {"series": f"{candles.symbol} {candles.interval}", "ratio": ratio, "t": float(test.statistic)}
        rows.append(row | {"better": is_judged and ratio < 1, "worse": is_judged and ratio > 1})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candles", nargs="+", type=Path, required=True, help="files and folders of candles")
    parser.add_argument("--targets", nargs="+", choices=tuple(TARGETS), default=tuple(TARGETS))
    parser.add_argument("--bars", type=int, default=1_000_000, help="newest bars of each series")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = []
    for name, group in groups(load(options.candles, options.bars)).items():
        for target in options.targets:
            began = time.process_time()
            rows = compared(group, TARGETS[target])
            if not options.json:
                for row in rows:
                    print(json.dumps({"group": name, "target": target} | row), flush=True)
            counts = f"{sum(r['better'] for r in rows)} better, {sum(r['worse'] for r in rows)} worse of {len(rows)}"
            figures.append(
                {"name": f"{target}, {name}: pooled over its own", "value": float(np.mean([r["ratio"] for r in rows]))}
                | {"unit": "ratio of squared errors", "goal": 1.0, "better": "lower", "against": counts}
                | {"seconds": time.process_time() - began}
            )
    if options.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "pooled", "machine": machine, "figures": figures}))
        return
    for figure in figures:
        print(f"{figure['name']}: {figure['value']:.4f}, {figure['against']}, {figure['seconds']:.0f} s")


if __name__ == "__main__":
    main()
