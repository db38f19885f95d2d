"""What a study comes to on the terminal: two answers, a table of evidence, and with -v the paragraph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from candlecast.cli.console import print_table, say
from candlecast.cli.options import is_verbose
from candlecast.text.unbroken import lines_of

if TYPE_CHECKING:
    from candlecast.evaluation.answers import Answer
    from candlecast.evaluation.verdict import Verdict

COLUMNS = 80
COLOURS = {"yes": "green", "no": "red", "not enough data": "yellow"}
MARGIN = "  "


class Ran(NamedTuple):
    """A study that was run: its folder, and what writes its report to a path, gives it as JSON values after so many seconds,
    and shows it with the path of the report.
    """

    folder: Path
    report: Callable[[Path], Path]
    values: Callable[[float], dict[str, Any]]
    show: Callable[[Path, float], None]


def show_verdict(verdict: Verdict) -> None:
    """Answers, notices and evidence in 80 columns; the paragraph when -v was given."""
    from candlecast.evaluation.measures import HEADINGS

    say("")
    for answer in verdict.answers:
        _show_answer(answer)
    if verdict.premise and not is_verbose():  # the paragraph has it too
        say(f"{wrapped(f'{verdict.premise[0].upper()}{verdict.premise[1:]}.')}\n")
    for notice in verdict.notices:
        say(f"{wrapped(f'Note: {notice}')}\n")
    for change in verdict.changes:
        say(f"{wrapped(f'Note: the candles were changed: {change}')}\n")
    print_table([measure.cells for measure in verdict.measures], HEADINGS)
    if is_verbose():
        say(f"\n{wrapped(str(verdict))}")
    say("")


def return_heading(verdict: Verdict) -> str:
    """The heading of annual returns: those of less than a year are of the whole time."""
    return "Return/year" if verdict.evidence.years >= 1.0 else "Total return"


def wrapped(text: str, margin: str = "") -> str:
    """Text in lines of at most 80 characters; long words, such as paths, stay whole."""
    return "\n".join(lines_of(text, COLUMNS, first=margin, indent=margin))


def _show_answer(answer: Answer) -> None:
    colour = COLOURS[answer.answer]
    click.echo(click.style(f"{answer.question} {answer.answer.capitalize()}.", bold=True, fg=colour))
    say(wrapped(f"{answer.figure[0].upper()}{answer.figure[1:]}.", MARGIN))
    say(f"{wrapped(answer.sentence, MARGIN)}\n")
