"""Studies of synthetic candles that the report's tests share."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from dataclasses import replace

import numpy as np
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


def read_columns(entries: dict, payload: str) -> dict[str, tuple[int, np.ndarray]]:
    """What the page's script reads: the bar of the first value, and the values, by name."""
    content, start, found = gzip.decompress(base64.b64decode(payload)), 0, {}
    for name, entry in entries.items():
        length = entry["length"]
        size = length * (4 if "decimals" in entry else 8)
        part = np.frombuffer(content[start : start + size], np.uint8)
        start += size
        if "decimals" not in entry:
            found[name] = entry["offset"], part.view("<f8")
            continue
        folded = np.ascontiguousarray(part.reshape(4, length).T).view("<u4").ravel()
        differences = (folded >> 1).view(np.int32) ^ -(folded & 1).view(np.int32)
        whole = np.cumsum(differences, dtype=np.int32)
        values = entry["origin"] + whole / 10.0 ** entry["decimals"]
        found[name] = entry["offset"], np.where(whole == -(2**31), np.nan, values)
    assert start == len(content)
    return found


@pytest.fixture(scope="session")
def column_values() -> Callable[..., dict[str, tuple[int, np.ndarray]]]:
    """Reads the header and the payload of `Columns` back."""
    return read_columns
