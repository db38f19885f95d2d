"""Sources by name, and the store, as the commands name them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from candlecast.errors import SourceError, near_misses

if TYPE_CHECKING:
    from candlecast.sources.source import Source


def _binance() -> Source:
    from candlecast.sources.binance import Binance

    return Binance()


def _futures() -> Source:
    from candlecast.sources.binance import Binance

    return Binance(market="usdm")


def _yahoo() -> Source:
    from candlecast.sources.yahoo import Yahoo

    return Yahoo()


def _alpha_vantage() -> Source:
    from candlecast.sources.alpha_vantage import AlphaVantage

    return AlphaVantage()


SOURCES: dict[str, Callable[[], Source]] = {
    "binance": _binance,
    "binance-usdm": _futures,
    "yahoo": _yahoo,
    "alphavantage": _alpha_vantage,
}


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
        expected=f"{', '.join(SOURCES)}, or an exchange that ccxt knows",
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
