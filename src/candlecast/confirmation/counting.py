"""`judged_as_repetition`: among how many trials a study that is repeated on a second source is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from candlecast.evaluation.chosen_assets import known_assets
from candlecast.ledger import Entry, Trial, as_ledger
from candlecast.panel import PanelResult
from candlecast.study import StudyResult

Result = TypeVar("Result", StudyResult, PanelResult)


def judged_as_repetition(repeated: Result, run: Result) -> Result:
    """The repetition, to be judged among the trials of the run if it is the first one since then, and else among all.

    It asks the question of the run again, so it has the level of the run. Who repeats several studies, or one on several second
    sources, chooses an answer.
    """
    if not _is_first(as_ledger(run.ledger).entries(), repeated.trial, run.trial):
        return repeated
    return replace(repeated, trial_count=replace(run.counted, content=repeated.trial.content))


def _is_first(entries: Sequence[Entry], repeated: Trial, run: Trial) -> bool:
    """Whether nothing else of these assets was tried on other candles after the run and before the repetition."""
    found = {entry.identity: entry for entry in entries}
    first, last = found.get(run.identity), found.get(repeated.identity)
    if first is None or last is None:
        return False
    between = [
        entry
        for entry in entries
        if entry.batch > first.batch and entry.number < last.number and entry.data != run.data
    ]
    return not known_assets(last, between)
