"""What the commands print: progress on stderr, as bars or as lines, tables and JSON on stdout."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import click

from candlecast.events import LONGEST_DETAIL, Listener, Progress, ProgressLines, ignore, rate
from candlecast.text.formatting import table
from candlecast.text.redaction import redacted, shown, visible
from candlecast.text.unbroken import lines_of

_drawn: list[Any] = []  # bars of progress that are on the terminal


def write(text: str, *, is_error: bool = False) -> None:
    """A text on stdout or stderr; on a terminal that shows bars of progress, above them."""
    if not _drawn or not (sys.stderr if is_error else sys.stdout).isatty():
        click.echo(text, err=is_error)
        return
    from rich.text import Text

    _drawn[-1].console.print(Text.from_ansi(text), soft_wrap=True, highlight=False)


def say(text: str, *, is_bold: bool = False, is_error: bool = False) -> None:
    """Lines on stdout or stderr, with control characters of names and answers as escapes, and without secrets."""
    lines = _printable(text)
    write(click.style(lines, bold=True) if is_bold else lines, is_error=is_error)


def say_line(text: str) -> None:
    """A line on stdout, which is wrapped between words on a terminal."""
    say(wrapped(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text)


def say_error(message: str) -> None:
    """An error on stderr: one line, which is wrapped between words on a terminal."""
    write(_fitted(f"Error: {message}"), is_error=True)


def say_usage(usage: str, message: str) -> None:
    """How a command is used, and what was wrong, on stderr."""
    write("\n".join(filter(None, [_printable(usage), _fitted(_printable(f"Error: {message}"))])), is_error=True)


def _fitted(text: str) -> str:
    """A line for stderr, wrapped between words on a terminal."""
    return prose(text, shutil.get_terminal_size().columns) if sys.stderr.isatty() else text


def wrapped(text: str, width: int = 80) -> str:
    """The text with lines of at most `width` letters where its words allow it; what is continued is indented further.

    >>> print(wrapped("  read as: day before month", 20))
      read as: day
        before month
    """
    lines = []
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
        lines += lines_of(line, width, indent=indent) if len(line) > width else [line]
    return "\n".join(lines)


def prose(text: str, width: int = 80) -> str:
    """The text with its paragraphs wrapped; tables, whose cells are two spaces apart, stay as they are.

    >>> print(prose("One two three.\\n\\nmodel   R2 vs naive", 8))
    One two
    three.
    <BLANKLINE>
    model   R2 vs naive
    """
    blocks = text.split("\n\n")
    return "\n\n".join(block if "  " in block.strip() else _filled(block, width) for block in blocks)


def _filled(block: str, width: int) -> str:
    return "\n".join("\n".join(lines_of(line, width)) for line in block.split("\n"))


def _printable(text: str) -> str:
    return "\n".join(visible(redacted(line)) for line in text.split("\n"))


def log_to_stderr() -> None:
    """Send the log to stderr: one line with its time for each message; on a terminal the message alone, wrapped."""
    handler = _ToStderr()
    handler.setFormatter(_Lines("%(message)s" if sys.stderr.isatty() else "%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])


class _ToStderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            write(_fitted(self.format(record)), is_error=True)
        except Exception:
            self.handleError(record)


class _Lines(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = shown(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return _printable(super().formatException(ei))


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    write(json.dumps(value, indent=2, default=_as_text))


def _as_text(value: Any) -> str:
    """Times as ISO 8601 writes them, anything else in its own words."""
    return value.isoformat() if isinstance(value, date) else str(value)


def print_table(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> None:
    """A plain table: columns of words to the left, of numbers to the right; on a terminal no wider than it where it can be."""
    write(table(rows, headings, width=shutil.get_terminal_size().columns if sys.stdout.isatty() else None))


@contextmanager
def _drawing(bars: Any) -> Iterator[None]:
    _drawn.append(bars)
    try:
        yield
    finally:
        _drawn.remove(bars)


@contextmanager
def progress(quiet: bool) -> Iterator[Listener]:
    """A listener that draws a bar per stage, with time left and rate, or lines where stderr is no terminal; none if quiet."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress as Bars,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    console = Console(stderr=True)
    if quiet:
        yield ignore
        return
    if not console.is_terminal:
        yield ProgressLines()
        return
    columns = (
        TextColumn("{task.description:<8}", markup=False),
        BarColumn(),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[rate]}", markup=False, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    with Bars(*columns, console=console, transient=True) as bars, _drawing(bars):
        tasks: dict[str, Any] = {}

        def listen(event: Progress) -> None:
            if event.stage == "resume":
                bars.console.print(visible(event.detail), markup=False, highlight=False)
                return
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(visible(event.stage), total=event.total, detail="", rate="")
            speed = bars.tasks[tasks[event.stage]].speed
            detail = visible(event.detail) if len(event.detail) <= LONGEST_DETAIL else ""
            bars.update(tasks[event.stage], completed=event.done, total=event.total, detail=detail, rate=rate(speed))

        yield listen
