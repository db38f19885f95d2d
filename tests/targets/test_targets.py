"""Targets by hand, and that nothing but the outcome looks ahead."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn import linear_model

from candlecast.candles import Candles
from candlecast.dataset.folds import WalkForward
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.features import Features, MinMax, Robust, feature, log_return
from candlecast.fleet.settings import Fit
from candlecast.ledger import Ledger
from candlecast.models import LightGBM, LinearRegression, NLinear, Sklearn
from candlecast.signals import Kelly, Threshold
from candlecast.sources import sample, synthetic
from candlecast.study import Study
from candlecast.targets import (
    Direction,
    ExcessReturn,
    NextReturn,
    Price,
    ScaledReturn,
    TripleBarrier,
    Volatility,
    label,
)
from candlecast.targets.sides import sides_of
from candlecast.testing import check_target

TARGETS = [NextReturn, Price, Direction, Volatility, ScaledReturn, TripleBarrier]
NAN = np.nan


def candles(close, high=None, low=None) -> Candles:
    close = np.array(close, dtype=float)
    high, low = close if high is None else high, close if low is None else low
    times = [1_704_067_200 + 3_600 * bar for bar in range(len(close))]
    table = {"time": times, "open": close, "high": high, "low": low, "close": close, "volume": np.ones(len(close))}
    return Candles.from_frame(pl.DataFrame(table))


RISING = candles([100, 110, 99, 99, 120])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("horizon", [1, 2, 24])
def test_targets_are_causal(target, horizon):
    for seed in (0, 1):
        check_target(target(horizon), seed=seed)


@pytest.mark.parametrize("target", TARGETS)
def test_targets_are_causal_on_real_days(target):
    check_target(target(5), sample("sp500")[:1_000])


def test_next_return():
    target = NextReturn(horizon=2)
    np.testing.assert_allclose(target.values(RISING), [np.log(0.99), np.log(0.9), np.log(120 / 99), NAN, NAN])
    np.testing.assert_array_equal(target.naive(RISING), np.zeros(5))
    np.testing.assert_array_equal(target.expected_return(np.arange(5.0), RISING), np.arange(5.0))


def test_price():
    target = Price()
    np.testing.assert_array_equal(target.values(RISING), [110, 99, 99, 120, NAN])
    np.testing.assert_array_equal(target.naive(RISING), RISING.close)
    implied = target.expected_return(np.array([100.0, 121.0, 99.0, 0.0, -5.0]), RISING)
    np.testing.assert_allclose(implied, [0, np.log(1.1), 0, np.log(1e-6), np.log(1e-6)], atol=1e-15)
    np.testing.assert_allclose(target.change(np.array([110.0, 45.0]), np.array([100.0, 50.0])), [0.1, -0.1])
    assert Price(scaling=Robust()).scaling == Robust()
    assert Price().scaling == MinMax()


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_price_and_a_return_forecast_of_the_same_are_traded_alike(horizon):
    """A forecast price P and the forecast return ln(P / C) imply the same, and each rule holds the same of both."""
    market = synthetic.random_walk(300, seed=4, volatility=0.05).candles
    returns = 0.2 * np.random.default_rng(1).standard_normal(300)  # large: a simple return would differ
    price, plain = Price(horizon), NextReturn(horizon)
    implied = price.expected_return(market.close * np.exp(returns), market)
    np.testing.assert_allclose(implied, plain.expected_return(returns, market), rtol=1e-12)
    ahead = price.expected_return(price.values(market), market)
    np.testing.assert_allclose(ahead, plain.values(market), rtol=1e-9)
    forecasts = [forecast_of(market, each, horizon) for each in (implied, returns)]
    for rule in (Threshold(enter=0.05), Threshold(enter=0.3, exit=0.1), lambda each: Kelly(cap=3.0)(each, market)):
        first, second = (rule(each).frame["position"] for each in forecasts)
        assert first.equals(second) and first.n_unique() > 1


def forecast_of(market, returns, horizon):
    """A forecast of one seed that implies these returns."""
    times = market.frame["close_time"]
    columns = {"mean": returns, "naive": 0.0 * returns, "target": returns, "expected_return": returns}
    names = {"symbol": pl.lit(market.symbol), "model": pl.lit("m"), "fold": pl.lit(0), "seed": pl.lit(0)}
    return Forecast(pl.DataFrame({"time": times, "known_at": times, **columns}).with_columns(**names), horizon)


def test_direction():
    target = Direction()
    naive = [0.5, 0.5, 0.5, 0.375, 0.4]  # a third return of 3 + 1, and of 4 + 1, has stayed
    np.testing.assert_allclose(target.naive(RISING), naive)
    np.testing.assert_allclose(target.values(RISING), [1, 0, 0.5, 0.875, NAN])  # a rise, a fall, neither, a rise
    np.testing.assert_allclose(target.change(target.values(RISING), target.naive(RISING)), [0.5, -0.5, 0, 0.5, NAN])
    moves = np.abs(np.log([1.1, 0.9, 120 / 99]))
    sizes = np.array([0, *(np.cumsum(moves) / [1, 2, 3])[[0, 1, 1, 2]]])
    np.testing.assert_allclose(target.expected_return(np.array(naive) + 0.5, RISING), sizes)
    np.testing.assert_allclose(target.expected_return(np.array(naive) - 0.25, RISING), -0.5 * sizes)
    np.testing.assert_array_equal(target.expected_return(target.naive(RISING), RISING), np.zeros(5))


def ticks(bars: int, chances: list[float], seed: int = 4, quiet: float | None = None) -> Candles:
    """Closes that fall, stay or rise by 1 with these chances; half of each day's hours are quiet where asked for."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([-1, 0, 1], bars, p=chances)
    if quiet is not None:
        steps[(np.arange(bars) % 24 < 12) & (rng.random(bars) < quiet)] = 0
    return candles(1_000.0 + np.cumsum(steps))


