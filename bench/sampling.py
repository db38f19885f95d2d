"""Windows against sequence sampling on real candles: the measurement behind the default of `Fit`.

    python bench/sampling.py FILE [FILE ...] [--seeds 2] [--json]

Each FILE is a CSV or Parquet of candles; the S&P 500 sample comes first. The same LSTM, features, folds and seeds; R2 out of
sample against naive, and processor seconds of the whole walk.
"""

from __future__ import annotations

import argparse
import json
import platform
import time

import candlecast as cc
from candlecast.evaluation.accuracy import accuracy
from candlecast.sources.files import read_candles

FITS = {
    "windows, batch 32": cc.Fit(sampling="windows", batch=32),
    "sequence, batch 16 x 8": cc.Fit(batch=16, chunk=8),
    "sequence, batch 16 x 16": cc.Fit(batch=16, chunk=16),
    "sequence, batch 16 x 16, lr 3e-3": cc.Fit(batch=16, chunk=16, lr=3e-3),
    "sequence, batch 32 x 8": cc.Fit(batch=32, chunk=8),
    "sequence, batch 16 x 32, lr 3e-3": cc.Fit(batch=16, chunk=32, lr=3e-3),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = []
    for candles in [cc.sample("sp500"), *map(read_candles, options.files)]:
        for target in (cc.NextReturn(), cc.Volatility()):
            for name, fit in FITS.items():
                began = time.process_time()
                walk = cc.walk_forward(
                    cc.LSTM(training=fit),
                    candles,
                    target=target,
                    folds=cc.WalkForward(folds=4),
                    seeds=range(options.seeds),
                )
                seconds = time.process_time() - began
                row = accuracy({"lstm": walk}, target).row(0, named=True)
                label = f"{candles.symbol} {candles.interval}, {target.name}, {name}"
                figures += [
                    {
                        "name": label,
                        "value": 100 * row["r2"],
                        "unit": "% R2",
                        "goal": None,
                        "better": "higher",
                        "against": "naive",
                    },
                    {
                        "name": label,
                        "value": seconds,
                        "unit": "s of processor",
                        "goal": None,
                        "better": "lower",
                        "against": "",
                    },
                ]
                if not options.json:
                    print(f"{label:64} R2 {100 * row['r2']:7.2f} %  {seconds:7.1f} s", flush=True)
    if options.json:
        print(json.dumps({"bench": "sampling", "machine": platform.machine(), "figures": figures}))


if __name__ == "__main__":
    main()
