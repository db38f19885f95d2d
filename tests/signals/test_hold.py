"""What a model wants to hold is traded, but for small changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from candlecast.backtesting import Costs
from candlecast.dataset.folds import WalkForward
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError
from candlecast.fleet.settings import Fit
from candlecast.models import LSTM, Policy
from candlecast.signals import FollowDirection, HoldPosition, NoTradeBand
from candlecast.study import Study
from candlecast.targets import Volatility

START = datetime(2024, 1, 1, tzinfo=UTC)


def forecast(*seeds, returns=None) -> Forecast:
    """Positions wanted by each seed; None for a model that gives none."""
    rows = [
        {
            "time": START + bar * timedelta(hours=1),
            "known_at": None,
            "symbol": "A",
            "model": "m",
            "fold": 0,
            "seed": seed,
            "mean": 0.0,
            "naive": 0.0,
            "target": None,
            "expected_return": 0.0 if returns is None else returns[bar],
            "position": position,
        }
        for seed, wanted in enumerate(seeds)
        for bar, position in enumerate(wanted)
    ]
    return Forecast(pl.DataFrame(rows, infer_schema_length=None), horizon=1)


def held(rule, *seeds, **options):
    return rule(forecast(*seeds, **options)).frame["position"].to_list()


def test_a_position_stays_within_the_band():
    wanted = [0.05, 0.25, 0.375, 0.125, -0.5, -0.375, 0.0]
    assert held(HoldPosition(band=0.125), wanted) == [0.0, 0.25, 0.25, 0.25, -0.5, -0.5, 0.0]
    assert held(HoldPosition(band=0.0), wanted) == wanted
    assert held(HoldPosition(band=0.5), [0.75, 0.125, 0.0, -0.25]) == [0.75, 0.125, 0.125, 0.125]


def test_seeds_are_averaged_before_the_band():
    assert held(HoldPosition(band=0.25), [0.5, 1.0], [-0.5, 0.0]) == [0.0, 0.5]


def test_a_forecast_without_positions_is_followed():
    assert held(HoldPosition(), [None, None, None], returns=[0.1, -0.1, 0.0]) == [1.0, -1.0, 0.0]


def test_a_later_position_moves_no_earlier_one():
    wanted = [0.3, -0.4, 0.8, 0.1]
    assert held(HoldPosition(), [*wanted[:2], -1.0, 1.0])[:2] == held(HoldPosition(), wanted)[:2]


@pytest.mark.parametrize("band", [-0.1, 2.0])
def test_a_band_that_means_nothing(band):
    with pytest.raises(ConfigError, match=r"band is .*a fraction of equity.*Change HoldPosition"):
        HoldPosition(band=band)


def test_a_study_of_a_policy_holds_what_it_learnt(market, features):
    model = Policy(hidden=4, window=6, cost_bps=0.0, training=Fit(epochs=2, chunk=32))
    study = Study(model=model, features=features, folds=WalkForward(folds=2), baselines=(), costs=Costs.free(), seeds=2)
    result = study.run(market)
    assert result.recipe["rule"] == {"type": "HoldPosition", "band": 0.1}
    assert result.recipe["model"]["cost_bps"] == 0.0
    wanted = result.forecast.averaged().frame["position"].to_numpy()
    traded = result.positions["policy"].frame["position"].to_numpy()
    assert abs(traded - wanted).max() <= 0.1
    drift = result.forecasts["drift"]
    assert result.positions["drift"].frame.equals(FollowDirection()(drift).frame)
    assert result.verdict.text.startswith(("No edge", "An edge"))


def test_a_study_asks_before_it_trains():
    with pytest.raises(ConfigError, match=r"target volatility.*expected NextReturn\(horizon=1\)"):
        Study(model=Policy(), target=Volatility())
    assert Study(model=LSTM()).trading_rule == NoTradeBand()
