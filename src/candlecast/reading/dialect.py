"""The layout of a text: its delimiter, its header lines and its first row."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass

from candlecast.errors import SourceError
from candlecast.reading.days import is_moment, read_clock
from candlecast.reading.numerals import is_absent, is_number
from candlecast.reading.vocabulary import canonical, is_known

DELIMITERS = (",", ";", "\t", "|", " ")
LINES = 1_000  # of the sample
LEVELS = 4  # header lines that a table may have
LEVEL_NAMES = {
    "ticker",
    "tickers",
    "symbol",
    "symbols",
    "price",
    "prices",
    "attributes",
    "field",
    "fields",
    "features",
    "names",
}


@dataclass(frozen=True)
class Dialect:
    """The layout of a text.

    `labels`: the header cells of each column. `first`: how many lines stand before the first row. `rows`: the cells of
    the sample's rows. `banner`: the lines before the header. `headers`: the header's lines as cells, which may come again.
    """

    delimiter: str
    labels: tuple[tuple[str, ...], ...]
    first: int
    rows: tuple[tuple[str, ...], ...]
    banner: tuple[str, ...]
    headers: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """Cells of a row."""
        return len(self.labels)


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of a line, without quotation marks and blanks around them."""
    if delimiter == " ":
        return line.split()
    try:
        return [
            cell.strip().removeprefix("\ufeff")
            for cell in next(csv.reader([line], delimiter=delimiter, strict=False), [])
        ]
    except csv.Error:
        return [cell.strip() for cell in line.split(delimiter)]


def is_row(cells: list[str]) -> bool:
    """Whether cells may be a bar: a number or time in most of them, and at least three numbers."""
    filled = [cell for cell in cells if cell]
    numbers = sum(is_number(cell) and not is_absent(cell) for cell in filled)
    absent = sum(is_absent(cell) for cell in cells)
    return (
        numbers >= 3
        or (numbers >= 1 and absent >= 3 and not any(is_known(canonical(cell)) for cell in filled))
        or (absent >= 3 and any(is_moment(cell) for cell in filled))
    )


def sniff(text: str, path: object) -> Dialect:
    """The layout of a text, by its first lines. Raises SourceError when there is no table in it."""
    lines = text.split("\n")[:LINES]
    declared = re.fullmatch(r"\"?sep=(.)\"?;* *", lines[0], re.IGNORECASE)
    best: tuple[float, str, list[list[str]]] | None = None
    for position, delimiter in enumerate(DELIMITERS):
        if declared and delimiter != declared[1]:
            continue
        parted = [cells_of(line, delimiter) if line.strip() else [] for line in lines]
        score = _score(parted, delimiter) - 0.001 * position
        if score > 0.5 and (best is None or score > best[0]) and not (delimiter == " " and best):
            best = (score, delimiter, parted)
    if best is None:
        raise SourceError(
            f"{path} holds no table (it begins {lines[0].strip()[:80]!r})",
            expected="rows of cells separated by commas, semicolons, tabs, bars or blanks, with a time and prices",
            remedy="Check the file",
        )
    _, delimiter, parted = best
    return _laid_out(lines, parted, delimiter, path)


def _score(parted: list[list[str]], delimiter: str) -> float:
    """1 + the share of the lines with digits that read as bars and have the most common number of cells."""
    rows = [cells for cells in parted if len(cells) >= 3 and is_row(cells)]
    if not rows:
        return _score_of_names(parted)
    width, count = Counter(map(len, rows)).most_common(1)[0]
    foreign = {";", "\t", "|"} - {delimiter}
    cells = [cell for row in rows[:200] if len(row) == width for cell in row]
    fine = sum(_is_atom(cell, foreign) for cell in cells) / max(len(cells), 1)
    with_digits = sum(any(any(letter.isdigit() for letter in cell) for cell in cells) for cells in parted)
    return 1 + fine * count / max(with_digits, 1)


def _score_of_names(parted: list[list[str]]) -> float:
    """The score of a delimiter for a text that has a header and no rows."""
    return 0.6 if any(sum(is_known(canonical(cell)) for cell in cells) >= 3 for cells in parted[:20]) else 0.0


