"""The check of a model at the start of a walk: one fit is repeated on candles with another future."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from candlecast.candles import Candles
from candlecast.causality.markets import another_path
from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import make_samples
from candlecast.errors import LookaheadError
from candlecast.events import ignore
from candlecast.models import Fitted, Model, NetModel

logger = logging.getLogger(__name__)


def require_causal_model(model: Model, fitted: Fitted, *, seed: int = 0) -> None:
    """Raise unless a model that is not candlecast's own forecasts one of its jobs from what was known.

    Candles after a bar in the middle of the test part change nothing of the forecasts up to it. Where all training rows lie
    before the test part, candles from its start on change nothing of what is learnt, for which the job is fitted once more;
    a model that learns something else each time cannot be checked so, and a log message says it. Nets see windows of
    features and nothing else, and estimators in `Sklearn` arrays of training rows: they are not asked.

    Raises LookaheadError naming the bar.
    """
    job, rows = fitted.job, fitted.job.test_rows
    if is_ours(model) or not len(rows):
        return
    whole = numbers(fitted.forecast(job.samples, rows))
    generator = np.random.default_rng(seed)
    middle = len(rows) // 2
    changed = _on(job, another_path(job.samples.candles, int(rows[middle]), generator))
    after = numbers(fitted.forecast(changed.samples, rows[: middle + 1]))
    alone = numbers(fitted.forecast(job.samples, rows[: middle + 1]))  # a model may read rows together
    require_unmoved(model, alone, after, rows=rows, bar=int(rows[middle]))
    if not job.fold.is_in_time_order:
        return
    last = job.fold.test.first - 1
    (again,) = model.fit([_on(job, another_path(job.samples.candles, last, generator))], progress=ignore)
    relearnt = numbers(again.forecast(job.samples, rows))
    if not np.array_equal(whole, relearnt, equal_nan=True):
        (same,) = model.fit([job], progress=ignore)
        if not np.array_equal(whole, numbers(same.forecast(job.samples, rows)), equal_nan=True):
            logger.warning("%s learns something else each time; whether it looks ahead cannot be checked", model.name)
            return
        require_unmoved(model, whole, relearnt, rows=rows, bar=last, is_learnt=True)


def is_ours(model: object) -> bool:
    """Whether a model is candlecast's own, or a net, which sees windows of features only."""
    inner = getattr(model, "model", None)
    if inner is not None and not is_ours(inner):
        return False
    kind = type(model)
    if isinstance(model, NetModel):
        return all(getattr(kind, name).__module__.startswith("candlecast.") for name in ("fit", "restore", "measured"))
    return kind.__module__.startswith("candlecast.models.")


def _on(job: Job, candles: Candles) -> Job:
    """The same job on other candles."""
    samples = job.samples
    other = make_samples(candles, features=samples.features, target=samples.target, window=samples.window)
    return replace(job, samples=other)


def numbers(prediction: Prediction) -> np.ndarray:
    """All numbers of a forecast: (column, rows)."""
    others = [numbers(other) for other in prediction.others.values()]
    return np.concatenate([np.array([prediction.mean, *prediction.columns.values()]), *others])


def require_unmoved(
    model: Model, before: np.ndarray, after: np.ndarray, *, rows: np.ndarray, bar: int, is_learnt: bool = False
) -> None:
    """Raise LookaheadError when a number of the forecasts, (column, rows), moved though only candles after `bar` changed.

    Args:
        model: for the message.
        before: as `numbers` gives them.
        after: the same on the other candles.
        rows: bars of the forecasts.
        bar: the last one that stayed.
        is_learnt: whether the model was fitted on the other candles, in place of forecasting on them.
    """
    moved = np.argwhere((before != after) & ~(np.isnan(before) & np.isnan(after)))
    if len(moved):
        column, place = moved[moved[:, 1].argmin()]
        raise LookaheadError(
            f"model {model.name} moved its forecast at bar {int(rows[place]):,} from {before[column, place]:.6g} to "
            f"{after[column, place]:.6g}, although only candles after bar {bar:,} had changed",
            expected="what is learnt from training rows only"
            if is_learnt
            else "forecasts that do not move by a bit when later candles do",
            remedy="Fit on job.fit_rows, or job.train_rows" if is_learnt else "Read only bars up to each row's own",
        )
