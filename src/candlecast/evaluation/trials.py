"""`trial_of`: what the ledger keeps of a backtested study, and of one whose forecasts a user's code sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from candlecast.backtesting import BacktestResult
from candlecast.candles import Candles
from candlecast.interval import Interval
from candlecast.ledger import Begun, Ledger, Searched, Trial, as_ledger
from candlecast.ledger.begins import new_token
from candlecast.ledger.profile import profile_of
from candlecast.ledger.sketch import Sketch, sketch_of
from candlecast.recipes.describing import identities
from candlecast.targets import Target, label, primary

NO_CHOICE = ("baselines", "type")  # parts of a recipe that do not decide what was forecast and traded
SEES_RESULTS = ("rule", "target", "costs")  # parts of a recipe whose code is given forecasts or fills of tested bars


class Subject(NamedTuple):
    """What was studied: candles of its `assets`, their digest `data`, symbol and interval of the whole, label of the target."""

    assets: Sequence[Candles]
    data: str
    symbol: str
    interval: Interval
    target: str

    @classmethod
    def of(cls, candles: Candles, target: Target) -> Subject:
        """That of a study of one asset."""
        return cls([candles], candles.fingerprint, candles.symbol, candles.interval, label(primary(target)))

    @property
    def times(self) -> np.ndarray:
        """Closes of the bars of all assets, datetime64[us], rising."""
        return np.unique(np.concatenate([each.close_time for each in self.assets]))

    @property
    def sketches(self) -> dict[str, Sketch]:
        """Sketches of the assets by symbol."""
        return {each.symbol: sketch_of(each.close_time, each.close) for each in self.assets}


def trial_of(
    result: BacktestResult,
    recipe: Mapping[str, Any],
    subject: Subject,
    *,
    model: str,
    skills: tuple[np.ndarray, np.ndarray],
    free: Callable[[], BacktestResult],
    searches: Sequence[Searched] = (),
) -> Trial:
    """The trial of a study: its net returns, by data, choices and code.

    skills: of the forecast, and the times at which its outcomes are known; see `ledger.profile_of`.
    free: gives the same account without trading costs, by which the trial is compared with others where costs are code of the
        user's: what such costs take in all trials would make them alike, and what they take in each would make them unlike.
    searches: hyper-parameters that were chosen inside training parts.
    """
    from candlecast import __version__

    compared = free() if identities(recipe.get("costs")) else result
    times = result.equity["time"].dt.replace_time_zone(None).to_numpy()[1:]
    return Trial(
        data=subject.data,
        study=choices_in(recipe),
        code=__version__,
        symbol=subject.symbol,
        interval=str(subject.interval),
        model=model,
        bars_per_year=result.bars_per_year,
        times=times,
        returns=result.returns,
        searches=tuple(searches),
        target=subject.target,
        profile=profile_of(
            times,
            compared.returns,
            step=subject.interval.microseconds,
            benchmark=compared.benchmark_returns,
            skills=skills,
        ),
        sketches=subject.sketches,
    )


def begin(
    ledger: Ledger | None,
    recipe: Mapping[str, Any],
    subject: Subject,
    skills: Callable[[], tuple[np.ndarray, np.ndarray]] | None = None,
) -> None:
    """Count a study from now on if code of the user's is about to see its results, whether or not it ever ends.

    Parameters as those of `trial_of`, with a function that gives the skills, None before the models walk; the ledger is that of
    the folder `runs` when not given. Raises RunError.
    """
    if sees_results(recipe):
        known = (subject.times, None) if skills is None else skills()
        as_ledger(ledger).begin([begun_of(recipe, subject, *known, token=new_token())])


def begun_of(
    recipe: Mapping[str, Any],
    subject: Subject,
    times: np.ndarray,
    skill: np.ndarray | None = None,
    *,
    token: str = "",
) -> Begun:
    """A study that begins, whose result nobody knows yet; see `Begun`."""
    _, data, symbol, interval, target = subject
    return Begun(data, choices_in(recipe), symbol, str(interval), target, times, skill, subject.sketches, token=token)


def sees_results(recipe: Mapping[str, Any]) -> bool:
    """Whether code of the user's is given forecasts or fills of tested bars."""
    return any(identities(recipe.get(part)) for part in SEES_RESULTS)


def has_own_target(recipe: Mapping[str, Any]) -> bool:
    """Whether the target is code of the user's, which is given forecasts as the models walk: it says what returns they imply."""
    return bool(identities(recipe.get("target")))


def judged_since(recipe: Mapping[str, Any], since: datetime | None) -> dict[str, Any]:
    """A recipe with the moment from which on its forecasts are judged (`judged_from`); None where all are."""
    return {**recipe} if since is None else {**recipe, "judged_from": since.isoformat()}


def choices_in(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a recipe that decide what was forecast and traded."""
    return {name: value for name, value in recipe.items() if name not in NO_CHOICE}
