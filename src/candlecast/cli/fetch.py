"""`candlecast fetch`: candles from the world into the store."""

from __future__ import annotations

import itertools
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli.console import print_json, progress, say
from candlecast.cli.options import Spread, common
from candlecast.cli.source_registry import NAMES, make_source, store_option

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.events import Listener
    from candlecast.interval import Interval
    from candlecast.sources.source import Source
    from candlecast.store import Store


@click.command(cls=Spread, epilog="Example: candlecast fetch BTCUSDT ETHUSDT --interval 1m 1h --since 2017-08-17")
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--interval", "intervals", multiple=True, required=True, help="Lengths of one candle, such as 1m 1h.")
@click.option("--since", help="First day or time, UTC; where it stopped, or the source's first, when not given.")
@click.option("--until", help="End, UTC; now when not given.")
@click.option(
    "--source",
    default="binance",
    show_default=True,
    help=f"{NAMES}.",
)
@click.option("--refresh", is_flag=True, help="Ask for everything again, to see what the vendor changed.")
@click.option("--recheck", is_flag=True, help="Ask again about gaps that the vendor has been asked about.")
@store_option
@common
def fetch(
    symbols: tuple[str, ...],
    *,
    intervals: tuple[str, ...],
    since: str | None,
    until: str | None,
    source: str,
    refresh: bool,
    recheck: bool,
    store: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fetch what is missing of each SYMBOL into the store, and say what came and what the vendor changed.

    Stopped at any moment, the same command goes on where it was. Where one of several cannot be had, the others are.
    """
    from candlecast.errors import CandlecastError
    from candlecast.interval import Interval
    from candlecast.store import Store
    from candlecast.text.redaction import shown

    place, origin, lengths = Store(store), make_source(source), [Interval.parse(interval) for interval in intervals]
    rows, errors = [], []
    for symbol, interval in itertools.product(symbols, lengths):
        try:
            with progress(quiet) as listener:
                row = _fetch(
                    place,
                    origin,
                    symbol,
                    interval,
                    since=since,
                    until=until,
                    refresh=refresh,
                    recheck=recheck,
                    progress=listener,
                )
        except CandlecastError as error:
            errors.append({"symbol": symbol, "interval": str(interval), "error": str(error)})
            click.echo(f"Error: {error}", err=True)
            continue
        rows.append(row)
        if not as_json:
            say(_words(row))
    if as_json:
        print_json({"store": shown(place.url), "version": place.version, "candles": rows, "errors": errors})
    if errors:
        sys.exit(1)


def _fetch(
    store: Store,
    source: Source,
    symbol: str,
    interval: Interval,
    *,
    since: str | None,
    until: str | None,
    refresh: bool,
    recheck: bool,
    progress: Listener,
) -> dict[str, Any]:
    from candlecast.sources.source import utc_now

    before, began, started = store.version, utc_now(), time.monotonic()
    candles = store.update(
        source, symbol, interval, since=since, until=until, refresh=refresh, recheck=recheck, progress=progress
    )
    changes = store.changes(source, symbol, interval, seen_since=began)
    report = candles.check()
    return {
        "source": source.name,
        "symbol": symbol,
        "interval": str(candles.interval),
        "bars": len(candles),
        "new": len(candles) - _stored(store, candles, before, since=since, until=until),
        "changed": changes["open_time"].n_unique(),
        "missing": report.missing,
        "halted": report.halted,
        "is_sound": report.is_sound,
        "first": candles.frame["open_time"][0].isoformat(),
        "last": candles.frame["close_time"][-1].isoformat(),
        "version": candles.origin.version if candles.origin else None,
        "seconds": round(time.monotonic() - started, 3),
    }


def _stored(store: Store, candles: Candles, version: int | None, *, since: str | None, until: str | None) -> int:
    """How many bars of the same period there were at a version."""
    from candlecast.errors import CandleError, StoreError

    if version is None or candles.origin is None:
        return 0
    if version == candles.origin.version:
        return len(candles)
    try:
        source = candles.origin.source
        return len(store.read(source, candles.symbol, candles.interval, since=since, until=until, version=version))
    except (CandleError, StoreError):  # none of them
        return 0


def _words(row: dict[str, Any]) -> str:
    changed = f", {row['changed']:,} changed by the vendor" if row["changed"] else ""
    absent = row["missing"] - row["halted"]
    missing = (f", {absent:,} missing" if absent else "") + (f", {row['halted']:,} halted" if row["halted"] else "")
    unsound = "" if row["is_sound"] else ", NOT SOUND (see candlecast candles)"
    first, last = (row[name].replace("T", " ")[:16] for name in ("first", "last"))
    return (
        f"{row['symbol']} {row['interval']}: {row['bars']:,} bars, {first} to {last} UTC; {row['new']:,} new{changed}{missing}"
        f"{unsound}; version {row['version']}; {row['seconds']:.1f} s"
    )
