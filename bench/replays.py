"""Runs of many kinds, replayed in another process with another number of threads: every stage must be equal byte for byte.

    python bench/replays.py [--cases 0 7 12] [--json FILE]

The runs vary in model, target, folds, rule, costs, seeds and assets. A run is computed with 1, 2 or 4 threads, and replayed
with another number. The exit code is 1 if any stage differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import candlecast as cc
from candlecast.sources import synthetic
from candlecast.study.checkpoints import run_study

THREADS = (1, 2, 4)
FIT = cc.Fit(epochs=2)
WINDOWS = cc.Fit(epochs=3, sampling="windows", schedule="cosine", patience=1)


def market(name):
    """Candles by name."""
    if name == "hours":
        return synthetic.ar1(700, seed=1, phi=0.2, interval="1h").candles
    return cc.sample("sp500")[-1_000:] if name == "days" else cc.sample("nasdaq")[-900:]


def forest(**parameters):
    from sklearn.ensemble import RandomForestRegressor

    return cc.Sklearn(RandomForestRegressor(n_estimators=8, max_depth=4, **parameters), name="forest")


def boosted():
    from sklearn.ensemble import GradientBoostingRegressor

    return cc.Sklearn(GradientBoostingRegressor(n_estimators=10, random_state=1), name="boosted")


SMALL = cc.Features(cc.log_return(), cc.rsi(14))
CASES = (
    # market, parts of the study
    ("hours", {"model": cc.RNN(hidden=3, window=6, training=FIT)}),
    ("days", {"model": cc.RNN(hidden=3, layers=2, training=WINDOWS), "folds": cc.Holdout(0.7)}),
    ("nasdaq", {"model": cc.RNN(hidden=4, training=FIT), "target": cc.Volatility(horizon=3)}),
    ("hours", {"model": cc.LSTM(hidden=4, window=8, training=FIT), "seeds": 3}),
    ("days", {"model": cc.LSTM(hidden=3, layers=2, dropout=0.2, dense=(4,), window=8, training=WINDOWS)}),
    ("nasdaq", {"model": cc.LSTM(hidden=4, training=FIT), "target": cc.Price(), "folds": cc.Holdout(0.8)}),
    ("hours", {"model": cc.LSTM(hidden=4, training=FIT), "target": cc.Direction()}),
    ("days", {"model": cc.LSTM(hidden=4, training=FIT), "target": cc.Several(cc.NextReturn(1), cc.NextReturn(5))}),
    ("hours", {"model": cc.LSTM(hidden=4, training=FIT, head=cc.Gaussian()), "rule": cc.Kelly()}),
    ("days", {"model": cc.LSTM(hidden=4, training=FIT, head=cc.StudentT())}),
    ("nasdaq", {"model": cc.LSTM(hidden=4, training=FIT, head=cc.Quantiles())}),
    ("hours", {"model": cc.GRU(hidden=4, window=8, training=WINDOWS)}),
    ("days", {"model": cc.GRU(hidden=4, training=FIT), "folds": cc.PurgedKFold(3)}),
    ("nasdaq", {"model": cc.GRU(hidden=4, training=FIT), "folds": cc.CombinatorialPurged(4, 2)}),
    ("hours", {"model": cc.GRU(hidden=3, training=FIT), "target": cc.ScaledReturn(), "seeds": 2}),
    ("days", {"model": cc.GRU(hidden=3, training=FIT), "rule": cc.VolatilityTarget(0.1)}),
    ("hours", {"model": cc.MinGRU(hidden=4, training=FIT)}),
    ("days", {"model": cc.MinLSTM(hidden=4, training=FIT), "folds": cc.WalkForward(train=500, test=150)}),
    ("nasdaq", {"model": cc.AttentionLSTM(hidden=4, window=8, training=WINDOWS)}),
    ("hours", {"model": cc.AttentionLSTM(hidden=4, window=8, dropout=0.1, training=WINDOWS), "seeds": 2}),
    ("days", {"model": cc.Transformer(hidden=8, heads=2, window=8, training=FIT)}),
    ("nasdaq", {"model": cc.Transformer(hidden=8, heads=2, dropout=0.1, window=8, training=FIT), "seeds": 2}),
    ("hours", {"model": cc.Transformer(hidden=8, heads=2, training=FIT), "target": cc.Volatility()}),
    ("days", {"model": cc.TCN(hidden=4, window=15, training=FIT)}),
    ("nasdaq", {"model": cc.PatchTST(hidden=4, layers=1, window=16, training=WINDOWS)}),
    ("hours", {"model": cc.EncoderDecoder(hidden=4, window=8, training=WINDOWS), "target": cc.NextReturn(horizon=3)}),
    ("days", {"model": cc.DLinear(window=12, training=WINDOWS)}),
    ("nasdaq", {"model": cc.NLinear(window=12, training=WINDOWS)}),
    ("hours", {"model": cc.Policy(hidden=4, training=FIT)}),
    ("days", {"model": cc.LinearRegression(), "baselines": None}),
    ("hours", {"model": cc.LinearRegression(), "rule": cc.Threshold(0.0005, 0.0), "cash": 500.0}),
    ("nasdaq", {"model": cc.Ridge(), "folds": cc.CombinatorialPurged(4, 2), "costs": cc.Costs(fee_bps=1.0)}),
    ("hours", {"model": cc.Ridge(), "target": cc.TripleBarrier(horizon=5)}),
    ("days", {"model": cc.LightGBM()}),
    ("nasdaq", {"model": cc.LightGBM(), "target": cc.Volatility(horizon=3), "folds": cc.Holdout(0.7)}),
    ("hours", {"model": cc.LightGBM(), "target": cc.Direction(), "folds": cc.PurgedKFold(3)}),
    ("days", {"model": cc.ARIMA()}),
    ("hours", {"model": cc.ETS()}),
    ("nasdaq", {"model": cc.HAR(), "target": cc.Volatility(), "baselines": None}),
    ("days", {"model": cc.GARCH(), "target": cc.Volatility()}),
    ("hours", {"model": cc.Conformal(cc.Ridge()), "seeds": 1}),
    ("days", {"model": cc.Conformal(cc.LSTM(hidden=3, window=6, training=FIT))}),
    ("nasdaq", {"model": forest(random_state=0)}),
    ("days", {"model": boosted(), "target": cc.NextReturn(horizon=2)}),
    ("hours", {"model": cc.Pooled(cc.LSTM(hidden=3, window=6, training=FIT))}),
    # several assets
    (("hours", "nasdaq"), {"model": cc.GRU(hidden=3, window=6, training=FIT)}),
    (("days", "nasdaq"), {"model": cc.Ridge(), "target": cc.Volatility()}),
    (("days", "nasdaq"), {"model": cc.LightGBM(), "folds": cc.Holdout(0.7)}),
    (("days", "nasdaq"), {"model": cc.Pooled(cc.LSTM(hidden=3, window=6, training=FIT))}),
    (("nasdaq", "days", "hours"), {"model": cc.Pooled(cc.GRU(hidden=3, window=6, training=WINDOWS)), "seeds": 2}),
)


def described(number):
    """A case in words."""
    markets, parts = CASES[number]
    names = [markets] if isinstance(markets, str) else markets
    others = {name: part for name, part in parts.items() if name not in ("model", "baselines")}
    words = [
        f"{name} {part if isinstance(part, (int, float)) else type(part).__name__}" for name, part in others.items()
    ]
    return ", ".join(["+".join(names), parts["model"].name, *words])


def study_of(parts):
    return cc.Study(**{"features": SMALL, "folds": cc.WalkForward(folds=2), "seeds": 1, "baselines": (), **parts})


def keep(number, runs):
    """Compute the run of a case. Of several assets, the last one's result is kept."""
    markets, parts = CASES[number]
    place = runs / f"{number:02}"
    if isinstance(markets, str):
        _, folder = run_study(study_of(parts), market(markets), runs=place)
        return folder
    series, made = [market(name) for name in markets], study_of(parts)
    found = cc.compare(
        {"own": made.model, "long": cc.DLinear(window=20, training=FIT)},
        series,
        features=made.features,
        target=made.target,
        folds=made.folds,
        seeds=[5, 9][: made.seeds],
        ledger=cc.Ledger(place),
    )
    last = series[-1]
    return found.results[last.symbol, str(last.interval), "own"].save(place / "run")


