"""How good forecasts are, one row per model: errors, skill against the naive forecast, and whether skill is luck."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from candlecast.errors import NotEnoughDataError
from candlecast.forecast import Forecast
from candlecast.stats import (
    block_length,
    clark_west,
    hit_rate,
    information_coefficient,
    mae,
    percentile_interval,
    r2_against,
    rmse,
    stationary_bootstrap,
)
from candlecast.targets import Target

REFERENCES = ("naive", "drift")  # a forecast of nothing but the mean is no skill either


@dataclass(frozen=True, eq=False)
class Scored:
    """One model's known forecasts, averaged over seeds, in target units and as changes against naive; all (time,)."""

    time: np.ndarray
    fold: np.ndarray
    target: np.ndarray
    mean: np.ndarray
    outcome_change: np.ndarray
    forecast_change: np.ndarray


def scored(forecast: Forecast, target: Target) -> Scored:
    """The rows of a forecast whose outcome is known."""
    frame = forecast.averaged().frame.drop_nulls("target")
    outcome, mean, naive = (frame[name].to_numpy() for name in ("target", "mean", "naive"))
    return Scored(
        time=frame["time"].to_numpy(),
        fold=frame["fold"].to_numpy(),
        target=outcome,
        mean=mean,
        outcome_change=target.change(outcome, naive),
        forecast_change=target.change(mean, naive),
    )


def accuracy(forecasts: Mapping[str, Forecast], target: Target, *, seed: int = 0) -> pl.DataFrame:
    """One row per model, for one asset.

    `mae`, `rmse` in the target's units; `r2` = 1 - SSE / SSE of naive, out of sample (Campbell and Thompson 2008), and
    `hit_rate`, the share of right signs of the change against naive, each with a 95 % stationary-bootstrap interval
    (`_low`, `_high`); `ic`, correlation of forecast and actual change; `p_naive` and `p_drift`, one-sided Clark-West
    p-values of the hypothesis that the forecast adds nothing to naive, or to naive and drift. What is undefined is null.
    """
    rows = []
    scores = {name: scored(forecast, target) for name, forecast in forecasts.items()}
    if not all(len(score.target) for score in scores.values()):
        raise NotEnoughDataError(
            "no forecast has an outcome that is known yet",
            expected="test parts longer than the horizon, without a hole in each outcome",
            remedy="Give more candles, longer test parts or a shorter horizon",
        )
    for name, score in scores.items():
        outcome, change = score.outcome_change, score.forecast_change
        pairs = np.column_stack([outcome, change])
        losses = np.column_stack([outcome**2, (outcome - change) ** 2])
        draws = stationary_bootstrap(pairs, _skill, block=block_length(losses), seed=seed)  # (paths, 2)
        (r2_low, r2_high), (hit_low, hit_high) = (percentile_interval(column) for column in draws.T)
        p_values = {
            f"p_{reference}": clark_west(
                outcome, change, scores[reference].forecast_change, horizon=target.horizon
            ).p_value
            for reference in REFERENCES
            if reference in scores and reference != name
        }
        rows.append(
            {
                "model": name,
                "observations": len(outcome),
                "mae": mae(score.target, score.mean),
                "rmse": rmse(score.target, score.mean),
                "r2": r2_against(outcome, change, np.zeros(len(outcome))),
                "r2_low": r2_low,
                "r2_high": r2_high,
                "hit_rate": _hits(outcome, change),
                "hit_rate_low": hit_low,
                "hit_rate_high": hit_high,
                "ic": information_coefficient(outcome, change),
                **{f"p_{reference}": p_values.get(f"p_{reference}") for reference in REFERENCES},
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.selectors.float().fill_nan(None))


def accuracy_by_part(forecast: Forecast, target: Target) -> pl.DataFrame:
    """Skill against naive of every fold and seed: `fold`, `seed`, `first`, `last`, `observations`, `r2`, `hit_rate`."""
    rows = []
    for (fold, seed), frame in forecast.frame.drop_nulls("target").group_by("fold", "seed", maintain_order=True):
        outcome, mean, naive = (frame[name].to_numpy() for name in ("target", "mean", "naive"))
        change = target.change(mean, naive)
        rows.append(
            {
                "fold": fold,
                "seed": seed,
                "first": frame["time"][0],
                "last": frame["time"][-1],
                "observations": frame.height,
                "r2": r2_against(target.change(outcome, naive), change, np.zeros(len(change))),
                "hit_rate": _hits(target.change(outcome, naive), change),
            }
        )
    return pl.DataFrame(rows).with_columns(pl.selectors.float().fill_nan(None)).sort("fold", "seed")


def _skill(pairs: np.ndarray) -> np.ndarray:
    """R2 against naive and hit rate of rows (outcome change, forecast change)."""
    outcome, change = pairs.T
    return np.array([r2_against(outcome, change, np.zeros(len(outcome))), _hits(outcome, change)])


def _hits(outcome: np.ndarray, change: np.ndarray) -> float:
    """Hit rate; NaN for a forecast that never names a direction, as the naive one."""
    return hit_rate(outcome, change) if change.any() else math.nan
