"""`candlecast candles`: what there is, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli import assets
from candlecast.cli.command import Command
from candlecast.cli.completion import assets as completed
from candlecast.cli.console import print_json, print_table, say, wrapped
from candlecast.cli.mending import Mending, mending_options
from candlecast.cli.options import common
from candlecast.cli.reading import reading_options, require_file
from candlecast.cli.source_registry import is_store, store_option
from candlecast.cli.wording import in_shell
from candlecast.errors import ConfigError, StoreError, near_misses

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.store import Store


@click.command(
    cls=Command,
    short_help="What candles there are, and what is wrong with them.",
    epilog="""
    candlecast candles
    candlecast candles btc_1h.csv
    candlecast candles BTCUSDT --interval 1m
    """,
)
@click.argument("asset", required=False, metavar="[SYMBOL or FILE]", shell_complete=completed)
@click.option("--interval", help="Length of one candle, such as 1h; every one stored, or the file's, when not given.")
@click.option(
    "--source", help="Only candles of this source, such as binance; of a file, where it came from, for known halts."
)
@click.option("--since", help="First day or time, UTC, of a file or a sample.")
@click.option("--until", help="End, UTC, of a file or a sample.")
@reading_options
@mending_options
@store_option
@common
def candles(
    asset: str | None,
    *,
    interval: str | None,
    source: str | None,
    since: str | None,
    until: str | None,
    reading: dict[str, Any],
    store: str,
    mending: Mending,
    as_json: bool,
    quiet: bool,
) -> None:
    """Describe candles and list their issues: trading hours, gaps and halts, duplicates, off-grid and impossible bars,
    jumps like splits, and prices that nobody could have traded at. Nothing is changed where it is stored.

    Without an argument: everything that is stored, and, without --source and --interval, the samples that come with the
    installation.
    """
    from candlecast.sources.sample import SAMPLES

    found = _stored(store, asset, source=source, interval=interval)
    if asset is not None and not found:
        from candlecast.candles import Origin

        wanted: dict[str, Any] = {"interval": interval, "reading": reading, "since": since, "until": until}
        table = assets.load(asset, **wanted, store=store, repair=mending.repaired)
        origin = table.origin
        if source:
            origin = Origin(source) if origin is None else replace(origin, source=source)
        found = [(mending.joined(replace(table, origin=origin)), 0)]
    else:
        _require_nothing_said(asset, {"since": since, "until": until}, reading)
        if asset is None and source is None and interval is None:
            found += [(assets.load(name, interval=None), 0) for name in SAMPLES]
        found = [(mending.joined(mending.repaired(table)), changed) for table, changed in found]
    if as_json:
        print_json({"candles": [_as_object(table, changed) for table, changed in found]})
    elif asset is None:
        _show_all([_as_object(table, changed) for table, changed in found])
    else:
        for table, changed in found:
            known = f"\n  {changed:,} bars were changed by the vendor since they were first seen" if changed else ""
            known += "".join(f"\n  {change}" for change in (table.origin.changes if table.origin else ()))
            read = f"\n  read as: {table.origin.reading}" if table.origin and table.origin.reading else ""
            say(wrapped(f"{table!r}{read}\n{in_shell(str(table.check()))}{known}"))


def _require_nothing_said(asset: str | None, period: dict[str, str | None], reading: dict[str, Any]) -> None:
    """Raise ConfigError for options that belong to a file, beside candles that are stored."""
    for name, value in period.items():
        if value is not None:
            raise ConfigError(
                f"--{name} {value} of stored candles, which are listed whole",
                expected="a file or a sample",
                remedy="Leave it out",
            )
    require_file(asset or "all that is stored", reading)


def _stored(
    location: str, symbol: str | None, *, source: str | None, interval: str | None
) -> list[tuple[Candles, int]]:
    """Stored candles that the options name, each with the number of bars that the vendor changed.

    None where the symbol is not stored at all, since it may be a file; StoreError where it is, but not as the options say.
    """
    from candlecast.interval import Interval
    from candlecast.store import Store

    store = Store(location)
    rows = list(store.series().iter_rows(named=True)) if is_store(location) else []
    length = None if interval is None else str(Interval.parse(interval))
    given = {"source": source, "symbol": symbol, "interval": length}
    given = {name: value for name, value in given.items() if value is not None}
    fitting = [row for row in rows if all(row[name] == value for name, value in given.items())]
    if given and not fitting and (symbol is None or any(row["symbol"] == symbol for row in rows)):
        asked, known = " ".join(given.values()), {" ".join(row[name] for name in given) for row in rows}
        raise StoreError(
            f"nothing of {asked} is stored in {location}",
            expected="candles that were fetched",
            remedy=near_misses(asked, known) if known else "Fetch them first, with `candlecast fetch`",
        )
    return [_read(store, row) for row in fitting]


def _read(store: Store, row: dict[str, Any]) -> tuple[Candles, int]:
    series = (row["source"], row["symbol"], row["interval"])
    return store.read(*series), store.changes(*series)["open_time"].n_unique()


def _as_object(table: Candles, changed: int) -> dict[str, Any]:
    report = table.check()
    origin = table.origin
    return {
        "source": origin.source if origin else None,
        "symbol": table.symbol,
        "interval": str(table.interval),
        "bars": len(table),
        "first": table.frame["open_time"].min(),
        "last": table.frame["close_time"].max(),
        "version": origin.version if origin else None,
        "reading": origin.reading if origin else None,
        "has_sessions": table.has_sessions,
        "clock": table.clock.to_dict(),
        "hours": report.hours,
        "changes": [asdict(change) for change in (origin.changes if origin else ())],
        "missing": report.missing,
        "halted": report.halted,
        "changed": changed,
        "ended": asdict(origin.ended) if origin and origin.ended else None,
        "is_sound": report.is_sound,
        "issues": report.issues.to_dicts(),
    }


def _show_all(series: list[dict[str, Any]]) -> None:
    """A line for each series; what none of them has gets no column."""
    rare = [name for name in ("halted", "changed", "ended") if any(row[name] for row in series)]
    rows = [
        [
            row["source"] or "sample",
            f"{row['symbol']} {row['interval']}",
            f"{row['bars']:,}",
            f"{row['first']:%Y-%m-%d}",
            f"{row['last']:%Y-%m-%d}",
            f"{row['missing'] - row['halted']:,}",
            "yes" if row["is_sound"] else "NO",
            *(("yes" if row[name] else "no") if name == "ended" else f"{row[name]:,}" for name in rare),
        ]
        for row in series
    ]
    print_table(rows, ["source", "series", "bars", "first", "last", "missing", "sound", *rare])
