"""Opening times of bars in UTC: which order their dates have, which zone their clock keeps, and where that is stated."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from candlecast.errors import CandleError
from candlecast.reading import instants
from candlecast.reading.columns import Columns
from candlecast.reading.days import FIRST_YEAR, MINUTE, THAI, last_year
from candlecast.reading.growing import NO_OFFSET, Growing
from candlecast.reading.options import Options
from candlecast.reading.orders import WORDS, prove
from candlecast.reading.stamps import Stamps
from candlecast.reading.table import Table

SAYS_UTC = re.compile(r"\btime.*\b(UTC|GMT)\b|\b(UTC|GMT)\b.*\btime", re.IGNORECASE)


def opened_at(
    rows: Growing,
    columns: Columns,
    stamps: Stamps,
    options: Options,
    table: Table,
    shown: str,
    notes: list[str],
    *,
    what: str,
) -> tuple[pl.Series, str | None]:
    """Times of opening (or closing, where the column has those) in UTC, in the order of the rows; and the zone whose clock
    they were written by, where that is known and not UTC.
    """
    form = columns.time.form
    offsets: np.ndarray | None = None
    if form == "epoch":
        counted = instants.from_counts(pl.Series(rows.take("count")), what=what, notes=notes)
        return counted.dt.replace_time_zone("UTC"), None
    if form == "serial":
        local = instants.from_serials(pl.Series(rows.take("count")))
        notes.append("days since 1899-12-30, as spreadsheets count")
    elif form == "typed":
        dtype = table.types[columns.time.positions[0]]
        written = pl.Series(rows.take("moment"))
        instants.require_years(written, what=what)
        local = written.cast(pl.Datetime("us"))
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
            moments = local.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
            local = moments.dt.replace_time_zone(None)
            is_days = instants.are_whole_days(local)
            return (local.dt.replace_time_zone("UTC") if is_days else moments.dt.convert_time_zone("UTC")), None
    else:
        order = _order(rows, stamps, options, shown, notes, what=what)
        local = pl.Series(rows.take(order)).cast(pl.Datetime("us"))
        offsets = rows.take("offset") if "offset" in rows else None
        _note_calendar(shown, notes)
    if instants.are_whole_days(local):
        return local.dt.replace_time_zone("UTC"), None
    if offsets is not None:
        is_absent = offsets == NO_OFFSET
        if is_absent.any():
            row = int(is_absent.argmax())
            raise CandleError(
                f"{what} has times with a zone and times without one (row {row + 1}: {local[row]})",
                expected="a zone in all rows or in none",
                remedy="Correct the rows",
            )
        moved = local.cast(pl.Int64) - pl.Series(offsets) * MINUTE
        return moved.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), None
    zone, why = _zone(columns, stamps, options, table, local, what=what)
    notes.append(f"zone {zone} {why}")
    return instants.in_zone(local, zone, what=what, notes=notes), zone


def _order(rows: Growing, stamps: Stamps, options: Options, shown: str, notes: list[str], *, what: str) -> str:
    orders = [order for order in stamps.orders if order in rows and not (rows.array(order) == NO_OFFSET).any()]
    if not orders:
        raise CandleError(
            f"the dates of {what}, such as {shown}, do not share one order of year, month and day"
            + (f" as {options.dates} says" if options.dates else ""),
            expected=f"dates written alike, of the years {FIRST_YEAR} to {last_year()}",
            remedy="Correct the rows" + (", or say another order" if options.dates else ""),
        )
    order = (
        orders[0] if len(orders) == 1 else prove({order: rows.array(order) for order in orders}, what=what, shown=shown)
    )
    if re.search(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", shown) and not re.match(r"\d{3,4}", shown):
        notes.append(WORDS[order] + (" as given" if options.dates else ""))
    return order


def _zone(
    columns: Columns, stamps: Stamps, options: Options, table: Table, local: pl.Series, *, what: str
) -> tuple[str, str]:
    """The zone of local times, and where it is stated."""
    if len(stamps.zones) > 1:
        raise CandleError(
            f"{what} has times in {len(stamps.zones)} zones ({', '.join(sorted(stamps.zones)[:5])})",
            expected="one zone",
            remedy="Convert the times to UTC first",
        )
    if stamps.zones:
        return next(iter(stamps.zones)), "written beside the times"
    if options.zone is not None:
        return options.zone, "as given"
    if columns.time.zone is not None:
        return columns.time.zone, "by the name of the column"
    if table.zone is not None:
        return table.zone, "stated in the file"
    if any(SAYS_UTC.search(line) for line in table.banner):
        return "UTC", "by the line before the header"
    raise CandleError(
        f"{what} has times without a zone (the first is {local[0]})",
        expected="times in UTC, or the zone that they are in",
        remedy='Say zone="UTC" or for example zone="America/New_York"',
    )


def _note_calendar(shown: str, notes: list[str]) -> None:
    if any(
        FIRST_YEAR + THAI <= int(year) <= last_year() + THAI and int(year) > last_year()
        for year in re.findall(r"(?<!\d)\d{4}(?!\d)", shown)
    ):
        notes.append("years of the Thai calendar, 543 less")
    elif re.match(r"(民國)?1\d\d([/.年-]|\d{4}$)", shown):
        notes.append("years of the calendar of Taiwan, 1911 more")
