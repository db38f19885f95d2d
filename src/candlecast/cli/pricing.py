"""Options for what trading costs, the same in every command that trades."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli.completion import one_of
from candlecast.errors import ConfigError, near_misses

if TYPE_CHECKING:
    from candlecast.backtesting import Costs

VENUES = ("binance-spot", "binance-perpetual", "us-equities", "free")
RATES = {
    "fee_bps": "Fee per side, basis points of the traded value.",
    "maker_fee_bps": "The same for limit orders.",
    "slippage_bps": "Slippage per side, basis points of the price.",
    "half_spread_bps": "Half the spread, basis points of the price.",
    "impact_bps": "Slippage of a trade as large as its bar's volume.",
    "funding_bps": "Funding of perpetuals per 8 hours, basis points of the value held.",
    "borrow_percent": "Borrow a year of the value sold short.",
    "interest_percent": "Interest a year on cash.",
    "loan_percent": "Interest a year on borrowed cash.",
    "maintenance_percent": "Equity that must be kept, of the value held.",
}


@dataclass(frozen=True)
class GivenCosts:
    """What the options say: the venue to begin with, if any, and the rates that replace its own."""

    venue: str | None
    rates: dict[str, float]

    def of(self, usual: Costs) -> Costs:
        """The costs they describe; `usual` where they say nothing. Raises ConfigError."""
        return replace(usual if self.venue is None else _of_venue(self.venue), **self.rates)


def cost_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --venue and a rate for each number of `Costs`; the command receives them as `given_costs`."""

    @click.option(
        "--venue", shell_complete=one_of(VENUES), help=f"Costs of a venue to begin with: {', '.join(VENUES)}."
    )
    @wraps(command)
    def decorated(venue: str | None, **options: Any) -> None:
        rates = {name: options.pop(name) for name in RATES}
        given = {name: value for name, value in rates.items() if value is not None}
        command(given_costs=GivenCosts(venue, given), **options)

    for name, words in reversed(RATES.items()):
        decorated = click.option(f"--{name.replace('_', '-')}", name, type=float, help=words)(decorated)
    return decorated


def _of_venue(name: str) -> Costs:
    from candlecast.backtesting import Costs

    makers = (Costs.binance_spot, Costs.binance_perpetual, Costs.us_equities, Costs.free)
    known: dict[str, Callable[[], Costs]] = dict(zip(VENUES, makers, strict=True))
    if name.lower() not in known:
        raise ConfigError(
            f"there is no venue {name!r}",
            expected=f"one of {', '.join(known)}",
            remedy=near_misses(name, known, are_listed=True),
        )
    return known[name.lower()]()
