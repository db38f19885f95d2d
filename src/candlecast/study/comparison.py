"""`compare`: models x assets x intervals on the same folds and costs, each judged among all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting import Costs
from candlecast.candles import Candles
from candlecast.causality import ModelCheck
from candlecast.dataset.folds import Folds, WalkForward
from candlecast.dataset.jobs import Job
from candlecast.dataset.usual_features import features_for
from candlecast.errors import ConfigError
from candlecast.evaluation.accuracy import scored
from candlecast.evaluation.survivorship import Survivorship, survivorship
from candlecast.evaluation.trial_count import TrialCount
from candlecast.events import Listener, Progress, ignore
from candlecast.features import Features
from candlecast.ledger import Ledger, as_ledger
from candlecast.models import Drift, Model, Naive
from candlecast.models.model import judged_from, require_model
from candlecast.models.wrappers.pooled import Pooled
from candlecast.signals import Rule
from candlecast.sources.files import as_assets
from candlecast.sources.source import Moment, moment
from candlecast.stats import false_discovery, model_confidence_set, superior_models
from candlecast.study import comparison_words
from candlecast.study.result import StudyResult, record_all
from candlecast.study.study import Study
from candlecast.targets import NextReturn, Target
from candlecast.text.formatting import count
from candlecast.text.notebook import notebook_paragraph, notebook_text
from candlecast.walkforward import CheckpointStore, FoldForecast, WalkPlan, forecast_frame
from candlecast.walkforward.plan import as_seeds

LEVEL = 0.05
REFERENCES: dict[str, Model] = {"naive": Naive(), "drift": Drift()}  # what every forecast is tested against
SKILLS = ("observations", "r2", "r2_low", "r2_high", "hit_rate", "hit_rate_low", "hit_rate_high")
Key = tuple[str, str, str]  # symbol, interval, model


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Every model on every series of candles, side by side; printed, the answer and the main columns.

    `results` by (symbol, interval, model), each with its own backtest, verdict and report. `as_of`: when the list of assets was
    chosen. `frame` has one row for each:

    symbol, interval, model, observations
    r2, hit_rate, each with _low and _high    as in `accuracy`
    p              Clark-West against naive, drift and the past mean, the largest one; null for naive and drift
    p_trials       p adjusted for all trials of the workspace (`Evidence.forecast_p_adjusted`)
    p_discovery    p adjusted so that of the rows below 5 % at most 5 % are false (Benjamini-Hochberg, `false_discovery`)
    is_superior    beats naive's squared error on its series, with a chance of 5 % that any such model does not (StepM)
    p_best         p-value in the model confidence set of its series: at 5 % or above, it may be the best
    annual_return, sharpe, sharpe_difference (over buy-and-hold), each with _low and _high: 95 % CI; benchmark_sharpe
    deflated_sharpe, break_even_bps, trades    as in `Evidence` and `BacktestResult.summary`
    is_forecastable, pays, has_edge
    """

    frame: pl.DataFrame
    results: Mapping[Key, StudyResult]
    as_of: datetime | None = None

    @property
    def text(self) -> str:
        """What came out, in plain words."""
        words = comparison_words.paragraph(self.frame, self.trial_count, level=LEVEL)
        warning = self.survivorship.warning
        return f"{words} {warning[0].upper()}{warning[1:]}." if warning else words

    @cached_property
    def survivorship(self) -> Survivorship:
        """Whether the assets look like a list of survivors."""
        tested = min(result.forecast.frame["time"][0] for result in self.results.values())
        series = [result.candles for result in self.results.values()]
        return survivorship(series, as_of=self.as_of, tested_from=tested)

    @property
    def trial_count(self) -> TrialCount:
        """The trials that the results were judged among; of results that were known before, the later ones'."""
        return max((result.counted for result in self.results.values()), key=lambda counted: counted.trials)

    def __str__(self) -> str:
        """The text, and a table for each of its two questions."""
        tables = comparison_words.forecast_table(self.frame), comparison_words.pay_table(self.frame)
        return "\n\n".join([self.text, *tables])

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        text, *tables = str(self).split("\n\n")
        return notebook_paragraph(text) + "".join(map(notebook_text, tables))

    def __repr__(self) -> str:
        return f"Comparison({', '.join(' '.join(key) for key in self.results)})"


