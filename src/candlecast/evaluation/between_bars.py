"""What an account gains between the close of a bar and the open of the next one, where its market is open and where it is not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from candlecast.backtesting import BacktestResult
from candlecast.candles import Candles
from candlecast.candles.stale import opens
from candlecast.stats import bootstrap_p_value

STEPPED = 0.25  # share of the variance that steps between adjoining bars may have, above which trades are rare


class BetweenBars(NamedTuple):
    """Shares of the gain before costs that are made between bars. The defaults mean that nothing is known.

    step_share: between bars that adjoin, in an open market; step_p: p-value of no gain there. No time passes between these
        prices, so that a forecast gains nothing there, unless trades are so rare that steps have STEPPED of the variance: then
        0.0 and 1.0.
    closed_share: while the market was closed.
    fill_share: by fills at an open that adjoins the close at which they were decided, and differs from it in favour of the
        order; fill_p: p-value of no gain there. What a forecast knows moves the price against the order until it is filled,
        also where trades are rare.
    """

    step_share: float = 0.0
    step_p: float = 1.0
    closed_share: float = 0.0
    fill_share: float = 0.0
    fill_p: float = 1.0


def between_bars(candles: Candles, result: BacktestResult, *, seed: int = 0) -> BetweenBars:
    """The gain of an account, from close to open and from open to close, in shares of all of it; nothing without a gain."""
    first = int(np.searchsorted(candles.close_time, result.equity["time"].dt.replace_time_zone(None).to_numpy()[0]))
    bars = candles[first:]
    if len(bars) < 2 or result.ruined_at is not None:
        return BetweenBars()
    units, equity = (result.equity[name].to_numpy() for name in ("units", "equity"))
    gaps, moves = bars.open[1:] - bars.close[:-1], bars.close[1:] - bars.open[1:]
    across, within = units[:-1] * gaps / equity[:-1], units[1:] * moves / equity[:-1]
    total = float(across.sum() + within.sum())
    if not total > 0:
        return BetweenBars()
    is_closed = opens(bars).is_boundary[1:]
    steps = np.where(is_closed, 0.0, across)
    closed_share = float(across[is_closed].sum()) / total
    squares = [
        float((np.where(is_closed, 0.0, each) ** 2).sum()) for each in (gaps / bars.close[:-1], moves / bars.open[1:])
    ]
    filled = np.where(is_closed, 0.0, -np.diff(units) * gaps / equity[:-1])
    fills = float(filled.sum()) / total, bootstrap_p_value(filled, seed=seed)
    if not squares[0] < STEPPED * sum(squares):
        return BetweenBars(0.0, 1.0, closed_share, *fills)
    return BetweenBars(float(steps.sum()) / total, bootstrap_p_value(steps, seed=seed), closed_share, *fills)
