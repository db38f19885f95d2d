"""The account's step for many assets on one cash: who trades, how much, and one execution after the other.

Plain functions, compiled as they are; see `account`, whose `trade`, for one asset, gives the same bits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from candlecast.backtesting.account import (
    LIQUIDATION,
    NOTHING,
    TARGET,
    Account,
    Due,
    Fill,
    carry,
    cost,
    execute,
    slipped,
)
from candlecast.backtesting.costs import Extra, Terms
from candlecast.backtesting.filters import allowed_units

MOST_ROUNDS = 50  # of the search for the equity left; each settles the direction of one asset or more


class Sizing(NamedTuple):
    """How the targets of each asset are meant, as in `Positions`: `in_units` and `band`, both (asset,)."""

    in_units: np.ndarray
    band: np.ndarray


class Holdings(NamedTuple):
    """What is held: `units`, the price that each was last seen at (`marks`), the target last traded (`last`); (asset,)."""

    units: np.ndarray
    marks: np.ndarray
    last: np.ndarray


class Moment(NamedTuple):
    """One open: `row` of the grid, and of each asset the open (NaN: no bar), the bar's volume (NaN: nothing was traded)
    and the target; (asset,).
    """

    row: int
    opens: np.ndarray
    volumes: np.ndarray
    targets: np.ndarray


class Asked(NamedTuple):
    """What the account trades under."""

    terms: Terms
    extra: Extra | None
    sizing: Sizing


def run(
    opens: np.ndarray,
    closes: np.ndarray,
    volumes: np.ndarray,
    targets: np.ndarray,
    sizing: Sizing,
    terms: Terms,
    due: np.ndarray | None,
    extra: Extra | None,
    cash: float,
    held: np.ndarray,
    sums: np.ndarray,
    fills: np.ndarray,
) -> tuple[float, int]:
    """Follow targets of many assets; all arrays (time, asset), `opens` NaN where an asset has no bar.

    `targets` are to be filled on their own row (already one bar late), NaN where none, and where nothing is traded. `due`
    (time, asset, 6): splits, dividends, funding and borrow of the asset; interest and loan of its first column are the
    account's. Writes units to `held` (time, asset), and equity, cash, gross value, financing paid and dividends received to
    `sums` (time, 5). Gives the shortfall and the number of fills (rows: time, asset, whether at the open, target, units,
    price, fee, slippage, reason).
    """
    assets = opens.shape[1]
    holdings = Holdings(np.zeros(assets), np.zeros(assets), np.zeros(assets))
    units, marks = holdings.units, holdings.marks
    asked = Asked(terms, extra, sizing)
    shortfall, count = 0.0, 0
    for row in range(len(opens)):
        moment = Moment(row, opens[row], volumes[row], targets[row])
        before, dividends = cash, 0.0
        if due is not None:
            for asset in range(assets):
                if not math.isnan(opens[row, asset]):
                    dividends += units[asset] * due[row, asset, 1]
            cash = _carry_all(cash, holdings, moment, due[row])
        financing = before + dividends - cash
        for asset in range(assets):
            if not math.isnan(opens[row, asset]):
                marks[asset] = opens[row, asset]
        cash, lost, count = _liquidate_all(cash, holdings, moment, asked, fills, count, 1.0)
        shortfall += lost
        cash, count = _rebalance(cash, holdings, moment, asked, fills, count)
        for asset in range(assets):
            if not math.isnan(opens[row, asset]):
                marks[asset] = closes[row, asset]
        cash, lost, count = _liquidate_all(cash, holdings, moment, asked, fills, count, 0.0)
        shortfall += lost
        worth, gross = 0.0, 0.0
        for asset in range(assets):
            held[row, asset] = units[asset]
            worth += units[asset] * marks[asset]
            gross += abs(units[asset]) * marks[asset]
        sums[row, 0], sums[row, 1], sums[row, 2], sums[row, 3] = cash + worth, cash, gross, financing
        sums[row, 4] = dividends
    return shortfall, count


def _carry_all(cash: float, holdings: Holdings, moment: Moment, due: np.ndarray) -> float:
    """What falls due on each asset with a bar, then interest on the cash beyond the proceeds of shorts."""
    units, opens, free = holdings.units, moment.opens, cash
    for asset in range(len(units)):
        if math.isnan(opens[asset]) or units[asset] == 0.0:
            free += min(units[asset] * holdings.marks[asset], 0.0)
            continue
        owed = Due(due[asset, 0], due[asset, 1], due[asset, 2], due[asset, 3], 0.0, 0.0)
        carried = carry(Account(cash, units[asset], 0.0, 0.0), opens[asset], owed)
        free += carried.cash - cash + min(carried.units * opens[asset], 0.0)
        cash, units[asset] = carried.cash, carried.units
    return cash + free * (due[0, 4] if free > 0.0 else due[0, 5])


def _rebalance(
    cash: float, holdings: Holdings, moment: Moment, asked: Asked, fills: np.ndarray, count: int
) -> tuple[float, int]:
    """Trade the assets whose target has changed, or whose fraction has drifted from it by more than the band.

    All are sized by the equity that is left when all have paid.
    """
    units, marks, last = holdings
    row, opens, volumes, targets = moment
    terms, extra, (in_units, band) = asked
    equity = cash
    for asset in range(len(units)):
        equity += units[asset] * marks[asset]
    if equity <= 0.0:
        return cash, count
    trades = np.empty(len(units), dtype=np.bool_)
    for asset in range(len(units)):
        target, price = targets[asset], opens[asset]
        if math.isnan(target) or math.isnan(price):
            trades[asset] = False
        elif target != last[asset]:
            trades[asset] = True
        else:
            drift = abs(units[asset] * price - target * equity)
            trades[asset] = not in_units[asset] and band[asset] < math.inf and drift > band[asset] * equity
    left = _equity_left(equity, trades, units, moment, asked)
    for asset in range(len(units)):
        if not trades[asset]:
            continue
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
        account, fill = execute(account, price, change, terms, terms.taker, slippage, volume, TARGET, extra)
        cash, units[asset] = account.cash, account.units
        count = _write(fills, count, row, asset, 1.0, target, fill)
    return cash, count


def _equity_left(equity: float, trades: np.ndarray, units: np.ndarray, moment: Moment, asked: Asked) -> float:
    """E' = E - sum k |w E' - U P| over the assets that trade, whose directions depend on E' themselves.

    A target T in units has the value T P in place of w E'. The right side falls in pieces of straight lines as E' grows;
    each round solves for the directions of the round before (Newton's method), until they stay.
    """
    _, opens, volumes, targets = moment
    terms, all_in_units, left, seen = asked.terms, asked.sizing.in_units, equity, math.nan
    for _ in range(MOST_ROUNDS):
        value, weight = 0.0, 0.0
        for asset in range(len(units)):
            if not trades[asset]:
                continue
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


def _liquidate_all(
    cash: float, holdings: Holdings, moment: Moment, asked: Asked, fills: np.ndarray, count: int, at_open: float
) -> tuple[float, float, int]:
    """Close everything at the marks when equity after closing is `maintenance` of the gross value or less.

    Assets without a bar, or without trades in theirs, are closed at their last price; while nothing that is held trades,
    all waits. Gives the cash, what could not be paid and the number of fills.
    """
    units, marks, terms = holdings.units, holdings.marks, asked.terms
    counted, owes = cash, cash < 0.0
    for asset in range(len(units)):
        closing = abs(cost(-units[asset], terms.slippage, terms.taker)) + terms.maintenance
        counted += (units[asset] - closing * abs(units[asset])) * marks[asset]
        owes = owes or units[asset] < 0.0
    if counted > 0.0 or not owes or not _can_close(units, moment.volumes):
        return cash, 0.0, count
    for asset in range(len(units)):
        if units[asset] != 0.0:
            account = Account(cash, units[asset], 0.0, 0.0)
            volume = 0.0 if math.isnan(moment.volumes[asset]) else moment.volumes[asset]
            slippage = slipped(terms, units[asset], volume)
            account, fill = execute(
                account, marks[asset], -units[asset], terms, terms.taker, slippage, volume, LIQUIDATION, asked.extra
            )
            cash, units[asset] = account.cash, 0.0
            count = _write(fills, count, moment.row, asset, at_open, 0.0, fill)
    return max(cash, 0.0), max(-cash, 0.0), count


def _can_close(units: np.ndarray, volumes: np.ndarray) -> bool:
    """Whether anything that is held is traded in its bar, or has no bar."""
    traded = 0
    for asset in range(len(units)):
        if units[asset] != 0.0 and not math.isnan(volumes[asset]):
            traded += 1
    return traded > 0


def _write(fills: np.ndarray, count: int, row: int, asset: int, at_open: float, target: float, fill: Fill) -> int:
    if fill.reason == NOTHING:
        return count
    written = fills[count]
    written[0], written[1], written[2], written[3], written[4] = row, asset, at_open, target, fill.units
    written[5], written[6], written[7], written[8] = fill.price, fill.fee, fill.slippage, fill.reason
    return count + 1
