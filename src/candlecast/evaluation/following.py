"""How much of a gain follows from the forecast, where code of the user's stands between them: the rest is that code's own.

A forecast can be good, and a rule can earn, without one having to do with the other; the return that a target of the user's
makes of a forecast need not have to do with it either. So the positions are split into a function of the forecast that only
rises, or, for a forecast of volatility or of such a target, only rises or only falls (isotonic regression), and a remainder. What
an account earns by the first alone, beyond the static account of the timing test, follows from the forecast.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult, account_returns
from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.growth import LOST
from candlecast.signals import Positions
from candlecast.stats import log_returns
from candlecast.stats.monotone import monotone_part, rising_part
from candlecast.targets import Target

UNEXPLAINED = 0.5  # of the variance of positions: more is not by the forecast


def followed_share(
    candles: Candles,
    positions: Positions,
    forecast: Forecast,
    result: BacktestResult,
    static: np.ndarray,
    *,
    target: Target | None = None,
) -> float:
    """The share of the gain that positions keep where each is a monotone function of its forecast alone; NaN without a gain.

    Args:
        candles: traded.
        positions: of a rule.
        forecast: of one asset, which the rule was given.
        result: the account of these positions.
        static: returns per bar of the static account, (bars - 1,), with no trading costs; see `Conditions`.
        target: one of the user's. Not the return that it makes of a forecast counts then, but the change that is forecast.
    """
    held = _exposures(positions, result) if positions.in_units else positions.frame["position"].to_numpy()
    following, _ = _following(held, positions, forecast, target)
    returns = [_returns(candles, positions, each, result) for each in (held, following)]
    return share_of(returns[0], returns[1], static)


def follows_forecast(positions: Positions, forecast: Forecast) -> bool:
    """Whether half of the variance of positions, or more, is a monotone function of the forecast of one asset alone."""
    held = positions.frame["position"].to_numpy()
    following, is_known = _following(held, positions, forecast, None)
    held, following = held[is_known], following[is_known]
    if not len(held) or not np.ptp(held):
        return True  # a constant position decides nothing
    return bool(np.var(held - following) <= UNEXPLAINED * np.var(held))


def share_of(own: np.ndarray, following: np.ndarray, static: np.ndarray) -> float:
    """The log return of `following` beyond `static`, as a share of that of `own`; NaN where `own` has none. All (bars - 1,)."""
    bars = min(map(len, (own, following, static)))
    own_log, following_log, static_log = (
        float(log_returns(np.maximum(each[:bars], LOST)).sum()) for each in (own, following, static)
    )
    gain = own_log - static_log
    return (following_log - static_log) / gain if bars and gain > 0 else math.nan


def _following(
    held: np.ndarray, positions: Positions, forecast: Forecast, target: Target | None
) -> tuple[np.ndarray, np.ndarray]:
    """What is held, (decisions,), as a monotone function of the forecast, and where that is known; elsewhere it stays."""
    times = positions.frame.select("time")
    frame = times.join(forecast.averaged().frame, on="time", how="left", maintain_order="left")
    signal, is_directed = _signal(frame) if target is None else (_forecast_change(frame, target), False)
    is_known = np.isfinite(signal) & np.isfinite(held)
    following = held.copy()
    part = rising_part if is_directed else monotone_part
    following[is_known] = part(held[is_known], signal[is_known])
    return following, is_known


def _signal(frame: pl.DataFrame) -> tuple[np.ndarray, bool]:
    """What a rule acts on, (decisions,), and whether larger values stand for larger positions."""
    for name in ("position", "expected_return"):
        if frame[name].null_count() < frame.height:
            return frame[name].fill_null(math.nan).to_numpy(), True
    return frame["mean"].fill_null(math.nan).to_numpy(), False


def _forecast_change(frame: pl.DataFrame, target: Target) -> np.ndarray:
    """What is tested of a forecast, (decisions,): its change against naive."""
    mean, naive = (frame[name].fill_null(math.nan).to_numpy() for name in ("mean", "naive"))
    return target.change(mean, naive)


def _exposures(positions: Positions, result: BacktestResult) -> np.ndarray:
    """The exposure of the account after each decision was filled, as a fraction of equity, (decisions,)."""
    decided, closed = (frame["time"].to_physical().to_numpy() for frame in (positions.frame, result.equity))
    rows = np.searchsorted(closed, decided, side="right")
    return result.equity["position"].to_numpy()[np.minimum(rows, len(closed) - 1)]


def _returns(candles: Candles, positions: Positions, held: np.ndarray, result: BacktestResult) -> np.ndarray:
    """Returns per bar of an account that holds these fractions of equity, with no trading costs."""
    within = np.clip(held, -positions.leverage, positions.leverage)
    followed = replace(positions, frame=positions.frame.with_columns(position=pl.Series(within)), in_units=False)
    return account_returns(candles, followed, costs=result.costs.of_holding(), cash=result.cash)
