"""The one ledger step: how an account fills orders, pays for them, and is carried from bar to bar.

Everything here is floats in named tuples and plain functions, so that a compiler takes them as they are: `compiled.py`
does, and `matching.py` puts orders on top. A backtest, a portfolio, an event loop and paper trading all end here.

    carry      carry events: splits, dividends, funding, borrow and interest of the time since the last bar
    trade      sizes a target, a fraction of equity, and executes it
    execute    one ticket: units and cash change, fee and slippage are taken
    liquidate  closes an account that can no longer pay for what it holds
    close_out  closes what is held when the series of the asset ends
"""

from __future__ import annotations

import math
from typing import NamedTuple

from candlecast.backtesting.costs import Extra, Terms
from candlecast.backtesting.filters import allowed_units, closes, rounded_down, rounded_up

# Why an execution happened.
NOTHING, TARGET, MARKET, LIMIT, STOP, TRAILING, TAKE_PROFIT, LIQUIDATION, SERIES_END = range(9)
REASONS = ("", "target", "market", "limit", "stop", "trailing stop", "take profit", "liquidation", "series ended")


class CarryEvents(NamedTuple):
    """What is paid and received at a bar's open for what was held until then.

    `split`: units after for one before; `dividend`: currency per unit (before the split); `funding`: fraction of the
    value held, paid by longs; `borrow`, `interest`, `loan`: fractions for the time since the last open.
    """

    split: float
    dividend: float
    funding: float
    borrow: float
    interest: float
    loan: float


class Bar(NamedTuple):
    """Prices that the account meets in one bar, in quote currency, its volume in units, and the carry events at its open.

    `volume` is NaN where nothing was traded in a market that reports volume (see `untraded.traded_volume`): carry events
    apply, and nothing is filled or liquidated. 0.0 where no volume is reported. `ends`: the series ends with this bar (see
    `Candles.has_ended`), and what is held is closed at its close.
    """

    open: float
    high: float
    low: float
    close: float
    volume: float
    events: CarryEvents | None = None
    ends: bool = False


class Conditions(NamedTuple):
    """What the account trades under.

    `terms` of the venue; `extra`, a cost of the user's own; `pessimism`, 1.0 for the worse of two paths through a bar and
    -1.0 for the better (see `matching`); `in_units`, whether targets are units in place of fractions of equity.
    """

    terms: Terms
    extra: Extra | None = None
    pessimism: float = 1.0
    in_units: bool = False


class Quote(NamedTuple):
    """The market price at a moment of a bar, and the volume of the bar."""

    price: float
    volume: float


class Ticket(NamedTuple):
    """What is to be executed: signed `units`, `fee` and `slippage` as fractions, and why.

    Slippage never takes the price beyond `limit`; NaN for none.
    """

    units: float
    fee: float
    slippage: float
    reason: int
    limit: float


class Account(NamedTuple):
    """State of the ledger: `cash` (quote currency), `units` held (negative when short), the `target` last decided.

    Equity at a price P is cash + units x P. `shortfall` is what a ruined account could not pay, borne by the broker.
    """

    cash: float
    units: float
    target: float
    shortfall: float


class Fill(NamedTuple):
    """One execution: signed `units` (0.0: nothing happened), `price` paid, `fee` and `slippage` in quote currency.

    `reason` is one of the numbers of this module; REASONS has the words.
    """

    units: float
    price: float
    fee: float
    slippage: float
    reason: int


NO_FILL = Fill(0.0, 0.0, 0.0, 0.0, NOTHING)


def start(cash: float) -> Account:
    """A flat account holding `cash`, in quote currency."""
    return Account(cash, 0.0, 0.0, 0.0)


def follow(account: Account, bar: Bar, target: float, conditions: Conditions) -> tuple[Account, Fill, Fill, Fill]:
    """Carry the account through one bar with the target that was decided at or before its open.

    In this order: carry events are paid at the open; an account that the gap has ruined is closed there; the target is
    filled at the open; an account that cannot bear the bar's worst price (high when short, low when long on borrowed
    money) is closed where it stops bearing it, or at the close where the series ends with this bar. Gives the account at
    the close and these three fills.

    >>> account, *_ = follow(start(1_000.0), Bar(10.0, 12.0, 9.0, 12.0, 1.0), 1.0, Conditions(Terms()))
    >>> account.units, account.cash + account.units * 12.0
    (100.0, 1200.0)
    """
    account = carry(account, bar.open, bar.events)
    if math.isnan(bar.volume):
        account, ended = close_out(account, Quote(bar.close, 0.0), conditions) if bar.ends else (account, NO_FILL)
        return account, NO_FILL, NO_FILL, ended
    opening = Quote(bar.open, bar.volume)
    account, gapped = liquidate(account, opening, bar.open, conditions)
    account, filled = trade(account, opening, target, conditions)
    account, ended = liquidate(account, opening, worst(account, bar), conditions)
    if bar.ends and account.units != 0.0:
        account, ended = close_out(account, Quote(bar.close, bar.volume), conditions)
    return account, gapped, filled, ended


