"""Rules by hand, and that no position moves when later forecasts do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.signals import FollowDirection, InverseVolatility, Threshold

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def forecast(expected, *, seeds: int = 1, symbol: str = "A", mean=None) -> Forecast:
    rows = [
        {
            "time": START + bar * HOUR,
            "known_at": START + (bar + 1) * HOUR,
            "symbol": symbol,
            "model": "m",
            "fold": 0,
            "seed": seed,
            "mean": float(value if mean is None else mean[bar]),
            "naive": 0.0,
            "target": 0.0,
            "expected_return": None if value is None else float(value) * (1 if seeds == 1 else 2 * seed),
        }
        for seed in range(seeds)
        for bar, value in enumerate(expected)
    ]
    return Forecast(pl.DataFrame(rows, infer_schema_length=None), horizon=1)


def held(rule, expected, **options) -> list[float]:
    return rule(forecast(expected, **options)).frame["position"].to_list()


def test_follow_direction():
    assert held(FollowDirection(), [0.1, -0.1, 0.0]) == [1, -1, 0]
    assert held(FollowDirection(allow_short=False), [0.1, -0.1, 0.0]) == [1, 0, 0]


def test_threshold_holds_until_the_forecast_is_gone():
    rule = Threshold(enter=0.01, exit=0.002)
    assert held(rule, [0.005, 0.02, 0.003, 0.001, -0.005, -0.02, -0.003, -0.001]) == [0, 1, 1, 0, 0, -1, -1, 0]
    assert held(rule, [0.02, -0.02, 0.02]) == [1, -1, 1]
    assert held(rule, [0.02, -0.005, -0.02, 0.005]) == [1, 0, -1, 0]  # it speaks against what is held
    assert held(Threshold(enter=0.01, exit=0.0, allow_short=False), [-0.02, 0.02, -0.02, 0.0]) == [0, 1, 0, 0]


def test_an_entry_is_strictly_above():
    assert held(Threshold(enter=0.01), [0.01, 0.0, -0.01]) == [0, 0, 0]


def test_several_seeds_count_as_their_mean():
    assert held(FollowDirection(), [0.1, -0.1], seeds=3) == [1, -1]


def test_inverse_volatility_holds_less_of_what_moves_more():
    logs = np.log([0.01, 0.01, 0.02, 0.04, 0.005])
    usual = np.exp(np.cumsum(logs) / np.arange(1, 6))
    expected = np.minimum(np.round(usual / np.exp(logs), 1), 1)
    assert held(InverseVolatility(), [None] * 5, mean=logs) == pytest.approx(expected)
    assert held(InverseVolatility(), [None] * 3, mean=[-4.0] * 3) == [1, 1, 1]


@pytest.mark.parametrize(
    "rule", [FollowDirection(), Threshold(0.5, 0.1), InverseVolatility()], ids=lambda rule: type(rule).__name__
)
def test_later_forecasts_move_no_position(rule):
    generator = np.random.default_rng(0)
    values = generator.standard_normal(200)
    absent = [None] * 200 if isinstance(rule, InverseVolatility) else None  # a forecast of volatility implies no return

    def of(values):
        return forecast(values) if absent is None else forecast(absent[: len(values)], mean=values)

    whole = rule(of(values)).frame
    for bar in (0, 50, 198):
        changed = np.concatenate([values[: bar + 1], 5 * generator.standard_normal(199 - bar)])
        assert rule(of(changed)).frame.head(bar + 1).equals(whole.head(bar + 1))
        assert rule(of(values[: bar + 1])).frame.equals(whole.head(bar + 1))


def test_rules_take_one_asset_with_an_implied_return():
    both = Forecast(pl.concat([forecast([0.1]).frame, forecast([0.1], symbol="B").frame]), horizon=1)
    for rule in (FollowDirection(), Threshold(), InverseVolatility()):
        with pytest.raises(ConfigError) as error:
            rule(both)
        assert str(error.value).startswith(
            "the forecast holds 2 assets; expected one, since positions are held asset by asset."
        )
    with pytest.raises(ConfigError, match="m forecasts returns, not volatility; expected a forecast of volatility"):
        InverseVolatility()(forecast([0.1, 0.2]))
    with pytest.raises(ConfigError, match=r"step is 0.0; expected a share in \(0, 1\]"):
        InverseVolatility(step=0.0)
    for rule in (FollowDirection(), Threshold()):
        with pytest.raises(ConfigError) as error:
            rule(forecast([None, None], mean=[1, 2]))
        assert str(error.value).startswith(
            "m forecasts a target that implies no return; expected a forecast of return, price"
        )


@pytest.mark.parametrize(("enter", "leave"), [(-0.1, 0.0), (0.1, 0.2), (float("inf"), 0.0)])
def test_thresholds_that_cannot_mean_anything(enter, leave):
    with pytest.raises(
        ConfigError, match=f"^enter is {enter} and exit is {leave}; expected enter of 0 or more, exit at most"
    ):
        Threshold(enter, leave)


def test_inverse_volatility_has_a_power_a_cap_and_a_band():
    logs = np.log([1.0, 0.5, 0.5, 1.0, 2.0])
    given = forecast([None] * 5, mean=logs)
    usual = np.exp(np.cumsum(logs) / np.arange(1, 6))
    ratio = usual / np.exp(logs)

    def steps(power, cap):
        return np.minimum(np.round(ratio**power / 0.1) * 0.1, cap)

    for power, cap in ((1.0, 1.0), (1.0, 2.0), (2.0, 1.5)):
        found = InverseVolatility(power=power, cap=cap)(given)
        np.testing.assert_allclose(found.frame["position"], steps(power, cap))
        assert found.leverage == max(cap, 1.0)
    wanted = steps(1.0, 2.0)
    held = InverseVolatility(cap=2.0, band=0.35)(given).frame["position"].to_numpy()
    assert wanted.tolist() == pytest.approx([1.0, 1.4, 1.3, 0.7, 0.4])
    assert held.tolist() == pytest.approx([1.0, 1.4, 1.4, 0.7, 0.7])
    half = InverseVolatility(cap=1.0, usual=0.5, step=0.05)(given)
    np.testing.assert_allclose(half.frame["position"], steps(1.0, 2.0) / 2, atol=0.026)
    with pytest.raises(ConfigError, match=r"usual is 2; expected above 0 and at most the cap"):
        InverseVolatility(usual=2)
    with pytest.raises(ConfigError, match=r"power is 0; expected a number in \(0, 4\]"):
        InverseVolatility(power=0)
    with pytest.raises(ConfigError, match=r"band is -0.1; expected a fraction of equity in \[0, 2\)"):
        InverseVolatility(band=-0.1)
