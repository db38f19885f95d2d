"""What trading costs: `Costs` in basis points for people, `Terms` as plain fractions for the account, and venue presets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from candlecast.backtesting.filters import NO_FILTERS, Filters
from candlecast.errors import ConfigError, calling
from candlecast.parameters import is_number, require_kinds

HIGHEST_BPS = 1_000.0  # 10 %: more is a unit mistaken (percent, or a fraction of price), not a market
HIGHEST_PERCENT = 200.0  # a year: borrowing a squeezed share has cost more than 100 %

Extra = Callable[[float, float, float], float]


class Terms(NamedTuple):
    """What a venue asks of each trade, as fractions of its value; 0.0 where it does not ask.

    `impact` is the slippage of a trade as large as its bar's volume. `maintenance` is the equity that must be kept, as a
    fraction of the value held. `tick`, `lot`, `minimum` and `cent` are `Filters`; `band` is that of `Positions`.
    """

    taker: float = 0.0
    maker: float = 0.0
    slippage: float = 0.0
    impact: float = 0.0
    maintenance: float = 0.0
    tick: float = 0.0
    lot: float = 0.0
    minimum: float = 0.0
    cent: float = 0.0
    band: float = math.inf


@dataclass(frozen=True)
class Costs:
    """What trading and holding cost. 1 bp = 0.01 %; on by default, as a taker pays on a large exchange.

    Each trade: `fee_bps` of its value, or `maker_fee_bps` (as `fee_bps` when None) for a limit order that rests until the
    price comes to it, which also pays no slippage; one that can be filled at once pays as a taker, up to its limit. A buy is
    filled at market x (1 + s), a sell at market x (1 - s), with
    s = half_spread + slippage + impact x sqrt(min(units / volume of the bar, 1)) (the square-root law, Almgren and others
    2005); where the market reports no volume, a trade takes the whole `impact_bps`. Where it does, a bar without volume
    fills nothing (see `backtest`).

    Each bar, on what was held through it: `funding_bps` per 8 hours of the value held at 00, 08 and 16 h UTC, paid by
    longs to shorts (perpetuals); `borrow_percent` a year of the value sold short; `interest_percent` a year earned on
    cash beyond the proceeds of shorts, `loan_percent` paid where that is below zero.

    `maintenance_percent`: the account is liquidated where equity, after closing, is this share of the value held or less.
    `extra`: a cost of your own, `extra(units, price, volume)` in quote currency, `units` signed; it is called in Python,
    so such a backtest is not compiled; what it gives must be finite (ConfigError).

    Raises ConfigError for a negative or implausible number.

    >>> Costs(fee_bps=10, slippage_bps=2).terms().taker
    0.001
    """

    fee_bps: float = 10.0
    slippage_bps: float = 2.0
    maker_fee_bps: float | None = None
    half_spread_bps: float = 0.0
    impact_bps: float = 0.0
    funding_bps: float = 0.0
    borrow_percent: float = 0.0
    interest_percent: float = 0.0
    loan_percent: float = 0.0
    maintenance_percent: float = 0.0
    extra: Extra | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        for name in ("fee_bps", "slippage_bps", "half_spread_bps", "impact_bps"):
            _require(name, getattr(self, name), 0.0, HIGHEST_BPS, "basis points of the value traded")
        if self.maker_fee_bps is not None:
            _require("maker_fee_bps", self.maker_fee_bps, 0.0, HIGHEST_BPS, "basis points of the value traded")
        _require("funding_bps", self.funding_bps, -HIGHEST_BPS, HIGHEST_BPS, "basis points per 8 hours")
        for name in ("borrow_percent", "interest_percent", "loan_percent"):
            _require(name, getattr(self, name), 0.0, HIGHEST_PERCENT, "percent a year")
        _require("maintenance_percent", self.maintenance_percent, 0.0, 50.0, "percent of the value held")
        if self.extra is not None and not callable(self.extra):
            raise ConfigError(
                f"extra is {self.extra!r}",
                expected="a function of units, price and volume",
                remedy="Use for example Costs(extra=lambda units, price, volume: 1.0)",
            )

    @classmethod
    def free(cls) -> Costs:
        """No costs at all: what a strategy would earn in a world without friction."""
        return cls(fee_bps=0.0, slippage_bps=0.0)

    @classmethod
    def binance_spot(cls) -> Costs:
        """Binance spot, regular user: 10 bp maker and taker, half a basis point of spread, 1.5 bp of slippage.

        Fees as on binance.com/en/fee/trading (VIP 0, without BNB discount), unchanged from 2019 to January 2025; spread
        and slippage are our estimate for the large pairs. Shorting is not offered on spot: use `binance_perpetual`.
        """
        return cls(fee_bps=10.0, slippage_bps=1.5, maker_fee_bps=10.0, half_spread_bps=0.5)

    @classmethod
    def binance_perpetual(cls) -> Costs:
        """Binance USD-margined perpetuals, regular user: 2 bp maker, 5 bp taker, 1 bp of funding per 8 hours.

        Fees as on binance.com/en/fee/futureFee (VIP 0, January 2025). Funding is the interest part of the rate, 0.03 % a
        day, which it returns to while the perpetual trades near spot; pass the true rates as `Actions` where you have
        them. Maintenance margin 0.4 %, the first bracket of BTCUSDT; spread and slippage are our estimate.
        """
        return cls(
            fee_bps=5.0,
            slippage_bps=1.5,
            maker_fee_bps=2.0,
            half_spread_bps=0.5,
            funding_bps=1.0,
            maintenance_percent=0.4,
        )

    @classmethod
    def us_equities(cls) -> Costs:
        """Large US shares at a broker without commission: half a spread, slippage, borrow for shorts.

        No commission as at the large retail brokers since October 2019; regulatory fees on sales (SEC 0.278 bp in 2024,
        FINRA TAF) are rounded up to 0.3 bp on both sides. Borrow 0.3 % a year is the usual rate of easy-to-borrow shares
        (D'Avolio 2002 found 0.25 %), a debit balance costs 5.8 % (Interactive Brokers Pro, January 2025: 4.33 % + 1.5 %),
        FINRA rule 4210 asks for 25 % of maintenance margin; spread and slippage are our estimate for large companies.
        """
        return cls(
            fee_bps=0.3,
            slippage_bps=1.0,
            maker_fee_bps=0.3,
            half_spread_bps=1.0,
            borrow_percent=0.3,
            loan_percent=5.8,
            maintenance_percent=25.0,
        )

    def terms(self, filters: Filters = NO_FILTERS) -> Terms:
        """The costs of each trade and the venue's filters as the account computes with them."""
        maker = self.fee_bps if self.maker_fee_bps is None else self.maker_fee_bps
        return Terms(
            taker=self.fee_bps / 10_000,
            maker=maker / 10_000,
            slippage=(self.half_spread_bps + self.slippage_bps) / 10_000,
            impact=self.impact_bps / 10_000,
            maintenance=self.maintenance_percent / 100,
            tick=float(filters.tick),
            lot=float(filters.lot),
            minimum=float(filters.minimum),
            cent=float(filters.cent),
        )

    def of_holding(self) -> Costs:
        """The same without what a trade costs: financing and maintenance alone, for an account that only holds.

        >>> Costs.binance_perpetual().of_holding().per_side_bps
        0.0
        """
        return replace(
            self, fee_bps=0.0, maker_fee_bps=None, slippage_bps=0.0, half_spread_bps=0.0, impact_bps=0.0, extra=None
        )

    @property
    def per_side_bps(self) -> float:
        """What a small market order pays on each side, in basis points: fee, half the spread and slippage."""
        return self.fee_bps + self.half_spread_bps + self.slippage_bps

    @property
    def has_carry(self) -> bool:
        """Whether holding costs or earns anything."""
        return any((self.funding_bps, self.borrow_percent, self.interest_percent, self.loan_percent))


def _require(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not is_number(value) or not low <= value <= high:
        raise ConfigError(
            f"{name} is {value!r}",
            expected=f"{low:,.0f} to {high:,.0f} {unit}",
            remedy=("One basis point is 0.01 %: write 0.1 % as 10 bps" if "basis" in unit else "Write 5 % as 5")
            + ". Use Costs.free() for none",
        )


def checked(extra: Extra | None) -> Extra | None:
    """The user's own cost; raises ConfigError where it gives anything but a finite number."""
    if extra is None:
        return None
    remedy = "Correct the function that Costs(extra=...) was given"

    def charged(units: float, price: float, volume: float) -> float:
        with calling("extra of the costs", expected="an amount in quote currency", remedy=remedy):
            cost = extra(units, price, volume)
        try:
            amount = float(cost) if is_number(cost) else math.nan
        except OverflowError:  # a whole number of hundreds of digits
            amount = math.inf
        if not math.isfinite(amount):
            raise ConfigError(
                f"extra gives {cost!r} for {units:g} units at {price:g}",
                expected="a finite amount in quote currency",
                remedy=remedy,
            )
        return amount

    return charged


DEFAULT_COSTS = Costs()
