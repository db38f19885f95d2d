"""Columns without names: found by what they hold, since high and low bound the others and each open follows a close."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from candlecast.errors import CandleError
from candlecast.reading.days import DAY, read_clock, read_days, split
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
NUMERIC = 0.7  # of the cells of a column of numbers, at least: one that is none is refused where it stands
IN_ORDER = 0.9  # of the steps from row to row, at least, in one direction of time
ONE_SIZE = 3.0  # prices of one bar differ by less than this factor
PROOF = 0.5  # of the distance from close to next open in the other order, at most
SAME_MONEY = 0.02  # relative difference between traded money and units times price, at most
PRICE_LIKE = 0.3  # of the rows, in which a column of prices is near the close
MINIMUM = 10  # rows that can prove which column is the open
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
    rest = [position for position in range(table.width) if position not in time.positions]
    numeric = [position for position in rest if _is_numeric(table.column(position))]
    if len(numeric) < 4:
        kind = (
            "single trades (time, price, amount), not candles" if len(numeric) == 2 else "no open, high, low and close"
        )
        raise _unknown(table, f"{kind} and no header", what=what)
    values = _values(table, numeric)
    found = _prices(table, numeric, values, time)
    if found is None:
        raise _unknown(table, "no header, and no four columns of which two bound the others", what=what)
    _require_one_set(table, values, found, what=what)
    volume = _volume(table, numeric, values, found, time, what=what)
    symbol = next(
        (position for position in rest if position not in numeric and _is_symbols(table.column(position))), None
    )
    roles = {position: role for role, position in found.items()}
    roles |= dict(zip(time.positions, ("time", "time of day"), strict=False))
    roles |= ({volume: "volume"} if volume is not None else {}) | ({symbol: "symbol"} if symbol is not None else {})
    return Layout(time, found, volume, symbol, tuple(roles[position] for position in sorted(roles)))


def _time(table: Table, *, what: str) -> TimeColumn | None:
    """The first column of dates, or of several of counts since 1970 the earliest: the others are times of closing."""
    counts: dict[int, float] = {}
    for position in range(table.width):
        cells = [cell for cell in table.column(position) if not is_absent(cell)]
        form = form_of(table, position, is_named=False, what=what)
        if form == "epoch" and _is_ordered(cells):
            counts[position] = min(_counts(cells))
        if form not in ("text", "typed") or counts:
            continue
        following = position + 1
        if form == "text" and following < table.width and not split(cells[0])[1]:
            clocks = [cell for cell in table.column(following) if not is_absent(cell)]
            digits = clock_digits(clocks) if all(len(cell) in (4, 6) for cell in clocks[:20]) else 0
            if clocks and (all(map(is_clock, clocks[:20])) or (digits and position + 6 <= table.width)):
                return TimeColumn((position, following), form, digits=0 if is_clock(clocks[0]) else digits)
        return TimeColumn((position,), form)
    if not counts:
        return None
    first = min(counts, key=lambda position: (counts[position], position))
    ends_late = all(cell.strip().endswith(("999", "999.0")) for cell in table.column(first) if not is_absent(cell))
    return TimeColumn((first,), "epoch", is_close=ends_late)


def _is_ordered(cells: Sequence[str]) -> bool:
    """Whether counts rise or fall from row to row, as times do and volumes do not."""
    steps = np.sign(np.diff(np.array(_counts(cells))))
    return len(steps) == 0 or max(float(np.mean(steps >= 0)), float(np.mean(steps <= 0))) >= NUMERIC


def _counts(cells: Sequence[str]) -> list[float]:
    return [float(cell) for cell in cells if re.fullmatch(r"-?\d+(\.\d*)?", cell.strip())]


def _is_numeric(cells: Sequence[str]) -> bool:
    shown = [cell for cell in cells if not is_absent(cell)]
    return bool(shown) and sum(map(is_number, shown)) >= NUMERIC * len(shown)


def _is_symbols(cells: Sequence[str]) -> bool:
    return all(not is_absent(cell) and any(letter.isalpha() for letter in cell) and len(cell) < 30 for cell in cells)


def _values(table: Table, numeric: Sequence[int]) -> dict[int, np.ndarray]:
    cells = [cell for position in numeric for cell in table.column(position)[:200]]
    form = number_form_of(cells, prices=cells, decimal=None, is_doubtful=False)
    if isinstance(form, Undecided):
        form = NumberForm()
    columns = pl.DataFrame({str(position): pl.Series(table.column(position), dtype=pl.String) for position in numeric})
    numbers, _ = as_numbers(columns, form)
    return {position: numbers[str(position)].fill_null(float("nan")).to_numpy() for position in numeric}


def _prices(
    table: Table, numeric: Sequence[int], values: dict[int, np.ndarray], time: TimeColumn
) -> dict[str, int] | None:
    """Places of the prices in the first four columns side by side that can be prices."""
    for start in range(len(numeric) - 3):
        positions = numeric[start : start + 4]
        if positions[3] - positions[0] != 3:
            continue
        bars = np.stack([values[position] for position in positions])
        pairs = _bounds(bars)
        if not pairs:
            continue
        bars = bars[:, np.isfinite(bars).all(axis=0)]
        pair = next((known for known in KNOWN if known in pairs), pairs[0])
        ends = [at for at in range(4) if at not in pair]
        has_volume_after = start + 4 < len(numeric) or start == 0
        order = _ends(bars, ends, is_newest_first=_is_newest_first(table.column(time.positions[0])))
        if order is None and pair in KNOWN and has_volume_after:
            order = (KNOWN[pair].index("open"), KNOWN[pair].index("close"))
        if order is None:
            return None
        roles = {"open": order[0], "high": pair[0], "low": pair[1], "close": order[1]}
        return {role: positions[at] for role, at in roles.items()}
    return None


def _bounds(bars: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of columns, (high, low), that bound the others; none where the four are no prices of one bar."""
    bars = bars[:, np.isfinite(bars).all(axis=0)]
    if not bars.shape[1] or (bars <= 0).any() or np.median(bars.max(axis=0) / bars.min(axis=0)) > ONE_SIZE:
        return []
    tops = [at for at in range(4) if np.mean(bars[at] >= bars.max(axis=0)) >= BOUNDED]
    bottoms = [at for at in range(4) if np.mean(bars[at] <= bars.min(axis=0)) >= BOUNDED]
    return [(top, bottom) for top in tops for bottom in bottoms if top != bottom]


