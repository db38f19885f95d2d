"""What the commands print: progress on stderr, as bars or as lines, tables and JSON on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import click

from candlecast.events import Listener, Progress, ProgressLines, ignore
from candlecast.text import table


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    click.echo(json.dumps(value, indent=2, default=_as_text))


def _as_text(value: Any) -> str:
    """Times as ISO 8601 writes them, anything else in its own words."""
    return value.isoformat() if isinstance(value, date) else str(value)


def print_table(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> None:
    """A plain table: first column to the left, the others to the right."""
    click.echo(table(rows, headings))


@contextmanager
def progress(quiet: bool) -> Iterator[Listener]:
    """A listener that draws a bar per stage, with the time left, or writes lines when stderr is no terminal; none when quiet."""
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
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[detail]}"),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def listen(event: Progress) -> None:
            if event.stage == "resume":
                bars.console.print(event.detail, markup=False, highlight=False)
                return
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(event.stage, total=event.total, detail="")
            detail = event.detail if len(event.detail) < 60 else ""
            bars.update(tasks[event.stage], completed=event.done, total=event.total, detail=detail)

        yield listen
