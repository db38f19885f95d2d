"""Synthetic markets: their truths hold, and the same seed gives the same bytes."""

from __future__ import annotations

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


def log_returns(world: synthetic.World) -> np.ndarray:
    return np.diff(np.log(world.candles.close))


@pytest.mark.parametrize("make", WORLDS)
def test_every_world_is_a_sound_market_without_holes(make):
    world = make(3_000, seed=1, interval="1h")
    candles = world.candles
    report = candles.check()
    assert report.is_sound
    assert report.faults.is_empty()
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.high > candles.low).all()
    assert (candles.volume > 0).all()
    np.testing.assert_allclose(candles.open[1:], candles.close[:-1], rtol=1e-14)
    assert world.mean.shape == world.volatility.shape == (3_000,)


@pytest.mark.parametrize("make", WORLDS)
def test_the_same_seed_gives_the_same_bytes(make):
    first, again, other = make(300, seed=4), make(300, seed=4), make(300, seed=5)
    assert first.candles.fingerprint == again.candles.fingerprint != other.candles.fingerprint
    assert first.mean.tobytes() == again.mean.tobytes()
    assert first.volatility.tobytes() == again.volatility.tobytes()


@pytest.mark.parametrize("make", WORLDS)
def test_no_seed_touches_the_global_generator(make):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make(50, seed=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("make", WORLDS)
def test_mean_and_volatility_are_those_of_the_next_return(make):
    world = make(100_000, seed=2)
    scores = (log_returns(world) - world.mean[:-1]) / world.volatility[:-1]
    assert np.mean(scores) == pytest.approx(0, abs=0.015)
    assert np.std(scores) == pytest.approx(1, abs=0.01)
    assert np.corrcoef(scores[1:], scores[:-1])[0, 1] == pytest.approx(0, abs=0.015)


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


@pytest.mark.parametrize("make", WORLDS)
def test_one_bar_is_no_market(make):
    with pytest.raises(ConfigError, match="bars is 1; expected at least 2"):
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
