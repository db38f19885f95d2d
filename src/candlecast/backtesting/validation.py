"""Validation of what a backtest is given: types, candles, and cash."""

from __future__ import annotations

from types import NoneType, UnionType

from candlecast.backtesting.actions import Actions
from candlecast.backtesting.costs import Costs
from candlecast.backtesting.filters import Filters
from candlecast.candles import Candles
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.parameters import is_number

LOWEST_CASH = 1e-8  # the smallest unit of bitcoin
HIGHEST_CASH = 1e13  # beyond, a float no longer counts the cents


def require_account(candles: Candles, costs: Costs, cash: float, filters: Filters, actions: Actions | None) -> None:
    """Raises ConfigError, CandleError for unsound candles, or NotEnoughDataError without any."""
    require_kind("candles", candles, Candles, "Make them with Candles.from_frame, read_csv or a source")
    require_kind("costs", costs, Costs, "Use for example Costs(fee_bps=10) or Costs.binance_spot()")
    require_kind("filters", filters, Filters, "Use for example Filters(tick=0.01)")
    require_kind("actions", actions, Actions | None, "Use Actions(frame) with time, split, dividend or funding")
    require_cash(cash)
    if not len(candles):
        raise NotEnoughDataError(
            "there are no candles", expected="at least one bar", remedy="Check the dates that they were chosen by"
        )
    candles.require_sound()


def require_cash(cash: float) -> None:
    """Raises ConfigError for cash that is no amount of money."""
    if not is_number(cash) or not LOWEST_CASH <= cash <= HIGHEST_CASH:
        raise ConfigError(
            f"cash is {cash!r}",
            expected=f"a positive amount of money, {LOWEST_CASH:.0e} to {HIGHEST_CASH:.0e}",
            remedy="Use for example cash=10_000.0",
        )


def require_kind(name: str, value: object, kind: type | UnionType, remedy: str) -> None:
    """Raises ConfigError for a value of another kind."""
    if not isinstance(value, kind):
        kinds = (kind,) if isinstance(kind, type) else kind.__args__
        expected = " or ".join(each.__name__ for each in kinds if each is not NoneType)
        raise ConfigError(f"{name} is of type {type(value).__name__}", expected=expected, remedy=remedy)
