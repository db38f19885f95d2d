"""Studies of synthetic candles that the report's tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from candlecast.candles import Candles
from candlecast.dataset.folds import Holdout
from candlecast.models import LinearRegression
from candlecast.sources.synthetic import ar1
from candlecast.study import Study
from candlecast.study.result import StudyResult
from candlecast.targets import NextReturn

HOSTILE = "</script><script>alert(1)</script>&\"'<b>"


@pytest.fixture(scope="session")
def study_of() -> Callable[..., StudyResult]:
    """A quick study; keywords are those of Study."""

    def run(candles: Candles | None = None, **recipe) -> StudyResult:
        recipe = {"model": LinearRegression(), "target": NextReturn()} | recipe
        return Study(**recipe).run(candles or ar1(900, seed=1, phi=0.3).candles)

    return run


@pytest.fixture(scope="session")
def result(study_of) -> StudyResult:
    """A study of planted momentum under a symbol that tries to break out of the page."""
    return study_of(replace(ar1(900, seed=1, phi=0.3).candles, symbol=HOSTILE))


@pytest.fixture(scope="session")
def long(study_of) -> StudyResult:
    """A study of 40,000 hourly bars, 10,000 of them tested."""
    return study_of(ar1(40_000, seed=1, interval="1h").candles, folds=Holdout(0.75), baselines=())