def carry(account: Account, price: float, events: CarryEvents | None) -> Account:
    """Pay and receive the carry events at an open, on what was held until then; nothing without events.

    First dividends (a short pays them) and the split, then, at `price`: funding of U P, borrow of the value short, and
    interest or loan on the cash beyond the proceeds of shorts, C + min(U P, 0).
    """
    if events is None:
        return account
    cash = account.cash + account.units * events.dividend
    units = account.units * events.split
    value = units * price
    free = cash + min(value, 0.0)
    cash -= value * events.funding - min(value, 0.0) * events.borrow
    cash += free * (events.interest if free > 0.0 else events.loan)
    return Account(cash, units, account.target, account.shortfall)


def trade(account: Account, quote: Quote, target: float, conditions: Conditions) -> tuple[Account, Fill]:
    """Trade to hold `target`, a fraction of equity or units, at the market price of `quote`.

    **Keep.** The account trades when the target changes; a target equal to the last one, or NaN, keeps the units, and
    the fraction held then drifts with the price; an equal target trades again once the drift exceeds `terms.band`.

    **Size.** With equity E = C + U P before the trade, fraction w, slippage s and fee f, a trade in the direction
    d = 1 (buy) or -1 (sell) is filled at P(1 + ds) and costs k = d[(1 + ds)(1 + df) - 1] of its value at P. Afterwards
    w is to be the fraction of what is left, E':

        E' = E - k |w E' - U P|   =>   E' = (E + d k U P) / (1 + d k w),   D = w E' / P - U

    so that w = 1 leaves no cash and no debt, and E' falls as k grows: higher costs never end in more money. Impact is
    taken at the size wanted before costs; lots, ticks and an `extra` cost come on top and are not solved for.

    >>> account, fill = trade(start(1_000.0), Quote(100.0, 1.0), 1.0, Conditions(Terms(taker=0.25)))
    >>> account.units, account.cash, fill.fee       # 8 units for 800, 25 % fee of them 200
    (8.0, 0.0, 200.0)
    """
    terms, in_units, price = conditions.terms, conditions.in_units, quote.price
    if math.isnan(target) or (target == account.target and (in_units or not has_drifted(account, price, terms.band))):
        return account, NO_FILL
    decided = Account(account.cash, account.units, target, account.shortfall)
    value = account.units * price
    equity = account.cash + value
    wanted = (target * price if in_units else target * equity) - value
    if wanted == 0.0 or equity <= 0.0:
        return decided, NO_FILL
    slippage = slipped(terms, wanted / price, quote.volume)
    units = target - account.units
    if not in_units:
        left = equity_left(equity, value, target, cost(wanted, slippage, terms.taker))
        units = target * left / price - account.units
    units = allowed_units(units, price, account.units, terms.lot, terms.minimum)
    if units == 0.0:
        return decided, NO_FILL
    return execute(decided, quote, Ticket(units, terms.taker, slippage, TARGET, math.nan), conditions)


def has_drifted(account: Account, price: float, band: float) -> bool:
    """Whether the fraction held is more than `band` away from the target."""
    if band == math.inf:
        return False
    value = account.units * price
    equity = account.cash + value
    return abs(value - account.target * equity) > band * equity


def cost(direction: float, slippage: float, fee: float) -> float:
    """d k of `trade`: what an execution costs, as a fraction of its value, with the sign of its direction."""
    side = 1.0 if direction > 0.0 else -1.0
    return (1.0 + side * slippage) * (1.0 + side * fee) - 1.0


def equity_left(equity: float, value: float, target: float, signed_cost: float) -> float:
    """E' of `trade`: the equity of which `target` is held when the costs are paid."""
    return (equity + signed_cost * value) / (1.0 + signed_cost * target)


def slipped(terms: Terms, units: float, volume: float) -> float:
    """Slippage of a market order of `units` in a bar of `volume`, as a fraction of price; see `Costs`."""
    if terms.impact == 0.0:
        return terms.slippage
    taken = min(abs(units) / volume, 1.0) if volume > 0.0 else 1.0
    return terms.slippage + terms.impact * math.sqrt(taken)


