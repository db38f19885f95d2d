"""The table of statistics is a frame, and printed it has all of its rows."""

from __future__ import annotations

import polars as pl
import pytest

import candlecast as cc
from candlecast.models import LinearRegression
from candlecast.sources import synthetic


@pytest.fixture(scope="module")
def result():
    return cc.Study(model=LinearRegression(), baselines=(), folds=cc.WalkForward(folds=2)).run(
        synthetic.ar1(300, seed=1, phi=0.3).candles
    )


def test_summary_is_a_method_everywhere(result):
    tables = [result.summary(), result.backtest.summary(), *result.summaries.values()]
    tables.append(cc.backtest_portfolio([result.candles], [result.positions["linear"]]).summary())
    assert all(isinstance(each, pl.DataFrame) and each.height == 15 for each in tables)
    assert result.summary() is result.summary()
    assert result.summary(level=0.5)["low"][0] > result.summary()["low"][0]
    assert result.summary(seed=7).equals(result.backtest.summary(seed=7))


def test_all_rows_are_printed_narrowly(result):
    text = str(result.summary())
    lines = text.splitlines()
    assert text == repr(result.summary())
    assert [line.split("  ")[0].strip() for line in lines[1:]] == result.summary()["statistic"].to_list()
    assert max(map(len, lines)) <= 100


def test_parts_of_it_are_plain_frames(result):
    part = result.summary().filter(pl.col("statistic") == "trades").select("statistic", "value")
    assert part.shape == (1, 2) and "shape: (1, 2)" in str(part)
    assert "total return" in str(result.summary().drop("unit"))
