"""`compute_panel`: what a study of a panel comes to, before it is recorded as a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from candlecast import stats
from candlecast.causality.rules_across import require_answering_rule
from candlecast.evaluation.beside import begun_untraded, counted_baselines, counted_if_stopped
from candlecast.evaluation.trials import begin
from candlecast.events import Listener, Progress, ignore
from candlecast.ledger import Begun, Ledger
from candlecast.panel.audit import audit_panel
from candlecast.panel.baselines import STANDARD, Momentum, Reversal
from candlecast.panel.model_check import require_honest_model
from candlecast.panel.panel import Panel, require_members
from candlecast.panel.result import PanelResult
from candlecast.panel.samples import PanelSamples, panel_samples
from candlecast.panel.trials import skills_of, subject_of
from candlecast.panel.walking import (
    PanelFold,
    fold_table,
    folds_of,
    forecast_table,
    loss_table,
    scores_of,
    tensors_of,
    walk_panel,
)
from candlecast.recipes.environment import environment
from candlecast.signals.across import weights_of
from candlecast.study.seal import digests_of

if TYPE_CHECKING:
    from candlecast.panel.study import PanelStudy


def compute_panel(
    study: PanelStudy, panel: Panel, *, seed: int = 0, ledger: Ledger | None = None, progress: Listener = ignore
) -> PanelResult:
    """The result on a panel, audited and not recorded; as `PanelStudy.run`, which records it. Raises what that raises."""
    require_members(panel)
    progress(Progress("features", 0, 1))
    features = study.chosen_features.on(panel.assets[0])
    samples = panel_samples(panel, features=features, target=study.target, window=study.window_on(features))
    progress(Progress("features", 1, 1))
    folds = folds_of(samples, study.folds, features)
    scores: dict[str, np.ndarray] = {}
    parts: dict[str, list[PanelFold]] = {}
    seeds = range(seed, seed + study.seeds)
    baselines = study.baselines_on(features)
    for done, baseline in enumerate(baselines):
        progress(Progress("baselines", done, len(baselines), baseline.name))
        if isinstance(baseline, Reversal | Momentum):
            scores[baseline.name] = baseline.scores(panel)
        else:
            parts[baseline.name] = list(walk_panel(samples, baseline, folds, seeds))
    progress(Progress("baselines", len(baselines), len(baselines)))
    own = parts[study.model.name] = list(walk_panel(samples, study.model, folds, seeds, progress=progress))
    require_honest_model(samples, study.model, own)
    progress(Progress("judge", 0, 1))
    result = _assembled(study, samples, parts, scores, seed=seed, ledger=ledger)
    audit = audit_panel(
        samples,
        [part for part in own if part.job.job.seed == seed] or own,
        model=study.model,
        features=features,
        rule=study.rule,
        is_adjusted=study.adjusted,
    )
    return replace(result, audit=audit)


def _assembled(
    study: PanelStudy,
    samples: PanelSamples,
    parts: Mapping[str, list[PanelFold]],
    scores: Mapping[str, np.ndarray],
    *,
    seed: int,
    ledger: Ledger | None,
) -> PanelResult:
    """What finished walks, and the scores of baselines that are not trained, add up to."""
    panel, name = samples.panel, study.model.name
    forecasts = {model: forecast_table(samples, found, model=model) for model, found in parts.items()}
    studied = scores_of(forecasts[name], samples)
    is_tested = np.isfinite(studied).any(axis=1, keepdims=True)
    named = [each.name for each in study.baselines_on(study.chosen_features)]
    every = {
        each: np.where(is_tested, scores[each] if each in scores else scores_of(forecasts[each], samples), np.nan)
        for each in named
    } | {name: studied}
    recipe = study.recipe(panel, seed=seed)
    horizon = study.target.horizon

    subject = subject_of(panel, study.target)

    def skills(model: str) -> tuple[np.ndarray, np.ndarray]:
        outcomes = np.where(panel.is_member & is_tested, panel.returns_ahead(horizon), np.nan)
        return skills_of(panel, stats.coefficients(every[model], outcomes), horizon)

    def beside() -> list[Begun]:
        counted = counted_baselines(recipe, named, standard=STANDARD)
        return [begun_untraded(recipe | {"model": each}, subject, skills(of)) for of, each in counted.items()]

    begin(ledger, recipe, subject, lambda: skills(name))
    with counted_if_stopped(ledger, recipe, beside):
        weights = {each: weights_of(study.rule, own, panel.section) for each, own in every.items()}
        require_answering_rule(study.rule, studied, panel.section, weights[name], panel.returns_ahead(1))
    ordered = sorted(parts[name], key=lambda part: part.job.job.key)
    result = PanelResult(
        recipe=recipe,
        model=name,
        panel=panel,
        target=study.target,
        forecasts=forecasts,
        scores=every,
        weights=weights,
        gross=study.rule.gross,
        costs=study.costs,
        cash=study.cash,
        folds=fold_table(samples, ordered),
        losses=loss_table(ordered),
        lost=samples.dropped,
        tensors=tensors_of(ordered),
        ledger=ledger,
        environment=environment(),
    )
    return replace(result, digests=digests_of(result))
