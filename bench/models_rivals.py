"""The rivals' side of `bench/models.py`: forecasts of volatility by the LSTM of neuralforecast and of darts.

    python bench/models_rivals.py neuralforecast|darts plan.json

Runs in the rivals' own environment; see `bench/requirements.txt`. The plan names CSV files of one column `value`, the epochs and,
for each fold, the first and the last bar at whose close the next value is forecast. All values up to the first are learnt from.
As many steps of as many values as ours: 256 windows of 32 bars a step, and the same number of epochs. Prints one JSON object.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

WINDOW, HIDDEN, BATCH = 32, 32, 256
QUIET = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False}


def neuralforecast(values, first, last, steps, seed):
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import LSTM

    model = LSTM(
        h=1,
        input_size=WINDOW,
        encoder_hidden_size=HIDDEN,
        encoder_n_layers=1,
        loss=MSE(),
        max_steps=steps,
        batch_size=1,
        windows_batch_size=BATCH,
        scaler_type="identity",
        random_seed=seed,
        **QUIET,
    )
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(last + 2), "y": values[: last + 2]})
    table = NeuralForecast([model], freq=1).cross_validation(
        frame, n_windows=last - first + 1, step_size=1, refit=False, val_size=0
    )
    return table.sort_values("ds")["LSTM"].to_numpy()


def darts(values, first, last, steps, seed):
    from darts import TimeSeries
    from darts.models import BlockRNNModel

    series = TimeSeries.from_values(values[: last + 2].astype("float32"))
    per_epoch = math.ceil((first + 1 - WINDOW) / BATCH)
    model = BlockRNNModel(
        WINDOW,
        1,
        model="LSTM",
        hidden_dim=HIDDEN,
        n_rnn_layers=1,
        batch_size=BATCH,
        n_epochs=max(1, round(steps / per_epoch)),
        random_state=seed,
        pl_trainer_kwargs=QUIET | {"accelerator": "cpu"},
    )
    model.fit(series[: first + 1])
    forecast = model.historical_forecasts(series, start=first + 1, retrain=False, verbose=False)
    return forecast.values()[:, 0]


def main():
    name, path = sys.argv[1:]
    logging.disable(logging.WARNING)
    task, plan = {"neuralforecast": neuralforecast, "darts": darts}[name], json.loads(Path(path).read_text())
    began, forecasts = time.perf_counter(), []
    for series in plan["series"]:
        values, found = pd.read_csv(series["path"])["value"].to_numpy(), []
        for fold in series["folds"]:
            first, last = fold["first"], fold["last"]
            mean, spread = values[: first + 1].mean(), values[: first + 1].std()
            steps = plan["epochs"] * math.ceil(fold["learnt"] / BATCH)
            means = mean + spread * task((values - mean) / spread, first, last, steps, plan["seed"])
            if len(means) != last - first + 1:
                raise SystemExit(f"{len(means)} forecasts of {last - first + 1} bars")
            found.append((first, [float(value) for value in means]))
        forecasts.append(found)
    print(json.dumps({"forecasts": forecasts, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
