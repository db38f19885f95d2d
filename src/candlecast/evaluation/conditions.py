"""What market, prices and folds allow a verdict to say, whatever the tests give."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult, backtest, break_even_bps, delayed
from candlecast.candles import Candles
from candlecast.evaluation.tradability import Tradability, tradability
from candlecast.signals import Positions
from candlecast.stats import annual_return, check_rare_losses, worst_case_loss

CLOSES_ONLY = 1 / 3  # of the bars without prices beyond open and close, above which ranges say nothing
FEWEST_BARS = 2  # that can be traded one bar later
REBALANCED = 1e-9  # of equity: a drift that a constant exposure is brought back from


@dataclass(frozen=True)
class Conditions:
    """The circumstances of a result. The defaults, of which nothing is known, stand in the way of nothing.

    break_even_bps: costs a side, in basis points of the value traded, at which the account would have ended where it began
        (`backtesting.break_even_bps`); NaN where it loses without any.
    middle_bps: the same where orders are filled in the middle of the range of their bar, 0.0 where nothing is earned then;
        infinite where too many bars have no prices beyond open and close, so that ranges say nothing.
    delayed_return: annual return with every order filled one bar later. Evidence alone: an honest edge may be gone by then.
    tradability: what the candles of the judged bars say about trading at their prices; None where nobody looked.
    is_in_time_order: all bars of a training lie before those that it is tested on.
    doubt: why the tests of the returns cannot be trusted, in words; empty where they can.
    static_returns: returns by bar of an account that held the mean position of this one throughout, financed alike and traded
        for nothing; empty where nobody looked.
    notices: what is odd about the candles, in sentences; jumps: those among them that look like splits and were not declared
        to be moves of the market; changes: what was changed in the candles before anything was computed.
    """

    break_even_bps: float = math.nan
    middle_bps: float = math.inf
    delayed_return: float = math.nan
    tradability: Tradability | None = None
    is_in_time_order: bool = True
    doubt: str = ""
    static_returns: np.ndarray = field(default_factory=lambda: np.empty(0), compare=False, repr=False)
    notices: tuple[str, ...] = ()
    jumps: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    def least_cost_bps(self, cost_bps: float) -> float:
        """What a trade takes at least, a side: the costs, half the estimated spread or a tick, whichever is largest."""
        return max(cost_bps, self.tradability.least_cost_bps if self.tradability else 0.0)

    def to_dict(self) -> dict[str, Any]:
        """The conditions as JSON values; what is undefined or without end is None."""
        numbers = {name: getattr(self, name) for name in ("break_even_bps", "middle_bps", "delayed_return")}
        return {
            **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
            "tradability": self.tradability.to_dict() if self.tradability else None,
            "is_in_time_order": self.is_in_time_order,
            "doubt": self.doubt,
            "notices": list(self.notices),
            "jumps": list(self.jumps),
            "changes": list(self.changes),
        }


def conditions_of(
    candles: Candles, positions: Positions, result: BacktestResult, *, is_in_time_order: bool, seed: int = 0
) -> Conditions:
    """The conditions of a backtest of these positions on these candles."""
    first = int(np.searchsorted(candles.close_time, result.equity["time"].dt.replace_time_zone(None).to_numpy()[0]))
    later = delayed(candles, positions)
    delayed_return = math.nan
    if len(later) >= FEWEST_BARS and result.fills.height:
        returns = backtest(candles, later, costs=result.costs, cash=result.cash).returns
        delayed_return = annual_return(returns, bars_per_year=result.bars_per_year)
    checked, changes = candles.check(), candles.origin.changes if candles.origin else ()
    are_real = any(change.kind == "accepted" for change in changes)
    return Conditions(
        break_even_bps=break_even_bps(candles, positions, costs=result.costs, cash=result.cash),
        middle_bps=_middle_bps(candles, positions, result),
        delayed_return=delayed_return,
        tradability=tradability(candles[first:]),
        is_in_time_order=is_in_time_order,
        doubt=_doubt(candles, result, seed),
        static_returns=_static_returns(candles, positions, result),
        notices=checked.notices,
        jumps=() if are_real else checked.jumps,
        changes=tuple(map(str, changes)),
    )


def _doubt(candles: Candles, result: BacktestResult, seed: int) -> str:
    """Why a gain cannot be believed although it is significant: large losses may be missing from the record."""
    if result.ruined_at is not None or not result.fills.height:
        return ""
    growth = np.log1p(result.returns_until_ruin)
    if not growth.sum() > 0.0:
        return ""  # nobody would claim it
    moves = np.diff(candles.close) / candles.close[:-1]
    loss = worst_case_loss(result.equity["position"].to_numpy(), moves)
    return check_rare_losses(growth, worst_loss=loss, bars_known=len(candles), seed=seed).why


def _static_returns(candles: Candles, positions: Positions, result: BacktestResult) -> np.ndarray:
    """What the mean position alone would have earned: no timing, hence no skill, but the same financing."""
    mean = float(result.equity["position"].to_numpy().mean())
    held = positions.frame.with_columns(position=pl.lit(max(min(mean, 1.0), -1.0)))
    static = replace(positions, frame=held, in_units=False, band=REBALANCED)
    free = replace(result.costs, fee_bps=0.0, maker_fee_bps=None, slippage_bps=0.0, half_spread_bps=0.0, impact_bps=0.0)
    return backtest(candles, static, costs=free, cash=result.cash).returns[: len(result.returns_until_ruin)]


def _middle_bps(candles: Candles, positions: Positions, result: BacktestResult) -> float:
    """The break-even cost of the same positions, filled in the middle of the range of each bar."""
    top, bottom = np.maximum(candles.open, candles.close), np.minimum(candles.open, candles.close)
    if np.mean((candles.high <= top) & (candles.low >= bottom)) > CLOSES_ONLY:
        return math.inf
    middle = candles.frame.with_columns(open=(pl.col("high") + pl.col("low")) / 2)
    late = break_even_bps(replace(candles, frame=middle), positions, costs=result.costs, cash=result.cash)
    return 0.0 if math.isnan(late) else late
