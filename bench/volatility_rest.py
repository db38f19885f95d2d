"""What is left to find in the errors of the default net's volatility forecasts, on development series.

    python bench/volatility_rest.py --data FOLDER [--only WORD ...]

FOLDER has `crypto` and `equity/lean`, as for `bench/volatility_search.py`, whose long series and net these are. A boosted
regression (LightGBM, 150 trees of 15 leaves, two seeds averaged) learns the errors of the default LSTM from the first blocks of
eight, and forecasts them in each of the last five from all blocks before. Its inputs: the net's own forecast and standard
features; the last six log ranges, squared returns, returns and volumes, and their means over up to 1,000 bars; hour, weekday and
minute as numbers; then also the same of the other coin. Printed: the share of the squared error that it takes away,
negative where it adds to it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl
from volatility_search import FOLDS, TARGET, chosen, series_of

import candlecast as cc

BLOCKS, FIRST, SEEDS = 8, 3, range(2)
LAGS, LENGTHS, LEAST = 6, (5, 12, 22, 66, 288, 1_000), 1e-6
OTHER = {"BTC": "ETH", "ETH": "BTC"}
TREES = {"n_estimators": 150, "learning_rate": 0.03, "num_leaves": 15, "min_child_samples": 200, "reg_lambda": 10.0}
CHANCE = {"subsample": 0.7, "subsample_freq": 1, "colsample_bytree": 0.5, "verbose": -1, "n_jobs": 1}


def past(candles: cc.Candles) -> dict[str, pl.Series]:
    """What one knows of recent bars at each bar: lags and means of log range, squared return, return and volume."""
    frame = candles.frame.select(
        size=pl.max_horizontal(pl.col("high").log() - pl.col("low").log(), LEAST).log(),
        change=pl.col("close").log().diff(),
        volume=(pl.col("volume") + LEAST).log(),
    ).with_columns(square=(pl.col("change") ** 2 + LEAST**2).log())
    found = {}
    for name in frame.columns:
        found |= {f"{name}, {lag} bars ago": frame[name].shift(lag) for lag in range(LAGS)}
        found |= {f"{name}, mean of {length}": frame[name].rolling_mean(length) for length in LENGTHS}
    return found


def clock(candles: cc.Candles) -> dict[str, pl.Series]:
    """Hour, weekday, minute of the hour, and the hour of the week, as numbers."""
    times = candles.frame["close_time"].dt
    hour, weekday = times.hour().cast(pl.Float64), times.weekday().cast(pl.Float64)
    return {"hour": hour, "weekday": weekday, "minute": times.minute().cast(pl.Float64), "week": 24 * weekday + hour}


def aligned(other: cc.Candles, candles: cc.Candles) -> cc.Candles:
    """The bars of another coin at the same times; what is missing repeats the bar before."""
    frame = candles.frame.select("open_time", "close_time").join(
        other.frame.drop("close_time"), on="open_time", how="left", maintain_order="left"
    )
    return cc.Candles.from_frame(frame.fill_null(strategy="forward").fill_null(strategy="backward"), symbol="OTHER")


def taken(errors: np.ndarray, inputs: np.ndarray) -> float:
    """Share of the squared error that the boosted regression takes away, of errors (time,) and inputs (time, column)."""
    cuts = np.linspace(0, len(errors), BLOCKS + 1).astype(int)
    before = after = 0.0
    for block in range(FIRST, BLOCKS):
        learnt, tested = slice(0, cuts[block] - 1), slice(cuts[block], cuts[block + 1])
        said = np.zeros(tested.stop - tested.start)
        for seed in SEEDS:
            model = lgb.LGBMRegressor(**TREES, **CHANCE, random_state=seed).fit(inputs[learnt], errors[learnt])
            said += np.asarray(model.predict(inputs[tested])) / len(SEEDS)
        before += float((errors[tested] ** 2).sum())
        after += float(((errors[tested] - said) ** 2).sum())
    return 1 - after / before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[], help="words in the names of series")
    options = parser.parse_args()
    five = "{}USDT-5m-20230101-20231230_mit.csv.gz"
    hours = "{}USDT-1h-20200920-20250919_mit.csv.gz"
    print("| series | bars tested | own past | and the other coin's |\n| --- | --- | --- | --- |")
    for name, candles in series_of(options.data).items():
        if "whole" not in name or (options.only and not any(word in name for word in options.only)):
            continue
        features = chosen(candles)
        walk = cc.walk_forward(
            cc.LSTM(), candles, features=features, target=TARGET, folds=FOLDS, seeds=range(3), window=32
        )
        said = walk.averaged().frame.drop_nulls("target")
        times = candles.frame["close_time"].to_numpy()
        rows = np.searchsorted(times, said["time"].to_numpy())
        errors = (said["target"] - said["mean"]).to_numpy()
        own = {"forecast": said["mean"].to_numpy()} | {
            column: values[rows] for column, values in zip(features.columns, features.compute(candles).T, strict=True)
        }
        own |= {column: values.to_numpy()[rows] for column, values in (past(candles) | clock(candles)).items()}
        file = (five if "5m" in name else hours).format(OTHER[name[:3]])
        others = past(aligned(cc.read_candles(options.data / "crypto" / file), candles))
        both = own | {f"other, {column}": values.to_numpy()[rows] for column, values in others.items()}
        shares = [taken(errors, np.column_stack(list(inputs.values()))) for inputs in (own, both)]
        print(f"| {name} | {len(errors):,} | {' | '.join(f'{share:.2%}' for share in shares)} |", flush=True)


if __name__ == "__main__":
    main()
