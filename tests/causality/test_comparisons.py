"""What counts as moved, and features that know their answers on candles too few to look at in part."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.causality import require_causal_features
from candlecast.causality.compare import informative, require_equal, size, usual
from candlecast.errors import LookaheadError
from candlecast.features import Feature, Features
from candlecast.sources import synthetic

CANDLES = synthetic.random_walk(900, seed=5, interval="1h").candles


@pytest.mark.parametrize(
    ("before", "after", "is_moved"),
    [
        (1.0, 1.0, False),
        (1.0, 1.0 + 1e-12, True),
        (np.nan, np.nan, False),
        (np.nan, 1.0, True),
        (1.0, np.nan, True),
    ],
)
def test_a_value_that_appears_or_vanishes_has_moved(before, after, is_moved):
    columns = np.array([[1.0], [before]]), np.array([[1.0], [after]])
    if is_moved:
        with pytest.raises(LookaheadError, match="feature x"):
            require_equal(*columns, ("c",), CANDLES, 500, subject="feature x")
    else:
        require_equal(*columns, ("c",), CANDLES, 500, subject="feature x")


def test_the_size_of_a_column_is_that_of_its_informative_rows():
    values = np.array([0.0, 0.0, 0.0, 0.0, 2.0, -4.0, np.nan])
    assert usual(values) == 0.0 and np.isnan(usual(np.arange(4.0)))
    assert informative(values).tolist() == [False] * 4 + [True, True, False]
    assert size(values) == 3.0
    assert size(np.array([1.0, 2.0, 4.0])) == 1.0


def returns(candles):
    return np.diff(np.log(candles.close), prepend=np.log(candles.close[0]))


NEXT = np.append(returns(CANDLES)[1:], 0.0)
BY_TIME = dict(zip(CANDLES.close_time.tolist(), NEXT, strict=True))
BY_CLOSE = dict(zip(CANDLES.close.tolist(), NEXT, strict=True))
PEEKING = {
    "time": lambda c: returns(c) + [BY_TIME.get(time, 0.0) for time in c.close_time.tolist()],
    "time, seldom": lambda c: (
        returns(c) + [BY_TIME.get(time, 0.0) * (time.hour == 3) for time in c.close_time.tolist()]
    ),
    "price": lambda c: returns(c) + [BY_CLOSE.get(close, 0.0) for close in c.close.tolist()],
    "row": lambda c: returns(c) + NEXT[: len(c)],
}


@pytest.mark.parametrize("name", PEEKING)
def test_answers_beside_the_return_are_found_among_few_candles(name):
    with pytest.raises(LookaheadError, match="^feature peeking"):
        require_causal_features(Features(Feature("peeking", PEEKING[name], 1)), CANDLES)


def test_the_return_alone_passes():
    require_causal_features(Features(Feature("mine", returns, 1)), CANDLES)
