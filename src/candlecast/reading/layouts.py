"""Columns without names: found by what they hold, since high and low bound the others and each open follows a close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from candlecast.errors import CandleError
from candlecast.reading.days import read_days, split
from candlecast.reading.numerals import (
    NumberForm,
    Undecided,
    as_numbers,
    form_of as number_form_of,
    is_absent,
    is_number,
)
from candlecast.reading.table import Table
from candlecast.reading.timing import TimeColumn, clock_digits, form_of, is_clock

BOUNDED = 0.98  # of the rows in which high and low bound the others, at least: prices are rounded
ONE_SIZE = 3.0  # prices of one bar differ by less than this factor
PROOF = 0.7  # of the distance from close to next open in the other order, at most
FEWEST = 10  # rows that prove which is the open
KNOWN = {
    (1, 2): ("open", "high", "low", "close"),
    (2, 3): ("open", "close", "high", "low"),
    (1, 0): ("low", "high", "open", "close"),
}


@dataclass(frozen=True)
class Layout:
    """Places of what was found, and the columns in words, in their order."""

    time: TimeColumn
    prices: dict[str, int]
    volume: int | None
    symbol: int | None
    words: tuple[str, ...]


def by_content(table: Table, *, what: str) -> Layout:
    """What columns without names hold. Raises CandleError when their content does not show it."""
    time = _time(table, what=what)
    if time is None:
        raise _unknown(table, "no column of times", what=what)
    rest = [place for place in range(table.width) if place not in time.places]
    numeric = [place for place in rest if _is_numeric(table.column(place))]
    if len(numeric) < 4:
        kind = (
            "single trades (time, price, amount), not candles" if len(numeric) == 2 else "no open, high, low and close"
        )
        raise _unknown(table, f"{kind} and no header", what=what)
    values = _values(table, numeric)
    found = _prices(table, numeric, values, time)
    if found is None:
        raise _unknown(table, "no header, and no four columns of which two bound the others", what=what)
    volume = _volume(numeric, values, found)
    symbol = next((place for place in rest if place not in numeric and _is_symbols(table.column(place))), None)
    roles = {place: role for role, place in found.items()}
    roles |= {place: word for place, word in zip(time.places, ("time", "time of day"), strict=False)}
    roles |= ({volume: "volume"} if volume is not None else {}) | ({symbol: "symbol"} if symbol is not None else {})
    return Layout(time, found, volume, symbol, tuple(roles[place] for place in sorted(roles)))


def _time(table: Table, *, what: str) -> TimeColumn | None:
    for place in range(table.width):
        form = form_of(table, place, is_named=False, what=what)
        if form in (None, "clock", "serial"):
            continue
        following = place + 1
        if form == "text" and following < table.width and not split(table.column(place)[0])[1]:
            cells = [cell for cell in table.column(following) if not is_absent(cell)]
            digits = clock_digits(cells) if all(len(cell) in (4, 6) for cell in cells[:20]) else 0
            if cells and (all(map(is_clock, cells[:20])) or (digits and place + 6 <= table.width)):
                return TimeColumn((place, following), form, digits=0 if is_clock(cells[0]) else digits)
        return TimeColumn((place,), form)  # type: ignore[arg-type]
    return None


def _is_numeric(cells: Sequence[str]) -> bool:
    shown = [cell for cell in cells if not is_absent(cell)]
    return bool(shown) and sum(map(is_number, shown)) >= BOUNDED * len(shown)


def _is_symbols(cells: Sequence[str]) -> bool:
    return all(cell and any(letter.isalpha() for letter in cell) and len(cell) < 30 for cell in cells)


def _values(table: Table, numeric: Sequence[int]) -> dict[int, np.ndarray]:
    cells = [cell for place in numeric for cell in table.column(place)[:200]]
    form = number_form_of(cells, prices=cells, told=None, is_doubtful=False)
    if isinstance(form, Undecided):
        form = NumberForm()
    columns = pl.DataFrame({str(place): pl.Series(table.column(place), dtype=pl.String) for place in numeric})
    numbers, _ = as_numbers(columns, form)
    return {place: numbers[str(place)].fill_null(float("nan")).to_numpy() for place in numeric}


def _prices(
    table: Table, numeric: Sequence[int], values: dict[int, np.ndarray], time: TimeColumn
) -> dict[str, int] | None:
    """Places of the prices in the first four columns side by side that can be prices."""
    for start in range(len(numeric) - 3):
        places = numeric[start : start + 4]
        if places[3] - places[0] != 3:
            continue
        bars = np.stack([values[place] for place in places])
        bars = bars[:, np.isfinite(bars).all(axis=0)]
        if not bars.shape[1] or (bars <= 0).any() or np.median(bars.max(axis=0) / bars.min(axis=0)) > ONE_SIZE:
            continue
        tops = [at for at in range(4) if np.mean(bars[at] >= bars.max(axis=0)) >= BOUNDED]
        bottoms = [at for at in range(4) if np.mean(bars[at] <= bars.min(axis=0)) >= BOUNDED]
        pairs = [(top, bottom) for top in tops for bottom in bottoms if top != bottom]
        if not pairs:
            continue
        pair = next((known for known in KNOWN if known in pairs), pairs[0])
        ends = [at for at in range(4) if at not in pair]
        has_volume_after = start + 4 < len(numeric) or start == 0
        order = _ends(bars, ends, is_newest_first=_is_newest_first(table.column(time.places[0])))
        if order is None and pair in KNOWN and has_volume_after:
            order = (KNOWN[pair].index("open"), KNOWN[pair].index("close"))
        if order is None:
            return None
        roles = {"open": order[0], "high": pair[0], "low": pair[1], "close": order[1]}
        return {role: places[at] for role, at in roles.items()}
    return None


def _ends(bars: np.ndarray, ends: Sequence[int], *, is_newest_first: bool) -> tuple[int, int] | None:
    """Which of two columns is the open and which the close, where the bars prove it."""
    if bars.shape[1] < FEWEST:
        return None
    if is_newest_first:
        bars = bars[:, ::-1]
    first, second = bars[ends[0]], bars[ends[1]]
    straight, turned = np.abs(first[1:] - second[:-1]).sum(), np.abs(second[1:] - first[:-1]).sum()
    if straight < PROOF * turned:
        return ends[0], ends[1]
    return (ends[1], ends[0]) if turned < PROOF * straight else None


def _is_newest_first(cells: Sequence[str]) -> bool:
    first, last = (_place_in_time(cell) for cell in (cells[0], cells[-1]))
    return first > last


def _place_in_time(cell: str) -> tuple[float, str]:
    date, clock = split(cell.strip())
    days = read_days(date)
    if days is not None:
        return float(next(day for day in days if day is not None)), clock
    try:
        return float(cell), ""
    except ValueError:
        return 0.0, cell


def _volume(numeric: Sequence[int], values: dict[int, np.ndarray], prices: dict[str, int]) -> int | None:
    """The first column behind the prices that is no other price, or the one before them."""
    behind = [place for place in numeric if place > max(prices.values())]
    close = values[prices["close"]]
    if len(behind) > 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            if np.nanmax(np.abs(values[behind[0]] / close - 1)) < 0.5:
                behind = behind[1:]
    before = [place for place in numeric if place < min(prices.values())]
    return behind[0] if behind else before[-1] if before else None


def _unknown(table: Table, wrong: str, *, what: str) -> CandleError:
    first = ", ".join(table.sample[0][:8]) if table.sample else ""
    return CandleError(
        f"{what} has {wrong} (its first row is {first})",
        expected="a header line that names the columns, or columns in a usual order",
        remedy="Add a header line that names the columns, or say which is which, for example "
        'columns={"time": "1", "open": "2", "high": "3", "low": "4", "close": "5"}',
    )
