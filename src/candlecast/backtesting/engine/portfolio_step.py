"""The account's step for many assets on one cash: who trades, how much, and one execution after the other.

Plain functions, compiled as they are; see `account`, whose `trade`, for one asset, gives the same bits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from candlecast.backtesting.costs import Terms
from candlecast.backtesting.engine.account import (
    LIQUIDATION,
    NOTHING,
    TARGET,
    Account,
    CarryEvents,
    Conditions,
    Fill,
    Quote,
    Ticket,
    carry,
    close_at,
    cost,
    execute,
    liquidate,
    slipped,
)
from candlecast.backtesting.filters import allowed_units

MAX_ROUNDS = 50  # of the search for the equity left; each settles the direction of one asset or more


class Sizing(NamedTuple):
    """How the targets of each asset are meant, as in `Positions`: `in_units` and `band`, both (asset,)."""

    in_units: np.ndarray
    band: np.ndarray


class Prices(NamedTuple):
    """Bars of the assets, each (time, asset); NaN where an asset has no bar, and its volume 0.0 there.

    `events` (time, asset, 6), or None: splits, dividends, funding and borrow of the asset; interest and loan of the first
    asset are the account's. `ends` (asset,), int64: the row of the last bar of a series that has ended, -1 for others; or
    None where none has.
    """

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    events: np.ndarray | None
    ends: np.ndarray | None = None


class Holdings(NamedTuple):
    """What is held: `units`, the price that each was last seen at (`marks`), the target last traded (`last`); (asset,).

    `bad`, `trades`: memory for the prices that the account is tried at, and for the assets that trade, int64; (asset,).
    """

    units: np.ndarray
    marks: np.ndarray
    last: np.ndarray
    bad: np.ndarray
    trades: np.ndarray


class Moment(NamedTuple):
    """One row of the grid: `at_open`, 1.0 at its open and 0.0 within its bars, and of each asset the open (NaN: no bar),
    the bar's volume (NaN: nothing was traded) and the target; (asset,).
    """

    row: int
    at_open: float
    opens: np.ndarray
    volumes: np.ndarray
    targets: np.ndarray


class Asked(NamedTuple):
    """What the account trades under, and how its targets are meant."""

    conditions: Conditions
    sizing: Sizing


class Log(NamedTuple):
    """Executions: the first `filled` rows are written (time, asset, whether at the open, target, units, price, fee,
    slippage, reason).
    """

    fills: np.ndarray
    filled: int


class Written(NamedTuple):
    """Arrays that `run` writes to: units `held` (time, asset), or None where nobody reads them, executions, and `sums`
    (time, 5): equity, cash, gross value, financing paid and dividends received.
    """

    held: np.ndarray | None
    sums: np.ndarray
    fills: np.ndarray


def run(prices: Prices, targets: np.ndarray, asked: Asked, cash: float, written: Written) -> tuple[float, int]:
    """Follow targets of many assets; arrays (time, asset).

    `targets` are to be filled on their own row (already one bar late), NaN where none, and where nothing is traded. Gives
    the shortfall and the number of fills.
    """
    opens, assets = prices.open, prices.open.shape[1]
    memory = np.zeros(assets, np.int64)
    holdings = Holdings(np.zeros(assets), np.zeros(assets), np.zeros(assets), np.zeros(assets), memory)
    units, marks = holdings.units, holdings.marks
    held, sums, fills = written
    shortfall, count = 0.0, 0
    for row in range(len(opens)):
        opening = Moment(row, 1.0, opens[row], prices.volume[row], targets[row])
        within = Moment(row, 0.0, opens[row], prices.volume[row], targets[row])
        before = cash
        cash, dividends = _carry_all(cash, holdings, opening, prices.events)
        financing = before + dividends - cash
        for asset in range(assets):
            if not math.isnan(opens[row, asset]):
                marks[asset] = opens[row, asset]
        holdings.bad[:] = marks
        cash, lost, count = _liquidate_all(cash, holdings, opening, asked, Log(fills, count))
        shortfall += lost
        cash, count = _rebalance(cash, holdings, opening, asked, Log(fills, count))
        if _owes(cash, units):
            _find_worst(cash, holdings, prices, within, asked)
            cash, lost, count = _liquidate_all(cash, holdings, within, asked, Log(fills, count))
            shortfall += lost
        for asset in range(assets):
            if not math.isnan(opens[row, asset]):
                marks[asset] = prices.close[row, asset]
        cash, lost, count = _close_ended(cash, holdings, within, prices.ends, asked, Log(fills, count))
        shortfall += lost
        _keep(held, row, units)
        worth, gross = 0.0, 0.0
        for asset in range(assets):
            if units[asset] == 0.0:
                continue
            worth += units[asset] * marks[asset]
            gross += abs(units[asset]) * marks[asset]
        sums[row, 0], sums[row, 1], sums[row, 2], sums[row, 3] = cash + worth, cash, gross, financing
        sums[row, 4] = dividends
    return shortfall, count


def _keep(held: np.ndarray | None, row: int, units: np.ndarray) -> None:
    if held is None:
        return
    held[row] = units


def _owes(cash: float, units: np.ndarray) -> bool:
    """Whether the account has a loan or a short position, without which no price liquidates it."""
    owes = cash < 0.0
    for asset in range(len(units)):
        owes = owes or units[asset] < 0.0
    return owes


def _carry_all(cash: float, holdings: Holdings, moment: Moment, events: np.ndarray | None) -> tuple[float, float]:
    """Carry events of each asset with a bar, then interest on the cash beyond the proceeds of shorts.

    Gives the cash and the dividends received.
    """
    if events is None:
        return cash, 0.0
    units, opens, free, dividends, own = holdings.units, moment.opens, cash, 0.0, events[moment.row]
    for asset in range(len(units)):
        if not math.isnan(opens[asset]):
            dividends += units[asset] * own[asset, 1]
    for asset in range(len(units)):
        if math.isnan(opens[asset]) or units[asset] == 0.0:
            free += min(units[asset] * holdings.marks[asset], 0.0)
            continue
        paid = CarryEvents(own[asset, 0], own[asset, 1], own[asset, 2], own[asset, 3], 0.0, 0.0)
        carried = carry(Account(cash, units[asset], 0.0, 0.0), opens[asset], paid)
        free += carried.cash - cash + min(carried.units * opens[asset], 0.0)
        cash, units[asset] = carried.cash, carried.units
    return cash + free * (own[0, 4] if free > 0.0 else own[0, 5]), dividends


def _rebalance(cash: float, holdings: Holdings, moment: Moment, asked: Asked, log: Log) -> tuple[float, int]:
    """Trade the assets whose target has changed, or whose fraction has drifted from it by more than the band.

    All are sized by the equity that is left when all have paid.
    """
    units, marks, last = holdings.units, holdings.marks, holdings.last
    opens, volumes, targets, count = moment.opens, moment.volumes, moment.targets, log.filled
    terms, (in_units, band) = asked.conditions.terms, asked.sizing
    equity = cash
    for asset in range(len(units)):
        equity += units[asset] * marks[asset]
    if equity <= 0.0:
        return cash, count
    trades, size = holdings.trades, 0
    for asset in range(len(units)):
        target, price = targets[asset], opens[asset]
        if math.isnan(target) or math.isnan(price):
            continue
        drifted = False
        if target == last[asset]:
            drift = abs(units[asset] * price - target * equity)
            drifted = not in_units[asset] and band[asset] < math.inf and drift > band[asset] * equity
        if drifted or target != last[asset]:
            trades[size] = asset
            size += 1
    if size == 0:
        return cash, count
    left = _equity_left(equity, trades[:size], units, moment, asked)
    for place in range(size):
        asset = int(trades[place])
        target, price, volume = targets[asset], opens[asset], volumes[asset]
        last[asset] = target
        wanted = _value(target, equity, price, in_units[asset]) - units[asset] * price
        if wanted == 0.0:
            continue
        change = (target if in_units[asset] else target * left / price) - units[asset]
        change = allowed_units(change, price, units[asset], terms.lot, terms.minimum)
        if change == 0.0:
            continue
        slippage = slipped(terms, wanted / price, volume)
        account = Account(cash, units[asset], target, 0.0)
        ticket = Ticket(change, terms.taker, slippage, TARGET, math.nan)
        account, fill = execute(account, Quote(price, volume), ticket, asked.conditions)
        cash, units[asset] = account.cash, account.units
        count = _write(Log(log.fills, count), moment, asset, target, fill)
    return cash, count


def _equity_left(equity: float, trades: np.ndarray, units: np.ndarray, moment: Moment, asked: Asked) -> float:
    """E' = E - sum k |w E' - U P| over the assets that trade, whose directions depend on E' themselves.

    A target T in units has the value T P in place of w E'. The right side falls in pieces of straight lines as E' grows;
    each round solves for the directions of the round before (Newton's method), until they stay.
    """
    opens, volumes, targets = moment.opens, moment.volumes, moment.targets
    terms, all_in_units, left, seen = asked.conditions.terms, asked.sizing.in_units, equity, math.nan
    for _ in range(MAX_ROUNDS):
        value, weight = 0.0, 0.0
        for place in range(len(trades)):
            asset = int(trades[place])
            target, price, in_units = targets[asset], opens[asset], all_in_units[asset]
            held = units[asset] * price
            slippage = slipped(terms, (_value(target, equity, price, in_units) - held) / price, volumes[asset])
            signed = cost(_value(target, left, price, in_units) - held, slippage, terms.taker)
            value += signed * (held - target * price if in_units else held)
            weight += 0.0 if in_units else signed * target
        found = (equity + value) / (1.0 + weight)
        if found in (left, seen):
            return found
        seen, left = left, found
    return left


def _value(target: float, equity: float, price: float, in_units: bool) -> float:
    """What a target is worth in quote currency."""
    return target * price if in_units else target * equity


def _find_worst(cash: float, holdings: Holdings, prices: Prices, moment: Moment, asked: Asked) -> None:
    """Write to `holdings.bad` the prices of the bar that the account is worth least at, of those it may have met at once.

    These are: all closes; all lows; all highs (assets that move together); and the worst price of each asset with the
    others where they opened (an asset that moves alone). With one asset, its worst price.
    """
    units, marks, row = holdings.units, holdings.marks, moment.row
    together, alone, least = 0, -1, math.inf
    for case, side in enumerate((prices.close, prices.low, prices.high)):
        worth = cash
        for asset in range(len(units)):
            if units[asset] != 0.0:
                price = marks[asset] if _is_still(moment, asset) else side[row, asset]
                worth += _counted(units[asset], asked.conditions.terms) * price
        if worth < least:
            together, least = case, worth
    opened = cash
    for asset in range(len(units)):
        opened += 0.0 if units[asset] == 0.0 else _counted(units[asset], asked.conditions.terms) * marks[asset]
    for asset in range(len(units)):
        if units[asset] == 0.0 or _is_still(moment, asset):
            continue
        extreme = prices.high[row, asset] if units[asset] < 0.0 else prices.low[row, asset]
        worth = opened + _counted(units[asset], asked.conditions.terms) * (extreme - marks[asset])
        if worth < least:
            alone, least = asset, worth
    for asset in range(len(units)):
        holdings.bad[asset] = marks[asset]
        if units[asset] == 0.0 or _is_still(moment, asset):
            continue
        if asset == alone:
            holdings.bad[asset] = prices.high[row, asset] if units[asset] < 0.0 else prices.low[row, asset]
        elif alone < 0:
            other = prices.low[row, asset] if together == 1 else prices.high[row, asset]
            holdings.bad[asset] = prices.close[row, asset] if together == 0 else other


def _is_still(moment: Moment, asset: int) -> bool:
    """Whether an asset has no bar, or one in which nothing was traded: its price stays where it was."""
    return math.isnan(moment.opens[asset]) or math.isnan(moment.volumes[asset])


def _counted(units: float, terms: Terms) -> float:
    """Units as liquidation counts them: less what closing costs and what must be kept, as in `account.liquidate`."""
    return units - (abs(cost(-units, terms.slippage, terms.taker)) + terms.maintenance) * abs(units)


def _liquidate_all(cash: float, holdings: Holdings, moment: Moment, asked: Asked, log: Log) -> tuple[float, float, int]:
    """Close everything where equity after closing is `maintenance` of the gross value, on the way from the marks to `bad`.

    All prices move in straight lines and at one pace; where the marks are beyond that already, they are closed there. One
    position alone is liquidated as in `account`. Assets without a bar, or without trades in theirs, are closed at their last
    price; while nothing that is held trades, all waits. Gives the cash, what could not be paid and the number of fills.
    """
    units, marks, bad, terms = holdings.units, holdings.marks, holdings.bad, asked.conditions.terms
    count = log.filled
    if not _owes(cash, units):
        return cash, 0.0, count
    held, only, now, then = 0, 0, cash, cash
    for asset in range(len(units)):
        if units[asset] == 0.0:
            continue
        held, only = held + 1, asset
        now += _counted(units[asset], terms) * marks[asset]
        then += _counted(units[asset], terms) * bad[asset]
    if held == 0 or not _can_close(units, moment.volumes):
        return cash, 0.0, count
    if held == 1:
        volume = moment.volumes[only]
        account = Account(cash, units[only], 0.0, 0.0)
        account, fill = liquidate(account, Quote(marks[only], volume), bad[only], asked.conditions)
        units[only] = account.units
        count = _write(log, moment, only, 0.0, fill)
        return account.cash, account.shortfall, count
    if min(now, then) > 0.0:
        return cash, 0.0, count
    reached = now / (now - then) if now > 0.0 else 0.0
    for asset in range(len(units)):
        if units[asset] != 0.0:
            account = Account(cash, units[asset], 0.0, 0.0)
            volume = 0.0 if math.isnan(moment.volumes[asset]) else moment.volumes[asset]
            price = marks[asset] + reached * (bad[asset] - marks[asset])
            slippage = slipped(terms, units[asset], volume)
            ticket = Ticket(-units[asset], terms.taker, slippage, LIQUIDATION, math.nan)
            account, fill = execute(account, Quote(price, volume), ticket, asked.conditions)
            cash, units[asset] = account.cash, 0.0
            count = _write(Log(log.fills, count), moment, asset, 0.0, fill)
    left = cash if terms.maintenance > 0.0 else min(cash, 0.0)  # rounding leaves no money
    return max(left, 0.0), max(-left, 0.0), count


def _close_ended(
    cash: float, holdings: Holdings, moment: Moment, ends: np.ndarray | None, asked: Asked, log: Log
) -> tuple[float, float, int]:
    """Close the assets whose series end with this row, each at its last close; see `account.close_out`.

    Gives the cash, what could not be paid where nothing else is held, and the number of fills.
    """
    if ends is None:
        return cash, 0.0, log.filled
    units, count, held = holdings.units, log.filled, 0
    for asset in range(len(units)):
        if ends[asset] == moment.row and units[asset] != 0.0:
            volume = 0.0 if math.isnan(moment.volumes[asset]) else moment.volumes[asset]
            account = Account(cash, units[asset], 0.0, 0.0)
            account, fill = close_at(account, Quote(holdings.marks[asset], volume), asked.conditions)
            cash, units[asset] = account.cash, 0.0
            count = _write(Log(log.fills, count), moment, asset, 0.0, fill)
        held += units[asset] != 0.0
    if held == 0 and count > log.filled:
        return max(cash, 0.0), max(-cash, 0.0), count
    return cash, 0.0, count


def _can_close(units: np.ndarray, volumes: np.ndarray) -> bool:
    """Whether anything that is held is traded in its bar, or has no bar."""
    traded = 0
    for asset in range(len(units)):
        if units[asset] != 0.0 and not math.isnan(volumes[asset]):
            traded += 1
    return traded > 0


def _write(log: Log, moment: Moment, asset: int, target: float, fill: Fill) -> int:
    if fill.reason == NOTHING:
        return log.filled
    written = log.fills[log.filled]
    written[0], written[1], written[2], written[3], written[4] = moment.row, asset, moment.at_open, target, fill.units
    written[5], written[6], written[7], written[8] = fill.price, fill.fee, fill.slippage, fill.reason
    return log.filled + 1