@pytest.mark.parametrize(
    "chances", [[0.3, 0.4, 0.3], [0.2, 0.6, 0.2], [0.05, 0.9, 0.05], [0.2, 0.4, 0.4], [0.5, 0.0, 0.5]]
)
def test_a_chance_that_is_known_exactly_implies_the_fair_return(chances):
    """P(rise) - P(fall) times a tick, not P(rise) less all that did not rise."""
    market = ticks(4_000, chances)
    implied = Direction().expected_return(np.full(4_000, chances[2]), market)
    tick = np.mean(np.abs(np.diff(np.log(market.close[-101:])))[np.diff(market.close[-101:]) != 0])
    assert implied[-1] == pytest.approx((chances[2] - chances[0]) * tick, abs=0.05 * tick)
    values = Direction().values(market)[:-1]
    assert values.mean() == pytest.approx(chances[2], abs=0.03)  # its expectation is the chance of a rise


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_direction_that_may_stay_is_causal(horizon):
    for chances in ([0.3, 0.4, 0.3], [0.01, 0.98, 0.01]):
        check_target(Direction(horizon), ticks(600, chances))


def test_prices_that_never_move_have_no_direction():
    still = candles(np.full(50, 7.0))
    target = Direction()
    np.testing.assert_array_equal(target.values(still)[:-1], target.naive(still)[:-1])
    assert (target.expected_return(np.full(50, 0.9), still) == 0).all()


def test_classes_of_outcomes():
    """Half a step around naive: above or below, and what is neither teaches nothing; 0 and 1 otherwise as they are."""
    naive = np.array([0.5, 0.4, 0.4, 0.3, 0.3])
    sides = sides_of(naive + np.array([0.5, -0.5, 0.0, 0.5, 0.0]), naive)
    assert sides.teaches.tolist() == [True, True, False, True, False]
    assert sides.classes.tolist() == [1.0, 0.0, 1.0]
    assert sides.share == 0.6
    np.testing.assert_allclose(sides.forecast(np.array([0.5, 1.0]), naive[:2]), [0.5, 0.7])
    rare = sides_of(np.array([0.0, 0.0, 1.0]), np.full(3, 0.1))
    assert rare.classes.tolist() == [0.0, 0.0, 1.0]
    assert rare.forecast(np.array([0.2]), np.array([0.1])).tolist() == [0.2]
    none = sides_of(np.full(4, 0.1), np.full(4, 0.1))
    assert not none.has_both
    assert none.forecast(np.full(4, none.only), np.full(4, 0.1)).tolist() == pytest.approx([0.1] * 4)


