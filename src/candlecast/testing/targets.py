"""The check of a target: each outcome known in time, its naive forecast at once."""

from __future__ import annotations

import numpy as np

from candlecast.candles import Candles
from candlecast.causality.compare import require_equal
from candlecast.causality.markets import other_futures
from candlecast.errors import ConfigError, LookaheadError
from candlecast.targets import Target, bars_until_known
from candlecast.testing.markets import require_bars, synthetic_market


def check_target(target: Target, candles: Candles | None = None, *, seed: int = 0) -> None:
    """Raise unless each outcome is known `horizon` bars later, and its naive forecast at once.

    At several bars t the candles after t are cut off, then replaced by another path. `values` at and before
    t - horizon, `naive` and `expected_return` at and before t may not move by a single bit. All three have one float64
    per candle; the last `horizon` values are NaN. In the synthetic hourly market that is used when no `candles` are
    given, all values before them must be defined, after the first `horizon` bars. Of a target that is known earlier
    (`bars_until_known`, from 1 to horizon), the values that are known at t may not move either, nor when they are known.

    Raises LookaheadError naming method, bar and movement; ConfigError for a wrong shape, type or undefined value;
    NotEnoughDataError when `candles` are fewer than four horizons and 40 more.

    >>> from candlecast.targets import NextReturn
    >>> check_target(NextReturn(horizon=5))
    """
    horizon = target.horizon
    market = synthetic_market(4 * horizon + 1_000, seed) if candles is None else candles
    require_bars(market, 4 * horizon + 40, f"target {target.name} with a horizon of {horizon:,} bars")
    values, naive = target.values(market), target.naive(market)
    _require_one_per_candle(target, "values", values, market)
    _require_one_per_candle(target, "naive", naive, market)
    generator = np.random.default_rng(seed)
    is_chance = target.kind == "probability"
    forecast = generator.random(len(market)) if is_chance else naive + 0.01 * generator.standard_normal(len(market))
    implied = target.expected_return(forecast, market)
    _require_one_per_candle(target, "expected_return", implied, market)
    _require_known_in_time(target, values, must_be_defined=candles is None)
    ends = bars_until_known(target, market)
    if ends.shape != (len(market),) or ends.dtype.kind != "i" or ends.min() < 1 or ends.max() > horizon:
        raise ConfigError(
            f"bars_until_known of target {target.name} has shape {ends.shape}, type {ends.dtype} and values from {ends.min()} "
            f"to {ends.max()}",
            expected=f"({len(market)},) whole numbers from 1 to the horizon of {horizon}",
            remedy="Return the horizon where the outcome is not known earlier",
        )
    for bar, other in other_futures(market, horizon, seed):
        rows = np.arange(len(other))
        changed = np.where(rows <= bar, forecast[: len(other)], forecast[::-1][: len(other)])
        pairs = {
            "values": (values, target.values(other), max(bar + 1 - horizon, 0)),
            "naive": (naive, target.naive(other), bar + 1),
            "expected_return": (implied, target.expected_return(changed, other), bar + 1),
        }
        for name, (before, after, stop) in pairs.items():
            subject = f"{name} of target {target.name} (horizon {horizon})"
            require_equal(before[:stop, None], after[:stop, None], (name,), market, bar, subject=subject)
        if len(other) == len(market):
            is_known = np.arange(len(market)) + ends <= bar
            moved = (
                np.column_stack([values, ends])[is_known],
                np.column_stack([pairs["values"][1], bars_until_known(target, other)])[is_known],
            )
            require_equal(*moved, ("values", "bars_until_known"), market, bar, subject=f"target {target.name}")


def _require_one_per_candle(target: Target, name: str, array: np.ndarray, candles: Candles) -> None:
    if array.shape != (len(candles),) or array.dtype != np.float64:
        raise ConfigError(
            f"{name} of target {target.name} has shape {array.shape} and type {array.dtype}",
            expected=f"({len(candles)},) and float64, one number per candle",
            remedy="Return NaN where there is no number",
        )


def _require_known_in_time(target: Target, values: np.ndarray, *, must_be_defined: bool) -> None:
    last = len(values) - target.horizon
    early = np.flatnonzero(~np.isnan(values[last:]))
    if len(early):
        raise LookaheadError(
            f"target {target.name} has value {values[last + early[0]]:.6g} at bar {last + early[0]:,}, "
            f"{len(values) - 1 - last - early[0]:,} bars before the end of the candles",
            expected=f"NaN for the last {target.horizon:,} bars: their outcome is known {target.horizon:,} bars later",
            remedy="Return NaN there, or declare the true horizon",
        )
    absent = target.horizon + np.flatnonzero(~np.isfinite(values[target.horizon : last]))
    if must_be_defined and len(absent):
        raise ConfigError(
            f"target {target.name} is {values[absent[0]]} at bar {absent[0]:,} of {len(values):,}",
            expected=f"a finite value at every bar up to {last - 1:,}",
            remedy="Compute it there, or declare the true horizon",
        )
