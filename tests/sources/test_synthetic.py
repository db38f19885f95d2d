"""Synthetic markets: their truths hold, and the same seed gives the same bytes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from candlecast.errors import ConfigError
from candlecast.sources import synthetic

WORLDS = [
    synthetic.random_walk,
    synthetic.ar1,
    synthetic.garch,
    synthetic.regime_switch,
    synthetic.regime_volatility,
    synthetic.mean_reversion,
    synthetic.lead_lag,
]

UNTRADABLE = [
    synthetic.ticks,
    partial(synthetic.ticks, is_chained=False),
    synthetic.bid_ask_bounce,
    partial(synthetic.bid_ask_bounce, is_chained=False),
    synthetic.stale_index,
    synthetic.filled_forward,
    partial(synthetic.filled_forward, half_spread=0.003),
]
RISKY = [synthetic.squeezes, synthetic.rare_crashes]


def log_returns(world: synthetic.World) -> np.ndarray:
    return np.diff(np.log(world.candles.close))


@pytest.mark.parametrize("make", WORLDS + RISKY)
def test_every_world_is_a_sound_market_without_holes(make):
    world = make(3_000, seed=1, interval="1h")
    candles = world.candles
    report = candles.check()
    assert report.is_sound
    assert report.issues.is_empty()
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.high > candles.low).all()
    assert (candles.volume > 0).all()
    np.testing.assert_allclose(candles.open[1:], candles.close[:-1], rtol=1e-14)
    assert world.mean.shape == world.volatility.shape == (3_000,)


@pytest.mark.parametrize("make", WORLDS + UNTRADABLE + RISKY)
def test_the_same_seed_gives_the_same_bytes(make):
    first, again, other = make(300, seed=4), make(300, seed=4), make(300, seed=5)
    assert first.candles.fingerprint == again.candles.fingerprint != other.candles.fingerprint
    assert first.mean.tobytes() == again.mean.tobytes()
    assert first.volatility.tobytes() == again.volatility.tobytes()


@pytest.mark.parametrize("make", WORLDS + UNTRADABLE + RISKY)
def test_no_seed_touches_the_global_generator(make):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make(50, seed=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("make", [*WORLDS, partial(synthetic.ar1, phi=0.3, drift=0.002)])
def test_mean_and_volatility_are_those_of_the_next_return(make):
    world = make(100_000, seed=2)
    scores = (log_returns(world) - world.mean[:-1]) / world.volatility[:-1]
    assert np.mean(scores) == pytest.approx(0, abs=0.015)
    assert np.std(scores) == pytest.approx(1, abs=0.01)
    assert np.corrcoef(scores[1:], scores[:-1])[0, 1] == pytest.approx(0, abs=0.015)


@pytest.mark.parametrize("make", RISKY)
def test_mean_and_volatility_of_jumps_are_those_of_the_next_return(make):
    worlds = [make(50_000, seed=seed) for seed in range(6)]
    scores = np.concatenate([(log_returns(world) - world.mean[:-1]) / world.volatility[:-1] for world in worlds])
    assert np.mean(scores) == pytest.approx(0, abs=0.01)
    assert np.std(scores) == pytest.approx(1, abs=0.03)
    assert np.corrcoef(scores[1:], scores[:-1])[0, 1] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("phi", [0.3, 0.1, -0.2])
def test_the_oracle_of_ar1_explains_phi_squared(phi):
    world = synthetic.ar1(100_000, seed=0, phi=phi)
    assert world.oracle_r2 == pytest.approx(phi**2, abs=0.01)
    np.testing.assert_allclose(world.mean[1:], phi * log_returns(world), atol=1e-12)


def test_nothing_explains_a_random_walk_or_garch():
    assert synthetic.random_walk(50_000, seed=0).oracle_r2 == 0
    assert synthetic.garch(50_000, seed=0).oracle_r2 == 0


def test_garch_follows_its_recursion_and_its_unconditional_variance():
    world = synthetic.garch(100_000, seed=3, alpha=0.05, beta=0.9, volatility=0.02)
    returns, variance = log_returns(world), world.volatility**2
    constant = 0.02**2 * (1 - 0.05 - 0.9)
    np.testing.assert_allclose(variance[1:], constant + 0.05 * returns**2 + 0.9 * variance[:-1], rtol=1e-9)
    assert np.std(returns) == pytest.approx(0.02, rel=0.05)


def test_the_filter_of_regimes_beats_zero_and_is_bounded_by_the_drift():
    world = synthetic.regime_switch(50_000, seed=0, drift=0.004)
    assert np.abs(world.mean).max() < 0.004
    assert world.oracle_r2 > 0.05


def test_the_volatility_of_regimes_is_that_of_their_mixture():
    world = synthetic.regime_switch(100_000, seed=0, drift=0.01, volatility=0.01, stay=0.9)
    scores = (log_returns(world) - world.mean[:-1]) / world.volatility[:-1]
    unsure = np.abs(world.mean[:-1]) < 0.003
    assert unsure.sum() > 5_000
    assert np.std(scores[unsure]) == pytest.approx(1, abs=0.02)
    assert np.std(scores[~unsure]) == pytest.approx(1, abs=0.02)


def test_the_range_of_a_bar_fits_its_volatility():
    candles = synthetic.random_walk(20_000, seed=0, volatility=0.01).candles
    parkinson = np.sqrt(np.mean(np.log(candles.high / candles.low) ** 2) / (4 * np.log(2)))
    assert 0.0075 < parkinson < 0.01  # the path has 12 ticks, so it misses some of the extremes


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (synthetic.ar1, {"phi": 1.0}, "phi is 1.0; expected a number inside (-1, 1). Use for example phi=0.1."),
        (
            synthetic.garch,
            {"alpha": 0.2, "beta": 0.8},
            "alpha + beta is 1; expected both at least 0, their sum below 1.",
        ),
        (synthetic.regime_switch, {"stay": 0.3}, "stay is 0.3; expected a probability in [0.5, 1)."),
        (synthetic.random_walk, {"interval": "1x"}, "interval '1x' is not a candle length"),
    ],
)
def test_parameters_that_cannot_mean_anything(make, options, message):
    with pytest.raises(ConfigError) as error:
        make(100, seed=0, **options)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("make", WORLDS + UNTRADABLE + RISKY)
def test_one_bar_is_no_market(make):
    with pytest.raises(ConfigError, match="bars is 1; expected a whole number, 2 or more"):
        make(1, seed=0)


def test_heavy_tails_keep_the_variance():
    world = synthetic.garch(200_000, seed=1, alpha=0.05, beta=0.9, degrees=6, volatility=0.02)
    returns = log_returns(world)
    assert returns.std() == pytest.approx(0.02, rel=0.05)
    normal = log_returns(synthetic.garch(200_000, seed=1, alpha=0.05, beta=0.9, volatility=0.02))
    kurtosis = [np.mean((each / each.std()) ** 4) for each in (returns, normal)]
    assert kurtosis[0] > 1.3 * kurtosis[1]
    with pytest.raises(ConfigError, match="degrees is 2"):
        synthetic.garch(100, seed=0, degrees=2)


def test_the_oracle_of_mean_reversion_beats_any_short_linear_forecast():
    world = synthetic.mean_reversion(100_000, seed=1, share=0.5, persistence=0.7)
    returns = log_returns(world)
    lags = np.column_stack([returns[15 - lag : -1 - lag] for lag in range(15)])
    outcome = returns[16:]
    fitted = lags @ np.linalg.lstsq(lags, outcome, rcond=None)[0]
    linear = 1 - np.sum((outcome - fitted) ** 2) / np.sum(outcome**2)
    assert world.oracle_r2 >= linear - 1e-4
    assert world.oracle_r2 == pytest.approx(linear, rel=0.1)


def test_the_follower_is_forecast_by_its_leader_alone():
    world = synthetic.lead_lag(100_000, seed=1, beta=0.3)
    led = np.diff(np.log(world.leader.close))
    assert world.leader.open_time.tolist() == world.candles.open_time.tolist()
    assert np.corrcoef(led[:-1], log_returns(world)[1:])[0, 1] == pytest.approx(0.3 / np.sqrt(1.09), abs=0.01)
    assert np.corrcoef(log_returns(world)[:-1], log_returns(world)[1:])[0, 1] == pytest.approx(0.0, abs=0.01)
    assert world.oracle_r2 == pytest.approx(0.09 / 1.09, abs=0.005)


def test_shuffled_bars_keep_their_shapes_and_blocks():
    candles = synthetic.ar1(660, seed=1, phi=0.4).candles
    world = synthetic.shuffled(candles, seed=3, block=22)
    assert world.candles.check().is_sound and len(world.candles) == 659
    before, after = (
        np.diff(np.log(candles.close)),
        np.diff(np.log(world.candles.close), prepend=np.log(candles.close[0])),
    )
    for first in range(0, 659, 22):
        block = slice(first, first + 22)
        np.testing.assert_allclose(np.sort(np.abs(before[block])), np.sort(np.abs(after[block])), atol=1e-12)
    ranges = [np.sort(np.log(each.high / each.low)) for each in (candles[1:], world.candles)]
    np.testing.assert_allclose(*ranges, atol=1e-12)
    assert np.corrcoef(before[1:], before[:-1])[0, 1] > 0.3 > abs(np.corrcoef(after[1:], after[:-1])[0, 1]) + 0.15
    with pytest.raises(ConfigError, match="block is 1"):
        synthetic.shuffled(candles, seed=0, block=1)


@pytest.mark.parametrize("make", UNTRADABLE)
def test_every_untradable_world_is_a_sound_market_without_holes(make):
    world = make(3_000, seed=1)
    candles = world.candles
    assert candles.check().is_sound
    assert candles.check().missing == 0
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.low > 0).all()
    assert world.mean.shape == world.volatility.shape == (3_000,)


@pytest.mark.parametrize("make", UNTRADABLE)
def test_who_sees_the_value_knows_mean_and_volatility_of_the_next_price(make):
    worlds = [make(4_000, seed=seed) for seed in range(10)]
    errors = np.concatenate([log_returns(world) - world.mean[:-1] for world in worlds])
    expected = np.sqrt(np.mean([world.volatility[:-1] ** 2 for world in worlds]))
    assert np.mean(errors) == pytest.approx(0, abs=0.015 * expected)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(expected, rel=0.015)
    assert np.corrcoef(errors[1:], errors[:-1])[0, 1] == pytest.approx(0, abs=0.015)
    assert np.mean([world.oracle_r2 for world in worlds]) > 0.02


def test_ticks_are_whole_and_their_returns_revert():
    world = synthetic.ticks(20_000, seed=3, price=30.0, volatility=0.005)
    candles = world.candles
    for prices in (candles.open, candles.high, candles.low, candles.close):
        np.testing.assert_array_equal(prices, np.rint(prices))
    np.testing.assert_array_equal(candles.open, [30.0, *candles.close[:-1]])
    returns = log_returns(world)
    assert np.corrcoef(returns[1:], returns[:-1])[0, 1] < -0.1
    own = synthetic.ticks(20_000, seed=3, price=30.0, volatility=0.005, is_chained=False).candles
    np.testing.assert_array_equal(own.close, candles.close)
    assert 0.01 < np.mean(own.open[1:] != own.close[:-1]) < 0.9


def test_bounce_reverts_as_roll_says():
    world = synthetic.bid_ask_bounce(100_000, seed=4, half_spread=0.005, volatility=0.005)
    returns = log_returns(world)
    assert np.mean(returns[1:] * returns[:-1]) == pytest.approx(-(0.005**2), rel=0.03)
    assert np.var(returns) == pytest.approx(0.005**2 + 2 * 0.005**2, rel=0.03)
    np.testing.assert_allclose(np.abs(world.mean), 0.005, rtol=1e-9)


def test_a_stale_index_trails_its_news_and_opens_at_the_close_before_from_monday_to_friday():
    world = synthetic.stale_index(20_000, seed=1, stale=0.3)
    candles, returns = world.candles, log_returns(world)
    assert np.corrcoef(returns[1:], returns[:-1])[0, 1] == pytest.approx(0.3, abs=0.02)
    np.testing.assert_allclose(candles.open[1:], candles.close[:-1], rtol=1e-14)
    assert set(candles.frame["open_time"].dt.weekday()) == {1, 2, 3, 4, 5}


def test_filled_bars_repeat_the_last_price_and_are_caught_up_at_once():
    world = synthetic.filled_forward(20_000, seed=2, share=0.4)
    candles, leader = world.candles, world.leader
    is_filled = candles.volume == 0
    assert np.mean(is_filled) == pytest.approx(0.4, abs=0.02)
    for prices in (candles.open, candles.high, candles.low, candles.close):
        np.testing.assert_array_equal(prices[1:][is_filled[1:]], candles.close[:-1][is_filled[1:]])
        assert not is_filled[0]
    np.testing.assert_array_equal(candles.close[~is_filled], leader.close[~is_filled])
    np.testing.assert_array_equal(candles.open[~is_filled], leader.open[~is_filled])
    assert (world.mean[~is_filled] == 0).all()


def test_a_squeeze_comes_after_a_fall_only():
    world = synthetic.squeezes(50_000, seed=1, phi=0.5, volatility=0.05, chance=0.02, size=2.3)
    returns = log_returns(world)
    jumped = np.flatnonzero(returns > 0.6) + 1  # the bars of jumps
    fallen = np.flatnonzero(world.volatility > 0.06)
    assert len(jumped) == pytest.approx(0.02 * len(fallen), rel=0.3)
    assert np.isin(jumped - 1, fallen).all()


def test_crashes_take_back_what_small_steps_earn():
    world = synthetic.rare_crashes(200_000, seed=1, chance=0.02, size=0.1, turn=0.05, noise=0.0005)
    returns = log_returns(world)
    followed = np.sign(returns[:-1]) * returns[1:]
    followed = followed[np.abs(returns[:-1]) < 0.05]  # after small steps, whose sign is the direction
    assert np.mean(followed) == pytest.approx(0.0, abs=0.0002)
    assert np.median(followed) > 0.002
    assert np.mean(followed < -0.08) == pytest.approx(0.02, abs=0.002)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (synthetic.ticks, {"price": 0.0}, "price is 0.0; expected a number above 0."),
        (synthetic.bid_ask_bounce, {"half_spread": -1.0}, "half_spread is -1.0; expected a number above 0."),
        (synthetic.stale_index, {"stale": 1.0}, "stale is 1.0; expected a share in [0, 1)."),
        (synthetic.filled_forward, {"share": 1.0}, "share is 1.0; expected a share in [0, 1)."),
        (synthetic.squeezes, {"size": 0.0}, "phi is 0.5, chance 0.02 and size 0.0; expected phi inside (-1, 1)"),
        (synthetic.rare_crashes, {"chance": 0.0}, "chance is 0.0, size 0.1, turn 0.05 and noise 0.0005; expected"),
    ],
)
def test_untradable_parameters_that_cannot_mean_anything(make, options, message):
    with pytest.raises(ConfigError) as error:
        make(100, seed=0, **options)
    assert str(error.value).startswith(message)
