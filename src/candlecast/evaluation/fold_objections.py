"""Objections to folds: those that train on later bars, or on bars that were picked, and those that leave bars out."""

from __future__ import annotations

from candlecast.evaluation.evidence import Evidence
from candlecast.evaluation.objection import Objection
from candlecast.text.formatting import count, percent


def of_folds(evidence: Evidence) -> list[Objection | None]:
    """The objections to how a study divides its bars."""
    return [_future_trained(evidence), _picked(evidence), _left_out(evidence)]


def _future_trained(evidence: Evidence) -> Objection | None:
    if evidence.conditions.is_in_time_order:
        return None
    return Objection(
        "No verdict on trading: the folds train on bars that come after those they are tested on.",
        "cross-validated folds compare forecasts, but not what could have been earned; use WalkForward for that",
    )


def _picked(evidence: Evidence) -> Objection | None:
    """A model that learns from bars which are like those it is tested on knows how these go."""
    if evidence.conditions.trains_by_place or not evidence.conditions.is_in_time_order:
        return None
    return Objection(
        "No edge found: the folds pick bars to train on, which may have been chosen by what they are tested on.",
        "the training parts do not follow from their place alone: some have holes, end long before their test part, or are "
        "shorter than others; phases of a market are dated afterwards, and a model that is trained on rises before a rise knows "
        "of it; train on one stretch that ends where the test part begins, expanding or of one length, as WalkForward does, and "
        "let the model learn from features which phase it is",
        is_of_forecast=True,
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
