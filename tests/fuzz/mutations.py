"""Files that were damaged or rearranged by chance, and what a reading of them may be: right, or refused in one sentence."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import CandlecastError
from candlecast.sources.files import read_candles

NAMES = ("open", "high", "low", "close", "volume")
KINDS = ("flip", "insert", "delete", "cut", "drop_lines", "repeat_lines", "drop_column", "swap_columns")


def mutated(content: bytes, kind: str, rng: np.random.Generator, *, encoding: str | None) -> tuple[bytes, int] | None:
    """The content changed in one way, and how many lines the change may have touched; None where it does not apply.

    `encoding` is that of a text; None for a file that is no text, of which only bytes change.
    """
    count = int(rng.integers(1, 4))
    places = sorted(int(place) for place in rng.integers(0, len(content), count))
    if kind == "flip":
        out = bytearray(content)
        for place in places:
            out[place] = (
                int(rng.integers(0, 256)) if rng.random() < 0.5 else out[place] ^ (1 << int(rng.integers(0, 8)))
            )
        return bytes(out), 2 * count
    if kind == "insert":
        for place in reversed(places):
            content = content[:place] + bytes(rng.integers(32, 127, 1, dtype=np.uint8)) + content[place:]
        return content, 2 * count
    if kind == "delete":
        for place in reversed(places):
            content = content[:place] + content[place + 1 :]
        return content, 2 * count
    if kind == "cut":
        return content[: places[0]], 1
    if encoding is None:
        return None
    text = content.decode(encoding)
    if "\n" not in text or text.lstrip("\ufeff")[:1] in "[{":
        return None
    if kind in ("drop_lines", "repeat_lines"):
        lines = text.splitlines(keepends=True)
        chosen = set(rng.integers(0, len(lines), count).tolist())
        if kind == "drop_lines":
            kept = [line for number, line in enumerate(lines) if number not in chosen]
        else:
            kept = [each for number, line in enumerate(lines) for each in [line] * (1 + (number in chosen))]
        return "".join(kept).encode(encoding), 0
    return _rearranged(text, kind, rng, encoding)


def _rearranged(text: str, kind: str, rng: np.random.Generator, encoding: str) -> tuple[bytes, int] | None:
    """The text with a column less, or with two of its columns exchanged, their names with them."""
    lines = text.removeprefix("\ufeff").splitlines()
    delimiter = max(",;\t", key=lambda mark: sum(mark in line for line in lines) * 1_000 + text.count(mark))
    rows = list(csv.reader(lines, delimiter=delimiter))
    width = Counter(map(len, rows)).most_common(1)[0][0]
    if width < 5:
        return None
    first, second = (int(place) for place in rng.permutation(width)[:2])
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    for row in rows:
        order = list(range(len(row)))
        if len(row) == width and kind == "drop_column":
            order.remove(first)
        elif len(row) == width:
            order[first], order[second] = second, first
        writer.writerow([row[place] for place in order])
    return out.getvalue().encode(encoding), 0


def reading_of(path: Path, options: dict[str, Any]) -> Candles | str:
    """The candles, or the sentence that refuses them. Any other error is raised as it is."""
    try:
        return read_candles(path, **options)
    except CandlecastError as error:
        return str(error)


def wrong_bars(found: Candles, right: Candles) -> int:
    """Bars of a reading that are not bars of the right one; a volume may have become absent, never another."""
    known = {row[0]: row[2:] for row in right.frame.iter_rows()}
    wrong = 0
    for row in found.frame.iter_rows():
        bar = known.get(row[0])
        wrong += bar is None or not all(
            math.isclose(value, other, rel_tol=1e-9) or math.isnan(value)
            for value, other in zip(row[2:], bar, strict=True)
        )
    return wrong
