"""The rivals' side of `bench/scan.py`: a Ray task for each asset, neuralforecast's LSTM fitted in each of five folds.

    python scan_rivals.py FOLDER TRAIN STEPS BATCH

Runs in the rivals' own environment; see `bench/requirements.txt`. FOLDER has a CSV with the column close for each asset. Prints
one JSON object: how many trainings, and the seconds of the processors, without imports and a first fit, of three ways to walk:

- `fits`: `fit` on the training part of each fold, and no forecasts.
- `slices`: `cross_validation` of the candles of each fold by themselves, fitted once: all forecasts of a test part in one call.
- `refit`: one `cross_validation(refit=...)`, which is neuralforecast's own walk-forward with a training in each fold. It
  forecasts one moment a call, and its training parts begin with the first bar.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
warnings.filterwarnings("ignore")

WINDOW, HIDDEN, FOLDS, WARM_STEPS = 32, 32, 5, 5


def walk(path: str, train: int, steps: int, batch: int) -> dict[str, float]:
    """Five trainings on one asset in each way, and what each way took."""
    import numpy as np
    import pandas as pd
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import LSTM

    torch.set_num_threads(1)
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    returns = np.diff(np.log(pd.read_csv(path)["close"].to_numpy()))
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(len(returns)), "y": returns})
    test = (len(returns) - train) // FOLDS

    def forecaster(steps: int) -> NeuralForecast:
        model = LSTM(
            h=1,
            input_size=WINDOW,
            encoder_hidden_size=HIDDEN,
            encoder_n_layers=1,
            loss=MSE(),
            max_steps=steps,
            windows_batch_size=batch,
            scaler_type="standard",
            logger=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        return NeuralForecast([model], freq=1)

    def fits() -> None:
        for fold in range(FOLDS):
            forecaster(steps).fit(frame.iloc[fold * test : fold * test + train], val_size=0)

    def slices() -> None:
        for fold in range(FOLDS):
            known = frame.iloc[fold * test : (fold + 1) * test + train]
            forecaster(steps).cross_validation(known, n_windows=test, step_size=1, val_size=0)

    def refit() -> None:
        forecaster(steps).cross_validation(
            frame.iloc[: train + FOLDS * test], n_windows=FOLDS * test, step_size=1, val_size=0, refit=test
        )

    forecaster(WARM_STEPS).fit(frame.iloc[:train], val_size=0)
    seconds = {}
    for way in (fits, slices, refit):
        began = time.process_time()
        way()
        seconds[way.__name__] = time.process_time() - began
    return seconds


def main(folder: str, train: int, steps: int, batch: int) -> None:
    """Walk every asset, one on each core at a time."""
    import ray

    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    paths = sorted(map(str, Path(folder).glob("*.csv")))
    remote = ray.remote(num_cpus=1)(walk)
    found = ray.get([remote.remote(path, train, steps, batch) for path in paths])
    total = {name: sum(each[name] for each in found) for name in found[0]}
    print(json.dumps(total | {"trainings": FOLDS * len(paths)}))
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], *(int(number) for number in sys.argv[2:]))
