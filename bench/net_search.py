"""The search for the nets' defaults, on development series only: recipes against ridge on the same features.

    python bench/net_search.py --data FOLDER [--only WORD ...] [--json]

FOLDER has `crypto` (hourly candles of BTC and ETH, of which the bars before 2023 are used) and `equity/lean` (daily shares, of
which AIG, BAC and IWM are used). No bar of another series is read, so that all others are left to report on. Two folds and two
seeds each, standard features. `volatility` is the squared error over that of ridge, the mean over the series; `return` the R2
against naive in percent, the worst of the series. Repeatable, but for the processor seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from freshness import squared_error

import candlecast as cc

END = datetime(2023, 1, 1, tzinfo=UTC)
CRYPTO = {
    "BTC 1h, 5 years": ("BTCUSDT-1h-20170817-20240421_mit.csv.gz", 100_000),
    "BTC 1h": ("BTCUSDT-1h-20170817-20240421_mit.csv.gz", 5_000),
    "ETH 1h": ("ETHUSDT-1h-20200920-20250919_mit.csv.gz", 4_000),
}
SHARES = ("aig", "bac", "iwm")
FOLDS, SEEDS = cc.WalkForward(folds=2), range(2)


def recipes() -> dict[str, Any]:
    """The recipes that were compared, by what they change."""
    fit = cc.Fit

    def alone(model: Any) -> Any:
        return changed(model, linear=False, shrink=False)

    def changed(model: Any, **settings: object) -> Any:
        return replace(model, training=replace(model.training, **settings))

    found: dict[str, Any] = {
        "LSTM alone, lr 1e-3": alone(cc.LSTM(training=fit(lr=1e-3))),
        "LSTM alone, lr 3e-3": alone(cc.LSTM(training=fit(lr=3e-3))),
        "LSTM alone, lr 3e-3, 60 epochs, patience 10": alone(cc.LSTM(training=fit(lr=3e-3, epochs=60, patience=10))),
        "LSTM with linear part, not shrunk, lr 3e-3": cc.LSTM(training=fit(lr=3e-3, shrink=False)),
    }
    for lr in (1e-3, 3e-3, 1e-2):
        found[f"LSTM, lr {lr:g}"] = cc.LSTM(training=fit(lr=lr))
    found |= {
        "LSTM, lr 3e-3, 60 epochs, patience 10": cc.LSTM(training=fit(lr=3e-3, epochs=60, patience=10)),
        "LSTM, lr 1e-2, cosine": cc.LSTM(training=fit(lr=1e-2, schedule="cosine")),
        "LSTM, lr 1e-2, cosine, 40 epochs, patience 8": cc.LSTM(
            training=fit(lr=1e-2, schedule="cosine", epochs=40, patience=8)
        ),
        "LSTM, lr 1e-2, weight decay 0.1": cc.LSTM(training=fit(lr=1e-2, weight_decay=0.1)),
        "LSTM, lr 3e-3, chunk 64": cc.LSTM(training=fit(lr=3e-3, chunk=64)),
        "LSTM, lr 3e-3, hidden 16": cc.LSTM(16, training=fit(lr=3e-3)),
        "LSTM, lr 1e-2, hidden 64": cc.LSTM(64, training=fit(lr=1e-2)),
    }
    for net in (cc.GRU, cc.RNN, cc.MinGRU, cc.MinLSTM, cc.TCN, cc.Transformer):
        found |= {f"{net.__name__} alone": alone(net()), f"{net.__name__}": net()}
    return found


def development_series(data: Path) -> dict[str, cc.Candles]:
    """The candles by name."""
    found = {}
    for name, (file, bars) in CRYPTO.items():
        candles = cc.read_candles(data / "crypto" / file)
        end = candles.frame.filter(pl.col("close_time") < END).height
        found[name] = candles[max(end - bars, 0) : end]
    shares = data / "equity" / "lean"
    for name in SHARES:
        factors = shares / "factor_files" / f"{name}.csv"
        found[f"{name.upper()} 1d"] = cc.read_candles(shares / "equity_daily" / f"{name}.zip", factors=factors)[-4_000:]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[], help="words in the names of recipes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    series, figures = development_series(options.data), []
    volatility, returns = cc.Volatility(), cc.NextReturn()
    usual = {
        name: squared_error(cc.walk_forward(cc.Ridge(), each, target=volatility, folds=FOLDS), volatility)
        for name, each in series.items()
    }
    if not options.json:
        print(f"| recipe | {' | '.join(series)} | volatility | return, worst | seconds |")
        print(f"| --- | {'--- | ' * len(series)}--- | --- | --- |")
    for name, model in recipes().items():
        if options.only and not any(word in name for word in options.only):
            continue
        began, ratios, r2 = time.process_time(), [], []
        for label, candles in series.items():
            walked = cc.walk_forward(model, candles, target=volatility, folds=FOLDS, seeds=SEEDS)
            ratios.append(squared_error(walked, volatility) / usual[label])
            if len(candles) <= 10_000:
                walked = cc.walk_forward(model, candles, target=returns, folds=FOLDS, seeds=SEEDS)
                outcomes = walked.averaged().frame["target"].drop_nulls().to_numpy()
                r2.append(1 - squared_error(walked, returns) / float(np.mean(outcomes**2)))
        seconds = time.process_time() - began
        figures += [
            {"name": f"{name}: volatility", "value": float(np.mean(ratios)), "unit": "ratio", "goal": 1.0}
            | {"better": "lower", "against": "ridge"},
            {"name": f"{name}: return", "value": 100 * min(r2), "unit": "%", "goal": 0.0}
            | {"better": "higher", "against": "naive, the worst series"},
        ]
        if not options.json:
            cells = " | ".join(f"{ratio:.3f}" for ratio in ratios)
            print(f"| {name} | {cells} | {np.mean(ratios):.3f} | {100 * min(r2):.2f} % | {seconds:.0f} |", flush=True)
    if options.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "net_search", "machine": machine, "figures": figures}))


if __name__ == "__main__":
    main()
