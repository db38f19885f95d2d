"""The audit of a panel: every asset gets another future after one moment, and nothing known by then may move by a bit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from candlecast.audit.findings import FAILED, PASSED, AuditReport, Check, Finding, cause_of
from candlecast.causality.markets import another_path
from candlecast.features import Features
from candlecast.models import Model
from candlecast.panel.lookups import lookup_checks
from candlecast.panel.panel import Panel
from candlecast.panel.samples import PanelSamples, panel_samples
from candlecast.panel.walking import PanelFold, forecast_of, forecast_table, is_pooled, scores_of, tested_stack
from candlecast.signals.across import RuleAcross

HOW = "another path of all assets"


def audit_panel(
    samples: PanelSamples,
    parts: Sequence[PanelFold],
    *,
    model: Model,
    features: Features,
    rule: RuleAcross,
    is_adjusted: bool = False,
    seed: int = 0,
) -> AuditReport:
    """Compare features, outcomes, forecasts and positions with those on candles that differ after one moment.

    The moment lies in the middle of the last test part. The nets are those that were trained: nothing is trained again.

    Args:
        samples: of the study.
        parts: finished trainings of the first seed; those of the last fold are asked again.
        model, features, rule, is_adjusted: of the study.
        seed: of the other path.
    """
    last = max(part.job.fold.index for part in parts)
    own = [part for part in parts if part.job.fold.index == last]
    test = own[0].job.fold.test
    moment = test.first + (test.last - test.first) // 2
    panel = samples.panel
    other = panel_samples(
        _with_other_future(panel, moment, seed), features=features, target=samples.target, window=samples.window
    )
    findings: list[Finding] = []
    checks = [
        _features(samples, other, moment, findings),
        _outcomes(samples, other, moment, findings),
        *_forecasts(samples, other, moment, own, model, rule, findings),
        _labels(samples, parts),
        *lookup_checks(samples, features, is_pooled=is_pooled(model), is_adjusted=is_adjusted, seed=seed),
    ]
    return AuditReport("quick", tuple(checks), tuple(findings[:1]))


def _with_other_future(panel: Panel, moment: int, seed: int) -> Panel:
    """The panel whose assets all go on along other paths after a moment, at the same times."""
    generator, time = np.random.default_rng(seed), panel.times[moment]
    assets = []
    for each in panel.assets:
        bar = int(np.searchsorted(each.close_time, time, side="right")) - 1
        assets.append(another_path(each, bar, generator) if 0 <= bar < len(each) - 1 else each)
    return Panel(tuple(assets), panel.universe, panel.times, panel.bars)


def _features(one: PanelSamples, two: PanelSamples, moment: int, findings: list[Finding]) -> Check:
    time, compared = one.panel.times[moment], 0
    for asset, other in zip(one.assets, two.assets, strict=True):
        rows = int(np.searchsorted(asset.candles.close_time, time, side="right"))
        before, after = asset.inputs[:rows], other.inputs[:rows]
        compared += before.size
        moved = np.argwhere((before != after) & ~(np.isnan(before) & np.isnan(after)))
        if len(moved):
            row, column = (int(index) for index in moved[-1])
            name = f"{asset.features.columns[column]} of {asset.candles.symbol}"
            share = len(moved) / max(before.size, 1)
            where = asset.candles.close_time[row], moment, rows - row
            findings.append(_finding("features", name, where, (before[row, column], after[row, column]), share))
            return Check("features", FAILED, f"{name} moved")
    return Check("features", PASSED, f"{compared:,} values known at {_day(time)} did not move ({HOW})")


def _outcomes(one: PanelSamples, two: PanelSamples, moment: int, findings: list[Finding]) -> Check:
    known = max(moment + 1 - one.horizon, 0)
    return _compared("target", one, one.outcomes[:known], two.outcomes[:known], moment, findings)


def _forecasts(
    one: PanelSamples,
    two: PanelSamples,
    moment: int,
    parts: Sequence[PanelFold],
    model: Model,
    rule: RuleAcross,
    findings: list[Finding],
) -> list[Check]:
    scores = []
    for samples in (one, two):
        again = []
        for part in parts:
            job = part.job
            stack = tested_stack(samples, model, job)
            again.append(forecast_of(job, part.fitted, stack, len(samples.panel)))
        scores.append(scores_of(forecast_table(samples, again, model=model.name), samples))
    until = slice(None, moment + 1)
    held = [rule.weights(each, samples.panel.section) for each, samples in zip(scores, (one, two), strict=True)]
    return [
        _compared("forecasts", one, scores[0][until], scores[1][until], moment, findings),
        _compared("positions", one, held[0][until], held[1][until], moment, findings),
    ]


def _labels(samples: PanelSamples, parts: Sequence[PanelFold]) -> Check:
    """No label that is learnt from is known only after the test part begins."""
    for part in parts:
        fold = part.job.fold
        late = [
            rows for rows in (fold.train, fold.valid) if len(rows) and rows.last + samples.horizon >= fold.test.first
        ]
        if fold.is_in_time_order and late:
            return Check("labels", FAILED, f"fold {fold.index} learns from outcomes that its test part decides")
    folds = len({part.job.fold.index for part in parts})
    return Check("labels", PASSED, f"all labels of {folds} folds are known before their test part, for every asset")


def _compared(
    stage: str, samples: PanelSamples, before: np.ndarray, after: np.ndarray, moment: int, findings: list[Finding]
) -> Check:
    """A check of arrays (time, asset) that have to be equal."""
    moved = np.argwhere((before != after) & ~(np.isnan(before) & np.isnan(after)))
    time = samples.panel.times[moment]
    if not len(moved):
        return Check(stage, PASSED, f"{np.isfinite(before).sum():,} values known at {_day(time)} did not move ({HOW})")
    row, place = (int(index) for index in moved[-1])
    where = samples.panel.times[row], moment, moment + 1 - row
    share = len(moved) / max(before.size, 1)
    findings.append(
        _finding(stage, samples.panel.symbols[place], where, (before[row, place], after[row, place]), share)
    )
    return Check(stage, FAILED, f"{stage} of {samples.panel.symbols[place]} moved")


def _finding(
    stage: str, column: str, where: tuple[Any, int, int], values: tuple[float, float], share: float
) -> Finding:
    """A value that moved; `where`: its time, the moment after which the candles changed, and how far it looks ahead."""
    time, moment, lead = where
    known = datetime.fromisoformat(str(np.datetime64(time, "us")))
    cause, remedy = cause_of(stage, max(lead, 1), share)
    known = known.replace(tzinfo=UTC)
    return Finding(stage, column, known, moment, max(lead, 1), HOW, float(values[0]), float(values[1]), cause, remedy)


def _day(time: np.datetime64) -> str:
    return str(time.astype("datetime64[D]"))
