"""Text as a table, read in blocks: Polars parses the regular lines; the few others are examined one by one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np
import polars as pl

from candlecast.errors import SourceError
from candlecast.reading import encoding as encodings
from candlecast.reading.containers import Content, reading
from candlecast.reading.days import is_moment
from candlecast.reading.dialect import Dialect, cells_of, sniff
from candlecast.reading.numerals import ABSENT, is_absent, is_number
from candlecast.reading.refusals import refuse_no_table
from candlecast.reading.table import Block, Table
from candlecast.reading.vocabulary import EVENTS
from candlecast.text.formatting import count

NEWLINE, QUOTE = 10, 34
DELIMITER_WORDS = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
MAX_ODD = 100_000  # irregular lines that a table may have


def head_of(content: Content) -> bytes:
    """The first bytes of a file, unpacked."""
    with reading(content.path), content.open() as stream:
        parts, left = [], encodings.HEAD
        while left and (part := stream.read(left)):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def text_table(content: Content, head: bytes, encoding: str) -> Table:
    """A text file as a table. Raises SourceError when there is none in it."""
    text = encodings.text_of(head, encoding)
    refuse_no_table(content.path, text)
    if len(head) == encodings.HEAD:
        text = text[: text.rfind("\n") + 1]
    dialect = sniff(text, content.path)
    notes = [] if encoding == "utf-8" else [f"encoding {encodings.display_name(encoding)}"]
    if dialect.delimiter in DELIMITER_WORDS:
        notes.append(f"cells separated by {DELIMITER_WORDS[dialect.delimiter]}")
    source = _Lines(content, encoding, dialect, notes)
    return Table(dialect.labels, dialect.rows, source.blocks, content.name, dialect.banner, notes, dialect.delimiter)


class _Lines:
    """The rows of a text. Lines that are no rows are left out and counted in the notes."""

    def __init__(self, content: Content, encoding: str, dialect: Dialect, notes: list[str]) -> None:
        self._content = content
        self._encoding = encoding
        self._dialect = dialect
        self._notes = notes
        self._header_lines = {tuple(header) for header in dialect.headers}
        self._left_out: list[str] = []
        self._odd = 0

    def blocks(self, wanted: Sequence[int], plain: Sequence[int]) -> Iterator[Block]:
        """All rows of the columns `wanted`; those also in `plain` as Float64 if all their cells are plain numbers."""
        self._left_out = []
        line, skip = 1, self._dialect.first
        with reading(self._content.path), self._content.open() as stream:
            for text in encodings.blocks(stream, self._encoding):
                lines = text.count(b"\n")
                dropped = min(skip, lines)
                if dropped < lines:
                    start = _after_lines(text, dropped)
                    yield self._block(text[start:] if start else text, line + dropped, wanted, plain)
                skip -= dropped
                line += lines
        if self._left_out:
            shown = self._left_out[0][:60]
            number = len(self._left_out)
            self._notes.append(
                f"{count(number, 'line')} left out that {'are no bars' if number > 1 else 'is no bar'} ({shown!r})"
            )

    def _block(self, text: bytes, line: int, wanted: Sequence[int], plain: Sequence[int]) -> Block:
        dialect = self._dialect
        if dialect.delimiter == " ":
            text = re.sub(rb"[ ]+", b" ", re.sub(rb"(?m)^ +| +$", b"", text))
        delimiter, width = ord(dialect.delimiter), dialect.width
        is_regular = _regular(text, delimiter, width)
        numbers: np.ndarray | None = None
        if not is_regular.all():
            text, numbers = self._completed_block(text, is_regular, line, wanted)
        rows = int(is_regular.sum()) if numbers is None else len(numbers)
        frame = self._parsed(text, rows, line, wanted, plain)

        def where(row: int) -> str:
            return f"line {line + row if numbers is None else numbers[row]}"

        return Block(frame, where)

    def _parsed(self, text: bytes, rows: int, line: int, wanted: Sequence[int], plain: Sequence[int]) -> pl.DataFrame:
        names = {position: f"column_{position + 1}" for position in range(self._dialect.width)}
        chosen = sorted(set(wanted))
        if not rows:
            return pl.DataFrame({str(position): pl.Series([], dtype=pl.String) for position in chosen})
        quote = '"' if b'"' in text else None
        for numbers in (set(plain), set()) if plain else (set(),):
            schema = {names[position]: pl.Float64 if position in numbers else pl.String for position in names}
            try:
                frame = pl.read_csv(
                    text,
                    has_header=False,
                    separator=self._dialect.delimiter,
                    quote_char=quote,
                    schema=schema,
                    columns=[names[position] for position in chosen],
                    null_values=list(ABSENT[1:]),
                    infer_schema=False,
                )
            except pl.exceptions.PolarsError as error:
                if numbers:
                    continue
                raise SourceError(
                    f"{self._content.path} cannot be read after line {line} ({str(error).splitlines()[0]})",
                    expected=f"lines of {self._dialect.width} cells",
                    remedy="Check the file there",
                ) from error
            if frame.height != rows:
                self._refuse(line, f"{frame.height} rows where {rows} lines are", "closed quotation marks")
            return frame.rename({names[position]: str(position) for position in chosen})
        raise AssertionError("text parses as text")

    def _completed_block(
        self, text: bytes, is_regular: np.ndarray, line: int, wanted: Sequence[int]
    ) -> tuple[bytes, np.ndarray]:
        """The block with irregular lines left out or completed, and the number of each line that is kept."""
        lines = text.split(b"\n")[:-1]
        kept, numbers = [], []
        for number, (content, regular) in enumerate(zip(lines, is_regular.tolist(), strict=True), line):
            if not regular:
                fixed = self._completed_line(content.decode("utf-8", "replace"), number, wanted)
                if fixed is None:
                    continue
                content = fixed  # noqa: PLW2901
            kept.append(content)
            numbers.append(number)
        return b"\n".join([*kept, b""]), np.array(numbers, dtype=np.int64)

    def _completed_line(self, text: str, number: int, wanted: Sequence[int]) -> bytes | None:
        """An irregular line in the regular form; None if it is no bar. Raises SourceError for a bar that cannot be completed."""
        dialect = self._dialect
        cells = cells_of(text, dialect.delimiter)
        if not any(cells) or text.lstrip().startswith(("#", "//")) or text.strip() in ("\x1a", "\x00"):
            return None
        self._odd += 1
        if self._odd > MAX_ODD:
            self._refuse(number, f"more than {MAX_ODD:,} lines of another shape", f"lines of {dialect.width} cells")
        if tuple(cells) in self._header_lines:
            return None
        if text.count('"') % 2 == 0:
            while len(cells) > dialect.width and not cells[-1]:
                cells = cells[:-1]
            if len(cells) == dialect.width:
                return _joined(cells, dialect.delimiter)
            if len(cells) - 1 > max(wanted) and len(cells) < dialect.width:  # all wanted cells are there
                return _joined([*cells, *[""] * (dialect.width - len(cells))], dialect.delimiter)
            filled = [cell for cell in cells if cell]
            numbers = sum(is_number(cell) and not is_absent(cell) for cell in filled)
            has_time = any(is_moment(cell) for cell in filled[:2])
            if any(EVENTS.search(cell) for cell in filled) or (
                numbers == 0 and not (has_time and len(filled) < dialect.width < 2 * len(filled))
            ):
                self._left_out.append(text.strip())
                return None
            if numbers < 2 and not has_time:
                self._left_out.append(text.strip())
                return None
        return self._refuse(
            number,
            f"{count(len(cells), 'cell')} in line {number} ({text.strip()[:60]!r})",
            f"{dialect.width} cells as in the other lines",
        )

    def _refuse(self, number: int, wrong: str, expected: str) -> NoReturn:
        raise SourceError(
            f"{self._content.path} has {wrong}",
            expected=expected,
            remedy="The file is cut off or damaged there: fetch it again, or correct the line",
        )


def _joined(cells: list[str], delimiter: str) -> bytes:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="").writerow(cells)
    return written.getvalue().encode("utf-8", "replace")


def _after_lines(text: bytes, lines: int) -> int:
    position = 0
    for _ in range(lines):
        position = text.index(b"\n", position) + 1
    return position


def _is_quoted_throughout(letters: np.ndarray, ends: np.ndarray, parts: np.ndarray, width: int) -> bool:
    """Whether each line is of `width` cells in quotation marks, and these stand nowhere else."""
    is_quote = letters == QUOTE
    starts = np.concatenate([[0], ends[:-1] + 1])
    if not len(ends) or not is_quote[starts].all() or not is_quote[ends - 1].all():
        return False
    if np.count_nonzero(is_quote) != 2 * width * len(ends):
        return False
    between = np.flatnonzero(parts[1:-1] & is_quote[:-2] & is_quote[2:])
    counts = np.diff(np.searchsorted(between + 1, ends), prepend=0)
    quotes = np.diff(np.searchsorted(np.flatnonzero(is_quote), ends), prepend=0)
    return bool((counts == width - 1).all() and (quotes == 2 * width).all())


def _regular(text: bytes, delimiter: int, width: int) -> np.ndarray:
    """Bool (line,): the line has `width` cells and its quotation marks are closed."""
    letters = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(letters == NEWLINE)
    parts = letters == delimiter
    closed: np.ndarray | bool = True
    if b'"' in text:
        if _is_quoted_throughout(letters, ends, parts, width):
            return np.ones(len(ends), dtype=bool)
        parity = np.bitwise_xor.accumulate((letters == QUOTE).view(np.uint8))  # 1 inside quotation marks
        at_end = parity[ends]
        at_start = np.concatenate([at_end[:1] * 0, at_end[:-1]])
        closed = at_end == at_start
        parts &= parity == np.repeat(at_start, np.diff(ends, prepend=-1))
    positions = np.flatnonzero(parts)
    counts = np.diff(np.searchsorted(positions, ends), prepend=0)
    return (counts == width - 1) & closed & (np.diff(ends, prepend=-1) > 1)
