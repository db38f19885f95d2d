"""The rivals' side of `bench/train.py`: each command does one task in this process and prints one JSON object.

Runs in the rivals' own environment; see `bench/requirements.txt`. Prices come as a CSV with the columns time and close.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from importlib import import_module

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

WINDOW, HIDDEN, BATCH = 50, 50, 32
TEST, FOLDS = 1_000, 5


def sequences(values):
    x = np.stack([values[i : i + WINDOW] for i in range(len(values) - WINDOW)])
    return x[..., None].astype("float32"), values[WINDOW:].astype("float32")


def keras_net():
    from tensorflow.keras import layers, models

    net = models.Sequential(
        [
            layers.Input((WINDOW, 1)),
            layers.LSTM(HIDDEN, return_sequences=True),
            layers.Dropout(0.2),
            layers.LSTM(HIDDEN),
            layers.Dropout(0.2),
            layers.Dense(25),
            layers.Dense(1),
        ]
    )
    net.compile(optimizer="adam", loss="mean_squared_error")
    return net


def keras_step(_):
    """Milliseconds per training step, inside `fit`, after a warm-up epoch."""
    steps = 120
    generator = np.random.default_rng(0)
    x = generator.random((BATCH * steps, WINDOW, 1), dtype="float32")
    y = generator.random(BATCH * steps, dtype="float32")
    net = keras_net()
    net.fit(x, y, epochs=1, batch_size=BATCH, verbose=0)
    began = time.perf_counter()
    net.fit(x, y, epochs=1, batch_size=BATCH, verbose=0)
    return {"ms": 1e3 * (time.perf_counter() - began) / steps}


def keras_fit(path):
    """The tutorial's training: scale everything, 80/20, 20 epochs, validated on the test part after each."""
    from sklearn.preprocessing import MinMaxScaler

    began = time.perf_counter()
    import_module("tensorflow")
    start = time.perf_counter() - began
    close = pd.read_csv(path)["close"].to_numpy()
    scaler = MinMaxScaler()
    x, y = sequences(scaler.fit_transform(close[:, None])[:, 0])
    split = int(len(x) * 0.8)
    began = time.perf_counter()
    history = keras_net().fit(
        x[:split], y[:split], epochs=20, batch_size=BATCH, validation_data=(x[split:], y[split:]), verbose=0
    )
    seconds = time.perf_counter() - began
    span = float(np.ptp(close))
    return {"start": start, "seconds": seconds, "rmse": span * history.history["val_loss"][-1] ** 0.5}


def torch_step(_):
    """Milliseconds per training step of torch.nn.LSTM with the same net and Adam; torch's own number of threads."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(1, HIDDEN, 2, batch_first=True, dropout=0.2)
            self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(HIDDEN, 25), nn.Linear(25, 1))

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    x, y = torch.rand(BATCH, WINDOW, 1), torch.rand(BATCH, 1)
    times = []
    for _ in range(140):
        began = time.perf_counter()
        optimizer.zero_grad()
        (net(x) - y).square().mean().backward()
        optimizer.step()
        times.append(time.perf_counter() - began)
    return {"ms": 1e3 * float(np.median(times[20:]))}


def neuralforecast(path, steps):
    """Refitted five times over the last 1,000 bars, one bar ahead, log returns."""
    import logging

    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import LSTM

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    returns = np.diff(np.log(pd.read_csv(path)["close"].to_numpy()))
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(len(returns)), "y": returns})
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    model = LSTM(
        h=1,
        input_size=WINDOW,
        encoder_hidden_size=HIDDEN,
        encoder_n_layers=2,
        loss=MSE(),
        max_steps=steps,
        windows_batch_size=BATCH,
        scaler_type="standard",
        **quiet,
    )
    began = time.perf_counter()
    table = NeuralForecast([model], freq=1).cross_validation(
        frame, n_windows=TEST, step_size=1, refit=TEST // FOLDS, val_size=0
    )
    return {"seconds": time.perf_counter() - began, "rmse": float(np.sqrt(np.mean((table["LSTM"] - table["y"]) ** 2)))}


def darts(path, steps):
    """The same with darts' BlockRNNModel."""
    import logging

    from darts import TimeSeries
    from darts.models import BlockRNNModel

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    returns = np.diff(np.log(pd.read_csv(path)["close"].to_numpy())).astype("float32")
    size = TEST // FOLDS
    errors = []
    began = time.perf_counter()
    for fold in range(FOLDS):
        start = len(returns) - TEST + fold * size
        scale = returns[:start].std()
        series = TimeSeries.from_values(returns[: start + size] / scale)
        epochs = max(1, round(steps * BATCH / (start - WINDOW)))
        model = BlockRNNModel(
            WINDOW,
            1,
            model="LSTM",
            hidden_dim=HIDDEN,
            n_rnn_layers=2,
            batch_size=BATCH,
            n_epochs=epochs,
            pl_trainer_kwargs={"logger": False, "enable_progress_bar": False, "enable_checkpointing": False},
        )
        model.fit(series[:start])
        forecast = model.historical_forecasts(series, start=start, retrain=False, verbose=False)
        errors.append(scale * (forecast.values()[:, 0] - series.values()[start:, 0]))
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "rmse": float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))}


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    task = {
        "keras-step": keras_step,
        "keras-fit": keras_fit,
        "torch-step": torch_step,
        "neuralforecast": neuralforecast,
        "darts": darts,
    }[name]
    print(json.dumps(task(arguments[0], *(int(number) for number in arguments[1:]))))
