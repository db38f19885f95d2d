"""The same account under other terms: without what its costs pay it or some of its fills, against volumes, and with a carry."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl

from candlecast.backtesting import BacktestResult, Costs, traded_volume
from candlecast.candles import Candles
from candlecast.candles.caps import is_at_cap
from candlecast.candles.fills import is_locked, is_repeat
from candlecast.candles.gaps import find_gaps
from candlecast.candles.halts import is_halt
from candlecast.evaluation.growth import LOST, Growth, growth_of
from candlecast.signals import Positions
from candlecast.stats import annual_return, bootstrap_p_value, log_returns

PARTICIPATION = (
    0.1  # of the volume of a bar: the largest median order at which its prices would have stayed what they are
)
GAP_BARS, GAP_TIME = (
    20,
    np.timedelta64(7, "D"),
)  # that are missing of one asset, above which it may have been another before
TAKEOVER = 1.0  # of the last close, that is paid above it
UNLIMITED = 1e18  # volume of the bars of a market that reports none, in which some are to fill nothing
LARGEST_UNIT = 100_000  # that volumes are counted in: a standard lot of a currency


@dataclass(frozen=True)
class Stresses:
    """An account under other terms. The defaults mean that nothing is known.

    unpaid_return: annual return without what the costs pay: negative extra costs, interest, and funding to either side; NaN where
        they pay nothing. unpaid_p: p-value of no growth then.
    participation: median over the fills of the order as a share of the volume of its bar, in units of the asset or in value,
        whichever is smaller; NaN where no volume is known. is_in_units: the source is known to count volume in either.
    largest_cash: the cash, in quote currency, at which that share is PARTICIPATION; infinite where no volume is known.
    locked_share: share of the fills in bars without a range far from the close before, as at a price limit. locked_return: annual
        return when nothing is filled there, NaN without such fills; locked_p: p-value of no growth then.
    capped_share: share of the fills in bars after a move of a size that moves pile up at (`candles.caps.is_at_cap`), or in locked
        ones. capped_return, capped_p: the same without these fills; NaN where no fill follows such a move.
    ended: positions of one side that were held when their series ended or came to a long gap (`before_gaps` of them);
        is_ended_short: of the short side. ended_return: annual return if they had been lost, or bought back at twice the last
        close; NaN without any; ended_p: p-value of no growth then (`without_last_closes`, `lost_in_gaps`).
    carry_percent: percent a year, charged on the value held of either side, that would take all of the growth; NaN without
        growth, and where the costs charge or pay a carry.
    """

    unpaid_return: float = math.nan
    unpaid_p: float = 0.0
    participation: float = math.nan
    is_in_units: bool = False
    largest_cash: float = math.inf
    locked_share: float = 0.0
    locked_return: float = math.nan
    locked_p: float = 0.0
    capped_share: float = 0.0
    capped_return: float = math.nan
    capped_p: float = 0.0
    ended: int = 0
    before_gaps: int = 0
    is_ended_short: bool = False
    ended_return: float = math.nan
    ended_p: float = 0.0
    carry_percent: float = math.nan

    @property
    def is_too_large(self) -> bool:
        """The median order exceeds PARTICIPATION of its bar's volume, in the largest usual unit where the unit is not known."""
        unit = 1.0 if self.is_in_units else LARGEST_UNIT
        return self.participation / unit > PARTICIPATION


def stresses(candles: Candles, positions: Positions, result: BacktestResult, *, seed: int = 0) -> Stresses:
    """The account of these positions under other terms."""
    without = without_payments(result.costs)
    unpaid = (
        Growth(math.nan, 0.0) if without is None else growth_of(candles, positions, result, costs=without, seed=seed)
    )
    share = _participation(candles, result)
    is_barred = is_locked(candles)
    locked_share, locked = _without(candles, positions, result, is_barred, seed)
    follows_cap = np.concatenate([[False], is_at_cap(candles)[:-1]])
    capped_share, capped = 0.0, Growth(math.nan, 0.0)
    if follows_cap[_fill_rows(candles, result)].any():
        capped_share, capped = _without(candles, positions, result, is_barred | follows_cap, seed)
    lost = lost_in_gaps(candles, result, seed=seed)
    return stresses_of(
        result,
        held=float(np.abs(result.equity["position"].to_numpy()).mean()),
        participation=share,
        is_in_units=counts_units(candles),
        unpaid=unpaid,
        locked=(locked_share, locked),
        capped=(capped_share, capped),
        ended=lost,
    )


