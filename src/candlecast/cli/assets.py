"""How commands name candles: a file, an embedded sample, or a symbol that is stored or of a source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from candlecast.cli.places import is_store, make_source
from candlecast.errors import ConfigError, SourceError, near_misses
from candlecast.events import Listener, ignore

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.store import Store

BARS = 20_000  # fetched of a market that never closes, when neither the user nor the store says since when


def load(
    asset: str,
    *,
    interval: str | None,
    zone: str | None = None,
    source: str | None = None,
    store: str = "data",
    since: str | None = None,
    until: str | None = None,
    adjusted: bool = False,
    progress: Listener = ignore,
) -> Candles:
    """Candles of a source, brought up to date in the store; or else of a file, an embedded sample ("sp500", "nasdaq"), or
    the store alone.

    Raises SourceError when there is none of that, CandleError or ConfigError when they cannot be read.
    """
    from candlecast.sources.files import read_candles
    from candlecast.sources.sample import SAMPLES, sample

    if adjusted and (source is not None or not Path(asset).exists()):
        raise ConfigError(
            f"--adjusted for {asset}", expected="a file with the column Adj Close", remedy="Leave --adjusted out"
        )
    if source not in (None, "sample"):
        return _fetched(
            asset, interval=interval, source=source, store=store, since=since, until=until, progress=progress
        )
    if asset.lower() in SAMPLES:
        candles = sample(asset.lower())
        return candles.resample(interval) if interval else candles
    path, known = Path(asset), list(SAMPLES)
    if source is None and not path.exists() and is_store(store):
        from candlecast.store import Store

        place = Store(store)
        known += place.symbols()
        if asset in known:
            return _stored(place, asset, interval=interval, since=since, until=until)
    if source is None and (path.exists() or path.suffix or len(path.parts) > 1):
        return read_candles(path, interval=interval, zone=zone, adjusted=adjusted)
    raise SourceError(
        f"{asset!r} is neither a file nor a sample, and not stored in {store}",
        expected=f"a path of a CSV or Parquet file, {', '.join(known)}, or a --source",
        remedy=near_misses(asset, known),
    )


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
