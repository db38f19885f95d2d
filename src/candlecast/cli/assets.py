"""How commands name candles: a file, an embedded sample, or a symbol that is stored or of a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candlecast.cli.reading import require_file
from candlecast.cli.source_registry import is_store, make_source
from candlecast.errors import CandleError, ConfigError, SourceError, near_misses
from candlecast.events import Listener, ignore

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.store import Store

BARS = 20_000  # fetched of a market that never closes, when neither the user nor the store says since when


def unchanged(candles: Candles) -> Candles:
    """The candles as they are."""
    return candles


def load(
    asset: str,
    *,
    interval: str | None,
    reading: Mapping[str, Any] | None = None,
    source: str | None = None,
    store: str = "data",
    since: str | None = None,
    until: str | None = None,
    repair: Callable[[Candles], Candles] = unchanged,
    progress: Listener = ignore,
) -> Candles:
    """Candles of a source, brought up to date in the store; or else of a file, an embedded sample ("sp500", "nasdaq"), or
    the store alone.

    `interval`: those of a file or a sample are resampled to it. `reading`: how a file is to be read, as the
    arguments of `read_candles`. `since`, `until`: bars that open and close within them. `repair`: what is done to the
    candles before longer ones are made of them.

    Raises SourceError when there is none of that, CandleError or ConfigError when they cannot be read.
    """
    from candlecast.sources.files import read_candles
    from candlecast.sources.sample import SAMPLES, sample

    reading = reading or {}
    if source not in (None, "sample"):
        require_file(asset, reading)
        return repair(
            _fetched(asset, interval=interval, source=source, store=store, since=since, until=until, progress=progress)
        )
    if asset.lower() in SAMPLES:
        require_file(asset, reading)
        return part(repair(sample(asset.lower())), interval=interval, since=since, until=until)
    path = Path(asset)
    known: list[str] = [*SAMPLES]
    if source is None and not path.exists() and is_store(store):
        from candlecast.store import Store

        place = Store(store)
        known += place.symbols()
        if asset in known:
            require_file(asset, reading)
            return repair(_stored(place, asset, interval=interval, since=since, until=until))
    if source is None and is_file(asset):
        return part(repair(read_candles(path, **reading)), interval=interval, since=since, until=until)
    raise SourceError(
        f"{asset!r} is neither a file nor a sample, and not stored in {store}",
        expected=f"a path of a CSV or Parquet file, {', '.join(known)}, or a --source",
        remedy=_instead(asset, known),
    )


def _instead(asset: str, known: list[str]) -> str:
    """What was probably meant by a name that is none: a known one, a model, or a symbol to be fetched."""
    from candlecast.cli.model_registry import MODELS

    offered = near_misses(asset, known)
    if asset.lower() in MODELS:
        return f"{asset} is a model: to run several, use candlecast compare --model NAME NAME"
    if offered.startswith("Did"):
        return offered
    return f"{offered}, or fetch it: --source yahoo --interval 1d, or for crypto --source binance --interval 1h"


def is_file(asset: str) -> bool:
    """Whether an asset is meant as a path, rather than as a symbol or a sample."""
    path = Path(asset)
    return path.exists() or bool(path.suffix) or len(path.parts) > 1


def part(candles: Candles, *, interval: str | None, since: str | None, until: str | None) -> Candles:
    """The bars within a period, made longer if an interval is given. Raises ConfigError, CandleError for an empty period."""
    from candlecast.interval import Interval
    from candlecast.sources.source import moment, require_order

    first = None if since is None else moment(since)
    last = None if until is None else moment(until, "until")
    if first is not None and last is not None:
        require_order(first, last)
    length = None if interval is None else Interval.parse(interval)
    whole = candles
    if length is not None and length != candles.interval:
        candles = candles.resample(length)
    if first is None and last is None:
        return candles
    opened, closed = candles.frame["open_time"], candles.frame["close_time"]
    is_within = (opened >= first if first is not None else opened.is_not_null()) & (
        closed <= last if last is not None else closed.is_not_null()
    )
    if not is_within.any():
        begin, end = whole.frame["open_time"].min(), whole.frame["close_time"].max()
        raise CandleError(
            f"no bar of {candles.symbol} lies within {since or 'its beginning'} and {until or 'its end'}",
            expected=f"a period within {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC",
            remedy="Choose other dates",
        )
    return replace(candles, frame=candles.frame.filter(is_within))


def _fetched(
    symbol: str,
    *,
    interval: str | None,
    source: str,
    store: str,
    since: str | None,
    until: str | None,
    progress: Listener,
) -> Candles:
    import polars as pl

    from candlecast.interval import Interval
    from candlecast.sources.source import utc_now
    from candlecast.store import Store

    if interval is None:
        raise ConfigError(
            f"candles of {symbol} from {source} without an interval",
            expected="the length of one candle",
            remedy="Add for example --interval 1h",
        )
    place, origin, length = Store(store), make_source(source), Interval.parse(interval)
    same = (pl.col("source") == origin.name) & (pl.col("symbol") == symbol) & (pl.col("interval") == str(length))
    is_new = since is None and place.series().filter(same).is_empty()
    first = utc_now() - BARS * length.timedelta if is_new and origin.session(symbol) == "always" else since
    return place.update(origin, symbol, length, since=first, until=until, progress=progress)


def _stored(store: Store, symbol: str, *, interval: str | None, since: str | None, until: str | None) -> Candles:
    import polars as pl

    from candlecast.interval import Interval

    rows = store.series().filter(pl.col("symbol") == symbol)
    kept = [f"{row['interval']} of {row['source']}" for row in rows.iter_rows(named=True)]
    if interval is not None:
        rows = rows.filter(pl.col("interval") == str(Interval.parse(interval)))
    if rows.height != 1:
        raise ConfigError(
            f"{symbol} is stored as {' and '.join(kept)}",
            expected="one of them" if interval is None else f"one of {interval}",
            remedy="Say which with --interval, or with --source, which also brings it up to date",
        )
    return store.read(*rows.select("source", "symbol", "interval").row(0), since=since, until=until)
