"""Kelly and volatility target on a market whose variance is known, at horizons beyond one bar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.signals import Kelly, Positions, VolatilityTarget

BARS = 40


@pytest.fixture(scope="module")
def candles() -> Candles:
    """Log returns of +2 % and -2 % in turn: a variance of 0.0004 a bar."""
    close = 100 * np.exp(np.tile([0.0, 0.02], BARS // 2))
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(BARS)]
    return Candles.from_frame(
        pl.DataFrame(
            {"open_time": times, **dict.fromkeys(("open", "high", "low", "close"), close), "volume": np.ones(BARS)}
        )
    )


def forecast(candles: Candles, expected: float, horizon: int) -> Forecast:
    frame = candles.frame.select(
        time="close_time", known_at="close_time", symbol=pl.lit(candles.symbol), model=pl.lit("m"), fold=0, seed=0,
        mean=expected, naive=0.0, target=0.0, expected_return=expected,
    )  # fmt: skip
    return Forecast(frame, horizon)


@pytest.mark.parametrize(
    ("expected", "horizon", "position"),
    [
        (0.0004, 1, 0.75),  # half of 0.0004 / 0.0004 + 1/2
        (0.0004, 4, 0.375),  # half of 0.0004 / 0.0016 + 1/2
        (-0.0016, 4, -0.25),
        (0.0, 4, 0.25),  # what a fair price gains in simple returns
        (0.1, 4, 2.0),  # capped
        (-0.1, 4, -2.0),
    ],
)
def test_kelly(candles, expected, horizon, position):
    rule = Kelly(fraction=0.5, cap=2.0, halflife=5, step=0.001)
    held = rule(forecast(candles, expected, horizon), candles).frame["position"].to_list()
    assert held[:5] == [0.0] * 5  # the variance is not known yet
    assert held[5:] == pytest.approx([position] * (BARS - 5))


def test_a_volatility_target(candles):
    """2 % a bar is 2 % sqrt(365.25) a year, where half is wanted; no more than the leverage where twice that is."""
    yearly = 0.02 * np.sqrt(365.25)
    frame = candles.frame.select(time="close_time", symbol=pl.lit(candles.symbol), position=1.0)
    for wanted, position in ((0.5, 0.5), (2.0, 1.5), (1.0, 1.0)):
        rule = VolatilityTarget(annual=wanted * yearly, halflife=5, leverage=1.5, step=0.001)
        held = rule.scaled(Positions(frame), candles).frame["position"].to_list()
        assert held[:5] == [0.0] * 5
        assert held[5:] == pytest.approx([position] * (BARS - 5), abs=0.002)
    half = Positions(frame.with_columns(position=0.5))
    rule = VolatilityTarget(annual=4 * yearly, halflife=5, leverage=1.5, step=0.001)
    held = rule.scaled(half, candles).frame["position"]
    assert held.to_list()[5:] == pytest.approx([0.75] * (BARS - 5), abs=0.002)  # half of the leverage
