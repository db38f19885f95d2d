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

    `targets` are to be filled on their own row (already one bar late), NaN where none. `due` (time, asset, 6): splits,
    dividends, funding and borrow of the asset; interest and loan of its first column are the account's. Writes units to
    `held` (time, asset), and equity, cash, gross value, financing paid and dividends received to `sums` (time, 5). Gives
    the shortfall and the number of fills (rows: time, asset, whether at the open, target, units, price, fee, slippage,
    reason).
    """
    assets = opens.shape[1]
    units, marks, last = np.zeros(assets), np.zeros(assets), np.zeros(assets)
    shortfall, count = 0.0, 0
    for row in range(len(opens)):
        before, dividends = cash, 0.0
        if due is not None:
            for asset in range(assets):
                if not math.isnan(opens[row, asset]):
                    dividends += units[asset] * due[row, asset, 1]
            cash = _carry_all(cash, units, marks, opens[row], due[row])
        financing = before + dividends - cash
        for asset in range(assets):
            if not math.isnan(opens[row, asset]):
                marks[asset] = opens[row, asset]
        cash, shortfall, count = _liquidate_all(
            cash, units, marks, volumes[row], terms, extra, shortfall, fills, count, row, 1.0
        )
        cash, count = _rebalance(
            cash, units, marks, last, opens[row], volumes[row], targets[row], sizing, terms, extra, fills, count, row
        )
        for asset in range(assets):
            if not math.isnan(opens[row, asset]):
                marks[asset] = closes[row, asset]
        cash, shortfall, count = _liquidate_all(
            cash, units, marks, volumes[row], terms, extra, shortfall, fills, count, row, 0.0
        )
        worth, gross = 0.0, 0.0
        for asset in range(assets):
            held[row, asset] = units[asset]
            worth += units[asset] * marks[asset]
            gross += abs(units[asset]) * marks[asset]
        sums[row, 0], sums[row, 1], sums[row, 2], sums[row, 3] = cash + worth, cash, gross, financing
        sums[row, 4] = dividends
    return shortfall, count


def _carry_all(cash: float, units: np.ndarray, marks: np.ndarray, opens: np.ndarray, due: np.ndarray) -> float:
    """What falls due on each asset with a bar, then interest on the cash beyond the proceeds of shorts."""
    free = cash
    for asset in range(len(units)):
        if math.isnan(opens[asset]) or units[asset] == 0.0:
            free += min(units[asset] * marks[asset], 0.0)
            continue
        owed = Due(due[asset, 0], due[asset, 1], due[asset, 2], due[asset, 3], 0.0, 0.0)
        carried = carry(Account(cash, units[asset], 0.0, 0.0), opens[asset], owed)
        free += carried.cash - cash + min(carried.units * opens[asset], 0.0)
        cash, units[asset] = carried.cash, carried.units
    return cash + free * (due[0, 4] if free > 0.0 else due[0, 5])


def _rebalance(
    cash: float,
    units: np.ndarray,
    marks: np.ndarray,
    last: np.ndarray,
    opens: np.ndarray,
    volumes: np.ndarray,
    targets: np.ndarray,
    sizing: Sizing,
    terms: Terms,
    extra: Extra | None,
    fills: np.ndarray,
    count: int,
    row: int,
) -> tuple[float, int]:
    """Trade the assets whose target has changed or drifted, all sized by the equity that is left when all have paid."""
    equity = cash
    for asset in range(len(units)):
        equity += units[asset] * marks[asset]
    if equity <= 0.0:
        return cash, count
    trades = np.empty(len(units), dtype=np.bool_)
    for asset in range(len(units)):
        trades[asset] = _trades(targets[asset], last[asset], opens[asset], units[asset], equity, sizing, asset)
    left = _equity_left(equity, units, trades, opens, volumes, targets, sizing, terms)
    for asset in range(len(units)):
        if not trades[asset]:
            continue
        target, price = targets[asset], opens[asset]
        last[asset] = target
        wanted = _value(target, equity, price, sizing.in_units[asset]) - units[asset] * price
        if wanted == 0.0:
            continue
        change = (target if sizing.in_units[asset] else target * left / price) - units[asset]
        change = allowed_units(change, price, units[asset], terms.lot, terms.minimum)
        if change == 0.0:
            continue
        slippage = slipped(terms, wanted / price, volumes[asset])
        account = Account(cash, units[asset], target, 0.0)
        account, fill = execute(account, price, change, terms, terms.taker, slippage, volumes[asset], TARGET, extra)
        cash, units[asset] = account.cash, account.units
        count = _write(fills, count, row, asset, 1.0, target, fill)
    return cash, count


def _equity_left(
    equity: float,
    units: np.ndarray,
    trades: np.ndarray,
    opens: np.ndarray,
    volumes: np.ndarray,
    targets: np.ndarray,
    sizing: Sizing,
    terms: Terms,
) -> float:
    """E' = E - sum k |w E' - U P| over the assets that trade, whose directions depend on E' themselves.

    A target T in units has the value T P in place of w E'.

    The right side falls in pieces of straight lines as E' grows; each round solves for the directions of the round
    before (Newton's method), until they stay.
    """
    left, seen = equity, math.nan
    for _ in range(MOST_ROUNDS):
        value, weight = 0.0, 0.0
        for asset in range(len(units)):
            if not trades[asset]:
                continue
            target, price, in_units = targets[asset], opens[asset], sizing.in_units[asset]
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


def _trades(target: float, last: float, price: float, held: float, equity: float, sizing: Sizing, asset: int) -> bool:
    """Whether an asset trades: its target has changed, or what is held has drifted from it by more than its band."""
    if math.isnan(target) or math.isnan(price):
        return False
    if target != last:
        return True
    band = sizing.band[asset]
    if sizing.in_units[asset] or band == math.inf:
        return False
    return abs(held * price - target * equity) > band * equity


def _liquidate_all(
    cash: float,
    units: np.ndarray,
    marks: np.ndarray,
    volumes: np.ndarray,
    terms: Terms,
    extra: Extra | None,
    shortfall: float,
    fills: np.ndarray,
    count: int,
    row: int,
    at_open: float,
) -> tuple[float, float, int]:
    """Close everything at the marks when equity after closing is `maintenance` of the gross value or less.

    Assets without a bar are closed at their last price.
    """
    counted, owes = cash, cash < 0.0
    for asset in range(len(units)):
        closing = abs(cost(-units[asset], terms.slippage, terms.taker)) + terms.maintenance
        counted += (units[asset] - closing * abs(units[asset])) * marks[asset]
        owes = owes or units[asset] < 0.0
    if counted > 0.0 or not owes:
        return cash, shortfall, count
    for asset in range(len(units)):
        if units[asset] != 0.0:
            account = Account(cash, units[asset], 0.0, 0.0)
            slippage = slipped(terms, units[asset], volumes[asset])
            account, fill = execute(
                account, marks[asset], -units[asset], terms, terms.taker, slippage, volumes[asset], LIQUIDATION, extra
            )
            cash, units[asset] = account.cash, 0.0
            count = _write(fills, count, row, asset, at_open, 0.0, fill)
    return max(cash, 0.0), shortfall + max(-cash, 0.0), count


def _write(fills: np.ndarray, count: int, row: int, asset: int, at_open: float, target: float, fill: Fill) -> int:
    if fill.reason == NOTHING:
        return count
    written = fills[count]
    written[0], written[1], written[2], written[3], written[4] = row, asset, at_open, target, fill.units
    written[5], written[6], written[7], written[8] = fill.price, fill.fee, fill.slippage, fill.reason
    return count + 1
