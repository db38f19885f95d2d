"""Plain text for people: numbers, dates, amounts and p-values, and tables of them; the only place that formats them.

What is unknown (None or NaN) is written as "undefined" in a sentence and "-" in a table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from candlecast.text.redaction import visible
from candlecast.text.unbroken import lines_of

SENTENCE, CELL = "undefined", "-"
GAP = "  "  # between the columns of a table
LONGEST_YEAR = 366  # days, and bars of a day
NARROWEST = 15  # characters of a column of words whose cells are broken into lines


def number(value: float | None, digits: int | None = 2, *, unknown: str = SENTENCE) -> str:
    """A number with thousands marked; one that rounds to zero has no sign.

    Args:
        value: the number; None, NaN and infinity are unknown.
        digits: decimals; None for five significant figures.
        unknown: what stands for an unknown number.

    >>> number(1234.5, 1), number(-0.0004), number(0.0123456, None), number(None)
    ('1,234.5', '0.00', '0.012346', 'undefined')
    """
    if value is None or not math.isfinite(value):
        return unknown
    if digits is None:
        digits = min(max(4 - math.floor(math.log10(abs(value))), 0), 10) if value else 0
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def price(value: float | None, *, unknown: str = SENTENCE) -> str:
    """A price, in six significant figures and at least two decimals, as exchanges quote them.

    >>> price(2506.8501), price(63123.4), price(1.081234), price(0.0011306514), price(None)
    ('2,506.85', '63,123.40', '1.08123', '0.00113065', 'undefined')
    """
    if value is None or not math.isfinite(value) or not value:
        return number(value, unknown=unknown)
    return number(value, min(max(5 - math.floor(math.log10(abs(value))), 2), 12), unknown=unknown)


def percent(value: float | None, digits: int = 1, *, unknown: str = SENTENCE) -> str:
    """A fraction in percent.

    >>> percent(0.1234), percent(None, unknown="-")
    ('12.3 %', '-')
    """
    return unknown if value is None or not math.isfinite(value) else f"{number(100 * value, digits)} %"


def count(amount: int, thing: str) -> str:
    """An amount of things.

    >>> count(1, "bar"), count(2_000, "bar")
    ('1 bar', '2,000 bars')
    """
    return f"{amount:,} {thing}{'' if amount == 1 else 's'}"


def p_value(value: float | None, *, unknown: str = SENTENCE) -> str:
    """A p-value; the digits of a tiny one mean nothing.

    >>> p_value(0.0421), p_value(1e-9), p_value(0.61)
    ('0.042', '< 0.001', '0.61')
    """
    if value is None or math.isnan(value):
        return unknown
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def moment(time: datetime) -> str:
    """An ISO date, with the time of day when it is not midnight (UTC).

    >>> moment(datetime(2024, 1, 2)), moment(datetime(2024, 1, 2, 15, 30))
    ('2024-01-02', '2024-01-02 15:30')
    """
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute) == (0, 0) else f"{time:%Y-%m-%d %H:%M}"


def close_moment(time: datetime, bars_per_year: float) -> str:
    """A close as people date it: that of a day or a longer bar which ends at midnight (UTC) by the day that ends.

    >>> close_moment(datetime(2019, 1, 1), 252.0), close_moment(datetime(2019, 1, 1, 21), 252.0)
    ('2018-12-31', '2019-01-01 21:00')
    >>> close_moment(datetime(2019, 1, 1), 8_766.0)
    '2019-01-01'
    """
    ends_a_day = bars_per_year <= LONGEST_YEAR and (time.hour, time.minute) == (0, 0)
    return moment(time - timedelta(days=1) if ends_a_day else time)


def small(value: float) -> str:
    """A small positive number in two figures, such as a level of significance.

    >>> small(0.0024), small(8.7e-05), small(1e-9)
    ('0.0024', '0.000087', '< 0.000001')
    """
    if value < 1e-6:
        return "< 0.000001"
    return f"{value:.{max(1 - math.floor(math.log10(value)), 0)}f}".rstrip("0")


def years(value: float) -> str:
    """A length of time, no more exact than it can be known; in days below half a year.

    >>> years(8.72), years(41.6), years(2e4), years(0.02), years(0.001)
    ('about 8.7 years', 'about 42 years', 'more than 1,000 years', 'about 8 days', 'about 1 day')
    """
    if value > 1_000:
        return "more than 1,000 years"
    if value < 0.5:
        return f"about {count(max(math.ceil(value * 365.25), 1), 'day')}"
    return f"about {value:.1f} years" if value < 9.95 else f"about {value:,.0f} years"


def table(rows: Sequence[Sequence[str]], headings: Sequence[str], *, width: int | None = None) -> str:
    """A plain table: columns of words to the left, of numbers to the right; control characters as escapes.

    The first column counts as words; the others as `holds_words` says. In a table wider than `width` characters headings take
    several lines, then words do, those of the last column first; numbers, names and the first column are never broken.

    >>> print(table([["a", "1", "yes"], ["b", "10", "no"]], ["model", "trades", "edge"]))
    model  trades  edge
    a           1  yes
    b          10  no
    >>> print(table([["a", "1.00 %", "what it does in words"]], ["model", "R2 against naive", "why"], width=34))
               R2
          against
    model   naive  why
    a      1.00 %  what it does in
                   words
    """
    lines = [[visible(cell) for cell in line] for line in (headings, *rows)]
    is_left = [not place or holds_words(column[1:]) for place, column in enumerate(zip(*lines, strict=True))]
    cells = [[[cell] for cell in line] for line in lines]
    if width is not None and _width(cells) > width:
        cells[0] = [
            lines_of(heading, max(map(len, (*heading.split(), *body)), default=1)) or [""]
            for heading, *body in zip(*lines, strict=True)
        ]
    if width is not None and _width(cells) > width and is_left[-1]:
        room = width - _width([line[:-1] for line in cells]) - len(GAP)
        if room >= NARROWEST:
            cells = [[*line[:-1], lines_of(" ".join(line[-1]), room) or [""]] for line in cells]
    while width is not None and _width(cells) > width and (place := _widest(cells, is_left)) is not None:
        room = max(len(text) for line in cells for text in line[place]) - 1
        for line in cells:
            line[place] = lines_of(" ".join(line[place]), room) or [""]
    widths = [max(len(text) for cell in column for text in cell) for column in zip(*cells, strict=True)]
    written = []
    for place, line in enumerate(cells):
        height = max(map(len, line))
        for level in range(height):
            row = level - (0 if place else height)  # headings stand on the lowest of their lines
            texts = [cell[row] if -len(cell) <= row < len(cell) else "" for cell in line]
            padded = (
                text.ljust(size) if left else text.rjust(size)
                for left, text, size in zip(is_left, texts, widths, strict=True)
            )
            written.append(GAP.join(padded).rstrip())
    return "\n".join(written)


def _widest(cells: Sequence[Sequence[Sequence[str]]], is_left: Sequence[bool]) -> int | None:
    """The widest column of words beside the first that can be narrower; None where there is none."""
    found: dict[int, int] = {}
    for place, column in enumerate(zip(*cells, strict=True)):
        width = max(len(text) for cell in column for text in cell)
        longest = max((len(word) for cell in column for text in cell for word in text.split()), default=0)
        if place and is_left[place] and longest < width:
            found[place] = width
    return max(found, key=found.__getitem__, default=None)


def _width(cells: Sequence[Sequence[Sequence[str]]]) -> int:
    """Characters of a table whose cells are lines of text."""
    widths = [max(len(text) for cell in column for text in cell) for column in zip(*cells, strict=True)]
    return sum(widths) + len(GAP) * (len(widths) - 1)


def holds_words(cells: Sequence[str]) -> bool:
    """Whether a column of a table holds words, such as names, and not numbers: a letter comes first in each cell that is known.

    >>> holds_words(["lstm", "return_1", "^GSPC", "-"]), holds_words(["any", "< 0.001"]), holds_words(["-"])
    (True, False, False)
    """
    known = [cell for cell in cells if cell != CELL]
    return bool(known) and all(next(filter(str.isalnum, cell), "0").isalpha() for cell in known)
