"""Sources by name, and the store, as the commands name them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from candlecast.errors import SourceError, near_misses

if TYPE_CHECKING:
    from candlecast.sources.source import Source


def _binance(market: Literal["spot", "usdm"]) -> Source:
    from candlecast.sources.binance import Binance

    return Binance(market=market)


def _yahoo(*, adjusted: bool) -> Source:
    from candlecast.sources.yahoo import Yahoo

    return Yahoo(adjusted=adjusted)


def _alpha_vantage(market: Literal["stocks", "currencies", "crypto"] = "stocks", *, adjusted: bool = False) -> Source:
    from candlecast.sources.alpha_vantage import AlphaVantage

    return AlphaVantage(market=market, adjusted=adjusted)


SOURCES: dict[str, Callable[[], Source]] = {
    "binance": partial(_binance, "spot"),
    "binance-usdm": partial(_binance, "usdm"),
    "yahoo": partial(_yahoo, adjusted=True),
    "yahoo-raw": partial(_yahoo, adjusted=False),
    "alphavantage": _alpha_vantage,
    "alphavantage-adjusted": partial(_alpha_vantage, adjusted=True),
    "alphavantage-currencies": partial(_alpha_vantage, "currencies"),
    "alphavantage-crypto": partial(_alpha_vantage, "crypto"),
}
NAMES = f"{', '.join(SOURCES)}, or an exchange's name in ccxt"


def make_source(name: str) -> Source:
    """The source of a name, or the exchange that ccxt knows by it. Raises SourceError for an unknown one."""
    if name.lower() in SOURCES:
        return SOURCES[name.lower()]()
    from candlecast.sources.exchange import Exchange, exchange_names

    exchanges = exchange_names()
    if name.lower() in exchanges:
        return Exchange(name.lower())
    raise SourceError(
        f"there is no source {name!r}",
        expected=NAMES,
        remedy=near_misses(name, [*SOURCES, *exchanges]),
    )


def store_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --store; the command receives `store`."""
    return click.option(
        "--store",
        default="data",
        show_default=True,
        help="Folder, or URL of an object store, that candles are kept in.",
    )(command)


def is_store(location: str) -> bool:
    """Whether there may be a store: an address, or a place that exists."""
    return "://" in location or Path(location).expanduser().exists()
