"""The part of short positions in a gain."""

from __future__ import annotations

import math

import numpy as np
import pytest

import candlecast as cc
from candlecast.evaluation.short_side import Shorts, shorts_of
from candlecast.sources import synthetic


def test_the_share_is_that_of_the_short_trades():
    candles = synthetic.random_walk(300, seed=3).candles
    moves = np.sign(np.diff(candles.open))
    weights = np.concatenate([moves[1:], [0.0, 0.0]])  # filled at the next open, and held to the one after
    result = cc.backtest(
        candles, cc.Positions.from_array(candles, weights), costs=cc.Costs(fee_bps=1.0, borrow_percent=2.0)
    )
    trades = result.trades
    short = sum(row["pnl"] for row in trades.iter_rows(named=True) if row["side"] == "short")
    found = shorts_of(result)
    assert found.share == pytest.approx(short / trades["pnl"].sum()) and 0.2 < found.share < 0.8
    assert found.borrow_percent == 2.0


def test_without_a_gain_there_is_no_share():
    candles = synthetic.random_walk(300, seed=3).candles
    result = cc.backtest(candles, cc.Positions.from_array(candles, np.zeros(300)))
    assert math.isnan(shorts_of(result).share)


@pytest.mark.parametrize(
    ("shorts", "words"),
    [
        (Shorts(), ""),
        (Shorts(0.49), ""),
        (
            Shorts(0.62),
            "if the asset could be borrowed or sold short then, at no cost, as given: short positions make 62 % of",
        ),
        (
            Shorts(1.3, 2.0, 1.0),
            "(2 % a year for borrowing and 1 bp of funding in 8 hours): short positions make all of the gain",
        ),
    ],
)
def test_the_premise_names_share_and_cost(shorts, words):
    assert words in shorts.premise("the asset").replace("\u00a0", " ")
    assert bool(shorts.premise("the asset")) is bool(words)