class Ended(NamedTuple):
    """Positions of one side that were held when their series ended, `before_gaps` of them when it came to a long gap, and the
    growth if they had been lost.
    """

    positions: int = 0
    is_short: bool = False
    growth: Growth = Growth(math.nan, 0.0)
    before_gaps: int = 0


def stresses_of(
    result: BacktestResult,
    *,
    held: float,
    participation: float,
    is_in_units: bool,
    unpaid: Growth,
    locked: tuple[float, Growth],
    capped: tuple[float, Growth],
    ended: Ended = Ended(),  # noqa: B008 - a value
) -> Stresses:
    """The stresses of an account.

    `held` is the mean value held over equity, longs and shorts added; `locked` and `capped` are the share of such fills, and the
    growth without them; `ended` as of `without_last_closes`.
    """
    return Stresses(
        unpaid_return=unpaid.annual,
        unpaid_p=unpaid.p_value,
        participation=participation,
        is_in_units=is_in_units,
        largest_cash=result.cash * PARTICIPATION / participation if participation > 0 else math.inf,
        locked_share=locked[0],
        locked_return=locked[1].annual,
        locked_p=locked[1].p_value,
        capped_share=capped[0],
        capped_return=capped[1].annual,
        capped_p=capped[1].p_value,
        ended=ended.positions,
        before_gaps=ended.before_gaps,
        is_ended_short=ended.is_short,
        ended_return=ended.growth.annual,
        ended_p=ended.growth.p_value,
        carry_percent=carry_percent(result, held=held),
    )


def without_last_closes(result: BacktestResult, *, before_gaps: Collection[str] = (), seed: int = 0) -> Ended:
    """Positions that were closed at the end of their series, and the growth at prices that their holders may have got.

    A series may end because its asset is worth nothing (bankruptcy), or is bought for more than the last close: candles do not
    say which. All long positions are lost, or all short ones are closed at twice the last close; the worse of both counts.
    Shumway (1997), The Delisting Bias in CRSP Data; Betton, Eckbo and Thorburn (2008), Corporate Takeovers, whose mean premium
    is 48 %. `before_gaps`: symbols of series that end where the symbol has a long gap, as of an asset that lost it to another.
    """
    returns, equity = result.returns_until_ruin, result.equity["equity"].to_numpy()
    worst = Ended()
    for side, share in (("sell", 1.0), ("buy", TAKEOVER)):
        closed = result.fills.filter((pl.col("reason") == "series ended") & (pl.col("side") == side))
        if not closed.height or not len(returns):
            continue
        rows = np.searchsorted(result.equity["time"].to_numpy(), closed["time"].to_numpy())
        rows = np.clip(rows, 1, len(returns))
        paid = np.bincount(rows - 1, weights=share * np.abs(closed["notional"].to_numpy()), minlength=len(returns))
        growth = _charged(result, paid / np.maximum(equity[: len(returns)], 1e-12), seed)
        if math.isnan(worst.growth.annual) or growth.annual < worst.growth.annual:
            gaps = closed["symbol"].is_in(list(before_gaps)).sum() if before_gaps else 0
            worst = Ended(closed.height, side == "buy", growth, int(gaps))
    return worst


def lost_in_gaps(candles: Candles, result: BacktestResult, *, seed: int = 0) -> Ended:
    """As `without_last_closes`, of the positions in one asset that were held into a long gap of its candles.

    After a gap of more than GAP_BARS bars and GAP_TIME the symbol may be another asset's. Known halts and closings are no such
    gaps; bars that repeat the close before without volume are no bars. The move of the price across the gap is not earned.
    """
    rows = candles.frame.with_row_index("row").filter(~(is_repeat(candles) & ~(candles.volume > 0)))
    traded = replace(candles, frame=rows.drop("row"))
    times, returns = result.equity["time"].dt.replace_time_zone(None).to_numpy(), result.returns_until_ruin
    held, worst = result.equity["position"].to_numpy(), Ended()
    after = _after_long_gaps(traded)
    before, later = (np.searchsorted(times, traded.close_time[each]) for each in (after - 1, after))
    is_tested = (traded.close_time[after - 1] >= times[0]) & (later <= len(returns))
    moves = traded.open[after] / traded.close[after - 1] - 1.0
    for sign, share in ((1.0, 1.0), (-1.0, TAKEOVER)):
        is_held = is_tested & (sign * held[np.minimum(before, len(held) - 1)] > 0)
        if not is_held.any():
            continue
        size = held[before[is_held]]
        charges = np.zeros(len(returns))
        np.add.at(charges, np.maximum(before[is_held] - 1, 0), share * np.abs(size))
        np.add.at(charges, later[is_held] - 1, size * moves[is_held])
        growth, gaps = _charged(result, charges, seed), int(is_held.sum())
        if math.isnan(worst.growth.annual) or growth.annual < worst.growth.annual:
            worst = Ended(gaps, sign < 0, growth, gaps)
    return worst


