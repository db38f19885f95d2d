"""What a strategy can bear: costs at which it stops earning, and money at which it becomes its own market."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from candlecast.backtesting.actions import Actions, carry_by_bar
from candlecast.backtesting.costs import DEFAULT_COSTS, HIGHEST_BPS, Costs, checked
from candlecast.backtesting.engine.account import Conditions
from candlecast.backtesting.filters import NO_FILTERS, Filters
from candlecast.backtesting.result import BacktestResult
from candlecast.backtesting.simulate import asked_of, require_bearable, targets_by_bar
from candlecast.backtesting.sweep import sweep
from candlecast.backtesting.untraded import traded_volume
from candlecast.backtesting.validation import require_account, require_kind
from candlecast.candles import Candles
from candlecast.errors import CandleError, ConfigError
from candlecast.parameters import is_number
from candlecast.signals.given import as_positions
from candlecast.signals.positions import Positions
from candlecast.text.notebook import notebook_ends

FEES_BPS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
LADDER = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, HIGHEST_BPS)  # first looked at
HALVINGS = 24  # of the step of the ladder in which it stops earning: 500 bps to 3e-5


@dataclass(frozen=True)
class BreakEven:
    """The break-even cost curve.

    `curve`: one row per cost: `cost_bps` (per side: fee, half spread and slippage together), and `sweep`'s columns. `bps`:
    the cost per side up to which the account earns, see `break_even_bps`: NaN when it does not earn without costs either,
    infinity when it still earns at 1,000 bps.
    """

    curve: pl.DataFrame
    bps: float

    def __repr__(self) -> str:
        return f"BreakEven({self.bps:.1f} bp a side)"

    def _repr_html_(self) -> str:
        """The curve, for notebooks."""
        return notebook_ends(repr(self), self.curve)


def break_even(
    candles: Candles,
    positions: Positions,
    *,
    fees_bps: Sequence[float] = FEES_BPS,
    costs: Costs = DEFAULT_COSTS,
    cash: float = 10_000.0,
) -> BreakEven:
    """The same positions at other costs per side; everything in `costs` but fee, spread and slippage stays.

    Args:
        candles: of one asset.
        positions: of a rule.
        fees_bps: costs per side, basis points of the value traded. Of the usual range, those are left out that positions on
            credit could not pay at all (`leverage` times them is all of the equity).
        costs: all other rates.
        cash: initial cash, quote currency.

    Raises:
        ConfigError: for costs that positions on credit could not pay, and what `backtest` raises.

    >>> opens, closes, days = [10, 10, 11], [10, 11, 11], ["2024-01-01", "2024-01-02", "2024-01-03"]
    >>> prices = {"open": opens, "high": closes, "low": opens, "close": closes, "volume": [1, 1, 1]}
    >>> candles = Candles.from_frame(pl.DataFrame({"time": days, **prices}))
    >>> from candlecast.signals import Positions
    >>> held = candles.frame.head(2).select(time="close_time", symbol=pl.lit("asset"))
    >>> held = Positions(held.with_columns(position=pl.Series([1.0, 0.0])))
    >>> round(break_even(candles, held).bps)     # 1.1 (1 - f) / (1 + f) = 1 at f = 0.1 / 2.1
    476
    """
    positions = as_positions(positions, candles)
    given = list(fees_bps) if isinstance(fees_bps, Iterable) else [fees_bps]
    if not given or any(not is_number(fee) or not 0.0 <= fee <= HIGHEST_BPS for fee in given):
        raise ConfigError(
            f"fees_bps is {fees_bps!r}",
            expected=f"one or more costs of 0 to {HIGHEST_BPS:,.0f} basis points",
            remedy="Leave it out for a usual range",
        )
    bps = break_even_bps(candles, positions, costs=costs, cash=cash)
    if fees_bps is FEES_BPS:
        given = [fee for fee in given if asked_of(positions.leverage, _priced(costs, fee).terms()) < 1.0]
    table = sweep(candles, [positions] * len(given), costs=[_priced(costs, fee) for fee in given], cash=cash)
    return BreakEven(table.select(pl.Series("cost_bps", given, dtype=pl.Float64), pl.exclude("set")), bps)


def break_even_bps(
    candles: Candles,
    positions: Positions,
    *,
    costs: Costs = DEFAULT_COSTS,
    cash: float = 10_000.0,
    filters: Filters = NO_FILTERS,
    actions: Actions | None = None,
) -> float:
    """The cost per side, in basis points, up to which the account of these positions earns anything.

    The account itself is run at other costs: `cost` takes the place of fee, half spread and slippage of `costs`, and all
    else stays as it was paid (funding, borrow, loan and interest, impact, margin, an `extra`). Its total return falls as the
    cost rises (see `account.trade`), and where a ruin, a band, a lot or a minimum lets it rise again, the lowest cost at
    which it stops earning counts. NaN where it does not earn at no cost either, and where it never trades; infinity where
    it earns at 1,000 bps. To 1e-4 bps.

    Raises what `backtest` raises. In milliseconds for thousands of bars, unless the costs have an `extra`.
    """
    from candlecast.backtesting.engine import compiled

    require_account(candles, costs, cash, filters, actions)
    positions = as_positions(positions, candles)
    require_kind("positions", positions, Positions, "Pass the positions of a rule")
    require_bearable(positions.leverage, _priced(costs, 0.0).terms(filters))
    targets, first = targets_by_bar(candles, positions)
    bars = candles[first:]
    events = carry_by_bar(bars, costs, actions)
    volume = traded_volume(candles)[first:]
    arrays = compiled.BarArrays(bars.open, bars.high, bars.low, bars.close, volume, events, bars.has_ended)
    run = compiled.run_summaries if costs.extra is None else compiled.run_summaries.py_func
    extra, sums = checked(costs.extra), np.empty(compiled.SUMS)

    def earns(cost: float) -> bool:
        terms = _priced(costs, cost).terms(filters)
        if asked_of(positions.leverage, terms) >= 1.0:
            return False
        conditions = Conditions(terms._replace(band=float(positions.band)), extra, 1.0, positions.in_units)
        run(arrays, targets, conditions, float(cash), sums)
        return sums[0] > cash and sums[7] > 0

    below = math.nan
    for above in LADDER:
        if not earns(above):
            break
        below = above
    else:
        return math.inf
    if math.isnan(below):
        return math.nan
    for _ in range(HALVINGS):
        middle = (below + above) / 2
        below, above = (middle, above) if earns(middle) else (below, middle)
    return (below + above) / 2


def _priced(costs: Costs, cost: float) -> Costs:
    """The same costs with others per side."""
    return replace(costs, fee_bps=cost, maker_fee_bps=None, half_spread_bps=0.0, slippage_bps=0.0)


def capacity(
    result: BacktestResult,
    candles: Candles | Sequence[Candles],
    *,
    participation: float = 0.01,
    share: float = 0.95,
) -> float:
    """Initial cash, in quote currency, up to which `share` of the fills take at most `participation` of their bar's volume.

    cash x participation / q, with q the `share`-quantile over fills of units / volume of the bar that filled them, since
    all units scale with the cash. Infinity when nothing was traded; 0.0 when more than the rest of the fills met bars
    without volume. It is an upper bound: bars before and after are traded too, and the impact on the price is not in it
    (`Costs(impact_bps=...)`).

    Args:
        result: of `backtest` or `backtest_portfolio`.
        candles: those of the backtest, a list for a portfolio.
        participation: fraction of a bar's volume, in (0, 1].
        share: of the fills, in (0, 1].

    Raises:
        ConfigError: for a fraction outside of that, and where candles are missing.
        CandleError: where a fill lies on none of the bars.
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
