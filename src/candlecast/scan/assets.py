"""The series of a plan: candles of each asset at each interval, opened one by one, and why some cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from candlecast.candles import Candles
from candlecast.errors import CandlecastError, ConfigError, StoreError, near_misses
from candlecast.interval import Interval
from candlecast.scan.address import Address, resampled, within
from candlecast.scan.plan import Plan
from candlecast.sources.files import as_candles
from candlecast.store import Store


@dataclass(frozen=True)
class Asset:
    """Candles of a plan; `address`: where a worker can read them by itself, None for those that are in no store."""

    candles: Candles
    address: Address | None = None

    @property
    def symbol(self) -> str:
        """The symbol of the candles."""
        return self.candles.symbol


@dataclass(frozen=True)
class Unopened:
    """Candles that could not be opened, and why."""

    symbol: str
    interval: str
    error: Exception


def open_assets(plan: Plan) -> Iterator[Asset | Unopened]:
    """The candles of every asset at every interval, one at a time. Raises ConfigError or StoreError for a plan without assets."""
    if isinstance(plan.assets, Store):
        yield from _of_store(plan, plan.assets)
        return
    given = list(plan.assets) if isinstance(plan.assets, (list, tuple)) else [plan.assets]
    if not given:
        raise ConfigError(
            "the plan has no assets", expected="one at least", remedy="Use assets=store, or a list of files"
        )
    if plan.symbols:
        raise ConfigError(
            f"symbols {', '.join(plan.symbols)[:80]} without a store",
            expected="symbols of a store",
            remedy="Use assets=cc.Store(...), or leave symbols out",
        )
    for each in given:
        yield from _lengths(plan, each)


def _lengths(plan: Plan, asset: Any) -> Iterator[Asset | Unopened]:
    """An asset at each interval."""
    name = (
        asset.symbol
        if isinstance(asset, Candles)
        else str(asset)[:200]
        if isinstance(asset, str)
        else type(asset).__name__
    )
    name = str(asset) if hasattr(asset, "__fspath__") else name
    try:
        candles = as_candles(asset).require_sound()
    except (CandlecastError, OSError) as error:
        yield Unopened(name, "", error)
        return
    for interval in plan.intervals or (str(candles.interval),):
        try:
            yield Asset(within(resampled(candles, interval), since=plan.since, until=plan.until))
        except CandlecastError as error:
            yield Unopened(candles.symbol, interval, error)


def _of_store(plan: Plan, store: Store) -> Iterator[Asset | Unopened]:
    version = store.version  # of all series, whatever is written meanwhile
    listing = store.series(version=version)
    if plan.source is not None:
        listing = listing.filter(pl.col("source") == plan.source)
    known = sorted(listing["symbol"].unique())
    for symbol in plan.symbols:
        if symbol not in known:
            raise StoreError(
                f"{symbol} is not stored in {store.url}",
                expected="symbols of the store",
                remedy=near_misses(symbol, known) if known else "Fetch it first, with `candlecast fetch`",
            )
    if not known:
        raise StoreError(
            f"nothing is stored in {store.url}" + (f" of {plan.source}" if plan.source else ""),
            expected="candles to scan",
            remedy="Fetch first, with store.update or `candlecast fetch`",
        )
    for symbol in plan.symbols or known:
        rows = listing.filter(pl.col("symbol") == symbol)
        sources = sorted(rows["source"].unique())
        if len(sources) > 1:
            error = ConfigError(
                f"{symbol} is stored from {' and '.join(sources)}",
                expected="one source",
                remedy=f'Say which: Plan(source="{sources[0]}")',
            )
            yield Unopened(symbol, "", error)
            continue
        place = Address(store, version, sources[0], symbol, "", "", plan.since, plan.until)
        yield from _stored(plan, place, [Interval.parse(each) for each in rows["interval"]])


def _stored(plan: Plan, place: Address, kept: list[Interval]) -> Iterator[Asset | Unopened]:
    """A symbol at each interval: as it is stored, or made of the longest stored candles that make it up."""
    for interval in [Interval.parse(each) for each in plan.intervals] or sorted(kept):
        shorter = [each for each in kept if each.seconds < interval.seconds]
        base = interval if interval in kept else max(shorter, default=interval)
        address = replace(place, stored=str(base), interval=str(interval))
        try:
            yield Asset(address.read(), replace(address, store=_anywhere(place.store)))
        except CandlecastError as error:
            yield Unopened(place.symbol, str(interval), error)


def _anywhere(store: Store) -> Store:
    """The store, for processes that work in another folder."""
    return store if "://" in store.url else replace(store, location=Path(store.location).expanduser().absolute())