def compare(
    models: Mapping[str, Model],
    candles: Any,
    *,
    features: Features | None = None,
    target: Target | None = None,
    folds: Folds | None = None,
    rule: Rule | None = None,
    costs: Costs | None = None,
    seeds: int | Iterable[int] = 3,
    as_of: Moment | None = None,
    checkpoints: CheckpointStore | None = None,
    ledger: Ledger | None = None,
    progress: Listener = ignore,
) -> Comparison:
    """Judge every model on every series of candles: the same folds, the same costs, all trials counted.

    Rows are those of the longest window among the models. A model trains on all series whose features have the same columns
    at once, as one fleet. Naive and drift run with them as references. Every named model is recorded as a trial of its own.

    Args:
        models: by the names that the table shows.
        candles: of any assets and intervals, each pair once: one or a list of `Candles`, frames or paths of files.
        features: as in `Study`, as are all that are not given.
        target: what is forecast.
        folds: the same for all.
        rule: what turns forecasts into positions.
        costs: of trading and holding.
        seeds: of the trainings of each fold: a number of them, or one by one.
        as_of: the day on which the list of assets was chosen (ISO text, a date or a time, UTC), so that those which ended after
            it are among them; a list of survivors is warned of where it is not given.
        ledger: where the trials are recorded; that of the folder `runs` when not given.
        checkpoints: with it, an interrupted comparison continues after the jobs stored there.
        progress: receives events.

    Raises:
        ConfigError: for a name or a series that comes twice; and what `Study.run` raises.
    """
    series = as_assets(candles)
    seeds = list(as_seeds(seeds))
    chosen_on = None if as_of is None else moment(as_of, "as_of")
    _require_distinct(models, series)
    for model in models.values():
        require_model(model)
    walked = {**{name: model for name, model in REFERENCES.items() if name not in models}, **models}
    target, folds = NextReturn() if target is None else target, folds or WalkForward()
    window, since = max(model.window for model in walked.values()), judged_from(walked.values())
    plan = WalkPlan(features, target, folds, tuple(seeds), window)
    plans = {
        name: [plan.jobs(model, each) for each in series] for name, model in walked.items()
    }  # everything is planned, hence refused, before anything is trained
    ledger = as_ledger(ledger)
    ledger.require_writable()
    uneven = {} if seeds == list(range(seeds[0], seeds[0] + len(seeds))) else {"seeds": seeds}
    shared: dict[str, Any] = {"seed": seeds[0], "since": since, "ledger": ledger, "added": {"window": window} | uneven}
    studies = {
        (place, name): Study(
            model=model,
            features=features_for(features, each, target),
            target=target,
            folds=folds,
            rule=rule,
            costs=costs or Costs(),
            seeds=len(seeds),
            baselines=(),
        )
        for place, each in enumerate(series)
        for name, model in models.items()
    }
    for (place, _), study in studies.items():
        study.begin_walk(series[place], **shared)
    stored = {
        job: tensors
        for name, model in walked.items()
        if checkpoints and not isinstance(model, Pooled)  # whose jobs of several assets are no results of their own
        for job in itertools.chain(*plans[name])
        if (tensors := checkpoints.load(model, job)) is not None
    }
    parts: list[dict[str, list[FoldForecast]]] = [{} for _ in series]
    for name, model in walked.items():
        for place, part in _trained(name, model, plans[name], stored, checkpoints, progress):
            parts[place].setdefault(name, []).append(part)
    progress(Progress("judge", 0, len(models) * len(series)))
    results: dict[Key, StudyResult] = {}
    for (place, name), study in studies.items():
        each, finished = series[place], parts[place]
        chosen = {label: finished[label] for label in dict.fromkeys([*REFERENCES, name])}
        results[each.symbol, str(each.interval), name] = study.assemble(each, chosen, name=name, **shared)
    results = dict(zip(results, record_all(list(results.values()), ledger), strict=True))
    return Comparison(_table(results, list(models), progress), results, chosen_on)


def _trained(
    name: str,
    model: Model,
    plans: Sequence[list[Job]],
    stored: Mapping[Job, Mapping[str, np.ndarray]],
    checkpoints: CheckpointStore | None,
    progress: Listener,
) -> Iterable[tuple[int, FoldForecast]]:
    """Finished jobs of one model, each with the place of its series; all jobs that fit together train together.

    Those in `stored` are restored, and the others are stored in `checkpoints`.
    """
    place_of = {id(job): place for place, jobs in enumerate(plans) for job in jobs}
    fleets: dict[tuple[str, ...], list[Job]] = {}
    for job in (job for jobs in plans for job in jobs):
        fleets.setdefault(job.samples.features.columns, []).append(job)
    done, total = 0, len(place_of)
    for jobs in fleets.values():
        for job in (job for job in jobs if job in stored):
            fitted = model.restore(job, stored[job])
            yield place_of[id(job)], FoldForecast(job, fitted, forecast_frame(fitted, name))
        left = [job for job in jobs if job not in stored]
        done += len(jobs) - len(left)

        def listen(event: Progress, before: int = done, share: float = len(left)) -> None:
            progress(Progress(name, before + share * event.done / event.total, total, event.detail))

        check = ModelCheck(model)
        for fitted in model.fit(left, progress=listen) if left else ():
            check(fitted)
            if checkpoints and not isinstance(model, Pooled):
                checkpoints.save(model, fitted)
            yield place_of[id(fitted.job)], FoldForecast(fitted.job, fitted, forecast_frame(fitted, name))
        done += len(left)


