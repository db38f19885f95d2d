"""The account's step for many assets on one cash: who trades, how much, and one execution after the other.

Plain functions, compiled as they are; see `account`, whose `trade`, for one asset, gives the same bits.
"""

from __future__ import annotations

import math

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
from candlecast.backtesting.costs import Terms
from candlecast.backtesting.filters import allowed_units

MOST_ROUNDS = 50  # of the search for the equity left; each settles the direction of one asset or more


def run(
    opens: np.ndarray,
    closes: np.ndarray,
    volumes: np.ndarray,
    targets: np.ndarray,
    terms: Terms,
    due: np.ndarray | None,
    cash: float,
    held: np.ndarray,
    sums: np.ndarray,
    fills: np.ndarray,
) -> tuple[float, int]:
    """Follow targets of many assets; all arrays (time, asset), `opens` NaN where an asset has no bar.

    `targets` are to be filled on their own row (already one bar late), NaN where none. `due` (time, asset, 6): splits,
    dividends, funding and borrow of the asset; interest and loan of its first column are the account's. Writes units to
    `held` (time, asset), and equity, cash, gross value, financing paid and dividends received to `sums` (time, 5). Gives
    the shortfall and the number of fills (rows: time, asset, target, units, price, fee, slippage, reason).
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
        cash, shortfall, count = _liquidate_all(cash, units, marks, volumes[row], terms, shortfall, fills, count, row)
        cash, count = _rebalance(
            cash, units, marks, last, opens[row], volumes[row], targets[row], terms, fills, count, row
        )
        for asset in range(assets):
            if not math.isnan(opens[row, asset]):
                marks[asset] = closes[row, asset]
        cash, shortfall, count = _liquidate_all(cash, units, marks, volumes[row], terms, shortfall, fills, count, row)
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
    terms: Terms,
    fills: np.ndarray,
    count: int,
    row: int,
) -> tuple[float, int]:
    """Trade the assets whose target has changed, all sized by the equity that is left when all have paid."""
    equity = cash
    for asset in range(len(units)):
        equity += units[asset] * marks[asset]
    if equity <= 0.0:
        return cash, count
    left = _equity_left(equity, units, marks, last, opens, volumes, targets, terms)
    for asset in range(len(units)):
        target, price = targets[asset], opens[asset]
        if not _trades(target, last[asset], price):
            continue
        last[asset] = target
        wanted = target * equity - units[asset] * price
        if wanted == 0.0:
            continue
        change = allowed_units(target * left / price - units[asset], price, units[asset], terms.lot, terms.minimum)
        if change == 0.0:
            continue
        slippage = slipped(terms, wanted / price, volumes[asset])
        account = Account(cash, units[asset], target, 0.0)
        account, fill = execute(account, price, change, terms, terms.taker, slippage, volumes[asset], TARGET, None)
        cash, units[asset] = account.cash, account.units
        count = _write(fills, count, row, asset, target, fill)
    return cash, count


def _equity_left(
    equity: float,
    units: np.ndarray,
    marks: np.ndarray,
    last: np.ndarray,
    opens: np.ndarray,
    volumes: np.ndarray,
    targets: np.ndarray,
    terms: Terms,
) -> float:
    """E' = E - sum k |w E' - U P| over the assets that trade, whose directions depend on E' themselves.

    The right side falls in pieces of straight lines as E' grows; each round solves for the directions of the round
    before (Newton's method), until they stay.
    """
    left, seen = equity, math.nan
    for _ in range(MOST_ROUNDS):
        value, weight = 0.0, 0.0
        for asset in range(len(units)):
            if not _trades(targets[asset], last[asset], opens[asset]):
                continue
            held = units[asset] * opens[asset]
            slippage = slipped(terms, (targets[asset] * equity - held) / opens[asset], volumes[asset])
            signed = cost(targets[asset] * left - held, slippage, terms.taker)
            value += signed * held
            weight += signed * targets[asset]
        found = (equity + value) / (1.0 + weight)
        if found in (left, seen):
            return found
        seen, left = left, found
    return left


def _trades(target: float, last: float, price: float) -> bool:
    return not (math.isnan(target) or math.isnan(price) or target == last)


def _liquidate_all(
    cash: float,
    units: np.ndarray,
    marks: np.ndarray,
    volumes: np.ndarray,
    terms: Terms,
    shortfall: float,
    fills: np.ndarray,
    count: int,
    row: int,
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
                account, marks[asset], -units[asset], terms, terms.taker, slippage, volumes[asset], LIQUIDATION, None
            )
            cash, units[asset] = account.cash, 0.0
            count = _write(fills, count, row, asset, 0.0, fill)
    return max(cash, 0.0), shortfall + max(-cash, 0.0), count


def _write(fills: np.ndarray, count: int, row: int, asset: int, target: float, fill: Fill) -> int:
    if fill.reason == NOTHING:
        return count
    fills[count, 0], fills[count, 1], fills[count, 2], fills[count, 3] = row, asset, target, fill.units
    fills[count, 4], fills[count, 5], fills[count, 6], fills[count, 7] = (
        fill.price,
        fill.fee,
        fill.slippage,
        fill.reason,
    )
    return count + 1