MODELS = [
    LinearRegression(),
    LightGBM(trees=20),
    Sklearn(linear_model.LogisticRegression()),
    NLinear(window=4, training=Fit(epochs=8, lr=0.01)),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(
    ("chances", "quiet"), [([0.3, 0.4, 0.3], None), ([0.4, 0.2, 0.4], 0.9)], ids=["ticks", "nights"]
)
def test_nobody_has_a_side_in_a_fair_market_of_ticks(model, chances, quiet):
    """No skill, half of the moves right, and no side for the share of closes that stay, by day or by night."""
    market = ticks(2_400, chances, quiet=quiet)
    hour = feature(warmup=1)(is_night)
    features = Features(log_return(1), hour)
    study = Study(model=model, features=features, target=Direction(), folds=WalkForward(folds=2), baselines=(), seeds=1)
    result = study.run(market, ledger=Ledger.in_memory())
    (row,) = result.accuracy.filter(pl.col("model") == result.model).rows(named=True)
    assert abs(row["hit_rate"] - 0.5) < 0.06
    assert row["r2"] < 0.02
    assert max(row["p_naive"], row["p_mean"] or 0.0) > 0.01
    forecast = result.forecast.frame
    assert abs((forecast["mean"] - forecast["naive"]).mean()) < 0.05  # 0.2 where a close that stays is a fall
    night = forecast.filter(pl.col("time").dt.hour().is_between(1, 12))
    assert abs((night["mean"] - night["naive"]).mean()) < 0.06


def is_night(market: Candles) -> np.ndarray:
    return (np.arange(len(market)) % 24 < 12).astype(float)


def test_a_direction_that_can_be_forecast_is_found_among_closes_that_stay():
    """A move is followed by one in its direction in 8 of 10 cases; six closes in ten stay."""
    rng = np.random.default_rng(1)
    steps, last = np.zeros(3_000), 1.0
    for bar in range(3_000):
        if rng.random() < 0.4:
            last = steps[bar] = last if rng.random() < 0.8 else -last
    market = candles(2_000.0 + np.cumsum(steps))
    side = feature(warmup=1)(last_side)
    study = Study(
        model=LinearRegression(), features=Features(side), target=Direction(), folds=WalkForward(folds=2), baselines=()
    )
    result = study.run(market, ledger=Ledger.in_memory())
    (row,) = result.accuracy.filter(pl.col("model") == "linear").rows(named=True)
    assert row["hit_rate"] > 0.75
    assert row["p_naive"] < 1e-3


def last_side(market: Candles) -> np.ndarray:
    moves = np.sign(np.diff(market.close, prepend=market.close[0]))
    return pl.Series(np.where(moves == 0, np.nan, moves)).fill_nan(None).forward_fill().fill_null(1.0).to_numpy()


@pytest.mark.parametrize("horizon", [1, 7])
def test_the_size_of_a_direction_is_the_mean_of_the_last_hundred_known_returns(horizon):
    market = synthetic.garch(400, seed=0).candles
    size = Direction(horizon).expected_return(np.ones(400), market)
    logs = np.log(market.close)
    for bar in (horizon, 50, 99 + horizon, 100 + horizon, 399):
        first = max(horizon, bar - 99)
        expected = np.mean([abs(logs[end] - logs[end - horizon]) for end in range(first, bar + 1)])
        assert size[bar] == pytest.approx(expected, rel=1e-12)
    assert (size[:horizon] == 0).all()


def test_volatility():
    market = candles([10, 10, 10, 10], high=[11, 12, 10, 13], low=[10, 9, 10, 10])
    ranges = np.log(np.log([11 / 10, 12 / 9, NAN, 13 / 10]))
    np.testing.assert_allclose(Volatility(1).naive(market), ranges[[0, 1, 1, 3]])  # the last that moved
    np.testing.assert_allclose(Volatility(1).values(market), [*ranges[1:], NAN])
    np.testing.assert_allclose(
        Volatility(2).values(market), np.log(np.log([12 / 9, 13 / 10, NAN, NAN])), equal_nan=True
    )
    assert np.isnan(Volatility().expected_return(np.ones(4), market)).all()


@pytest.mark.parametrize("target", TARGETS)
def test_a_horizon_past_the_candles_is_never_known(target):
    for horizon in (5, 6, 100):
        assert np.isnan(target(horizon).values(RISING)).all()
        assert target(horizon).naive(RISING).shape == (5,)
        assert target(horizon).expected_return(np.ones(5), RISING).shape == (5,)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("horizon", [0, -1])
def test_a_horizon_is_at_least_one_bar(target, horizon):
    with pytest.raises(ConfigError) as error:
        target(horizon)
    assert (
        str(error.value)
        == f"horizon is {horizon}; expected a whole number of bars, 1 or more. Use for example horizon=1."
    )


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_target_gives_may_be_written(target):
    first = target(1)
    for array in (first.values(RISING), first.naive(RISING)):
        array[0] = 7.0
    assert RISING.close[0] == 100


def test_the_yardstick_is_an_exponentially_weighted_root_mean_square():
    returns = np.log([1.1, 0.9, 1.0, 120 / 99])
    weights = 0.5 ** (np.arange(4)[::-1] / 2.0)
    expected = np.sqrt(np.sum(weights * returns**2) / weights.sum())
    unit = ScaledReturn(horizon=1, halflife=2.0).unit(RISING)
    assert np.isnan(unit[0])
    assert unit[1] == pytest.approx(np.log(1.1))
    assert unit[4] == pytest.approx(expected)


def test_scaled_return():
    target, market = ScaledReturn(4, halflife=10), synthetic.garch(300, seed=2).candles
    values, plain = target.values(market), NextReturn(4).values(market)
    np.testing.assert_allclose(target.expected_return(values, market)[1:-4], plain[1:-4])
    assert 0.8 < np.nanstd(values) < 1.3
    np.testing.assert_array_equal(np.isnan(target.naive(market)), np.arange(300) == 0)


def test_a_flat_price_has_no_yardstick_and_a_hole_no_return():
    flat = candles([5.0, 5.0, 5.0, 6.0])
    assert np.isnan(ScaledReturn().naive(flat)[:3]).all()
    holed = candles([1.0, 2.0, 1.0, 8.0, 8.0])
    frame = holed.frame.with_columns(
        pl.col("open_time", "close_time")
        + pl.when(pl.int_range(pl.len()) >= 3).then(pl.duration(hours=9)).otherwise(pl.duration())
    )
    broken = Candles(frame, holed.symbol, holed.interval)
    np.testing.assert_allclose(ScaledReturn(halflife=1e9).unit(broken)[2:4], np.log(2))


BARRIERS = {"halflife": 1e-3, "by_uniqueness": False}  # the last return alone


def barrier_market():
    """A last return of 10 % at bar 1: barriers of horizon 1 lie at 110 x 1.1 = 121 and 110 / 1.1 = 100."""
    close = [100, 110, 112, 111, 110, 110]
    high = [100, 110, 120, 122, 115, 112]
    low = [100, 110, 105, 108, 99, 104]
    return candles(close, high, low)


def test_the_first_barrier_touched_counts():
    market = barrier_market()
    wide = TripleBarrier(4, width=0.5, **BARRIERS)  # 0.5 x sqrt(4) = 1: 121 and 100 from bar 1 on
    assert wide.distance(market)[1] == pytest.approx(np.log(1.1))
    assert wide.values(market)[1] == 1.0  # 122 in bar 3, before 99 in bar 4
    assert wide.bars_until_known(market)[1] == 2
    np.testing.assert_array_equal(np.isnan(wide.values(market)), [True, False, True, True, True, True])
    early = TripleBarrier(1, width=1.0, **BARRIERS)
    assert early.values(market)[1] == 0.0
    assert early.bars_until_known(market)[1] == 1


def test_a_bar_that_touches_both_is_the_lower_one():
    market = candles([100, 110, 110, 110], high=[100, 110, 130, 110], low=[100, 110, 90, 110])
    target = TripleBarrier(2, width=1 / np.sqrt(2), **BARRIERS)
    assert target.values(market)[1] == -1.0
    assert target.bars_until_known(market)[1] == 1
    np.testing.assert_allclose(target.expected_return(np.full(4, 0.5), market)[1], 0.5 * np.log(1.1))


def test_barriers_are_touched_as_bar_by_bar_search_finds():
    market, target = synthetic.garch(400, seed=5).candles, TripleBarrier(12, width=0.8)
    labels, known, distance = target.values(market), target.bars_until_known(market), target.distance(market)
    for bar in range(1, 400 - 12):
        expected, after = 0.0, 12
        for ahead in range(1, 13):
            down = np.log(market.low[bar + ahead] / market.close[bar]) <= -distance[bar]
            up = np.log(market.high[bar + ahead] / market.close[bar]) >= distance[bar]
            if down or up:
                expected, after = (-1.0 if down else 1.0), ahead
                break
        assert (labels[bar], known[bar]) == (expected, after)


def test_average_uniqueness():
    market, target = synthetic.garch(300, seed=6).candles, TripleBarrier(8)
    ends = np.arange(300) + target.bars_until_known(market)
    starts = np.arange(1, 300)
    weights = target.sample_weight(market)
    for bar in (1, 50, 200, 280):
        inside = np.arange(bar + 1, ends[bar] + 1)
        together = [np.sum((starts < at) & (ends[1:] >= at)) for at in inside]
        assert weights[bar] == pytest.approx(np.mean(1 / np.array(together)))
    assert (TripleBarrier(8, by_uniqueness=False).sample_weight(market) == 1).all()
    cut = target.sample_weight(market[:200])
    np.testing.assert_allclose(weights[1:192], cut[1:192], rtol=1e-12)


BENCHMARK = synthetic.garch(3_000, seed=8, interval="1h").candles


@pytest.mark.parametrize("horizon", [1, 7])
def test_an_excess_return_is_causal_and_a_difference(horizon):
    check_target(ExcessReturn(BENCHMARK, horizon))
    market = synthetic.garch(500, seed=1, interval="1h").candles
    values = ExcessReturn(BENCHMARK, horizon).values(market)
    expected = NextReturn(horizon).values(market) - NextReturn(horizon).values(BENCHMARK)[:500]
    np.testing.assert_allclose(values[:-horizon], expected[:-horizon], atol=1e-14)


def test_an_excess_return_is_undefined_where_the_benchmark_has_no_bar():
    market = BENCHMARK[:20]
    gappy = Candles(BENCHMARK.frame[:20].filter(pl.int_range(pl.len()) != 7), "B", BENCHMARK.interval)
    target = ExcessReturn(gappy, 2)
    assert np.flatnonzero(np.isnan(target.values(market))).tolist() == [5, 7, 18, 19]
    assert np.flatnonzero(np.isnan(target.naive(market))).tolist() == [7]
    np.testing.assert_allclose(target.values(market)[:5], 0.0, atol=1e-15)
    assert label(target) == "excess_return_2"


def test_a_benchmark_that_is_none():
    with pytest.raises(ConfigError, match="benchmark is 'SPY'; expected candles"):
        ExcessReturn("SPY")
    with pytest.raises(ConfigError, match="no bar of the benchmark SP500 1d closes with one of .* 1h"):
        ExcessReturn(sample("sp500")[:50]).values(BENCHMARK[:50])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda: TripleBarrier(width=0.0), "width is 0.0; expected standard deviations above 0"),
        (lambda: TripleBarrier(halflife=-1), "halflife is -1; expected a number of bars above 0"),
        (lambda: ScaledReturn(halflife=float("inf")), "halflife is inf"),
    ],
)
def test_targets_that_mean_nothing(target, message):
    with pytest.raises(ConfigError, match=message):
        target()