def _is_atom(cell: str, foreign: set[str]) -> bool:
    if not cell or is_number(cell):
        return True
    if any(mark in cell for mark in foreign):
        return False
    return (
        is_moment(cell)
        or not any(letter.isdigit() for letter in cell)
        or bool(re.fullmatch(r"[\w.^=:/ -]{1,40}", cell))
    )


def _laid_out(lines: list[str], parted: list[list[str]], delimiter: str, path: object) -> Dialect:
    rows = [number for number, cells in enumerate(parted) if len(cells) >= 3 and is_row(cells)]
    widths = Counter(len(parted[number]) for number in rows)
    width = widths.most_common(1)[0][0] if rows else 0
    first = next((number for number in rows if len(parted[number]) == width), len(lines))
    headers = _headers(parted, first, width)
    if not rows and not headers:
        names = next((number for number in range(min(20, len(parted))) if len(parted[number]) >= 2), None)
        headers = [] if names is None else [names]
    if not rows:
        raise SourceError(
            f"{path} has a header ({', '.join(parted[headers[0]][:8])}) and no rows of candles"
            if headers
            else f"{path} has no rows",
            expected="at least 2 candles, each with a time and prices",
            remedy="Check the file or the range that was asked for",
        )
    if not headers:
        _require_no_header(parted[:first], width, path)
    sample = [parted[number] for number in rows if len(parted[number]) == width]
    levels = [parted[number] for number in headers]
    labels = [_aligned(level, sample, path) for level in levels]
    unlike = [label for number, label in enumerate(labels) if label not in labels[:number]]
    columns = tuple(tuple(level[position] for level in unlike) for position in range(width))
    banner_end = headers[0] if headers else first
    return Dialect(
        delimiter,
        columns,
        first,
        tuple(map(tuple, sample)),
        tuple(line.strip() for line in lines[:banner_end] if line.strip()),
        tuple(tuple(level) for level in levels),
    )


def _require_no_header(parted: list[list[str]], width: int, path: object) -> None:
    """Raise SourceError when a line before the rows names columns, but another number of them."""
    for cells in parted:
        if sum(is_known(canonical(cell)) for cell in cells if cell) >= 3:
            raise _unlike(cells, width, path)


def _headers(parted: list[list[str]], first: int, width: int) -> list[int]:
    """Numbers of the lines before the first row that name columns, from top to bottom."""
    found: list[int] = []
    for number in range(first - 1, max(first - 1 - 2 * LEVELS, -1), -1):
        cells = parted[number]
        if not cells or (cells[0].startswith(("#", "//")) and not is_known(canonical(cells[0]))):
            continue
        if not width - 1 <= len(cells) <= width + 2 or len(found) >= LEVELS:
            break
        names = [canonical(cell) for cell in cells if cell]
        known = sum(map(is_known, names))
        is_level = bool(names) and (names[0] in LEVEL_NAMES or (known == len(names) == 1))
        if (
            known >= 2
            or is_level
            or (not found and len(names) >= width - 1 and not any(is_number(cell) for cell in cells if cell))
        ):
            found.append(number)
        else:
            break
    return found[::-1]


def _aligned(names: list[str], rows: list[list[str]], path: object) -> list[str]:
    """As many names as there are cells in a row."""
    width = len(rows[0])
    while len(names) > width and not names[-1]:
        names = names[:-1]
    if len(names) == width:
        return names
    if len(names) == width - 1:
        some = rows[:50]
        if all(not row[-1] for row in some):
            return [*names, ""]
        if all(is_moment(row[0]) and read_clock(row[1]) is not None for row in some):
            return [names[0], "Time", *names[1:]]
        time_at = next(
            (
                position
                for position, name in enumerate(names)
                if canonical(name) in ("date", "time", "timestamp", "datetime")
            ),
            None,
        )
        if time_at is None or all(is_moment(row[time_at + 1]) for row in some):
            return ["", *names]
    raise _unlike(names, width, path)


def _unlike(names: list[str], width: int, path: object) -> SourceError:
    return SourceError(
        f"the header of {path} names {len(names)} columns ({', '.join(names[:8])}), but its rows have {width} cells",
        expected="a name for each cell",
        remedy="Correct the header line",
    )
