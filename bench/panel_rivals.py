"""The rivals' side of `bench/panel.py`: training steps of the net of Fischer and Krauss, in an environment of their own.

    python bench/panel_rivals.py keras|qlib [STEPS]

Prints one JSON object: milliseconds of processor and of the clock for each step of 256 windows of 240 returns, and the memory
that the process took for each window of its training data, in bytes. Needs keras with a backend, or pyqlib with torch.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "torch")
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402

WINDOW, HIDDEN, BATCH, DROPOUT = 240, 25, 256, 0.1


def windows(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Random standardised returns as both rivals take them: every window a copy."""
    generator = np.random.default_rng(0)
    rows = BATCH * steps
    return generator.standard_normal((rows, WINDOW), dtype="float32"), generator.integers(0, 2, rows).astype("float32")


def keras_epoch(x: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """One epoch of the paper's net in Keras."""
    import keras
    from keras import layers

    net: Any = keras.Sequential(
        [layers.Input((WINDOW, 1)), layers.LSTM(HIDDEN), layers.Dropout(DROPOUT), layers.Dense(1, activation="sigmoid")]
    )
    net.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy")
    return lambda: net.fit(x[..., None], y, epochs=1, batch_size=BATCH, verbose=0)


def qlib_epoch(x: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """One epoch of qlib's LSTM, which learns by squared error, with one layer of as many units."""
    import pandas as pd
    from qlib.contrib.model.pytorch_lstm import LSTM

    logging.disable(logging.CRITICAL)
    model = LSTM(d_feat=1, hidden_size=HIDDEN, num_layers=1, batch_size=BATCH, lr=1e-3, GPU=-1, seed=0)
    table, outcome = pd.DataFrame(x), pd.DataFrame(y)
    return lambda: model.train_epoch(table, outcome)


def measured(make: Callable[[np.ndarray, np.ndarray], Callable[[], object]], steps: int) -> dict[str, float]:
    """Milliseconds a step, after a first epoch of three steps for what is compiled or loaded."""
    make(*windows(3))()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    epoch = make(*windows(steps))
    began, clock = time.process_time(), time.perf_counter()
    epoch()
    taken, elapsed = time.process_time() - began, time.perf_counter() - clock
    added = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return {"processor_ms": 1e3 * taken / steps, "elapsed_ms": 1e3 * elapsed / steps, "bytes": added / (BATCH * steps)}


if __name__ == "__main__":
    name, steps = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    print(json.dumps(measured({"keras": keras_epoch, "qlib": qlib_epoch}[name], steps)))
