"""Objections to folds: those that train on what comes after their test, and those that leave bars out."""

from __future__ import annotations

from candlecast.evaluation.evidence import Evidence
from candlecast.evaluation.objection import Objection
from candlecast.text.formatting import count, percent


def of_folds(evidence: Evidence) -> list[Objection | None]:
    """The objections to how a study divides its bars."""
    return [_future_trained(evidence), _left_out(evidence)]


def _future_trained(evidence: Evidence) -> Objection | None:
    if evidence.conditions.is_in_time_order:
        return None
    return Objection(
        "No verdict on trading: the folds train on bars that come after those they are tested on.",
        "cross-validated folds compare forecasts, but not what could have been earned; use WalkForward for that",
    )


def _left_out(evidence: Evidence) -> Objection | None:
    """Who has seen a first result can test only what went well: no number of trials accounts for that."""
    missed, every = evidence.conditions.untested
    if not missed:
        return None
    return Objection(
        "No edge found: the folds leave out bars, which may have been chosen by what happened in them.",
        f"{missed:,} of {count(every, 'bar')} from the first tested one on ({percent(missed / every, 0)}) are in no test part; "
        "test all of them: begin each test part where the one before ends, and go on to the end of the record, as WalkForward "
        "does",
        is_of_forecast=True,
    )
