"""Stretches of bars that occurred before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.candles.repeats import is_repeated
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic

NAMES = ("open", "high", "low", "close")


def pasted(candles: Candles, first: int, source: int, bars: int, *, sign: float = 1.0, jitter: float = 0.0) -> Candles:
    """The candles with a stretch of earlier bars in place of its own, at the price that was reached; the rest follows on."""
    logs = {name: np.log(getattr(candles, name)) for name in NAMES}
    before = np.concatenate([[logs["open"][0]], logs["close"][:-1]])
    moves = np.stack([logs[name] - before for name in NAMES], axis=1)
    again = sign * moves[source : source + bars]
    again = again[:, [0, 2, 1, 3]] if sign < 0 else again
    moves[first : first + bars] = again + jitter * np.random.default_rng(1).standard_normal((bars, 1))
    close = before[0] + np.cumsum(moves[:, 3])
    prices = np.exp(np.append(before[0], close[:-1])[:, None] + moves)
    prices[:, 1], prices[:, 2] = prices.max(axis=1), prices.min(axis=1)
    columns = [pl.Series(name, prices[:, column]) for column, name in enumerate(NAMES)]
    return replace(candles, frame=candles.frame.with_columns(columns))


@pytest.mark.parametrize("candles", [synthetic.random_walk(2_000, seed=4).candles, sample("nasdaq")[-2_000:]])
@pytest.mark.parametrize(("sign", "jitter"), [(1.0, 0.0), (-1.0, 0.0), (1.0, 3e-4), (-1.0, 2e-4)])
def test_a_stretch_of_earlier_bars_is_found_again(candles, sign, jitter):
    again = pasted(candles, 1_500, 200, 30, sign=sign, jitter=jitter)
    found = is_repeated(again)
    assert found[1_500:1_530].mean() > 0.8
    assert not found[:1_500].any() and not found[1_530:].any()
    assert "repeated_bar" in again.check().issues["kind"].to_list()


def test_what_was_copied_may_lie_before_the_bars_that_are_judged():
    candles = pasted(synthetic.random_walk(2_000, seed=4).candles, 1_500, 200, 30)
    assert tradability(candles[1_000:]).is_tradable
    found = tradability(candles, first=1_000)
    assert found.has_repeats and found.repeated_share == pytest.approx(0.03) and found.bars == 1_000
    assert found.faults == ("copied stretches",)
    assert tradability(candles, first=1_600).is_tradable


def test_a_market_does_not_repeat_itself():
    for seed in range(2):
        for world in (
            synthetic.random_walk(3_000, seed=seed),
            synthetic.ar1(3_000, seed=seed, phi=0.3),
            synthetic.garch(3_000, seed=seed),
            synthetic.mean_reversion(3_000, seed=seed),
            synthetic.lead_lag(3_000, seed=seed),
            synthetic.rare_crashes(3_000, seed=seed),  # all bars are much alike
            synthetic.ticks(3_000, seed=seed),
            synthetic.filled_forward(3_000, seed=seed),
        ):
            assert not is_repeated(world.candles).any()
    for name in ("sp500", "nasdaq"):
        assert not is_repeated(sample(name)).any()


def test_bars_of_one_price_and_short_tables_show_nothing():
    candles = synthetic.random_walk(200, seed=1).candles
    flat = candles.frame.with_columns(pl.lit(100.0).alias(name) for name in NAMES)
    assert not is_repeated(replace(candles, frame=flat)).any()
    for bars in (0, 1, 10, 16, 17):
        assert is_repeated(candles[:bars]).tolist() == [False] * bars
