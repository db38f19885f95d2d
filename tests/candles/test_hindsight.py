"""Opens and closes that were made with later prices, and such that were not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.candles import Candles
from candlecast.candles.hindsight import hindsight
from candlecast.evaluation.tradability import tradability
from candlecast.ledger import Ledger
from candlecast.sources import synthetic

BARS = 1_500


def of(opened: np.ndarray, close: np.ndarray) -> Candles:
    """Days with these log prices, and nothing beyond them."""
    candles = synthetic.random_walk(len(close), seed=0).candles
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    columns = {"open": opened, "high": high, "low": low, "close": close}
    return replace(
        candles, frame=candles.frame.with_columns(pl.Series(name, 100 * np.exp(each)) for name, each in columns.items())
    )


def bricks(seed: int, *, size: float = 0.01) -> Candles:
    """Renko bricks of a random walk: one against the trend opens a brick behind the close before."""
    generator, rows, price, top, low = np.random.default_rng(seed), [], 0.0, 0.0, 0.0
    while len(rows) < BARS:
        price += 0.4 * size * generator.standard_normal()
        while price >= top + size or price <= low - size:
            up = price >= top + size
            rows.append((top, top + size) if up else (low, low - size))
            top, low = (top + size, top) if up else (low, low - size)
    return of(*np.array(rows[:BARS]).T)


def gapped(seed: int, *, weight: float = 0.0, later: float | None = None, phi: float = 0.0) -> Candles:
    """A random walk with gaps; closes hold `weight` of the true ones before, and `later` of those after: as much if not given."""
    generator = np.random.default_rng(seed)
    nights, days = 0.012 * generator.standard_normal(BARS), 0.02 * generator.standard_normal(BARS)
    days[1:] += phi * days[:-1]
    opened = np.cumsum(nights) + np.append(0.0, np.cumsum(days)[:-1])
    close = opened + days
    later = weight if later is None else later
    smoothed = close.copy()
    smoothed[1:-1] += weight * (close[:-2] - close[1:-1]) + later * (close[2:] - close[1:-1])
    return of(opened, smoothed)


def led(seed: int, *, share: float, correlation: float) -> Candles:
    """AR(1) with `share` of each day's shock overnight, in a correlation of this size with the rest of the day."""
    generator = np.random.default_rng(seed)
    shocks, own = generator.standard_normal((2, BARS))
    nights = share * (correlation * shocks + np.sqrt(1 - correlation**2) * own)
    days = (1 - share) * shocks
    moves = 0.02 * (nights + days)
    drift = np.zeros(BARS)
    for t in range(1, BARS):
        drift[t] = 0.2 * (moves[t - 1] + drift[t - 1])
    close = np.cumsum(moves + drift)
    return of(np.append(0.0, close[:-1]) + 0.02 * nights + share * drift, close)


def linear(candles: Candles):
    study = cc.Study(
        model=cc.LinearRegression(window=2),
        features=cc.Features(cc.log_return(), body),
        target=cc.Direction(),
        rule=cc.FollowDirection(),
        folds=cc.WalkForward(folds=2),
        baselines=(),
        seeds=1,
        costs=cc.Costs(fee_bps=1, slippage_bps=0),
    )
    return study.run(candles, ledger=Ledger.in_memory())


@cc.feature(warmup=0)
def body(candles):
    return np.log(candles.close / candles.open)


def test_bricks_open_where_nobody_could_have_known():
    result = linear(bricks(1))
    verdict = result.verdict
    assert verdict.evidence.is_significant and not verdict.has_edge
    assert verdict.headline == "No edge found: orders were filled at prices that nobody could have traded at."
    assert "100 % of the bars that open away from the close before go on in the same direction" in verdict.text
    between = verdict.evidence.conditions.between_bars
    assert between.step_share <= 0.0  # what is held across the steps loses there
    assert between.fill_share > 0.25 and between.fill_p < 0.005
    assert "of the gain is made between the close at which an order is decided and the open" in verdict.text


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_overnight_news_that_is_correlated_with_the_day_is_no_brick(correlation):
    for seed in range(5):
        assert not hindsight(led(seed, share=0.3, correlation=correlation)).has_chosen_opens


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_opens_that_are_a_share_of_their_own_bar_are_refused(share):
    """Whoever saw such an open would know how its bar goes: nobody could have bought at it."""
    for seed in range(5):
        found = hindsight(led(seed, share=share, correlation=1.0))
        assert found.has_chosen_opens and found.going_on > 0.99


def test_the_refusal_names_opens_computed_from_the_close():
    verdict = linear(led(1, share=0.3, correlation=1.0)).verdict
    assert verdict.headline == "No edge found: orders were filled at prices that nobody could have traded at."
    assert "as bricks do (renko) and opens that were computed from the close of their own bar" in verdict.text


@pytest.mark.parametrize("weight", [0.1, 0.2])
def test_closes_that_were_smoothed_with_later_ones_are_found(weight):
    for seed in range(3):
        found = hindsight(gapped(seed, weight=weight))
        assert found.has_smoothed_closes and not found.has_chosen_opens
        assert tradability(gapped(seed, weight=weight)).faults == ("closes smoothed with later prices",)


def test_smoothed_closes_give_no_verdict():
    verdict = linear(gapped(0, weight=0.15)).verdict
    assert verdict.evidence.is_known and not verdict.is_forecastable and not verdict.has_edge
    assert verdict.headline == "No verdict: the closes know prices of the next bar. Were they smoothed?"


@pytest.mark.parametrize(
    "make",
    [
        gapped,
        lambda seed: gapped(seed, phi=0.3),
        lambda seed: gapped(seed, weight=0.2, later=0.0),  # a mean of earlier closes knows nothing
        lambda seed: synthetic.ticks(BARS, seed=seed, is_chained=False).candles,
        lambda seed: synthetic.bid_ask_bounce(BARS, seed=seed, is_chained=False).candles,
        lambda seed: synthetic.ar1(BARS, seed=seed, phi=0.25).candles,
        lambda seed: synthetic.garch(BARS, seed=seed).candles,
    ],
)
def test_other_opens_and_closes_know_nothing(make):
    for seed in range(3):
        found = hindsight(make(seed))
        assert not found.has_chosen_opens and not found.has_smoothed_closes


def test_real_sessions_and_few_bars_know_nothing():
    for name in ("sp500", "nasdaq"):
        found = hindsight(cc.sample(name))
        assert not found.has_chosen_opens and not found.has_smoothed_closes
    few = hindsight(gapped(0, weight=0.2)[:100])
    assert np.isnan(few.before) and not few.has_smoothed_closes


@pytest.mark.parametrize("seed", range(3))
def test_gaps_that_turn_back_are_no_smoothing(seed):
    """Closes beyond the true ones, as a bounce between bid and ask makes them: both slopes have the other sign."""
    found = hindsight(gapped(seed, weight=-0.2))
    assert found.before < -0.05 and found.after < -0.05
    assert not found.has_smoothed_closes
