"""What a study shows beside the trial that it judges: results of its baselines, and forecasts of further targets.

Who looks at them has made these trials as well, so that later verdicts count them:

    baselines          that learn from the features of the study, or have parameters of their own. Those of `STANDARD` are the
                       same in every study: nobody chooses among them, unless code of the user's trades them by something else
                       than their forecasts
    further targets    each model's forecasts of the second and later targets of `Several`. Nothing is traded by them
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.accuracy import skills
from candlecast.evaluation.trials import Subject, begun_of, has_own_target, sees_results
from candlecast.interval import Interval
from candlecast.ledger import Begun, Ledger, Trial, as_ledger
from candlecast.ledger.begins import new_token
from candlecast.ledger.profile import Profile, profile_of
from candlecast.models import ARIMA, ETS, EWMA, GARCH, HAR, CalendarHAR, Drift, Naive, SeasonalNaive
from candlecast.recipes import describe
from candlecast.targets import Target, components, label, primary

Description = Mapping[str, Any]
Skills = tuple[np.ndarray, np.ndarray]  # times at which outcomes are known, and what the forecast adds to each

FURTHER = "further_target"  # part of the choices of a trial that is the forecast of a further target
REFERENCES = [describe(each) for each in (Naive(), Drift())]
STANDARD = [
    *REFERENCES,
    *(describe(each) for each in (SeasonalNaive(), EWMA(), ETS(), ARIMA(), HAR(), CalendarHAR(), GARCH())),
]  # baselines without a choice: they read no features, and have the usual parameters


def described_baselines(recipe: Description, names: Sequence[str]) -> dict[str, Description]:
    """Descriptions of baselines by the names under which results show them, which are in the order of the recipe."""
    listed = [*(recipe.get("baselines") or ())]
    known = {each["name"]: each for each in (*REFERENCES, *listed) if each.get("name") in names}
    others = iter([each for each in listed if each.get("name") not in names])  # of the user's own, by other names
    return {name: known.get(name) or next(others, {"name": name}) for name in names}


def counted_baselines(
    recipe: Description, names: Sequence[str], *, standard: Sequence[Description] = STANDARD
) -> dict[str, Description]:
    """The baselines that later trials count in any case, as `described_baselines`.

    >>> ridge = {"type": "Ridge", "alpha": 0.1, "window": 1, "name": "ridge"}
    >>> list(counted_baselines({"baselines": [*REFERENCES, ridge]}, ["naive", "drift", "ridge"]))
    ['ridge']
    """
    return {name: each for name, each in described_baselines(recipe, names).items() if each not in standard}


def trials_of_baselines(
    result: Any,
    names: Sequence[str],
    *,
    standard: Sequence[Description] = STANDARD,
    follows: Callable[[str], bool] = lambda name: False,
) -> dict[str, Trial]:
    """The trials of the baselines of a result, of one asset or of a panel, each as if it had been the studied model.

    Code of the user's can make any account of any forecast. Then standard ones that traded count as well: all of them where
    the target is such code, and otherwise those whose positions do not follow their forecasts, as `follows` says by name.
    """
    found = {}
    is_own_target = has_own_target(result.recipe)
    for name, described in described_baselines(result.recipe, names).items():
        is_standard = described in standard
        if is_standard and (not sees_results(result.recipe) or (not is_own_target and follows(name))):
            continue
        trial = replace(result, model=name, recipe=result.recipe | {"model": described}).trial
        if not is_standard or trial.outline.has_traded:
            found[name] = trial
    return found


def further_trials(trial: Trial, forecast: Forecast, target: Target) -> list[Trial]:
    """The trials of a model's forecasts of further targets, beside its own trial."""
    return [
        untraded_trial(
            trial,
            {**trial.study, FURTHER: name},
            model=trial.model,
            target=name,
            profile=_untraded(skill, trial.interval),
        )
        for name, skill in _further(forecast, target)
    ]


def untraded_trial(like: Trial, study: Description, *, model: str, target: str, profile: Profile) -> Trial:
    """A trial by which nothing is traded, of the same candles as another one."""
    return replace(
        like,
        study=study,
        model=model,
        target=target,
        returns=np.zeros_like(like.returns),
        searches=(),
        profile=profile,
        recorded_as="",
    )


def begun_beside(
    recipe: Description, subject: Subject, forecasts: Mapping[str, Forecast], target: Target, *, model: str
) -> list[Begun]:
    """What is shown beside a study of one asset, before any of it is a trial.

    Args:
        recipe: of the study.
        subject: of the study.
        forecasts: by model.
        target: of the study.
        model: the studied one.
    """
    own = further_begun(recipe, subject, forecasts[model], target)
    names = [name for name in forecasts if name != model]
    return own + begun_baselines(recipe, subject, {name: forecasts[name] for name in names}, target)


def begun_baselines(
    recipe: Description,
    subject: Subject,
    forecasts: Mapping[str, Forecast],
    target: Target,
    *,
    studied: Sequence[str] = (),
) -> list[Begun]:
    """The baselines of a study of one asset that count, by their `forecasts`, but those which are `studied` as well."""
    found = []
    for name, described in counted_baselines(recipe, [*forecasts]).items():
        if name not in studied:
            own = {**recipe, "model": described}
            found.append(begun_untraded(own, subject, skills(forecasts[name], primary(target))))
            found += further_begun(own, subject, forecasts[name], target)
    return found


def further_begun(recipe: Description, subject: Subject, forecast: Forecast, target: Target) -> list[Begun]:
    """A model's forecasts of further targets; `recipe` with the model."""
    return [
        begun_untraded({**recipe, FURTHER: name}, subject._replace(target=name), skill)
        for name, skill in _further(forecast, target)
    ]


def begun_untraded(recipe: Description, subject: Subject, skill: Skills) -> Begun:
    """A study whose forecasts are known, and by which nothing is traded; it counts once, however often it begins."""
    profile = _untraded(skill, str(subject.interval))
    return replace(begun_of(recipe, subject, *skill), profile=profile)


@contextmanager
def counted_if_stopped(
    ledger: Ledger | None, recipe: Description, beside: Callable[[], Sequence[Begun]]
) -> Iterator[None]:
    """Count what a study shows beside its own trial if code of the user's, which saw it, raises an error or is interrupted.

    The ledger is that of the folder `runs` when not given. Raises RunError.
    """
    try:
        yield
    except BaseException:
        if sees_results(recipe):
            as_ledger(ledger).begin([replace(each, token=new_token()) for each in beside()])
        raise


def _further(forecast: Forecast, target: Target) -> list[tuple[str, Skills]]:
    """Labels of the further targets, and the skills of their forecasts."""
    return [(label(each), skills(forecast.at(label(each)), each)) for each in components(target)[1:]]


def _untraded(skill: Skills, interval: str) -> Profile:
    times, values = skill
    return profile_of(times, np.zeros(len(values)), step=Interval.parse(interval).microseconds, skills=skill)
