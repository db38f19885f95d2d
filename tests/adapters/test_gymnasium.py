"""The account as a Gymnasium environment: the checker's word, and the backtest's equity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from candlecast.adapters.gymnasium import BOUND, TradingEnv
from candlecast.backtesting import Costs, backtest
from candlecast.candles import Candles
from candlecast.dataset.samples import make_samples
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.features import fit_scaling
from candlecast.signals import Positions
from candlecast.targets import NextReturn

COSTS = Costs(fee_bps=7, slippage_bps=3, impact_bps=20, funding_bps=1, borrow_percent=5, loan_percent=8)


@pytest.fixture(scope="module")
def samples(market, features):
    return make_samples(market, features=features, target=NextReturn(), window=4)


def positions(samples, rows, values):
    times = samples.candles.frame["close_time"].gather(rows)
    frame = pl.DataFrame({"time": times, "position": values}).with_columns(symbol=pl.lit(samples.candles.symbol))
    return Positions(frame)


@pytest.mark.parametrize("choices", [None, (-1.0, 0.0, 1.0)], ids=["box", "discrete"])
def test_gymnasiums_own_checker_is_content(samples, choices):
    rows = np.arange(50, 300)
    kwargs = {"samples": samples, "rows": rows, "bars": 40, "choices": choices}
    made = EnvSpec("candlecast/Trading-v0", entry_point=TradingEnv, kwargs=kwargs).make()
    check_env(made.unwrapped)


def test_positions_replayed_are_the_backtest(samples):
    rows = np.arange(50, 550)
    generator = np.random.default_rng(7)
    wanted = np.clip(generator.standard_normal(len(rows)), -1, 1).astype(np.float32)
    wanted[generator.random(len(rows)) < 0.4] = 0.25  # some in a row: units are kept
    env = TradingEnv(samples, rows, costs=COSTS, cash=5_000.0)
    _, info = env.reset(seed=1)
    equity, rewards, is_over = [info["equity"]], [], False
    for value in wanted:
        if not is_over:
            _, reward, is_ruined, is_over, info = env.step(np.array([value]))
            assert not is_ruined
            equity.append(info["equity"])
            rewards.append(reward)
    result = backtest(
        samples.candles[: rows[-1] + 1], positions(samples, rows, wanted.astype(float)), costs=COSTS, cash=5_000.0
    )
    assert result.fills.height > 200
    assert result.equity["equity"].to_list() == equity
    assert sum(rewards) == pytest.approx(np.log(equity[-1] / equity[0]))


def test_what_is_observed_is_known(samples, other_future):
    """Features scaled by the statistics of the rows given, and the position; later bars move neither."""
    rows, held = np.arange(50, 300), []
    env = TradingEnv(samples, rows, costs=Costs.free())
    observation, _ = env.reset(seed=0)
    scaling = fit_scaling(samples.features.scalers, samples.inputs[rows])
    expected = np.clip(scaling.apply(samples.inputs[50]), -BOUND, BOUND)
    np.testing.assert_allclose(observation, [*expected, 0.0], rtol=1e-6)
    later = make_samples(
        other_future(samples.candles, 299), features=samples.features, target=samples.target, window=samples.window
    )
    other = TradingEnv(later, rows, costs=Costs.free())
    other.reset(seed=0)
    for _ in range(249):
        steps = env.step(np.array([0.5])), other.step(np.array([0.5]))
        assert np.array_equal(steps[0][0], steps[1][0])
        assert steps[0][1] == steps[1][1]
        held.append(steps[0][0][-1])
    assert steps[0][3]
    value = env.account.units * samples.candles.close[51:300]
    np.testing.assert_allclose(held, value / (env.account.cash + value), rtol=1e-6)  # it drifts with the price
    assert held[0] == pytest.approx(0.5, abs=0.01)


def test_an_episode_stays_in_its_stretch(samples):
    rows = np.concatenate([np.arange(20, 60), np.arange(100, 130)])
    env = TradingEnv(samples, rows, bars=20)
    starts = set()
    for seed in range(60):
        _, info = env.reset(seed=seed)
        starts.add(info["row"])
        seen, is_over = [info["row"]], False
        while not is_over:
            _, _, _, is_over, info = env.step(np.array([0.0]))
            seen.append(info["row"])
        assert seen == list(range(seen[0], seen[0] + 21))
        assert set(seen) <= set(rows)
    assert len(starts) > 15
    assert min(starts) < 40 and max(starts) >= 100


def test_ruin_ends_an_episode(features):
    close = np.array([100.0] * 10 + [250.0] * 3)
    frame = pl.DataFrame(
        {"open": [*close[:1], *close[:-1]], "high": close, "low": np.minimum(close, 100), "close": close}
    )
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(13)]
    candles = Candles.from_frame(frame.with_columns(time=pl.Series(times), volume=pl.lit(1.0)), interval="1h")
    samples = make_samples(candles, features=features, target=NextReturn(), window=1)
    env = TradingEnv(samples, np.arange(2, 13), costs=Costs.free())
    env.reset(seed=0)
    steps = [env.step(np.array([-1.0])) for _ in range(8)]
    assert [step[2] for step in steps] == [False] * 7 + [True]
    assert steps[-1][1] == pytest.approx(np.log(1e-6)) and steps[-1][4]["equity"] == 0.0
    with pytest.raises(ConfigError, match=r"after row 10.*Call reset"):
        env.step(np.array([0.0]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rows": np.array([5, 4])}, ConfigError, "expected rising rows of the 600 bars"),
        ({"rows": np.array([598, 600])}, ConfigError, "rising rows"),
        ({"bars": 0}, ConfigError, "bars is 0"),
        ({"choices": (-2.0, 0.0)}, ConfigError, r"choices is .*positions in \[-1, 1\]"),
        ({"bars": 200}, NotEnoughDataError, "no episode of 200 decisions fits into 200 rows"),
        ({"cash": 0.0}, ConfigError, "cash is 0.0"),
    ],
)
def test_environments_that_mean_nothing(samples, options, error, message):
    with pytest.raises(error, match=message):
        TradingEnv(samples, **{"rows": np.arange(50, 250)} | options)


@pytest.mark.parametrize(("choices", "action"), [(None, [1.5]), (None, [0.1, 0.2]), ((0.0, 1.0), 2), (None, [np.nan])])
def test_actions_outside_of_the_space(samples, choices, action):
    env = TradingEnv(samples, np.arange(50, 100), choices=choices)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"the action is .*Clip it"):
        env.step(np.array(action))