def _table(results: Mapping[Key, StudyResult], models: list[str], progress: Listener) -> pl.DataFrame:
    rows = []
    across = {key: _across(results, key, models) for key in dict.fromkeys(key[:2] for key in results)}
    for done, ((symbol, interval, name), result) in enumerate(results.items(), start=1):
        skill = result.accuracy.row(by_predicate=pl.col("model") == name, named=True)
        lines = {line["statistic"]: line for line in result.summary().iter_rows(named=True)}
        verdict, evidence = result.verdict, result.verdict.evidence
        superior, best = across[symbol, interval]
        rows.append(
            {
                "symbol": symbol,
                "interval": interval,
                "model": name,
                **{column: skill[column] for column in SKILLS},
                "p": evidence.forecast_p,
                "p_trials": evidence.forecast_p_adjusted,
                "is_superior": name in superior,
                "p_best": best[name],
                **_bounded("annual_return", lines["annual return"]),
                **_bounded("sharpe", lines["Sharpe ratio"]),
                "sharpe_difference": evidence.sharpe_difference,
                "sharpe_difference_low": evidence.sharpe_difference_low,
                "sharpe_difference_high": evidence.sharpe_difference_high,
                "benchmark_sharpe": lines["Sharpe ratio"]["benchmark"],
                "deflated_sharpe": evidence.deflated_sharpe,
                "break_even_bps": evidence.break_even_bps,
                "trades": int(lines["trades"]["value"] or 0),
                "is_forecastable": verdict.is_forecastable,
                "pays": verdict.pays,
                "has_edge": verdict.has_edge,
            }
        )
        progress(Progress("judge", done, len(results), f"{symbol} {interval} {name}"))
    frame = pl.DataFrame(rows, infer_schema_length=None)
    discovery = pl.Series("p_discovery", false_discovery(frame["p"].to_numpy()))
    frame = frame.insert_column(frame.get_column_index("p_trials") + 1, discovery)
    return frame.with_columns(pl.selectors.float().fill_nan(None))


def _bounded(name: str, line: dict[str, float | None]) -> dict[str, float | None]:
    """A statistic of a summary and its interval, as columns."""
    return {name: line["value"], f"{name}_low": line["low"], f"{name}_high": line["high"]}


def _across(
    results: Mapping[Key, StudyResult], series: tuple[str, str], models: list[str]
) -> tuple[list[str], dict[str, float]]:
    """On one series: models that beat naive's squared error, and each one's p-value of being the best."""
    scores = {name: scored(results[*series, name].forecast, results[*series, name].primary_target) for name in models}
    outcome = next(iter(scores.values())).outcome_change
    losses = np.column_stack([(outcome - score.forecast_change) ** 2 for score in scores.values()])
    seed = next(iter(results.values())).seed
    superior = superior_models(outcome**2, losses, level=LEVEL, seed=seed)
    best = model_confidence_set(losses, level=LEVEL, seed=seed) if len(models) > 1 else np.ones(1)
    return [models[place] for place in superior], dict(zip(models, best.tolist(), strict=True))


def _require_distinct(models: Mapping[str, Model], series: Sequence[Candles]) -> None:
    if not isinstance(models, Mapping):
        raise ConfigError(
            f"models is of type {type(models).__name__}",
            expected="a dictionary of models by the names that the table shows",
            remedy='Use for example compare({"lstm": cc.LSTM(), "gru": cc.GRU()}, candles)',
        )
    if not models or not series:
        raise ConfigError(
            f"{count(len(models), 'model')} on {len(series)} series of candles",
            expected="at least one of each",
            remedy='Use for example compare({"lstm": cc.LSTM()}, candles)',
        )
    for name, reference in REFERENCES.items():
        if name in models and models[name] != reference:
            raise ConfigError(
                f"the name {name!r} is given to {type(models[name]).__name__}",
                expected=f"{type(reference).__name__}, which all are tested against",
                remedy="Choose another name for it",
            )
    keys = [(each.symbol, str(each.interval)) for each in series]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise ConfigError(
            f"{' '.join(doubled[0])} comes twice", expected="each symbol and interval once", remedy="Remove one of them"
        )
