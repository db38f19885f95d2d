"""The check of a model that holds code of a user, across assets: each row is forecast by itself, and by what was learnt.

As `causality.models` for one asset. The audit of the panel looks for what later candles change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from candlecast.causality.agreement import AGREEING, EXACT, SHAPES, moved, numbers, rounding, spreads
from candlecast.causality.learning import exchanged, is_of_one_number
from candlecast.causality.state import shortened
from candlecast.causality.usercode import core, is_ours
from candlecast.dataset.jobs import Job
from candlecast.errors import LookaheadError
from candlecast.events import ignore
from candlecast.models import Model
from candlecast.models.model import Fitted
from candlecast.panel.samples import PanelSamples, Stack
from candlecast.panel.walking import PanelFold, PanelJob, learner, marked, tested_stack
from candlecast.process.shared import ignoring

MINIMUM = 20  # forecasts for a comparison
SHARES = (0.4, 0.7)  # of the rows, left out at either end


def require_honest_model(samples: PanelSamples, model: Model, parts: Sequence[PanelFold]) -> None:
    """Raise unless a model that holds code of a user forecasts each row of a panel by itself, from what it learnt in the walk.

    Rows of one fold are asked for again without the first, the last, and every second one. The first job is fitted again after
    the last one, and forecasts the same. Fitted to rows that are exchanged among each other, column by column, and to mirrored
    outcomes, it forecasts something else, unless its forecast is constant, or a multiple of one number of each row.

    Args:
        samples: of the panel.
        model: of the study.
        parts: its finished trainings.

    Raises:
        LookaheadError: naming the model.
    """
    first, last = parts[0], parts[-1]
    if is_ours(core(learner(model), first.fitted).model):
        return
    with ignoring(Warning), np.errstate(all="ignore"):
        stack = tested_stack(samples, model, first.job)
        rows = stack.forecastable_at(marked(first.job.fold.test, len(samples.panel)))
        if len(rows) < MINIMUM:
            return
        _require_rows_alone(model, first.fitted, stack, rows)
        _require_learnt(model, first.job, last.job, stack, rows)


def _require_rows_alone(model: Model, fitted: Fitted, stack: Stack, rows: np.ndarray) -> None:
    whole = _numbers(fitted, stack, rows)
    outcomes = stack.outcomes[np.isfinite(stack.outcomes)]
    least = SHAPES * (float(np.std(outcomes)) if len(outcomes) else 0.0)
    allowed = np.maximum(np.maximum(AGREEING * spreads(whole), least), rounding(whole, stack.naive[rows]))
    chosen = [slice(None, None, 2)]
    for share in SHARES:
        chosen += [slice(int(share * len(rows)), None), slice(None, int(share * len(rows)))]
    for part in chosen:
        found = moved(whole[:, part], _numbers(fitted, stack, rows[part]), allowed)
        if found is not None:
            raise LookaheadError(
                f"model {model.name} moved a forecast from {found.before:.6g} to {found.after:.6g} above naive, although only "
                "other rows had been left out",
                expected="forecasts of a row that do not move when other rows are asked for",
                remedy="Compute each row by itself: no mean, filter, rank or sum over the rows that are asked for together",
            )


def _require_learnt(model: Model, job: PanelJob, last: PanelJob, stack: Stack, rows: np.ndarray) -> None:
    whole = _refitted(model, job.job, stack, rows)
    allowed = np.maximum(AGREEING * spreads(whole), rounding(whole, stack.naive[rows]))
    if last is not job:
        _refitted(model, last.job, stack, rows[:1])
        found = moved(whole, _refitted(model, job.job, stack, rows), allowed)
        if found is not None:
            raise LookaheadError(
                f"model {model.name} forecasts {found.before:.6g} above naive, and {found.after:.6g} for the same fold when a "
                "later fold was fitted before: it keeps something between fits, or draws random numbers without a seed",
                expected="what is learnt from the training rows of the fold alone",
                remedy="Make a fresh object for each fit, and draw random numbers from the job's seed",
            )
    if hasattr(learner(model), "trained_until") or not (spreads(whole) > rounding(whole, stack.naive[rows])).any():
        return
    if is_of_one_number(whole[0], stack.inputs, rows, lags=max(stack.window, 1)):
        return
    known = np.unique(np.concatenate([job.job.train_rows, job.job.valid_rows]))
    for is_mirrored in (False, True):
        try:
            after = _refitted(model, exchanged(job.job, known, is_mirrored=is_mirrored), stack, rows)
        except Exception:  # rows that it refuses: it reads them
            return
        if moved(whole, after, np.maximum(EXACT * spreads(whole), rounding(whole, stack.naive[rows]))) is not None:
            return
    raise LookaheadError(
        f"model {model.name} forecasts the same whatever its training rows and their outcomes are: it learns nothing in the "
        "walk, so what it knows may come from the moments that it forecasts",
        expected="a model that is fitted to the training rows of each fold",
        remedy="Fit it in fit(); make a fixed formula a feature, whose weight cc.LinearRegression() learns",
    )


def _refitted(model: Model, job: Job, stack: Stack, rows: np.ndarray) -> np.ndarray:
    (fitted,) = shortened(learner(model)).fit([job], progress=ignore)
    return _numbers(fitted, stack, rows)


def _numbers(fitted: Fitted, stack: Stack, rows: np.ndarray) -> np.ndarray:
    return numbers(fitted.forecast(cast("Any", stack), rows), stack.naive[rows])
