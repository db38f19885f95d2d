"""What a strategy can bear: costs at which it stops earning, and money at which it becomes its own market."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from candlecast.backtesting.costs import DEFAULT_COSTS, HIGHEST_BPS, Costs
from candlecast.backtesting.door import require_kind
from candlecast.backtesting.result import BacktestResult
from candlecast.backtesting.sweep import sweep
from candlecast.candles import Candles
from candlecast.errors import CandleError, ConfigError, is_number

if TYPE_CHECKING:
    from candlecast.signals import Positions

FEES_BPS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
ROUNDS, POINTS = 4, 17  # each round narrows the break-even to a sixteenth: 1,000 bps to 0.015


@dataclass(frozen=True)
class BreakEven:
    """The break-even cost curve.

    `curve`: one row per cost: `cost_bps` (per side: fee, half spread and slippage together), and `sweep`'s columns. `bps`:
    the cost per side at which the total return is zero; 0.0 when it does not earn without costs either, infinity when it
    still earns at 1,000 bps.
    """

    curve: pl.DataFrame
    bps: float


def break_even(
    candles: Candles,
    positions: Positions,
    *,
    fees_bps: Sequence[float] = FEES_BPS,
    costs: Costs = DEFAULT_COSTS,
    cash: float = 10_000.0,
) -> BreakEven:
    """The same positions at other costs per side; everything in `costs` but fee, spread and slippage stays.

    Total return falls as costs rise (see `account.trade`), so that its zero is found by narrowing.

    >>> opens, closes, days = [10, 10, 11], [10, 11, 11], ["2024-01-01", "2024-01-02", "2024-01-03"]
    >>> prices = {"open": opens, "high": closes, "low": opens, "close": closes, "volume": [1, 1, 1]}
    >>> candles = Candles.from_frame(pl.DataFrame({"time": days, **prices}))
    >>> from candlecast.signals import Positions
    >>> held = candles.frame.head(2).select(time="close_time", symbol=pl.lit("asset"))
    >>> held = Positions(held.with_columns(position=pl.Series([1.0, 0.0])))
    >>> round(break_even(candles, held).bps)     # 1.1 (1 - f) / (1 + f) = 1 at f = 0.1 / 2.1
    476
    """
    given = list(fees_bps) if isinstance(fees_bps, Iterable) else [fees_bps]
    if not given or any(not is_number(fee) or not 0.0 <= fee <= HIGHEST_BPS for fee in given):
        raise ConfigError(
            f"fees_bps is {fees_bps!r}",
            expected=f"one or more costs of 0 to {HIGHEST_BPS:,.0f} basis points",
            remedy="Leave it out for a usual range",
        )

    def at(values: Sequence[float]) -> pl.DataFrame:
        priced = [
            replace(costs, fee_bps=value, maker_fee_bps=None, half_spread_bps=0.0, slippage_bps=0.0) for value in values
        ]
        table = sweep(candles, [positions] * len(priced), costs=priced, cash=cash)
        return table.select(pl.Series("cost_bps", values, dtype=pl.Float64), pl.exclude("set"))

    low, high = 0.0, HIGHEST_BPS
    for _ in range(ROUNDS):
        points = np.linspace(low, high, POINTS)
        earns = at(points.tolist())["total_return"].to_numpy() > 0.0
        if not earns.any():
            high = low
            break
        if earns.all():
            low = high = math.inf
            break
        last = int(np.flatnonzero(earns)[-1])
        low, high = float(points[last]), float(points[last + 1])
    return BreakEven(at(given), (low + high) / 2)


def capacity(
    result: BacktestResult,
    candles: Candles | Sequence[Candles],
    *,
    participation: float = 0.01,
    share: float = 0.95,
) -> float:
    """Initial cash, in quote currency, up to which `share` of the fills take at most `participation` of their bar's volume.

    cash x participation / q, with q the `share`-quantile over fills of units / volume of the bar that filled them, since
    all units scale with the cash. `candles` are those of the backtest, a list for a portfolio. Infinity when nothing was
    traded; 0.0 when more than the rest of the fills met bars without volume. It is an upper bound: bars before and after
    are traded too, and the impact on the price is not in it (`Costs(impact_bps=...)`). Raises ConfigError, or CandleError
    where a fill lies on none of the bars.
    """
    for name, value in (("participation", participation), ("share", share)):
        if not is_number(value) or not 0.0 < value <= 1.0:
            raise ConfigError(f"{name} is {value!r}", expected="a fraction in (0, 1]", remedy="Use for example 0.01")
    require_kind("result", result, BacktestResult, "Pass what backtest gives")
    given = [candles] if isinstance(candles, Candles) else list(candles)
    fills = (
        result.fills if "symbol" in result.fills.columns else result.fills.with_columns(symbol=pl.lit(result.symbol))
    )
    foreign = fills.filter(~pl.col("symbol").is_in([each.symbol for each in given]))["symbol"]
    if foreign.len():
        raise ConfigError(
            f"candles of {foreign[0]!r} are not given",
            expected="those that the backtest traded",
            remedy="Pass a list of them for a portfolio",
        )
    if fills.is_empty():
        return math.inf
    taken = np.concatenate([_taken(fills.filter(pl.col("symbol") == each.symbol), each) for each in given])
    quantile = float(np.quantile(taken, share, method="higher"))
    return result.cash * participation / quantile if quantile > 0 else math.inf


def _taken(fills: pl.DataFrame, candles: Candles) -> np.ndarray:
    """Units of each fill / volume of the bar that filled it, float64 (fills,); infinity where it had no volume."""
    times = fills["time"].dt.replace_time_zone(None).to_numpy()
    at_open = fills["is_at_open"].to_numpy()
    absent = ~np.where(at_open, np.isin(times, candles.open_time), np.isin(times, candles.close_time))
    if absent.any():
        raise CandleError(
            f"the fill at {fills['time'][int(absent.argmax())]:%Y-%m-%d %H:%M} UTC is on no bar of {candles.symbol}",
            expected="the candles that the backtest traded",
            remedy="Pass those",
        )
    rows = np.where(at_open, np.searchsorted(candles.open_time, times), np.searchsorted(candles.close_time, times))
    volume, units = candles.volume[rows], fills["units"].to_numpy()
    return np.divide(units, volume, out=np.full(len(units), np.inf), where=volume > 0)


def break_even_bps() -> float: ...
