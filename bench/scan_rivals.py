"""The rivals' side of `bench/scan.py`: a Ray task for each asset, neuralforecast's LSTM fitted in each of five folds.

    python scan_rivals.py FOLDER TRAIN STEPS BATCH

Runs in the rivals' own environment; see `bench/requirements.txt`. FOLDER has a CSV with the column close for each asset. Prints
one JSON object: seconds of the clock and of the processors, without imports, a first fit and forecasts, and how many trainings.
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
    """Five trainings on one asset, and what they took."""
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

    def fit(known: pd.DataFrame, steps: int) -> None:
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
        NeuralForecast([model], freq=1).fit(known, val_size=0)

    fit(frame.iloc[:train], WARM_STEPS)
    began, worked = time.perf_counter(), time.process_time()
    for fold in range(FOLDS):
        fit(frame.iloc[fold * test : fold * test + train], steps)
    return {"seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - worked}


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
