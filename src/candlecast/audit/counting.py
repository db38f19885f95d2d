"""An audit that shows results to code of the user's counts as a study that has begun, and that it never ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from candlecast.audit.walk import CompletedStudy
from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.accuracy import skills
from candlecast.evaluation.trials import Subject, begin, has_own_target, judged_since
from candlecast.ledger import Ledger
from candlecast.targets import primary


def begin_audited(
    study: CompletedStudy, candles: Candles, forecast: Callable[[], Forecast], *, seed: int, ledger: Ledger
) -> None:
    """Count the study that is audited before its rule, target or costs are given forecasts, if they are code of the user's.

    The study itself, run later with the same seed, settles one such begin. `forecast` gives that of the tested bars. Raises
    RunError.
    """
    since = study.judged_from
    recipe = judged_since(study.recipe(candles, seed=seed), since)

    def known() -> tuple[np.ndarray, np.ndarray]:
        made = forecast()
        return skills(made if since is None else made.later_than(since), primary(study.target))

    begin(ledger, recipe, Subject.of(candles, study.target), None if has_own_target(recipe) else known)