def _after_long_gaps(candles: Candles) -> np.ndarray:
    """The rows after long gaps that are no known halts of the exchange, int64 (gap,)."""
    gaps = find_gaps(candles)
    is_long = (gaps.bars > GAP_BARS) & (gaps.end - gaps.start > GAP_TIME) & (gaps.row > 0)
    exchange, step = candles.origin.source if candles.origin else "", candles.interval.timedelta
    known = [is_halt(exchange, *each, step=step) for each in zip(gaps.start, gaps.end, strict=True)]
    return gaps.row[is_long & ~np.array(known, dtype=bool)]


def _charged(result: BacktestResult, charges: np.ndarray, seed: int) -> Growth:
    """The growth of an account with charges, shares of equity, taken off its returns; both (bars - 1,)."""
    left = np.maximum(result.returns_until_ruin - charges, LOST)
    p_value = bootstrap_p_value(log_returns(left), seed=seed)
    return Growth(annual_return(left, bars_per_year=result.bars_per_year), p_value)


def counts_units(candles: Candles) -> bool:
    """Whether the source of candles is known to count volume in units of the asset or in money."""
    origin = candles.origin
    return origin is not None and origin.reading is None and origin.source != "table"


def without_payments(costs: Costs) -> Costs | None:
    """The same costs without what they may pay an account; None where they pay nothing.

    A negative `extra` costs nothing, and neither longs nor shorts receive funding, nor cash interest: these are assumptions
    about a venue, not skill.

    >>> without_payments(Costs()) is None
    True
    >>> without_payments(Costs(funding_bps=30.0, borrow_percent=2.0)).funding_bps
    0.0
    """
    if costs.extra is None and not costs.funding_bps and not costs.interest_percent:
        return None
    given = costs.extra

    def charged(units: float, price: float, volume: float) -> float:
        return max(given(units, price, volume), 0.0) if given else 0.0

    return replace(costs, funding_bps=0.0, interest_percent=0.0, extra=charged if given else None)


def _fill_rows(candles: Candles, result: BacktestResult) -> np.ndarray:
    """The row of the bar of each fill."""
    times = result.fills["time"].dt.replace_time_zone(None).to_numpy()
    return np.searchsorted(candles.open_time, times, side="right") - 1


def _without(
    candles: Candles, positions: Positions, result: BacktestResult, is_barred: np.ndarray, seed: int
) -> tuple[float, Growth]:
    """The share of the fills in these bars, bool (time,), and the growth when they fill nothing, as if they had no volume."""
    rows = _fill_rows(candles, result)
    share = float(is_barred[rows].mean()) if len(rows) else 0.0
    if not share:
        return 0.0, Growth(math.nan, 0.0)
    volume = candles.volume if (candles.volume > 0).any() else np.full(len(candles), UNLIMITED)
    frame = candles.frame.with_columns(volume=pl.Series(np.where(is_barred, 0.0, volume)))
    return share, growth_of(replace(candles, frame=frame), positions, result, costs=result.costs, seed=seed)


def _participation(candles: Candles, result: BacktestResult) -> float:
    """The median order as a share of the volume of its bar, in units or in value."""
    fills = result.fills.filter("is_at_open")
    if not fills.height:
        return math.nan
    rows = np.searchsorted(candles.open_time, fills["time"].dt.replace_time_zone(None).to_numpy())
    volume = traded_volume(candles)[rows]
    has_volume = volume > 0
    if not has_volume.mean() > 0.5:
        return math.nan
    units, value = (fills[name].to_numpy()[has_volume] for name in ("units", "notional"))
    return float(min(np.median(each / volume[has_volume]) for each in (units, value)))


def carry_percent(result: BacktestResult, *, held: float) -> float:
    """Growth a year / the mean value `held` over equity, in percent; NaN without growth, or where a carry is charged."""
    returns = result.returns_until_ruin
    if result.ruined_at is not None or not len(returns) or not held > 0 or result.costs.has_carry:
        return math.nan
    growth = float(log_returns(returns).mean()) * result.bars_per_year
    return 100 * growth / held if growth > 0 else math.nan
