"""What an account gains at its fills: by opens that are off the market, and by opens that repeat the close before."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult
from candlecast.candles import Candles
from candlecast.candles.stale import MINIMUM, NARROW, opens, variance_ratio
from candlecast.evaluation.growth import NONE, growth_of
from candlecast.signals import Positions
from candlecast.stats import bootstrap_p_value, have_ranges

MIN_FILLS = 30  # that a gain at the fill is estimated from
REPEATED = 0.05  # of the median move of a bar: a gap below this repeats the close before
FEW = 0.15  # share of the fills at repeated opens, below which they explain nothing; US shares have up to 0.13


@dataclass(frozen=True)
class FillGains:
    """What an account gains at its fills, in basis points of the value traded.

    at_fill_bps: the part of the gain that is made at the fill itself (`gain_at_fill`), NaN where it cannot be told;
        at_fill_p: p-value of none.
    repeated_share: share of the fills at opens that repeat the close before, of a market that was closed; where it is FEW or
        more, put_off_return: annual return with these fills put off to the next open of the market's own, NaN elsewhere;
        put_off_p: p-value of no growth then.
    """

    at_fill_bps: float = math.nan
    at_fill_p: float = 1.0
    repeated_share: float = 0.0
    put_off_return: float = math.nan
    put_off_p: float = 0.0


def fill_gains(candles: Candles, positions: Positions, result: BacktestResult, *, seed: int = 0) -> FillGains:
    """What the account of these positions gains at its fills."""
    rows, signed, weights = _fills(candles, result)
    at_fill, p_value = gain_at_fill(candles, rows, signed * weights, seed=seed)
    repeated = repeats_close(candles)
    share = float(repeated[rows].mean()) if len(rows) else 0.0
    if share < FEW:
        return FillGains(at_fill, p_value, share)
    later = _put_off(candles, positions, repeated)
    growth = growth_of(candles, later, result, costs=result.costs, seed=seed) if len(later) else NONE
    return FillGains(at_fill, p_value, share, growth.annual, growth.p_value)


def gain_at_fill(candles: Candles, rows: np.ndarray, traded: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """The part of the gain after fills at the open that is over at once, in basis points traded, and the p-value of none.

    sum_i x_i (log h + log l - log o - log c) / sum_i |x_i|, with the prices of the bar of fill i, and x_i the value traded there,
    positive for a purchase. If log prices within a bar are a Brownian motion with any drift, seen backwards and upside
    down they are one with the same drift. So the adverse excursion from the open and the one before the close have the
    same distribution, the terms have mean zero, and a forecast earns nothing here, however strong. A fill d below the
    market earns about d: what comes then is an open at the edge of the range and a bar that goes on without it.
    NaN and 1.0 for fewer than MIN_FILLS fills, and where over a third of the bars have no prices beyond open and close.
    """
    is_known = have_ranges(candles.open, candles.high, candles.low, candles.close)
    size = float(np.abs(traded).sum())
    if len(rows) < MIN_FILLS or not is_known or size <= 0:
        return math.nan, 1.0
    opened, high, low, close = (np.log(p[rows]) for p in (candles.open, candles.high, candles.low, candles.close))
    gains = traded * (high + low - opened - close)
    return 1e4 * float(gains.sum()) / size, bootstrap_p_value(gains, seed=seed)


def _fills(candles: Candles, result: BacktestResult) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fills at the open: row of the candles, 1.0 for a purchase and -1.0 for a sale, and value traded as a share of equity."""
    fills = result.fills.filter("is_at_open")
    rows = np.searchsorted(candles.open_time, fills["time"].dt.replace_time_zone(None).to_numpy())
    first = int(np.searchsorted(candles.close_time, result.equity["time"].dt.replace_time_zone(None).to_numpy()[0]))
    equity = np.maximum(result.equity["equity"].to_numpy()[np.maximum(rows - first - 1, 0)], 1e-12)
    signed = np.where(fills["side"].to_numpy() == "buy", 1.0, -1.0)
    return rows, signed, fills["notional"].to_numpy() / equity


def repeats_close(candles: Candles) -> np.ndarray:
    """Bool (time,): the bar opens at the close before, or nearly, after the market was closed.

    None in a market that does not close: then the gaps of other days are small, too.
    """
    found = opens(candles)
    repeated = np.zeros(len(candles), dtype=bool)
    rows = np.flatnonzero(found.is_boundary)
    if len(rows) < MINIMUM:
        return repeated
    gaps, moves = np.log(candles.open[rows] / candles.close[rows - 1]), np.log(candles.close[rows] / candles.open[rows])
    is_near = np.abs(gaps) <= REPEATED * np.median(np.abs(moves))
    is_weekday = ~found.is_weekend[rows] | found.is_weekend[rows].all()
    others = ~is_near & is_weekday
    if others.sum() >= MINIMUM and variance_ratio(gaps[others], moves[others]) >= NARROW:
        repeated[rows[is_near]] = True
    return repeated


def _put_off(candles: Candles, positions: Positions, repeated: np.ndarray) -> Positions:
    """The positions with each fill at a repeated open put off to the next open that is none; later decisions overtake it."""
    times = positions.frame["time"].dt.replace_time_zone(None).to_numpy()
    bars = np.arange(len(candles))
    following = np.append(repeated[1:], False)  # the bar that fills what is decided here
    free = np.minimum.accumulate(np.where(following, len(candles), bars)[::-1])[::-1]
    rows = free[np.searchsorted(candles.close_time, times)]
    kept = np.append(rows[1:] != rows[:-1], True) & (rows < len(candles)) if len(rows) else np.zeros(0, dtype=bool)
    frame = positions.frame.filter(pl.Series(kept, dtype=pl.Boolean))
    return replace(positions, frame=frame.with_columns(time=candles.frame["close_time"].gather(rows[kept])))
