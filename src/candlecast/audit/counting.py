"""An audit that shows results to code of the user's counts as a study that has begun, and that it never ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from candlecast.audit.walk import CompletedStudy
from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.accuracy import skills
from candlecast.evaluation.trials import Subject, begin, judged_since, sees_walk
from candlecast.ledger import Ledger
from candlecast.models.model import judged_from
from candlecast.targets import primary


def begin_audited(
    study: CompletedStudy, candles: Candles, forecast: Callable[[], Forecast], *, seed: int, ledger: Ledger
) -> None:
    """Count the study that is audited before its rule, target or costs are given forecasts, if they are code of the user's.

    The study itself, run later with the same seed, settles one such begin. `forecast` gives that of the tested bars. Raises
    RunError.
    """
    since = judged_from([*study.baseline_models, study.model])
    recipe = judged_since(study.recipe(candles, seed=seed), since)

    def known() -> tuple[np.ndarray, np.ndarray]:
        made = forecast()
        judged = made if since is None else replace(made, frame=made.frame.filter(pl.col("time") > since))
        return skills(judged, primary(study.target))

    begin(ledger, recipe, Subject.of(candles, study.target), None if sees_walk(recipe) else known)
