"""The one ledger step: how an account fills an order at an open, pays for it, and carries it to the close.

Everything here is floats in named tuples, so that a compiler can take these functions as they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from candlecast.backtesting.costs import Rates


class Bar(NamedTuple):
    """Prices that the account meets in one bar, in quote currency: fills happen at `open`, marks at `close`."""

    open: float
    close: float


class Account(NamedTuple):
    """State of the ledger: `cash` (quote currency), `units` held (negative when short), the `target` last filled.

    Equity at a price P is cash + units x P. `shortfall` is what a ruined account could not pay; see `trade`.
    """

    cash: float
    units: float
    target: float
    shortfall: float


class Fill(NamedTuple):
    """One execution: signed `units` (0.0: nothing happened), `price` paid, `fee` and `slippage` in quote currency."""

    units: float
    price: float
    fee: float
    slippage: float
    is_forced: bool


class Info(NamedTuple):
    """What happened in one bar: the fill at its open, and the forced closing at its close (only in ruin)."""

    at_open: Fill
    at_close: Fill


NO_FILL = Fill(0.0, 0.0, 0.0, 0.0, False)


def start(cash: float) -> Account:
    """A flat account holding `cash`, in quote currency."""
    return Account(cash, 0.0, 0.0, 0.0)


def step(account: Account, bar: Bar, target: float, rates: Rates) -> tuple[Account, Info]:
    """Carry the account through one bar with the target that was decided at or before its open.

    The target is filled at `bar.open`, then the account is looked at again at `bar.close`, where only ruin can trade;
    prices in between are not seen. Known at the bar's close. See `trade` for the rules.

    >>> account, info = step(start(1_000.0), Bar(open=10.0, close=12.0), 1.0, Rates(fee=0.0, slippage=0.0))
    >>> account.units, account.cash + account.units * 12.0
    (100.0, 1200.0)
    """
    account, at_open = trade(account, bar.open, target, rates)
    account, at_close = trade(account, bar.close, math.nan, rates)
    return account, Info(at_open, at_close)


def trade(account: Account, price: float, target: float, rates: Rates) -> tuple[Account, Fill]:
    """Trade to hold `target` (a fraction of equity, in [-1, 1]) at the market price `price`.

    **Keep.** The account trades when the target changes; a target equal to the last one, or NaN, keeps the units, and
    the fraction held then drifts with the price.

    **Size.** With equity E = C + U P before the trade, fraction w, slippage s and fee f, a trade of D units has
    d = sign(D), price P(1 + ds), and costs k = d[(1 + ds)(1 + df) - 1] of its value |D|P. Afterwards w is to be the
    fraction of what is left:

        (U + D) P = w E',   E' = E - k |D| P   =>   D = (w E / P - U) / (1 + d w k)

    so that w = 1 leaves no cash and no debt. E' = E (1 + d k x) / (1 + d w k) with x = U P / E the fraction held
    before: equity moves by a factor that falls as k grows, hence higher costs never end in more money.

    **Ruin.** When closing everything at this price, costs included, would leave nothing (only a short can come to
    that), the account is closed at this price: cash and units are 0 from then on, and what the closing cost beyond
    the money there was is `shortfall`, borne by the broker.

    >>> account, fill = trade(start(1_000.0), 100.0, 1.0, Rates(fee=0.25, slippage=0.0))
    >>> account.units, account.cash, fill.fee       # 8 units for 800, 25 % fee of them 200
    (8.0, 0.0, 200.0)
    """
    is_kept = math.isnan(target) or target == account.target
    if is_kept and account.units >= 0.0:
        return account, NO_FILL
    equity = account.cash + account.units * price
    buying_cost = (1.0 + rates.slippage) * (1.0 + rates.fee) - 1.0
    is_ruined = equity + min(account.units, 0.0) * price * buying_cost <= 0.0
    if is_kept and not is_ruined:
        return account, NO_FILL
    if is_ruined:
        target = 0.0
    wanted = target * equity / price - account.units
    if wanted == 0.0:
        return Account(account.cash, account.units, target, account.shortfall), NO_FILL
    side = 1.0 if wanted > 0.0 else -1.0
    slipped = 1.0 + side * rates.slippage
    cost = side * (slipped * (1.0 + side * rates.fee) - 1.0)
    units = wanted / (1.0 + side * target * cost)
    fee = abs(units) * price * slipped * rates.fee
    fill = Fill(units, price * slipped, fee, abs(units) * price * rates.slippage, is_ruined)
    cash = account.cash - units * price * slipped - fee
    if is_ruined:
        return Account(0.0, 0.0, 0.0, max(-cash, 0.0)), fill
    return Account(cash, account.units + units, target, account.shortfall), fill
