"""Spreads from candles: against the authors' package and plain loops, on markets whose spread is known, and on honest ones."""

from __future__ import annotations

import bidask
import numpy as np
import pytest

from candlecast.errors import ConfigError
from candlecast.sources import synthetic
from candlecast.stats import bounce_spread, efficient_spread, high_low_spread, roll_spread

STEPS = 12
EVERY = [bounce_spread, efficient_spread, roll_spread, high_low_spread]
Prices = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def bounced(
    seed: int, *, half: float, volatility: float, bars: int = 2_000, steps: int = STEPS, is_chained: bool, how: str
) -> Prices:
    """Bars of a random walk at bid or ask: every trade ("trades"), the closes alone ("closes"), nothing else ("bare")."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((bars, steps)) * volatility / np.sqrt(steps)
    values = 100 * np.exp(np.cumsum(values.ravel())).reshape(bars, steps)
    sides = 1 + half * generator.choice([-1, 1], (bars, steps))
    inside = values * sides if how == "trades" else values
    close = values[:, -1] * sides[:, -1]
    if is_chained:
        opened = np.append(inside[0, 0], close[:-1])
    else:
        opened = inside[:, 0] if how == "trades" else np.append(values[0, 0], values[:-1, -1])
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    if how == "bare":
        return opened, top, bottom, close
    return opened, np.maximum(inside.max(axis=1), top), np.minimum(inside.min(axis=1), bottom), close


def honest(seed: int, phi: float, *, bars: int = 2_000, steps: int = STEPS, gap: int = 0) -> Prices:
    """AR(1) with a volatility of 1 %, the return of each bar spread over it evenly; it opens after `gap` of the steps."""
    generator = np.random.default_rng(seed)
    returns, shocks = np.zeros(bars), 0.01 * generator.standard_normal(bars)
    for t in range(1, bars):
        returns[t] = phi * returns[t - 1] + shocks[t]
    path = np.cumsum(generator.standard_normal((bars, steps)), axis=1) * 0.01 / np.sqrt(steps)
    path += np.arange(1, steps + 1) / steps * (returns - path[:, -1])[:, None]
    close = 100 * np.exp(np.cumsum(returns))
    prices = np.append(100, close[:-1])[:, None] * np.exp(np.column_stack([np.zeros(bars), path]))[:, gap:]
    return prices[:, 0], prices.max(axis=1), prices.min(axis=1), close


def overnight(seed: int, phi: float, *, share: float, is_led: bool = False, bars: int = 2_000) -> Prices:
    """AR(1) of 1.5 % a day with gaps: `share` of the variance by themselves, or, if led, `share` of each day's whole move."""
    generator = np.random.default_rng(seed)
    moves, shocks = np.zeros(bars), 0.015 * generator.standard_normal(bars)
    for t in range(1, bars):
        moves[t] = phi * moves[t - 1] + shocks[t]
    gaps = 0.015 * np.sqrt(share) * generator.standard_normal(bars)
    gaps = share * moves if is_led else gaps + share * (moves - gaps)
    path = np.cumsum(generator.standard_normal((bars, STEPS)), axis=1) * 0.015 * np.sqrt((1 - share) / STEPS)
    path += np.arange(1, STEPS + 1) / STEPS * (moves - gaps - path[:, -1])[:, None]
    before = np.append(0.0, np.cumsum(moves)[:-1])
    prices = 100 * np.exp((before + gaps)[:, None] + np.column_stack([np.zeros(bars), path]))
    return prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, -1]


def prices_of(world: synthetic.World) -> Prices:
    candles = world.candles
    return candles.open, candles.high, candles.low, candles.close


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("how", ["trades", "closes", "bare"])
def test_the_efficient_estimator_is_that_of_its_authors(seed, how):
    prices = bounced(seed, half=0.004, volatility=0.01, bars=300, is_chained=False, how=how)
    assert efficient_spread(*prices) == pytest.approx(bidask.edge(*prices, sign=True), rel=1e-9)
    quiet = honest(seed, 0.2, bars=300, gap=3)
    assert efficient_spread(*quiet) == pytest.approx(bidask.edge(*quiet, sign=True), rel=1e-9)


