"""The growth of an account that trades the same positions under other terms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from candlecast.backtesting import BacktestResult, Costs, account_returns
from candlecast.candles import Candles
from candlecast.signals import Positions
from candlecast.stats import annual_return, bootstrap_p_value, log_returns

LOST = -0.999999  # return of a bar in which the account is lost: its logarithm is finite


class Growth(NamedTuple):
    """annual: annual return, a fraction. p_value: bootstrap p-value of no growth of the logarithm of equity."""

    annual: float
    p_value: float


NONE = Growth(0.0, 1.0)  # of an account that never trades


def growth_of(candles: Candles, positions: Positions, result: BacktestResult, *, costs: Costs, seed: int = 0) -> Growth:
    """The growth with these positions and costs, from the cash of a backtest.

    Args:
        candles: traded.
        positions: of the account.
        result: whose cash and bars a year count.
        costs: in place of those of the result.
        seed: of the bootstrap.
    """
    returns = account_returns(candles, positions, costs=costs, cash=result.cash)
    p_value = bootstrap_p_value(log_returns(np.maximum(returns, LOST)), seed=seed)
    return Growth(annual_return(returns, bars_per_year=result.bars_per_year), p_value)
