"""`audit`: a study, or a pipeline of your own, is run on candles with another future; what was known must not move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from candlecast.audit.checks import labels_known, of_the_clock, streaming, survivors, tradable, warm_up
from candlecast.audit.counting import begin_audited
from candlecast.audit.findings import FAILED, NOT_RUN, PASSED, AuditReport, Check, joined
from candlecast.audit.movements import Movements
from candlecast.audit.perturbations import (
    MIRROR,
    NEXT_BAR,
    NOISE,
    PERTURBATIONS,
    TRUNCATION,
    Perturbation,
    noise,
)
from candlecast.audit.pipelines import Pipeline, audit_pipeline
from candlecast.audit.walk import CompletedStudy, Walk, features_of, inputs_of, of_fold, require_study, target_of
from candlecast.candles import Candles
from candlecast.causality.models import is_ours
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.errors import LookaheadError
from candlecast.events import Listener, Progress, ignore
from candlecast.ledger import Ledger, as_ledger
from candlecast.models import Fitted
from candlecast.sources.files import as_assets
from candlecast.sources.source import Moment, moment
from candlecast.text.formatting import count
from candlecast.walkforward import plan_jobs

if TYPE_CHECKING:
    from candlecast.study.study import Study

STAGES = ("features", "target", "scaling", "weights", "forecasts", "positions", "orders")
MOMENTS = 9  # bars after which candles change
CELLS = 4_000_000  # bars times perturbations in which features are computed: fewer moments on long data


def audit(
    study: Study | Pipeline,
    candles: Any,
    *,
    as_of: Moment | None = None,
    seed: int = 0,
    ledger: Ledger | None = None,
    progress: Listener = ignore,
) -> AuditReport:
    """Run a study on candles and on copies with another future, and compare each stage with what was known.

    Args:
        study: a `Study`; or a function of candles that returns the tables of its stages by name, in order: Polars tables
            with a column `time` (when a row is known or used), or arrays with one row for each candle.
        candles: of one asset or a list of several: `Candles`, frames or paths of files. Each asset is audited by itself.
        as_of: the day on which the list of assets was chosen (ISO text, a date or a time, UTC).
        seed: of the first training, and of the changes.
        ledger: where the audit of a study whose rule, target or costs are code of yours counts as a study that has begun, since
            this code sees results of tested bars; that of the folder `runs` when not given. Any other audit is not counted.
        progress: receives `Progress` events.

    After bar t the candles are replaced by another random path, reversed, mirrored, cut off, changed in one bar or in one
    column, at every boundary of a fold, inside its tested part, and elsewhere. Everything known at the close of t must be
    equal to the last bit: features, outcomes and weights of the target, scaling, weights of the model, forecasts, positions
    and the account. What a fold learns depends on its training part; in cross-validated folds, which are not in the order of
    time, it is not compared. Further checks: labels are known before they are trained on, warm-ups are long enough, streaming
    equals the batch, and orders could have been filled at the prices; of several assets, or with `as_of`, the list was not chosen
    with later knowledge: a list of survivors is a warning, and a day after the first tested bar a failure.

    Returns:
        The report; it names the first stage and column that moved, the smallest number of bars that it looks ahead, the
        likely cause and a remedy. `report.passed` is a bool.

    Raises:
        CandleError, ConfigError or NotEnoughDataError, as the study itself; RunError for a ledger that cannot be written.

    >>> import candlecast as cc
    >>> report = cc.audit(lambda candles: {"features": candles.close / candles.close.max()}, cc.sample("sp500")[:500])
    >>> report.passed, report.findings[0].stage, report.findings[0].lead
    (False, 'features', 1)
    """
    series = as_assets(candles)
    ledger = as_ledger(ledger)
    chosen_on = None if as_of is None else moment(as_of, "as_of")
    if len(series) == 1:
        audited = [_audited(study, series[0], seed, ledger, progress)]
    else:
        audited = [_audited(study, each, seed, ledger, _of_asset(each, progress)) for each in series]
    report = joined({each.symbol: found.report for each, found in zip(series, audited, strict=True)})
    if len(series) == 1 and as_of is None:
        return report
    tested = min(found.tested_from for found in audited)
    return replace(report, checks=(*report.checks, survivors(series, as_of=chosen_on, tested_from=tested)))


class _Audited(NamedTuple):
    """The report on one asset, and its first tested bar: the first of all where there are no folds."""

    report: AuditReport
    tested_from: datetime


def _audited(study: Any, candles: Candles, seed: int, ledger: Ledger, progress: Listener) -> _Audited:
    if require_study(study, takes_functions=True):
        return _full(study.completed(candles), candles, seed, ledger, progress)
    report = audit_pipeline(study, candles, seed=seed, progress=progress)
    return _Audited(report, candles.frame["close_time"][0])


def _of_asset(candles: Candles, progress: Listener) -> Listener:
    """A listener to the audit of one asset among several."""
    return lambda event: progress(replace(event, stage=f"{event.stage} {candles.symbol}"))


def quick_audit(study: CompletedStudy, jobs: Sequence[Job], fitted: Sequence[Fitted]) -> AuditReport:
    """The audit of a study that has just been run, without training: two changes of the candles inside the last fold.

    The mirror turns the sign of every later move, noise changes its size. study: completed. jobs, fitted: of the first seed, in
    the order of the folds.
    """
    walk = Walk(study, jobs, fitted)
    found, generator = Movements(walk.candles), np.random.default_rng(0)
    inputs = _Inputs(study, walk.candles, walk.samples)
    changes = [(_middle(jobs[-1]), how) for how in (MIRROR, NOISE)]
    for bar, how in changes:
        _compare(walk, inputs, found, bar, walk.samples_of(how.apply(walk.candles, bar, generator)), how)
    checks = _stage_checks(found, _extent(changes), trained=None)
    return AuditReport("quick", (*checks, labels_known(walk), of_the_clock(walk)), found.of(STAGES))


def _full(study: CompletedStudy, candles: Candles, seed: int, ledger: Ledger, progress: Listener) -> _Audited:
    first = candles.frame["close_time"][0]
    found, generator = Movements(candles), np.random.default_rng(seed)
    changes, inputs = list(_changes(study, candles, generator)), _Inputs(study, candles)
    for number, (bar, how) in enumerate(changes):
        progress(Progress("audit", number, 3 * len(changes), "features and target"))
        inputs.are_same(how.apply(candles, bar, generator), found, bar, how)
    if found.of(STAGES):
        checks = tuple(_stage_checks(found, _extent(changes), trained=None))
        return _Audited(AuditReport("full", checks, found.of(STAGES)), first)
    window = max(model.window for model in (study.model, *study.baseline_models))
    try:
        jobs = plan_jobs(
            study.model,
            candles,
            features=study.features,
            target=study.target,
            folds=study.folds,
            seeds=[seed],
            window=window,
        )
    except LookaheadError as error:
        return _Audited(AuditReport("full", (Check("computed from the candles", FAILED, str(error)),)), first)
    walk = Walk(study, jobs, sorted(study.model.fit(jobs, progress=ignore), key=lambda each: each.job.fold.index))
    folds = [job.fold.index for job in jobs]
    begin_audited(study, candles, lambda: walk.forecast(walk.samples, folds=folds), seed=seed, ledger=ledger)
    changes += [(bar, how) for job in jobs for bar in _tested(job) for how in (NOISE, MIRROR, TRUNCATION)]
    for number, (bar, how) in enumerate(changes):
        progress(Progress("audit", len(changes) + number, 3 * len(changes), "forecasts and trading"))
        changed = how.apply(candles, bar, generator)
        if _folds_that_test(walk, bar):
            _compare_trading(walk, found, bar, walk.samples_of(changed), how)
    progress(Progress("audit", 2 * len(changes), 3 * len(changes), "trains each fold again"))
    trained = _compare_learnt(walk, found, generator)
    progress(Progress("audit", 3 * len(changes), 3 * len(changes)))
    checks = _stage_checks(found, _extent(changes), trained=trained)
    checks = (*checks, labels_known(walk), of_the_clock(walk), warm_up(walk), streaming(walk), tradable(walk))
    tested = candles.frame["close_time"][min(int(job.test_rows[0]) for job in jobs)]
    return _Audited(AuditReport("full", checks, found.of(STAGES)), tested)


def _changes(
    study: CompletedStudy, candles: Candles, generator: np.random.Generator
) -> Iterator[tuple[int, Perturbation]]:
    """Bars anywhere after the warm-up, each with noise after it, a change of the next bar, and one further perturbation."""
    first, last = study.features.warmup + 20, len(candles) - 3
    moments = min(MOMENTS, max(CELLS // (3 * len(candles)), 2))
    bars = np.linspace(first, last, moments).astype(int)
    bars[1:-1] += generator.integers(-5, 6, moments - 2)
    others = PERTURBATIONS[2:]
    for number, bar in enumerate(bars.tolist()):
        for how in (NOISE, NEXT_BAR, others[number % len(others)]):
            yield bar, how


def _extent(changes: Sequence[tuple[int, Perturbation]]) -> str:
    return f"{count(len(changes), 'change')} of the candles at {count(len({bar for bar, _ in changes}), 'bar')}"


class _Inputs:
    """Features and target on the candles, which are compared with those on changed candles."""

    def __init__(self, study: CompletedStudy, candles: Candles, samples: Samples | None = None) -> None:
        self.study, self.candles = study, candles
        self.features = features_of(study.features, candles) if samples is None else inputs_of(samples)
        self.target = target_of(study.target, candles, samples=samples)

    def are_same(
        self, changed: Candles, found: Movements, bar: int, how: Perturbation, *, samples: Samples | None = None
    ) -> bool:
        """Whether features and target known at a bar stay when the candles after it change.

        Where the candles end at the bar, outcomes may not be known yet, and features alone are compared. `samples`: of the
        changed candles, where they are made already.
        """
        after = features_of(self.study.features, changed) if samples is None else inputs_of(samples)
        if found.add("features", self.features, after, bar, how):
            return False
        if len(changed) < len(self.candles):
            return True
        return not found.add("target", self.target, target_of(self.study.target, changed, samples=samples), bar, how)


def _compare(walk: Walk, inputs: _Inputs, found: Movements, bar: int, samples: Samples, how: Perturbation) -> None:
    """Compare every stage but training with that on samples of changed candles."""
    if inputs.are_same(samples.candles, found, bar, how, samples=samples):
        _compare_trading(walk, found, bar, samples, how)


def _folds_that_test(walk: Walk, bar: int) -> list[int]:
    return [job.fold.index for job in walk.jobs if job.fold.test.first <= bar <= job.fold.test.last]


def _compare_trading(walk: Walk, found: Movements, bar: int, samples: Samples, how: Perturbation) -> None:
    """Compare forecasts, positions and the account of the folds that test a bar with those on samples of changed candles."""
    folds = _folds_that_test(walk, bar)
    before, after = (walk.forecasts_of(each, bar, folds=folds) for each in (walk.samples, samples))
    if found.add("forecasts", before, after, bar, how) or len(samples.candles) < len(walk.candles):
        return
    for before, after in zip(walk.traded(walk.samples, folds=folds), walk.traded(samples, folds=folds), strict=True):
        if found.add(before.name, before, after, bar, how):
            return


def _compare_learnt(walk: Walk, found: Movements, generator: np.random.Generator) -> int:
    """Train each fold again on candles that changed after its training part; gives the number of folds compared.

    A model of the user's, which is given all folds at once, is also trained on candles that changed after the first
    training part: the first fold must not know the others.
    """
    ordered = [job for job in walk.jobs if job.fold.is_in_time_order]
    if not ordered:
        return 0
    before = {part: walk.learnt(walk.fitted, part) for part in ("scaling", "weights")}
    again = [
        replace(job, samples=walk.samples_of(noise(walk.candles, job.fold.test.first - 1, generator)))
        for job in ordered
    ]
    fleets = [(again, ordered)]
    if not is_ours(walk.study.model):
        samples = walk.samples_of(noise(walk.candles, ordered[0].fold.test.first - 1, generator))
        fleets.append(([replace(job, samples=samples) for job in walk.jobs], ordered[:1]))
    for jobs, compared in fleets:
        fitted = walk.refitted(jobs)
        for part, stage in before.items():
            after = walk.learnt(fitted, part)
            for job in compared:
                one, two = (of_fold(each, job.fold.index) for each in (stage, after))
                found.add(part, one, two, job.fold.test.first - 1, NOISE)
    return len(ordered)


def _stage_checks(found: Movements, detail: str, *, trained: int | None) -> list[Check]:
    """A check for each stage: those after the first that moved were not compared."""
    moved = {finding.stage for finding in found.of(STAGES)}
    checks, is_over = [], False
    for stage in STAGES:
        if is_over:
            checks.append(Check(stage, NOT_RUN, "an earlier stage moved"))
        elif stage in moved:
            checks.append(Check(stage, FAILED, detail))
            is_over = True
        elif stage in ("scaling", "weights"):
            checks.append(
                Check(stage, NOT_RUN, "a full audit trains again")
                if trained is None
                else Check(stage, PASSED, f"{count(trained, 'fold')} trained again")
                if trained
                else Check(stage, NOT_RUN, "no fold is in the order of time")
            )
        else:
            checks.append(Check(stage, PASSED, detail))
    return checks


def _middle(job: Job) -> int:
    """A bar in the middle of the tested rows."""
    return int(job.test_rows[len(job.test_rows) // 2])


def _tested(job: Job) -> tuple[int, int]:
    """The first tested bar of a fold and one in the middle."""
    return int(job.test_rows[0]), _middle(job)
