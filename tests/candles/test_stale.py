"""Opens that nearly repeat the close before a closed market: jittered, converted, computed; and those of real closures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.candles.stale import NARROW, opens, variance_ratio
from candlecast.evaluation.tradability import tradability
from candlecast.sources import sample, synthetic

STALE = synthetic.stale_index(1_500, seed=1).candles


def priced(candles: Candles, opened, high, low, close) -> Candles:
    """The candles at other prices, ranges stretched to hold open and close."""
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    prices = {"open": opened, "high": np.maximum(high, top), "low": np.minimum(low, bottom), "close": close}
    return replace(candles, frame=candles.frame.with_columns(pl.Series(name, each) for name, each in prices.items()))


def jittered(bps: float) -> Candles:
    noise = np.exp(1e-4 * bps * np.random.default_rng(1).standard_normal(len(STALE)))
    return priced(STALE, STALE.open * noise, STALE.high, STALE.low, STALE.close)


def converted(candles: Candles, volatility: float) -> Candles:
    """The candles at an exchange rate that moves within each bar."""
    steps = volatility / np.sqrt(2) * np.random.default_rng(7).standard_normal(2 * len(candles))
    first, last = np.exp(np.cumsum(steps)).reshape(-1, 2).T
    high, low = candles.high * np.maximum(first, last), candles.low * np.minimum(first, last)
    return priced(candles, candles.open * first, high, low, candles.close * last)


@pytest.mark.parametrize("candles", [jittered(0.1), jittered(0.5), jittered(3.0), converted(STALE, 0.002)])
def test_opens_that_repeat_the_close_but_for_a_jitter_or_a_rate_are_stale(candles):
    found = tradability(candles)
    assert found.stale_open_share < 0.2 and found.gap_variance < NARROW
    assert found.has_stale_opens and found.stale_bar_share > 0.6 and not found.is_tradable
    kinds = candles.check().issues["kind"].unique().to_list()
    assert kinds == ["stale_open"]


def test_opens_after_news_are_not():
    """Gaps of a fifth of a bar's standard deviation, half of the least that 120 days of large US shares have shown."""
    gap = np.exp(0.003 * np.random.default_rng(1).standard_normal(len(STALE)))
    opened = np.append(STALE.open[0], STALE.close[:-1]) * gap
    found = opens(priced(STALE, opened, STALE.high, STALE.low, STALE.close))
    assert found.gap_variance > NARROW and not found.is_stale.any()
    for part in (sample("nasdaq"), sample("sp500")[4_500:]):
        assert not opens(part).is_stale.any()


def test_a_market_that_pauses_for_an_hour_a_day_has_small_gaps_but_not_over_weekends():
    generator = np.random.default_rng(1)
    is_monday = STALE.frame["open_time"].dt.weekday().to_numpy() == 1
    gap = np.exp(np.where(is_monday, 0.004, 0.0008) * generator.standard_normal(len(STALE)))
    opened = np.append(STALE.open[0], STALE.close[:-1]) * gap
    found = opens(priced(STALE, opened, STALE.high, STALE.low, STALE.close))
    days = found.is_boundary & ~found.is_weekend
    rows = np.flatnonzero(days)
    gaps, moves = np.log(opened[rows] / STALE.close[rows - 1]), np.log(STALE.close[rows] / opened[rows])
    assert variance_ratio(gaps, moves) < NARROW and not found.is_stale.any()


def test_known_copies_are_not_counted_twice():
    found = opens(STALE)
    assert len(found.stretches) == 1 and found.narrow == () and found.gap_variance == pytest.approx(0.0, abs=1e-12)
