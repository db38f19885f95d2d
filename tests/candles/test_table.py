"""`Candles` as a value: slices, arrays, fingerprint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.errors import CandleError
from candlecast.sources import sample, synthetic

CANDLES = synthetic.random_walk(200, seed=0, interval="1h").candles


def test_slices_share_memory_and_keep_the_rest():
    part = CANDLES[50:100]
    assert isinstance(part, Candles)
    assert (part.symbol, part.interval, len(part)) == (CANDLES.symbol, CANDLES.interval, 50)
    np.testing.assert_array_equal(part.close, CANDLES.close[50:100])
    assert np.shares_memory(part.close, CANDLES.close)
    assert len(CANDLES[-10:]) == 10
    assert repr(CANDLES[5:5]) == "Candles(RANDOM_WALK 1h, empty)"


@pytest.mark.parametrize("rows", [3, slice(None, None, 2), [1, 2], "close"])
def test_other_indexing_is_refused(rows):
    with pytest.raises(
        CandleError, match=r"candles cannot be indexed with .*; expected a slice without step. Use candles\[a:b\]"
    ):
        CANDLES[rows]


def test_arrays_cannot_be_written():
    for name in ("open", "high", "low", "close", "volume", "open_time", "close_time"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(CANDLES, name)[0] = getattr(CANDLES, name)[1]


def test_the_fingerprint_names_the_data():
    again = synthetic.random_walk(200, seed=0, interval="1h").candles
    assert again.fingerprint == CANDLES.fingerprint
    others = [
        replace(CANDLES, symbol="X"),
        CANDLES[:-1],
        replace(CANDLES, frame=CANDLES.frame.with_columns(pl.col("volume") * (1 + 1e-15 * 4))),
    ]
    assert len({candles.fingerprint for candles in [CANDLES, *others]}) == 4


def test_bars_per_year():
    assert CANDLES.bars_per_year == pytest.approx(8_765.8, rel=1e-4)
    assert sample("sp500").bars_per_year == pytest.approx(252, abs=1)
    assert CANDLES[:1].bars_per_year == pytest.approx(8_765.8, rel=1e-4)
