"""A pretrained forecaster on trial: all models are judged on bars after the end of its training data alone."""

from typing import Any

import numpy as np

import candlecast as cc

LEVELS = (0.1, 0.5, 0.9)


def forecaster(past: np.ndarray, horizon: int) -> np.ndarray:
    """Stands for a pretrained model: the quantiles of the last 250 changes. (series, time) -> (series, horizon, level)."""
    changes = np.diff(past[:, -250:], axis=1)
    found = np.nanquantile(changes, LEVELS, axis=1).T
    return np.repeat(found[:, None, :], horizon, axis=1)


if __name__ == "__main__":
    born = cc.ZeroShot(forecaster, levels=LEVELS, trained_until="2015-12-31")
    models: dict[str, Any] = {"ridge": cc.Ridge(), "zero-shot": born}
    table = cc.compare(models, cc.sample("sp500"), folds=cc.WalkForward(folds=2))
    print(table)
