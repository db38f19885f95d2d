"""Which columns hold the time of a bar, and in which form: counts since 1970, dates, dates and times of day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from candlecast.errors import CandleError
from candlecast.interval import SPAN_SECONDS
from candlecast.reading.days import STAMP, is_moment, last_year, read_clock, read_days, split
from candlecast.reading.numerals import is_absent
from candlecast.reading.table import Table
from candlecast.reading.vocabulary import CLOCKS, CLOSED, OPENED, TIMES, canonical, joined

Form = Literal["typed", "epoch", "serial", "text", "clock"]
SAMPLE = 400  # cells that a form is judged by
MOSTLY = 0.9
UNITS = (("s", 1_000_000), ("ms", 1_000), ("us", 1), ("ns", 0.001))  # microseconds in one
SERIAL = (10_000, 80_000)  # days since 1899-12-30 that spreadsheets count: 1927 to 2119
BARE_DATE = re.compile(r"\d{4}")
OPENED_NAMES, TIME_NAMES, CLOSED_NAMES, CLOCK_NAMES = (
    {joined(canonical(name)): position for position, name in reversed(list(enumerate(names)))}
    for names in (OPENED, TIMES, CLOSED, CLOCKS)
)
UNNAMED, CLOSED_GROUP = 3, 9  # ranks of columns without a name and of times of closing, after those of opening
UNIVERSAL = re.compile(r"\b(utc|gmt)\b")


@dataclass(frozen=True)
class TimeColumn:
    """Where the time stands: one position, or a date and its time of day; and what form it has.

    `is_close`: it is the time at which the bar closed. `digits`: of times of day in bare numbers (4 for HHMM, 6 for
    HHMMSS, 0 for others). `zone`: what the column's name says.
    """

    positions: tuple[int, ...]
    form: Form
    is_close: bool = False
    digits: int = 0
    zone: str | None = None


def find_time(table: Table, names: Mapping[int, str], given: Sequence[int] | None, *, what: str) -> TimeColumn | None:
    """The column of the time of opening, or else of closing; None when there is none. `names` are canonical.

    A count since 1970 is preferred to text, and text with a zone to text without one.
    """
    if given is not None:
        form = form_of(table, given[0], is_named=True, what=what) or "text"
        digits = clock_digits(table.column(given[1])) if len(given) > 1 else 0
        return TimeColumn(tuple(given), form, digits=digits, zone=_zone_of(names.get(given[0], "")))
    ranked: list[tuple[float, int, TimeColumn]] = []
    for position, name in names.items():
        bare = joined(re.sub(r"\W*\b(utc|gmt|est|edt|ms|s|milliseconds|seconds|et|local)\W*$", "", name)) or joined(
            name
        )
        group = _group(bare if bare in TIME_NAMES or bare in OPENED_NAMES or bare in CLOSED_NAMES else joined(name))
        if group is None:
            continue
        form = form_of(table, position, is_named=group != UNNAMED, what=what)
        if form in (None, "clock"):
            continue
        partner = (
            _partner(table, names, position) if form == "text" and _is_whole_date(table.column(position)) else None
        )
        positions = (position,) if partner is None else (position, partner)
        column = TimeColumn(
            positions,
            form,  # type: ignore[arg-type]
            is_close=group == CLOSED_GROUP,
            digits=0 if partner is None else clock_digits(table.column(partner)),
            zone=_zone_of(name),
        )
        ranked.append((group + _preference(table, column), position, column))
    return min(ranked, key=lambda each: each[:2])[2] if ranked else None


def form_of(table: Table, position: int, *, is_named: bool, what: str) -> Form | None:
    """The form of a column of times; None when it holds none. `is_named`: whether its name says that it does."""
    dtype = table.types.get(position)
    if dtype is not None and (isinstance(dtype, pl.Datetime) or dtype == pl.Date):
        return "typed"
    if (
        dtype is not None
        and not dtype.is_numeric()
        and not isinstance(dtype, (pl.Categorical, pl.Enum))
        and dtype != pl.Null
    ):
        if not is_named:
            return None
        raise CandleError(
            f"the time column {table.display_name(position)!r} of {what} holds {dtype}",
            expected="times, dates, or seconds, milliseconds, microseconds or nanoseconds since 1970",
            remedy="Convert the column",
        )
    cells = [cell for cell in (cell.strip().strip("'") for cell in table.column(position)) if not is_absent(cell)]
    if dtype is not None and dtype.is_numeric():
        cells = [cell for cell in cells if re.fullmatch(r"-?\d+(\.\d+)?", cell)]
        return _numeric_form(cells[:SAMPLE], is_named=is_named, what=what) if cells else "epoch" if is_named else None
    cells = cells[:SAMPLE]
    if not cells:
        return "text" if is_named else None
    return _form(cells, is_named=is_named, what=what)


def _form(cells: list[str], *, is_named: bool, what: str) -> Form | None:
    rounded = [
        cell
        for cell in cells
        if (match := re.fullmatch(r"-?\d(?:\.(\d*))?[eE]\+?(\d+)", cell)) and len(match[1] or "") < int(match[2])
    ]
    if is_named and len(rounded) > len(cells) / 2:
        raise CandleError(
            f"{what} has times such as {rounded[0]}, which a spreadsheet has rounded",
            expected="times that tell the bars apart",
            remedy="Fetch the file again, and do not save it from a spreadsheet",
        )
    if _share(bool(re.fullmatch(r"-?\d+(\.\d+)?([eE]\+?\d+)?", cell)) for cell in cells) >= MOSTLY:
        return _numeric_form(cells, is_named=is_named, what=what)
    if is_named and _share(read_days(cell) is not None for cell in cells) >= MOSTLY:
        return "text"
    if _share(is_clock(cell) for cell in cells) >= MOSTLY:
        return "clock"
    return "text" if is_named or _share(is_moment(cell) for cell in cells) >= MOSTLY / 2 else None


def _numeric_form(cells: list[str], *, is_named: bool, what: str) -> Form | None:
    cells = [cell for cell in cells if re.fullmatch(r"-?\d+(\.\d*)?([eE]\+?\d+)?", cell)]
    whole = [re.sub(r"\.0+$", "", cell) for cell in cells]
    values = [float(cell) for cell in cells]
    if all(BARE_DATE.fullmatch(cell) and 1900 <= int(cell) <= last_year() for cell in whole):
        if is_named and len(cells) > 1:
            raise CandleError(
                f"{what} has years for times, such as {whole[0]}: day and month are lost",
                expected="dates or times that tell the bars apart",
                remedy="Fetch the file again, and do not save it from a spreadsheet",
            )
        return None
    if _share(len(cell) == 8 and read_days(cell) is not None for cell in whole) >= MOSTLY:
        return "text"
    if _share(_is_stamp(cell) for cell in whole) >= MOSTLY:
        return "text"
    if _share(unit_of(value) is not None and abs(value) >= 1e8 for value in values) >= MOSTLY:
        return "epoch"
    if not is_named:
        return None
    if all(len(cell) in (6, 7) and read_days(cell) is not None for cell in whole):
        return "text"
    if all(SERIAL[0] <= value <= SERIAL[1] for value in values):
        return "serial"
    return "epoch"  # judged by all of its rows


def unit_of(count: float) -> int | None:
    """Place in UNITS of the longest unit in which a count since 1970 lies between 1900 and the end of next year."""
    low, high = second_bounds()
    return next((position for position, (_, micros) in enumerate(UNITS) if low <= count * micros / 1e6 < high), None)


def second_bounds() -> tuple[int, int]:
    """Seconds since 1970 of the beginning of 1900 and of the end of next year, both nearly."""
    return -70 * SPAN_SECONDS["y"], (last_year() + 1 - 1970) * SPAN_SECONDS["y"]


def _is_stamp(cell: str) -> bool:
    match = re.match(STAMP, cell)
    if not match or len(cell) not in (12, 14):
        return False
    return read_days(match[1]) is not None and read_clock(match[2], len(match[2])) is not None


def is_clock(cell: str) -> bool:
    """Whether a cell is a time of day alone, with a colon or such."""
    return not cell.isdigit() and read_clock(cell) is not None


def clock_digits(cells: Sequence[str]) -> int:
    """Digits of times of day in bare numbers, HHMM or HHMMSS; 0 when they are no bare numbers."""
    bare = [re.sub(r"\.0+$", "", cell.strip()) for cell in cells if not is_absent(cell)]
    if not bare or not all(re.fullmatch(r"\d{1,6}", cell) for cell in bare):
        return 0
    return 6 if max(map(len, bare)) > 4 else 4


def _partner(table: Table, names: Mapping[int, str], date: int) -> int | None:
    """The column of the time of day beside a column of dates."""
    for position, name in names.items():
        if position == date or joined(name) not in CLOCK_NAMES:
            continue
        cells = [cell.strip() for cell in table.column(position) if not is_absent(cell)][:SAMPLE]
        digits = clock_digits(cells)
        if cells and _share(read_clock(cell, digits) is not None for cell in cells) >= MOSTLY:
            return position
    return None


def _is_whole_date(cells: Iterable[str]) -> bool:
    shown = [cell for cell in cells if not is_absent(cell)][:SAMPLE]
    return _share(not split(cell)[1] and read_days(cell) is not None for cell in shown) >= MOSTLY


def _group(name: str) -> int | None:
    """How certainly a name is that of the time of opening, from 0; None for the name of something else."""
    if name in OPENED_NAMES:
        return 0
    if name in TIME_NAMES:
        return 1
    if name in CLOSED_NAMES:
        return CLOSED_GROUP
    return (
        UNNAMED
        if not name or re.fullmatch(r"unnamed:?\d*(level\d*)?|index|level\d|x|column\d+|<unnamed>", name)
        else None
    )


def _preference(table: Table, column: TimeColumn) -> float:
    if column.form in ("typed", "epoch", "serial"):
        return 0.0 if column.form == "typed" or _has_large_counts(table.column(column.positions[0])) else 0.9
    cells = [cell for cell in table.column(column.positions[0]) if not is_absent(cell)][:5]
    clocks = [split(cell)[1] for cell in cells]
    if not any(is_moment(cell) for cell in cells):
        return 0.95 if len(column.positions) == 1 else 0.2
    if any(clock and (found := read_clock(clock)) and found.zone is not None for clock in clocks):
        return 0.1
    return 0.2 if any(clocks) or len(column.positions) > 1 else 0.3


def _has_large_counts(cells: Sequence[str]) -> bool:
    """Whether some counts are too large for times of day or a spreadsheet's days."""
    return any(not is_absent(cell) and re.fullmatch(r"-?\d{7,}(\.\d*)?", cell.strip()) for cell in cells[:SAMPLE])


def _zone_of(name: str) -> str | None:
    return "UTC" if UNIVERSAL.search(name) else None


def _share(claims: Iterable[bool]) -> float:
    found = list(claims)
    return sum(found) / max(len(found), 1)