def test_the_efficient_estimator_leaves_out_bars_that_stand_still():
    opened, high, low, close = (
        each.copy() for each in bounced(1, half=0.004, volatility=0.01, bars=300, is_chained=False, how="trades")
    )
    for row in range(7, 300, 7):
        opened[row] = high[row] = low[row] = close[row] = close[row - 1]
    expected = bidask.edge(opened, high, low, close, sign=True)
    assert efficient_spread(opened, high, low, close) == pytest.approx(expected, rel=1e-9)


def test_roll_and_high_low_are_their_formulas():
    prices = bounced(3, half=0.004, volatility=0.01, bars=200, is_chained=False, how="trades")
    _, high, low, close = (np.log(each) for each in prices)
    returns = np.diff(close)
    mean = returns.mean()
    covariance = np.mean([(returns[t] - mean) * (returns[t - 1] - mean) for t in range(1, len(returns))])
    assert roll_spread(*prices) == pytest.approx(2 * np.sqrt(-covariance))
    spreads = []
    for t in range(1, 200):
        top, bottom = high[t], low[t]
        if bottom > close[t - 1]:
            top, bottom = top - (bottom - close[t - 1]), close[t - 1]
        elif top < close[t - 1]:
            top, bottom = close[t - 1], bottom + (close[t - 1] - top)
        beta = (high[t - 1] - low[t - 1]) ** 2 + (top - bottom) ** 2
        gamma = (max(high[t - 1], top) - min(low[t - 1], bottom)) ** 2
        k = 3 - 2 * np.sqrt(2)
        alpha = (np.sqrt(2 * beta) - np.sqrt(beta)) / k - np.sqrt(gamma / k)
        spreads.append(max(2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha)), 0.0))
    assert high_low_spread(*prices) == pytest.approx(np.mean(spreads))


@pytest.mark.parametrize(
    ("half", "volatility"), [(0.002, 0.003), (0.005, 0.003), (0.005, 0.01), (0.01, 0.003), (0.01, 0.02)]
)
@pytest.mark.parametrize("is_chained", [True, False], ids=["chained", "free"])
@pytest.mark.parametrize("how", ["trades", "closes", "bare"])
def test_bounce_is_found_at_its_size(half, volatility, is_chained, how):
    found = [
        bounce_spread(*bounced(seed, half=half, volatility=volatility, is_chained=is_chained, how=how)) / 2
        for seed in range(4)
    ]
    assert min(found) > 0.7 * half
    assert np.mean(found) == pytest.approx(half, rel=0.15)


@pytest.mark.parametrize("steps", [2, 3, 5, 60])
def test_bounce_is_found_however_often_the_bar_trades(steps):
    for seed in range(4):
        prices = bounced(seed, half=0.005, volatility=0.01, steps=steps, is_chained=True, how="trades")
        assert bounce_spread(*prices) / 2 == pytest.approx(0.005, rel=0.25)


MARKETS = [
    lambda seed: honest(seed, -0.3),
    lambda seed: honest(seed, -0.1),
    lambda seed: honest(seed, 0.2),
    lambda seed: honest(seed, -0.3, gap=1),
    lambda seed: honest(seed, -0.1, gap=6),
    lambda seed: prices_of(synthetic.mean_reversion(2_000, seed=seed)),
    lambda seed: prices_of(synthetic.regime_switch(2_000, seed=seed)),
    lambda seed: prices_of(synthetic.lead_lag(2_000, seed=seed)),
    lambda seed: prices_of(synthetic.garch(2_000, seed=seed, degrees=5)),
]


@pytest.mark.parametrize("market", MARKETS)
def test_an_honest_market_has_no_bounce(market):
    """At most 1 of 12, where one in 200 is to be expected for each of up to three tests."""
    found = [bounce_spread(*market(seed)) for seed in range(12)]
    assert np.count_nonzero(found) <= 1