def execute(account: Account, quote: Quote, ticket: Ticket, conditions: Conditions) -> tuple[Account, Fill]:
    """Execute a ticket at the market price of `quote`; the only place where money moves.

    Units that would leave only a rounding residue (`filters.closes`) become exactly minus the units held: the account is
    then flat, with 0.0 units. The residue trades at the same price and costs as the rest.

    >>> ticket = Ticket(-0.3, fee=0.0, slippage=0.0, reason=MARKET, limit=math.nan)
    >>> account, fill = execute(Account(0.0, 0.1 + 0.2, 0.0, 0.0), Quote(100.0, 1.0), ticket, Conditions(Terms()))
    >>> account.units, fill.units
    (0.0, -0.30000000000000004)
    """
    terms, units, price, limit = conditions.terms, ticket.units, quote.price, ticket.limit
    if closes(units, account.units):
        units = -account.units
    side = 1.0 if units > 0.0 else -1.0
    paid = price * (1.0 + side * ticket.slippage)
    if terms.tick > 0.0:
        paid = rounded_up(paid, terms.tick) if units > 0.0 else max(rounded_down(paid, terms.tick), terms.tick)
    if not math.isnan(limit):
        paid = min(paid, limit) if units > 0.0 else max(paid, limit)
    charge = abs(units) * paid * ticket.fee
    if terms.cent > 0.0:
        charge = rounded_up(charge, terms.cent)
    charge = with_extra(charge, conditions.extra, units, paid, quote.volume)
    cash = account.cash - units * paid - charge
    lost = units * (paid - price)
    return (
        Account(cash, account.units + units, account.target, account.shortfall),
        Fill(units, paid, charge, lost, ticket.reason),
    )


def with_extra(charge: float, extra: Extra | None, units: float, price: float, volume: float) -> float:
    """A charge and the user's own cost, where there is one."""
    if extra is None:
        return charge
    return charge + extra(units, price, volume)


def worst(account: Account, bar: Bar) -> float:
    """The price of the bar at which the account is worth least."""
    return bar.high if account.units < 0.0 else bar.low


def liquidate(account: Account, quote: Quote, extreme: float, conditions: Conditions) -> tuple[Account, Fill]:
    """Close everything when the price reaches the liquidation price on its way from that of `quote` to `extreme`.

    There, equity after closing is the share m = `maintenance` of the value held: C + U P - (|k| + m) |U| P = 0. The
    closing is a market order there, or at the price of `quote` when that is beyond it already. What is left stays in the account,
    which then waits for its next target; nothing left is ruin: cash and units are 0 from then on, and what is missing is
    `shortfall`. A long that owes nothing can lose only what it paid, and is left alone.

    >>> short = Account(cash=2_000.0, units=-10.0, target=-1.0, shortfall=0.0)
    >>> liquidate(short, Quote(250.0, 1.0), 250.0, Conditions(Terms()))[0]
    Account(cash=0.0, units=0.0, target=-1.0, shortfall=500.0)
    """
    if account.units == 0.0 or (account.units > 0.0 and account.cash >= 0.0):
        return account, NO_FILL
    terms, price, volume = conditions.terms, quote.price, quote.volume
    closing = abs(cost(-account.units, terms.slippage, terms.taker)) + terms.maintenance
    counted = account.units - closing * abs(account.units)
    if account.cash + counted * extreme > 0.0:
        return account, NO_FILL
    limit = -account.cash / counted
    reached = min(price, limit) if account.units > 0.0 else max(price, limit)
    slippage = slipped(terms, account.units, volume)
    ticket = Ticket(-account.units, terms.taker, slippage, LIQUIDATION, math.nan)
    closed, fill = execute(account, Quote(reached, volume), ticket, conditions)
    left = closed.cash if terms.maintenance > 0.0 else min(closed.cash, 0.0)  # rounding leaves no money
    return Account(max(left, 0.0), 0.0, account.target, account.shortfall + max(-left, 0.0)), fill


def close_out(account: Account, quote: Quote, conditions: Conditions) -> tuple[Account, Fill]:
    """Close everything at the price of `quote`, the last close of a series that has ended, for what a market order costs.

    The series may have ended in a bar without trades: it is closed there too, with the whole impact. What the account then
    owes is its `shortfall`.

    >>> account, fill = close_out(Account(0.0, 8.0, 1.0, 0.0), Quote(100.0, 1.0), Conditions(Terms(taker=0.25)))
    >>> account.cash, account.units, fill.fee, REASONS[fill.reason]
    (600.0, 0.0, 200.0, 'series ended')
    """
    if account.units == 0.0:
        return account, NO_FILL
    closed, fill = close_at(account, quote, conditions)
    shortfall = account.shortfall + max(-closed.cash, 0.0)
    return Account(max(closed.cash, 0.0), 0.0, account.target, shortfall), fill


def close_at(account: Account, quote: Quote, conditions: Conditions) -> tuple[Account, Fill]:
    """Sell or buy back all units at the end of their series; the cash may then be below zero."""
    terms = conditions.terms
    slippage = slipped(terms, account.units, quote.volume)
    return execute(account, quote, Ticket(-account.units, terms.taker, slippage, SERIES_END, math.nan), conditions)
