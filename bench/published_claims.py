"""Published claims about trading Bitcoin by machine learning, studied again with folds, costs, intervals and counted trials.

    python bench/published_claims.py --data FOLDER [--only hourly daily] [--seeds 3] [--json]

`hourly`: Bysik and Slepaczuk (2026), arXiv 2606.00060: hourly returns, 27 folds, 10 bp a trade; following the sign of a forecast
loses, trading only on forecasts above the costs is said to earn. Here: a year of training and three months of test each, an LSTM
and boosted trees, long only and long or short. `daily`: Islas Anguiano and Garcia-Medina (2025), arXiv 2511.00665: one split, an
LSTM on windows of 95 days, +65 % from 2024-04-14 to 2024-12-31. Here: the same split for each of many seeds, and then other spans
of eight months.

FOLDER has `crypto` with candles of BTC by the hour (2017-08 to 2024-04, and 2020-09 to 2025-09) and by the day (2020-09 to
2025-09).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

import candlecast as cc
from candlecast.study import StudyResult

PARTS = ("hourly", "daily")
HOURLY = ("BTCUSDT-1h-20170817-20240421_mit.csv.gz", "BTCUSDT-1h-20200920-20250919_mit.csv.gz")
DAILY = "BTCUSDT-1d-20200920-20250918_mit.csv.gz"
COSTS = cc.Costs(fee_bps=10.0, slippage_bps=0.0)
COST = 10.0 / 1e4
LONG_ONLY = cc.FollowDirection(allow_short=False)
RULES = {
    "sign": cc.FollowDirection(),
    "sign, long only": LONG_ONLY,
    "forecast above costs": cc.Threshold(COST, 0.0),
    "forecast above costs, long only": cc.Threshold(COST, 0.0, allow_short=False),
    "no-trade band, the default": cc.NoTradeBand(),
}
START, SPLIT, FIRST, LAST = "2021-01-19", "2024-01-10", "2024-04-14", "2025-01-01"
WINDOW = 95


def hourly_candles(data: Path) -> cc.Candles:
    """Both files, from 2018 on: the second continues the first."""
    first, second = (cc.read_candles(data / "crypto" / name) for name in HOURLY)
    later = second.frame.filter(pl.col("open_time") > first.frame["open_time"].max())
    joined = pl.concat([first.frame, later.select(first.frame.columns)])
    return replace(first, frame=joined.filter(pl.col("open_time") >= datetime(2018, 1, 1, tzinfo=UTC)))


def hourly(data: Path, seeds: int) -> Iterator[dict]:
    """A row for each model and rule; all rules of a model are judged as one user's trials."""
    candles = hourly_candles(data)
    folds = cc.WalkForward(train=8_766, test="3mo")
    ledger = cc.Ledger.in_memory()
    for model in (cc.LSTM(), cc.LightGBM()):
        study = cc.Study(model=model, folds=folds, costs=COSTS, baselines=(), seeds=seeds)
        result = study.run(candles, ledger=ledger)
        for label, traded in zip(RULES, result.sweep(list(RULES.values()), ledger=ledger), strict=True):
            yield row_of(traded, model.name, label)


def daily(data: Path, seeds: int) -> Iterator[dict]:
    """Returns of the claim's own span by seed, and those of other spans of eight months."""
    every = cc.read_candles(data / "crypto" / DAILY)
    opens = every.frame["open_time"]
    rows = [int((opens < datetime.fromisoformat(day).replace(tzinfo=UTC)).sum()) for day in (START, SPLIT, FIRST, LAST)]
    candles = every[rows[0] : rows[3]]
    model = cc.LSTM(window=WINDOW)
    split = cc.Holdout(1 - (rows[3] - rows[1]) / (rows[3] - rows[0] - WINDOW), valid=0.2)
    study = cc.Study(
        model=model, target=cc.Direction(), folds=split, rule=cc.FollowDirection(), costs=COSTS, baselines=(), seeds=1
    )
    nets = {
        "the default net": model,
        "the net alone": replace(model, training=replace(model.training, linear=False, shrink=False)),
    }
    for name, net in nets.items():
        walked = [
            replace(study, model=net).run(candles, seed=seed, ledger=cc.Ledger.in_memory()) for seed in range(seeds)
        ]
        for label, rule in {"long or short": cc.FollowDirection(), "long only": LONG_ONLY}.items():
            found = [each.rebacktest(rule=rule, ledger=cc.Ledger.in_memory()).between(FIRST) for each in walked]
            returns = np.array([each.backtest.equity["equity"][-1] / each.backtest.cash - 1 for each in found])
            yield row_of(found[0], model.name, f"{FIRST} to {LAST}, {name}, {label}, {seeds} seeds") | {
                "returns": [round(float(each), 3) for each in np.sort(returns)],
                "total": float(np.median(returns)),
            }
    walked = replace(study, folds=cc.WalkForward(train="2y", test="8mo"), seeds=min(seeds, 5)).run(
        every, ledger=cc.Ledger.in_memory()
    )
    yield row_of(walked, model.name, "walk forward, two years and eight months")
    for first, last in walked.folds.select("test_first", "test_last").iter_rows():
        part = walked.between(first, last)
        yield row_of(part, model.name, f"{first:%Y-%m-%d} to {last:%Y-%m-%d}")


def row_of(result: StudyResult, model: str, label: str) -> dict:
    """What a trial came to."""
    lines = {line["statistic"]: line for line in result.summary().iter_rows(named=True)}
    accuracy = result.own_accuracy.row(0, named=True)
    verdict, account = result.verdict, result.backtest
    return {
        "model": model,
        "rule": label,
        "folds": result.folds.height,
        "r2": accuracy["r2"],
        "total": float(account.equity["equity"][-1] / account.cash - 1),
        "held": float(np.prod(1 + account.benchmark_returns) - 1),
        "annual": [lines["annual return"][name] for name in ("value", "low", "high")],
        "sharpe": [lines["Sharpe ratio"][name] for name in ("value", "low", "high", "benchmark")],
        "trades": account.trades.height,
        "is_forecastable": verdict.is_forecastable,
        "has_edge": verdict.has_edge,
        "p_forecast": verdict.evidence.forecast_p,
        "p_return": verdict.evidence.return_p_adjusted,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = []
    for part, rows in (("hourly", hourly), ("daily", daily)):
        if part not in options.only:
            continue
        for row in rows(options.data, options.seeds):
            figures.append(
                {"name": f"{part}: {row['model']}, {row['rule']}", "value": row["total"], "unit": "total return"}
                | {"goal": None, "better": "higher", "against": f"held {row['held']:.3f}, edge: {row['has_edge']}"}
            )
            if not options.json:
                print(json.dumps(row), flush=True)
    if options.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "published_claims", "machine": machine, "figures": figures}))


if __name__ == "__main__":
    main()
