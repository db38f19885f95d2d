"""Runs of many kinds, replayed in another process with another number of threads: every stage must be equal byte for byte.

    python bench/replays.py [--cases 50] [--json FILE]

The runs vary in model, target, folds, rule, costs, seeds and assets; a run is computed with 1, 2 or 4 threads, and replayed
with another number. The exit code is 1 if any stage differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import candlecast as cc
from candlecast.sources import synthetic

THREADS = (1, 2, 4)
FIT = cc.Fit(epochs=2)
WINDOWS = cc.Fit(epochs=2, sampling="windows", schedule="cosine", patience=1)
MARKETS = {
    "hours": lambda: synthetic.ar1(700, seed=1, phi=0.2, interval="1h").candles,
    "days": lambda: cc.sample("sp500")[:1_200],
    "bitcoin": lambda: cc.sample("btc")[-1_000:],
}
MODELS = {
    "rnn": cc.RNN(hidden=3, window=6, training=FIT),
    "lstm": cc.LSTM(hidden=4, window=8, training=FIT),
    "deep lstm": cc.LSTM(hidden=3, layers=2, dropout=0.2, dense=(4,), window=8, training=WINDOWS),
    "gru": cc.GRU(hidden=4, window=8, training=WINDOWS),
    "attention lstm": cc.AttentionLSTM(hidden=4, window=8, training=FIT),
    "transformer": cc.Transformer(width=8, heads=2, layers=1, window=8, training=FIT),
    "tcn": cc.TCN(width=4, window=8, training=FIT),
    "patchtst": cc.PatchTST(window=16, training=FIT),
    "minlstm": cc.MinLSTM(hidden=4, window=8, training=FIT),
    "encoder-decoder": cc.EncoderDecoder(hidden=4, window=8, training=FIT),
    "dlinear": cc.DLinear(window=8, training=FIT),
    "linear": cc.LinearRegression(),
    "ridge": cc.Ridge(),
    "lightgbm": cc.LightGBM(),
    "arima": cc.ARIMA(),
    "ets": cc.ETS(),
    "conformal": cc.Conformal(cc.Ridge()),
    "search": cc.Search(cc.Ridge(), {"alpha": [0.1, 1.0, 10.0]}),
    "pooled": cc.Pooled(cc.LSTM(hidden=3, window=6, training=FIT)),
}
TARGETS = {
    "return": cc.NextReturn(),
    "3 bars": cc.NextReturn(horizon=3),
    "direction": cc.Direction(),
    "price": cc.Price(),
    "volatility": cc.Volatility(horizon=3),
    "barriers": cc.TripleBarrier(horizon=5),
    "several": cc.Several(cc.NextReturn(1), cc.NextReturn(5)),
}
FOLDS = {
    "walk": cc.WalkForward(folds=2),
    "rolling": cc.WalkForward(folds=3, train=300, test=100),
    "holdout": cc.Holdout(0.7),
    "purged": cc.PurgedKFold(3),
    "combinatorial": cc.CombinatorialPurged(4, 2),
}
RULES = {"usual": None, "threshold": cc.Threshold(0.0005, 0.0), "volatility": cc.VolatilityTarget(0.1)}
