"""Columns of numbers as the page carries them: whole numbers by differences, gzipped, in base64."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FIGURES = 7  # significant figures of the middle value that are kept where a column has no fixed number of decimals
LARGEST = 2**31 - 2
MISSING = -(2**31)
MOST_DECIMALS = 10
LEVEL = 4  # of gzip: 6 makes pages of a million bars half a percent smaller, in four times the time
CHECKED = 1_000  # values whose decimals are counted before all are compared


@dataclass
class Columns:
    """Columns that the page's script reads by name (`page/columns.js`), all in one stream.

    A column of prices or amounts is kept as whole numbers: value x 10^decimals, and of these the differences, which take
    one or two bytes each once they are gzipped. Values of few decimals come back exact, others to about seven significant
    figures of the middle value; a column that 32 bits cannot hold so is kept as float64.
    """

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)

    def add(self, name: str, values: np.ndarray, *, offset: int = 0, figures: int = FIGURES) -> None:
        """Add a column. `offset` is the bar of its first value."""
        values = np.ascontiguousarray(values, dtype=np.float64)
        decimals, origin = _scale(values, figures)
        scaled = np.rint((values - origin) * 10.0**decimals)
        known = np.isfinite(scaled)
        entry: dict[str, Any] = {"length": len(values), "offset": offset}
        if (np.abs(scaled[known]) <= LARGEST).all():
            whole = np.where(known, scaled, MISSING).astype(np.int32)
            self.chunks.append(_planes(np.diff(whole, prepend=np.int32(0))))
            entry |= {"decimals": decimals, "origin": origin}
        else:
            self.chunks.append(values.astype("<f8").tobytes())
        self.entries[name] = entry

    @property
    def header(self) -> str:
        """Names, lengths and scales as JSON."""
        return json.dumps(self.entries, separators=(",", ":"))

    @property
    def payload(self) -> str:
        """All columns, in the order of the header."""
        return compressed(b"".join(self.chunks))


def compressed(content: bytes) -> str:
    """Bytes, gzipped, in base64; the same bytes always give the same text."""
    return base64.b64encode(gzip.compress(content, LEVEL, mtime=0)).decode("ascii")


def _scale(values: np.ndarray, figures: int) -> tuple[int, float]:
    """Decimals to keep, and the value that is taken off first: the decimals that all values have, if few; else those that
    keep this many figures of the middle value and fit.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return 0, 0.0
    largest = float(np.abs(known).max())
    for decimals in range(MOST_DECIMALS + 1):
        if largest * 10.0**decimals > LARGEST:
            break
        if _have_decimals(known[:CHECKED], decimals) and _have_decimals(known, decimals):
            return decimals, 0.0
    if _have_decimals(known, 0):
        return 0, float(known[0])  # times
    sizes = np.abs(known[known != 0])
    kept = figures - 1 - int(np.floor(np.log10(np.median(sizes))))
    room = int(np.floor(np.log10(LARGEST / largest)))
    return max(min(kept, room, 300), -300), 0.0


def _have_decimals(values: np.ndarray, decimals: int) -> bool:
    return bool((np.round(values, decimals) == values).all())


def _planes(differences: np.ndarray) -> bytes:
    """Signed differences as unsigned ones (zigzag), all lowest bytes first: what repeats stands together."""
    folded = ((differences << 1) ^ (differences >> 31)).astype("<i4")
    return folded.view(np.uint8).reshape(-1, 4).T.tobytes()
