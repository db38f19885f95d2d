"""`judged_as_repetition`: among how many trials a study that is repeated on a second source is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from candlecast.ledger import as_ledger
from candlecast.panel import PanelResult
from candlecast.study import StudyResult

Result = TypeVar("Result", StudyResult, PanelResult)


def judged_as_repetition(repeated: Result, run: Result) -> Result:
    """The repetition, to be judged among the trials of the run if it is the first one since then, and else among all.

    It asks the question of the run again, so it has the level of the run. Who tries several second sources chooses an answer.
    """
    if not as_ledger(run.ledger).is_first_repetition(repeated.trial, run.trial):
        return repeated
    return replace(repeated, trial_count=replace(run.counted, content=repeated.trial.content))
