"""Errors that all sources raise: unknown symbols, missing intervals, unreadable answers, periods without a bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from candlecast.errors import MAX_LISTED, CandleError, ConfigError, SourceError, UnknownSymbolError, listed, near_misses
from candlecast.interval import Interval

if TYPE_CHECKING:
    from candlecast.sources.source import Moment, Source


def unknown_symbol(vendor: str, symbol: str, known: Mapping[str, Any] | list[str]) -> UnknownSymbolError:
    """The error for a symbol that a vendor does not list."""
    return UnknownSymbolError(
        f"{vendor} has no symbol {symbol!r}",
        expected=f"one of its {len(known):,} symbols",
        remedy=near_misses(symbol, known),
    )


def lacking_interval(vendor: str, interval: Interval, known: list[str] | tuple[str, ...]) -> ConfigError:
    """The error for an interval that a vendor does not have."""
    return ConfigError(
        f"{vendor} has no candles of {interval}",
        expected=f"one of {listed(known, most=MAX_LISTED)}",
        remedy="Fetch a shorter interval that divides it, then resample",
    )


def missing_extra(library: str, extra: str) -> SourceError:
    """The error for an optional library that is not installed."""
    return SourceError(
        f"the package {library} is not installed",
        expected=f"candlecast with its extra {extra!r}",
        remedy=f'Install it with: pip install "candlecast[{extra}]"',
    )


def unreadable(vendor: str, symbol: str, why: str, *, remedy: str = "Try again later") -> SourceError:
    """The error for an answer that is not in the vendor's format."""
    return SourceError(
        f"{vendor}'s answer for {symbol} cannot be read ({why[:200]})", expected="a table of candles", remedy=remedy
    )


def no_bar(
    source: Source, symbol: str, interval: str | Interval, since: Moment | None, until: Moment | None
) -> CandleError:
    """The error for a period in which a source has no closed bar."""
    return CandleError(
        f"{source.name} has no closed {interval} bar of {symbol} from {since or 'its beginning'} to {until or 'now'}",
        expected="at least one bar",
        remedy="Choose a longer or another period",
    )