def _ends(bars: np.ndarray, ends: Sequence[int], *, is_newest_first: bool | None) -> tuple[int, int] | None:
    """Which of two columns is the open and which the close, where the bars prove it."""
    if bars.shape[1] < MINIMUM or is_newest_first is None:
        return None
    if is_newest_first:
        bars = bars[:, ::-1]
    first, second = bars[ends[0]], bars[ends[1]]
    straight, turned = _total(first[1:] - second[:-1]), _total(second[1:] - first[:-1])
    if straight < PROOF * turned:
        return ends[0], ends[1]
    return (ends[1], ends[0]) if turned < PROOF * straight else None


def _total(distances: np.ndarray) -> float:
    """Sum of the distances without the largest twentieth, which a few damaged cells may make."""
    return float(np.sort(np.abs(distances))[: -(-len(distances) * 19 // 20)].sum())


def _is_newest_first(cells: Sequence[str]) -> bool | None:
    """Whether nearly all rows are later than the next one; None where that depends on how their dates are read."""
    found = set()
    for moments in zip(*map(_moments, cells), strict=True):
        known = np.array([moment for moment in moments if moment is not None])
        steps = np.sign(np.diff(known))
        steps = steps[steps != 0]
        if len(known) < NUMERIC * len(cells) or not len(steps):
            continue
        rising = float(np.mean(steps > 0))
        if max(rising, 1 - rising) >= IN_ORDER:
            found.add(rising < 0.5)
    return found.pop() if len(found) == 1 else None


def _moments(cell: str) -> list[float | None]:
    """What a time may be in each order of year, month and day, in microseconds."""
    date, clock = split(cell.strip())
    days = read_days(date)
    if days is not None:
        time = read_clock(clock, len(clock) * clock.isdigit()) if clock else None
        micros = 0 if time is None else time.micros
        return [None if day is None else day * DAY + micros for day in days]
    counts = _counts([cell])
    return [counts[0] if counts else None] * 3


def _volume(
    table: Table,
    numeric: Sequence[int],
    values: dict[int, np.ndarray],
    prices: dict[str, int],
    time: TimeColumn,
    *,
    what: str,
) -> int | None:
    """The column after the prices where they follow the time, or the only one that can be a volume.

    Counts since 1970, constants and other prices are none. Raises CandleError where several columns could be it.
    """
    close = values[prices["close"]]
    free = []
    for position in numeric:
        column = values[position]
        with np.errstate(divide="ignore", invalid="ignore"):
            is_price = np.nanmax(np.abs(column / close - 1), initial=0.0) < 0.5
        is_count = form_of(table, position, is_named=False, what=what) in ("epoch", "text") and _is_ordered(
            table.column(position)
        )
        is_signed = np.nanmin(column, initial=0.0) < 0
        if position not in prices.values() and not (is_price or is_count or is_signed):
            free.append(position)
    follows = min(prices.values()) == max(time.positions) + 1
    after = [position for position in free if position > max(prices.values())]
    varied = [position for position in free if len(np.unique(values[position])) > 1]
    if follows and after[:1] == [max(prices.values()) + 1] and (after[0] in varied or not varied):
        return _in_units(after[0], free, values, close)
    if len(varied) > 1:
        raise _unknown(table, f"no header, and {len(varied)} columns that may be the volume", what=what)
    return varied[0] if varied else None


def _in_units(volume: int, free: Sequence[int], values: dict[int, np.ndarray], close: np.ndarray) -> int:
    """The volume in traded units: the largest column that another one is the price times of, or else the column found."""
    units = [
        place
        for place in free
        if any(other != place and _is_money(values[other], values[place] * close) for other in free)
    ]
    return max(units, key=lambda place: float(np.nanmedian(values[place])), default=volume)


def _is_money(column: np.ndarray, money: np.ndarray) -> bool:
    with np.errstate(divide="ignore", invalid="ignore"):
        return bool(np.nanmedian(np.abs(column / money - 1)) < SAME_MONEY)


def _require_one_set(table: Table, values: dict[int, np.ndarray], prices: dict[str, int], *, what: str) -> None:
    """Raise CandleError when three other columns hold prices too, of another symbol or adjusted ones."""
    close = values[prices["close"]]
    others = 0
    for position, column in values.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            others += position not in prices.values() and np.mean(np.abs(column / close - 1) < 0.1) > PRICE_LIKE
    positions = sorted(values)
    windows = [
        positions[at : at + 4]
        for at in range(len(positions) - 3)
        if not set(positions[at : at + 4]) & set(prices.values())
    ]
    is_second = any(
        _bounds(np.stack([values[position] for position in window])) for window in windows if window[3] - window[0] == 3
    )
    if others >= 3 or is_second:
        raise _unknown(table, "no header, and more than one set of prices", what=what)


def _unknown(table: Table, wrong: str, *, what: str) -> CandleError:
    first = ", ".join(table.sample[0][:8]) if table.sample else ""
    return CandleError(
        f"{what} has {wrong} (its first row is {first})",
        expected="a header line that names the columns, or columns in a usual order",
        remedy="Add a header line that names the columns, or say which is which, for example "
        'columns={"time": "1", "open": "2", "high": "3", "low": "4", "close": "5"}',
    )