def replayed(number, runs):
    """The report on the replay of a case."""
    (folder,) = (path.parent for path in (runs / f"{number:02}").glob("*/manifest.json"))
    markets = CASES[number][0]
    others = [] if isinstance(markets, str) else [market(name) for name in markets[:-1]]
    return cc.replay(folder, candles=others)


def worker(runs, *, first, threads, numbers):
    """Keep the runs of cases (`first`), or replay them, with this number of threads; prints a JSON object for each."""
    import torch

    torch.set_num_threads(threads)
    for number in numbers:
        began = time.perf_counter()
        if first:
            keep(number, runs)
            said = {}
        else:
            report = replayed(number, runs)
            said = {"statuses": [stage[1] for stage in report.stages], "first_difference": report.first_difference}
            said["reason"] = report.reason
        print(json.dumps({"case": number, "seconds": time.perf_counter() - began} | said), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", type=int, default=list(range(len(CASES))), help="Numbers of the cases")
    parser.add_argument("--json", type=Path, help="Write all rows here")
    parser.add_argument("--work", choices=["run", "replay"], help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        worker(options.runs, first=options.work == "run", threads=options.threads, numbers=options.cases)
        return
    rows: dict[int, dict[str, Any]] = {number: {"case": described(number)} for number in options.cases}
    with tempfile.TemporaryDirectory() as runs:
        for work, shift in (("run", 0), ("replay", 1)):
            for place, threads in enumerate(THREADS):
                own = [each for each in options.cases if (each + shift) % len(THREADS) == place]
                if not own:
                    continue
                command = [
                    sys.executable,
                    __file__,
                    "--work",
                    work,
                    "--threads",
                    str(threads),
                    "--runs",
                    runs,
                    "--cases",
                ]
                done = subprocess.run([*command, *map(str, own)], stdout=subprocess.PIPE, text=True, check=True)
                for line in done.stdout.splitlines():
                    said = json.loads(line)
                    number = said.pop("case")
                    rows[number] |= {f"{work}_threads": threads, f"{work}_seconds": said.pop("seconds"), **said}
                print(f"{work} with {threads} threads: {len(own)} cases", file=sys.stderr)
    equal = [row for row in rows.values() if set(row["statuses"]) == {"equal"}]
    for number, row in rows.items():
        result = "equal" if row in equal else f"differs from {row['first_difference']} on: {row['reason']}"
        print(f"{number:2}  {row['run_threads']} then {row['replay_threads']} threads  {result:8}  {row['case']}")
    print(f"{len(equal)} of {len(rows)} replays equal in every stage")
    if options.json:
        options.json.write_text(json.dumps(list(rows.values()), indent=1))
    if len(equal) < len(rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
