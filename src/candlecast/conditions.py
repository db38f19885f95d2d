"""What market, prices and folds allow a verdict to say, whatever the tests give."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Conditions:
    """The circumstances of a result. The defaults, of which nothing is known, stand in the way of nothing.

    break_even_bps: costs a side, in basis points of the value traded, at which the account would have ended where it began;
        NaN where it loses without any.
    half_spread_bps: half the bid-ask spread as estimated from the candles; tick_bps: the smallest step of the price; both in
        basis points of the price.
    stale_opens: share of the market's openings whose price is the close before; has_stale_opens: so many that they are no
        prices of their own.
    delayed_return: annual return with every order filled one bar later.
    is_in_time_order: all bars of a training lie before those that it is tested on.
    doubt: why the tests of the returns cannot be trusted, in words; empty where they can.
    """

    break_even_bps: float = math.nan
    half_spread_bps: float = math.nan
    tick_bps: float = math.nan
    stale_opens: float = math.nan
    has_stale_opens: bool = False
    delayed_return: float = math.nan
    is_in_time_order: bool = True
    doubt: str = ""

    def least_cost_bps(self, cost_bps: float) -> float:
        """What a trade takes at least, a side: the costs, half the spread or a tick, whichever is largest."""
        known = [each for each in (cost_bps, self.half_spread_bps, self.tick_bps) if not math.isnan(each)]
        return max(known, default=0.0)