@pytest.mark.parametrize(
    "market",
    [
        lambda seed: overnight(seed, 0.0, share=0.3, bars=500),
        lambda seed: overnight(seed, 0.0, share=0.6, bars=500),
        lambda seed: overnight(seed, 0.1, share=0.6, bars=5_000),
        lambda seed: overnight(seed, 0.2, share=0.3),
        lambda seed: overnight(seed, -0.2, share=0.3),
        lambda seed: overnight(seed, -0.2, share=0.3, is_led=True),
        lambda seed: overnight(seed, -0.2, share=0.15, is_led=True),
    ],
    ids=["none", "large gaps", "goes on", "goes on faster", "reverses", "led by the gap", "led by a small gap"],
)
def test_gaps_of_a_market_without_bounce_show_none(market):
    assert not any(bounce_spread(*market(seed)) for seed in range(40))


def test_an_honest_reversal_with_a_small_spread_keeps_the_small_spread():
    """The whole reversal is not taken for bounce where little of it is over at once."""
    opened, high, low, close = honest(0, -0.3, bars=40_000, steps=60)
    generator = np.random.default_rng(1)
    sides = 1 + 0.001 * generator.choice([-1, 1], len(close))
    close = close * sides
    opened = np.append(opened[0], close[:-1])
    high, low = np.maximum(high, np.maximum(opened, close)), np.minimum(low, np.minimum(opened, close))
    found = bounce_spread(opened, high, low, close) / 2
    assert 0.0005 < found < 0.0015
    assert roll_spread(opened, high, low, close) / 2 > 0.005


def test_bars_that_repeat_the_close_before_change_nothing():
    prices = bounced(2, half=0.005, volatility=0.01, is_chained=True, how="trades")
    repeated = [np.repeat(each, 3) for each in prices]
    for each in repeated:
        each[1::3] = each[2::3] = prices[3]
    assert bounce_spread(*repeated) == bounce_spread(*prices)


def test_pairs_across_a_closed_market_are_left_out():
    """Overnight gaps that reverse the last hour of the day are no bounce of hours."""
    bars, day = 2_100, 7
    opened, high, low, close = (each.copy() for each in honest(5, 0.0, bars=bars))
    shift = np.zeros(bars)
    shift[day::day] = -0.5 * np.log(close[day - 1 : -1 : day] / opened[day - 1 : -1 : day])
    scale = np.exp(np.cumsum(shift))
    prices = [each * scale for each in (opened, high, low, close)]
    follows = np.arange(bars) % day != 0
    assert bounce_spread(*prices, follows=follows) == 0.0
    assert bounce_spread(*prices) > 0.001


@pytest.mark.parametrize("estimate", EVERY)
def test_prices_that_cannot_tell_give_nan(estimate):
    empty = np.array([])
    assert np.isnan(estimate(empty, empty, empty, empty))
    one = np.array([5.0])
    assert np.isnan(estimate(one, one, one, one))
    with pytest.raises(ConfigError, match=r"a price is 0; expected prices above zero"):
        estimate(np.array([1.0, 0.0]), np.ones(2), np.ones(2), np.ones(2))
    with pytest.raises(ConfigError, match=r"highs has shape \(3,\)"):
        estimate(np.ones(2), np.ones(3), np.ones(2), np.ones(2))


def test_chained_and_still_prices():
    prices = bounced(2, half=0.005, volatility=0.01, is_chained=True, how="trades")
    assert np.isnan(efficient_spread(*prices))
    still = np.full(100, 5.0)
    assert np.isnan(efficient_spread(still, still, still, still))
    assert np.isnan(bounce_spread(still, still, still, still))
    assert roll_spread(still, still, still, still) == 0.0
    few = [each[:31] for each in prices]
    assert np.isnan(bounce_spread(*(each[:30] for each in few))) and not np.isnan(bounce_spread(*few))
    with pytest.raises(ConfigError, match=r"follows has shape \(2,\); expected one value for each of 31 bars"):
        bounce_spread(*few, follows=np.array([True, False]))
