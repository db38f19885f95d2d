"""Sizes by hand, and that none of them knows the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Actions, Costs, DrawdownStop, backtest
from candlecast.candles import Candles
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.signals import Kelly, Positions, VolatilityTarget
from candlecast.sources import synthetic

CANDLES = synthetic.garch(300, seed=5, interval="1h").candles


def always(candles: Candles, value: float = 1.0, leverage: float = 1.0) -> Positions:
    return Positions(
        candles.frame.select(time="close_time", symbol=pl.lit(candles.symbol), position=pl.lit(float(value))),
        leverage=leverage,
    )


def forecast(candles: Candles, expected: np.ndarray) -> Forecast:
    columns = {"model": "m", "fold": 0, "seed": 0, "naive": 0.0, "target": 0.0}
    frame = candles.frame.select(
        time="close_time", known_at=pl.col("close_time") + timedelta(hours=1), symbol=pl.lit(candles.symbol)
    ).with_columns(
        mean=pl.Series(expected), expected_return=pl.Series(expected), **{k: pl.lit(v) for k, v in columns.items()}
    )
    return Forecast(frame, horizon=1)


def test_volatility_target_by_hand():
    """Log returns of +-2 % alternate: 2 % a bar, so sqrt(B) x 2 % a year; half of that is wanted."""
    close = 100 * np.exp(np.tile([0.0, 0.02], 30))
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(60)]
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    candles = Candles.from_frame(pl.DataFrame({"open_time": times, **prices, "volume": np.ones(60)}))
    rule = VolatilityTarget(annual=0.01 * np.sqrt(candles.bars_per_year), halflife=5)
    held = rule.scaled(always(candles), candles).frame["position"].to_list()
    assert held[:5] == [0.0] * 5
    assert held[5:] == pytest.approx([0.5] * 55)
    assert rule.scaled(always(candles, -1.0), candles).frame["position"].to_list()[5:] == pytest.approx([-0.5] * 55)
    bold = VolatilityTarget(annual=10 * rule.annual / 2, halflife=5, leverage=3.0)
    assert bold.scaled(always(candles), candles).frame["position"].max() == pytest.approx(2.5, abs=0.51)


def test_kelly_by_hand():
    """Half of (m + v / 2) / v with m = v: half of 1.5; capped, and short for a fall."""
    variance = 0.02**2
    close = 100 * np.exp(np.tile([0.0, 0.02], 30))
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(60)]
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    candles = Candles.from_frame(pl.DataFrame({"open_time": times, **prices, "volume": np.ones(60)}))
    rule = Kelly(fraction=0.5, cap=1.0, halflife=5, step=0.05)
    for part, expected in ((1.0, 0.75), (-1.0, -0.25), (9.0, 1.0), (-9.0, -1.0)):
        held = rule(forecast(candles, np.full(60, part * variance)), candles).frame["position"].to_list()
        assert held[:5] == [0.0] * 5
        assert held[5:] == pytest.approx([expected] * 55)


def test_a_drawdown_stop_holds_nothing_while_far_below_the_peak(market_of):
    flat = [(price, price, price, price) for price in (100, 100, 85, 75, 80, 88, 92, 100)]
    candles = market_of(flat)
    held = DrawdownStop(limit=0.2, resume=0.1, costs=Costs.free()).stopped(always(candles), candles)
    assert held.frame["position"].to_list() == [1, 1, 1, 0, 0, 0, 1, 1]


def test_a_split_is_no_drawdown(market_of):
    """100 to 50 in a 2:1 split is no loss; a loss of 50 on one unit is a quarter of 200, and little of 9,000."""
    candles = market_of([(price, price, price, price) for price in (100, 100, 50, 50)])
    split = Actions(pl.DataFrame({"time": [candles.frame["open_time"][2]], "split": [2.0]}))
    stop = DrawdownStop(limit=0.2, resume=0.1, costs=Costs.free())
    assert stop.stopped(always(candles), candles).frame["position"].to_list() == [1, 1, 0, 0]
    assert stop.stopped(always(candles), candles, actions=split).frame["position"].to_list() == [1] * 4
    units = Positions(always(candles).frame, in_units=True)
    assert stop.stopped(units, candles, cash=200.0).frame["position"].to_list() == [1, 1, 0, 0]
    assert stop.stopped(units, candles, cash=9_000.0).frame["position"].to_list() == [1] * 4


def test_a_volatility_target_scales_fractions_only():
    with pytest.raises(ConfigError, match="positions are in units; expected fractions of equity"):
        VolatilityTarget().scaled(Positions(always(CANDLES).frame, in_units=True), CANDLES)


def test_band_rebalances_what_has_drifted(market_of):
    """Half in the asset: at 200 it is two thirds, 0.17 too much, and half of 1,500 is 3.75 units."""
    candles = market_of([(price, price, price, price) for price in (100, 100, 110, 200, 200)])
    held = Positions(always(candles, 0.5).frame, band=0.1)
    result = backtest(candles, held, costs=Costs.free(), cash=1_000.0)
    assert result.equity["units"].to_list() == [0.0, 5.0, 5.0, 3.75, 3.75]
    assert backtest(candles, always(candles, 0.5), costs=Costs.free()).fills.height == 1


def test_leverage_buys_on_credit(market_of):
    candles = market_of([(price, price, price, price) for price in (100, 100, 110)])
    held = always(candles, 2.0, leverage=2.0)
    result = backtest(candles, held, costs=Costs.free(), cash=1_000.0)
    assert result.equity["equity"].to_list() == [1_000.0, 1_000.0, 1_200.0]
    assert result.equity["cash"].to_list() == [1_000.0, -1_000.0, -1_000.0]
    with pytest.raises(ConfigError, match="positions of 4 times equity ask for 10[0-9] % of it in margin and costs"):
        backtest(candles, Positions(always(candles).frame, leverage=4.0), costs=Costs.us_equities())


@pytest.mark.parametrize(
    "sized",
    [
        lambda candles: VolatilityTarget(halflife=10).scaled(always(candles), candles),
        lambda candles: Kelly(halflife=10)(forecast(candles, np.full(len(candles), 1e-4)), candles),
        lambda candles: DrawdownStop(limit=0.02, resume=0.01).stopped(always(candles), candles),
    ],
    ids=["volatility", "kelly", "stop"],
)
def test_later_candles_move_no_size(sized, other_future):
    whole = sized(CANDLES).frame["position"].to_numpy()
    changed = sized(other_future(CANDLES, 199)).frame["position"].to_numpy()
    scaled = np.flatnonzero(whole[:200] != changed[:200])
    assert len(np.unique(whole)) > 2 or set(whole) == {0.0, 1.0}
    assert len(scaled) == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: VolatilityTarget(annual=0), "annual is 0, halflife 20"),
        (lambda: Kelly(fraction=2), "fraction is 2, cap 1.0"),
        (
            lambda: DrawdownStop(limit=0.1, resume=0.2),
            "limit is 0.1 and resume is 0.2; expected 0 <= resume < limit < 1",
        ),
        (lambda: Positions(always(CANDLES).frame, leverage=0.5), "leverage is 0.5; expected 1 to 125 times equity"),
        (lambda: Positions(always(CANDLES).frame, band=0.0), "band is 0.0; expected a fraction above 0"),
    ],
)
def test_sizes_that_cannot_be(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
