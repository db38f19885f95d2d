"""How much of a panel's gain follows from the scores, where a rule of the user's decided (`evaluation.following`)."""

from __future__ import annotations

import numpy as np

from candlecast.backtesting import BacktestResult
from candlecast.evaluation.following import share_of
from candlecast.panel.account import Traded
from candlecast.stats.monotone import rising_part


def followed_share_across(
    traded: Traded, weights: np.ndarray, scores: np.ndarray, result: BacktestResult, static: np.ndarray
) -> float:
    """The share of the gain that weights keep where each is an increasing function of the rank of its score alone.

    Args:
        traded: the tested part of the panel.
        weights, scores: (time, asset); scores are NaN where nothing is forecast.
        result: the account of these weights.
        static: returns per bar of the static account, (bars - 1,), with no trading costs.

    NaN where nothing is gained beyond the static account.
    """
    is_known = np.isfinite(scores) & np.isfinite(weights)
    following = weights.copy()
    following[is_known] = rising_part(weights[is_known], _ranks(scores)[is_known])
    free = traded.costs.of_holding()
    own, followed = (traded.run(each, costs=free).returns_until_ruin for each in (weights, following))
    return share_of(own[: len(result.returns_until_ruin)], followed, static)


def _ranks(scores: np.ndarray) -> np.ndarray:
    """The rank of each score among those of its moment, from 0 for the lowest to 1 for the highest; equal ones by their order."""
    order = np.argsort(np.argsort(scores, axis=1, kind="stable"), axis=1, kind="stable")  # NaN comes last
    return order / np.maximum(np.isfinite(scores).sum(axis=1, keepdims=True) - 1, 1)
