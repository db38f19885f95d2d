"""`candlecast fetch`: candles from the world into the store."""

from __future__ import annotations

import itertools
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli.command import Command
from candlecast.cli.completion import one_of
from candlecast.cli.console import print_json, progress, say_error, say_line
from candlecast.cli.options import common
from candlecast.cli.source_registry import NAMES, SOURCES, make_source, store_option

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.events import Listener
    from candlecast.interval import Interval
    from candlecast.sources.source import Source
    from candlecast.store import Store


@click.command(
    cls=Command,
    short_help="Fetch candles into the store.",
    epilog="""
    candlecast fetch BTCUSDT ETHUSDT --interval 1m 1h --since 2017-08-17
    candlecast fetch AAPL --interval 1d --source yahoo
    """,
)
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--interval", "intervals", multiple=True, required=True, help="Lengths of one candle, such as 1m 1h.")
@click.option("--since", help="First day or time, UTC; where it stopped, or the source's first, when not given.")
@click.option("--until", help="End, UTC; now when not given.")
@click.option(
    "--source",
    shell_complete=one_of(SOURCES),
    default="binance",
    show_default=True,
    help=f"{NAMES}.",
)
@click.option("--refresh", is_flag=True, help="Ask for everything again, to see what the vendor changed.")
@click.option(
    "--recheck", is_flag=True, help="Request gaps again that the vendor had no bars for, and series that ended."
)
@click.option(
    "--renamed-from", help="What the source called the one SYMBOL before; its bars are read before those of SYMBOL."
)
@click.option("--renamed-at", help="Since when it has the new name, UTC; its first bar stored when not given.")
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
    renamed_from: str | None,
    renamed_at: str | None,
    store: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fetch what is missing of each SYMBOL into the store, and report new bars, bars that the vendor changed, and series that
    ended (delisted, halted, or without a bar for 30 days).

    Stopped at any moment, the same command continues where it was. Where one of several fails, the others are fetched.
    """
    from candlecast.errors import CandlecastError, ConfigError
    from candlecast.interval import Interval
    from candlecast.store import Store
    from candlecast.text.redaction import shown

    place, origin, lengths = Store(store), make_source(source), [Interval.parse(interval) for interval in intervals]
    if (renamed_from is not None and len(symbols) > 1) or (renamed_at is not None and renamed_from is None):
        raise ConfigError(
            f"--renamed-from of {len(symbols)} symbols" if renamed_from else "--renamed-at without --renamed-from",
            expected="the earlier name of one symbol",
            remedy="Use for example: candlecast fetch META --renamed-from FB --renamed-at 2022-06-09",
        )
    rows, errors, renaming = [], [], renamed_from
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
                if renaming is not None:
                    place.rename(origin, renaming, symbol, at=renamed_at)
                    renaming, row["bars"] = None, len(place.read(origin, symbol, interval, since=since, until=until))
        except CandlecastError as error:
            errors.append({"symbol": symbol, "interval": str(interval), "error": str(error)})
            is_one = len(symbols) * len(lengths) == 1 or symbol in str(error)
            say_error(str(error) if is_one else f"{symbol} {interval}: {error}")
            continue
        rows.append(row)
        if not as_json:
            say_line(_words(row))
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
        "ended": None if candles.origin is None or candles.origin.ended is None else candles.origin.ended.why,
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
    unsound += f"; the series ended ({row['ended']})" if row["ended"] else ""
    return (
        f"{row['symbol']} {row['interval']}: {row['bars']:,} bars, {first} to {last} UTC; {row['new']:,} new{changed}{missing}"
        f"{unsound}; version {row['version']}; {row['seconds']:.1f} s"
    )
