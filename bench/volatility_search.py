"""The search for the standard features of volatility, on development series only: nets and least squares over `CalendarHAR`.

    python bench/volatility_search.py --data FOLDER [--only WORD ...] [--choices WORD ...] [--json]

FOLDER has `crypto` and `equity/lean`. Development series: hourly BTC and ETH before 2023, 5-minute BTC and ETH in the first half
of 2023, and the daily shares AIG, BAC, IWM, GOOG, GOOGL and WM (its last listing); parts of 6,000 bars, and three series whole.
Nets of the feature sets keep their linear part as trained; the last columns refit it daily (the default) and hourly.
Three folds, two seeds. Ratio of squared errors to that of `CalendarHAR`, which is refitted daily; t: statistic of Diebold and
Mariano, negative where the forecast is better.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

import candlecast as cc
from candlecast.features import standard_features
from candlecast.models.model import Model
from candlecast.stats import diebold_mariano

BARS, SEEDS, T = 6_000, range(2), 1.96
TARGET, FOLDS = cc.Volatility(), cc.WalkForward(folds=3)
BTC, ETH = "BTCUSDT-1h-20170817-20240421_mit.csv.gz", "ETHUSDT-1h-20200920-20250919_mit.csv.gz"
FIVE = "{}USDT-5m-20230101-20231230_mit.csv.gz"
CRYPTO = {  # file, end, bars
    "BTC 1h, 2018": (BTC, (2018, 12), BARS),
    "BTC 1h, 2020": (BTC, (2020, 9), BARS),
    "BTC 1h, 2022": (BTC, (2023, 1), BARS),
    "ETH 1h, 2021": (ETH, (2021, 9), BARS),
    "ETH 1h, 2022": (ETH, (2023, 1), BARS),
    "BTC 5m, March": (FIVE.format("BTC"), (2023, 4), BARS),
    "BTC 5m, June": (FIVE.format("BTC"), (2023, 7), BARS),
    "ETH 5m, March": (FIVE.format("ETH"), (2023, 4), BARS),
    "ETH 5m, June": (FIVE.format("ETH"), (2023, 7), BARS),
    "BTC 1h, whole": (BTC, (2023, 1), 1_000_000),
    "ETH 1h, whole": (ETH, (2023, 1), 1_000_000),
    "BTC 5m, whole": (FIVE.format("BTC"), (2023, 7), 1_000_000),
}
SHARES = {"aig": 0, "bac": 0, "iwm": 0, "goog": 0, "googl": 0, "wm": 2_465}  # first bar: WM's last listing
PRICES = ("rsi", "macd", "bollinger", "sma_ratio")
LATER = ("intraday_calendar", "trend_strength")  # chosen after the others


def standard(candles: cc.Candles) -> cc.Features:
    """What was standard before: with the calendar, without longer ranges and the leverage effect."""
    return standard_features(candles.interval, has_calendar=True)


def without(candles: cc.Candles, *kinds: str) -> cc.Features:
    """The standard ones without some kinds."""
    every = standard_features(candles.interval, of_volatility=True).features
    return cc.Features(*(each for each in every if each.kind not in kinds))


def with_ranges(candles: cc.Candles) -> cc.Features:
    """With ranges of longer times."""
    return without(candles, "leverage_effect", *LATER)


def with_effect(candles: cc.Candles) -> cc.Features:
    """With the leverage effect."""
    return cc.Features(*standard(candles).features, cc.leverage_effect())


def with_both(candles: cc.Candles) -> cc.Features:
    """With both."""
    return without(candles, *LATER)


def without_prices(candles: cc.Candles) -> cc.Features:
    """With both, without indicators of the price."""
    return without(candles, *PRICES, *LATER)


def with_intraday(candles: cc.Candles) -> cc.Features:
    """With both and the time within the day."""
    return without(candles, "trend_strength")


def chosen(candles: cc.Candles) -> cc.Features:
    """With these and the strength of the trend: the standard ones."""
    return without(candles)


def refitted(span: str) -> cc.LSTM:
    """The default net whose linear part is refitted every such span."""
    return cc.LSTM(training=replace(cc.LSTM().training, refit=span))


FEATURES: dict[str, Callable[[cc.Candles], cc.Features]] = {
    "before": standard,
    "longer ranges": with_ranges,
    "leverage effect": with_effect,
    "both": with_both,
    "both, no indicators of the price": without_prices,
}
NETS: dict[str, Model] = {"LSTM": refitted("never"), "least squares": cc.LinearRegression()}
CHOICES: dict[str, tuple[Model, Callable[[cc.Candles], cc.Features]]] = {
    f"{name}, {label}": (model, features) for label, features in FEATURES.items() for name, model in NETS.items()
}
CHOICES |= {
    "LSTM, both, refitted every 1d": (refitted("1d"), with_both),
    "LSTM, and time within the day, refitted every 1d": (refitted("1d"), with_intraday),
    "LSTM, and strength of the trend, refitted every 1d": (refitted("1d"), chosen),
    "LSTM, and strength of the trend, refitted every 1h": (refitted("1h"), chosen),
    "least squares, and strength of the trend": (cc.LinearRegression(), chosen),
}


def series_of(data: Path) -> dict[str, cc.Candles]:
    """The candles by name."""
    found = {}
    for name, (file, end, bars) in CRYPTO.items():
        candles = cc.read_candles(data / "crypto" / file)
        stop = candles.frame.filter(pl.col("close_time") < datetime(*end, 1, tzinfo=UTC)).height
        found[name] = candles[max(stop - bars, 0) : stop]
    lean = data / "equity" / "lean"
    for name, first in SHARES.items():
        factors = lean / "factor_files" / f"{name}.csv"
        candles = cc.read_candles(lean / "equity_daily" / f"{name}.zip", factors=factors)[first:]
        found[f"{name.upper()} 1d"] = candles[-BARS:]
    return found


def forecast_of(model: Model, candles: cc.Candles, features: cc.Features) -> pl.DataFrame:
    """Time, outcome and forecast of the bars whose outcome is known, by the mean of all seeds."""
    walk = cc.walk_forward(model, candles, features=features, target=TARGET, folds=FOLDS, seeds=SEEDS, window=32)
    return walk.averaged().frame.drop_nulls("target").select("time", "target", "mean")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[], help="words in the names of series")
    parser.add_argument("--choices", nargs="+", default=[], help="words in the names of columns")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    columns = {"HAR": (cc.HAR(), standard)} | CHOICES
    if options.choices:
        columns = {name: each for name, each in columns.items() if any(word in name for word in options.choices)}
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in columns}
    if not options.json:
        print(f"| series | {' | '.join(rows)} |\n| --- | {'--- | ' * len(rows)}")
    for label, candles in series_of(options.data).items():
        if options.only and not any(word in label for word in options.only):
            continue
        models = {"best": (cc.CalendarHAR(), standard)} | columns
        walks = {name: forecast_of(model, candles, features(candles)) for name, (model, features) in models.items()}
        best = walks.pop("best")
        for name, own in walks.items():
            both = best.join(own.select("time", own="mean"), on="time")  # longer ranges leave fewer bars
            outcome, theirs, ours = (both[column].to_numpy() for column in ("target", "mean", "own"))
            ratio = float(((outcome - ours) ** 2).mean() / ((outcome - theirs) ** 2).mean())
            rows[name].append((ratio, float(diebold_mariano(outcome, ours, theirs).statistic)))
        if not options.json:
            print(f"| {label} | {' | '.join(f'{r[-1][0]:.3f} ({r[-1][1]:.1f})' for r in rows.values())} |", flush=True)
    figures = [
        {
            "name": f"{name} over CalendarHAR",
            "value": float(np.mean([r for r, _ in found])),
            "unit": "ratio",
            "goal": 1.0,
        }
        | {
            "better": "lower",
            "against": f"{sum(t < -T for _, t in found)} better, {sum(t > T for _, t in found)} worse of {len(found)}",
        }
        for name, found in rows.items()
    ]
    if options.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "volatility_search", "machine": machine, "figures": figures}))
        return
    for figure in figures:
        print(f"{figure['name']}: {figure['value']:.4f}, {figure['against']}")


if __name__ == "__main__":
    main()
