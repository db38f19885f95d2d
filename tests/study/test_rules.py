"""Rules and overlays in a study: judged, counted, stored and made again; and what copies of a result keep."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.backtesting import DrawdownStop
from candlecast.errors import ConfigError, LookaheadError
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.recipes import describe, restore
from candlecast.signals import FollowDirection, Kelly, Positions, Threshold, VolatilityTarget
from candlecast.sources import synthetic
from candlecast.study import Study, result as results
from candlecast.study.loading import load_run

STUDY = Study(model=LinearRegression(), folds=cc.WalkForward(folds=2), baselines=(), seeds=1)
RULES = [
    Threshold(enter=0.001),
    Kelly(fraction=0.25, cap=2.0),
    VolatilityTarget(annual=0.3, leverage=2.0, rule=Threshold(enter=0.001)),
    DrawdownStop(limit=0.1, resume=0.05, rule=VolatilityTarget(annual=0.3, rule=Kelly())),
]


@pytest.fixture(scope="module")
def first():
    candles = synthetic.ar1(900, seed=3, phi=0.3, interval="1h").candles
    return STUDY.run(candles, ledger=Ledger.in_memory())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_every_rule_stands_in_a_study(rule, first, tmp_path):
    """By the study, by `rebacktest` and by `backtest`, the same account; stored, and made again from the recipe."""
    ledger = Ledger(tmp_path)
    result = replace(STUDY, rule=rule).run(first.candles, ledger=ledger)
    assert ledger.count() == 1 and result.verdict.evidence.trial_count.trials == 1
    held = rule(result.forecast, first.candles)
    assert held.frame.equals(result.positions["linear"].frame)
    equity = cc.backtest(first.candles, held, costs=result.costs).equity
    assert equity.equals(result.backtest.equity)
    again = first.rebacktest(rule=rule, ledger=Ledger.in_memory())
    assert again.backtest.equity.equals(equity) and again.counted.trials == 1
    loaded = load_run(result.save(tmp_path / "run"))
    assert restore(loaded.recipe["rule"]) == rule and describe(rule) == loaded.recipe["rule"]
    assert loaded.backtest.equity.equals(equity)
    assert loaded.verdict.to_dict() == result.verdict.to_dict()


def test_overlays_are_trials_of_their_own(first):
    ledger = Ledger.in_memory()
    swept = first.record(ledger).sweep(RULES, ledger=ledger)
    assert ledger.count() == 5 and all(result.counted.trials == 5 for result in swept)


def test_a_function_of_forecasts_and_candles_is_a_rule(first):
    def rising(forecast, candles):
        """Long while the last close is above the one before and the forecast agrees."""
        rises = dict(
            zip(candles.frame["close_time"], np.diff(candles.close, prepend=candles.close[:1]) > 0, strict=True)
        )
        frame = forecast.averaged().frame
        is_long = [
            rises[time] and value > 0 for time, value in zip(frame["time"], frame["expected_return"], strict=True)
        ]
        return Positions(frame.select("time", "symbol", position=pl.Series(is_long, dtype=pl.Float64)))

    def plain(forecast):
        return FollowDirection()(forecast)

    for rule in (rising, plain):
        result = first.rebacktest(rule=rule, ledger=Ledger.in_memory())
        assert result.backtest.fills.height > 0


def test_a_rule_that_looks_at_later_candles_is_refused(first):
    def knowing(forecast, candles):
        moves = dict(
            zip(candles.frame["close_time"], np.sign(np.diff(candles.close, append=candles.close[-1:])), strict=True)
        )
        frame = forecast.averaged().frame
        return Positions(frame.select("time", "symbol", position=pl.Series([moves[time] for time in frame["time"]])))

    for rule in (knowing, DrawdownStop(rule=knowing), VolatilityTarget(rule=knowing)):
        with pytest.raises(LookaheadError, match="forecasts and candles after"):
            replace(STUDY, rule=rule).run(first.candles, ledger=Ledger.in_memory())


def test_what_a_rule_gives_is_looked_at(first):
    with pytest.raises(ConfigError, match="rule <lambda> gives DataFrame; expected Positions"):
        first.rebacktest(rule=lambda forecast, candles: forecast.frame)
    other = replace(first.candles, symbol="other")
    with pytest.raises(cc.CandleError, match="the candles are of 'other'"):
        Kelly()(first.forecast, other)
    with pytest.raises(cc.CandleError, match="no candle closes at"):
        VolatilityTarget()(first.forecast, first.candles[:300])


def test_copies_keep_what_still_holds(first, monkeypatch):
    """A backtest is run again for other costs, and never for another trial count, ledger or recipe."""
    made = []
    run = results.backtest
    monkeypatch.setattr(results, "backtest", lambda *given, **options: made.append(1) or run(*given, **options))
    result = replace(first, computed={})
    count, table = result.verdict.evidence.trial_count.trials, result.accuracy
    assert len(made) == 1 and count == 1
    for changes in ({"trial_count": result.counted}, {"ledger": Ledger.in_memory()}, {"recipe": dict(result.recipe)}):
        copy = replace(result, **changes)
        assert copy.backtest is result.backtest and copy.summary() is result.summary()
    assert result.record(Ledger.in_memory()).summary() is result.summary()
    assert len(made) == 1
    free = replace(result, costs=cc.Costs.free())
    assert free.backtest is not result.backtest and len(made) == 2
    assert free.accuracy is table
    assert result.backtest is replace(result, cash=result.cash).backtest and len(made) == 2


@dataclass(frozen=True)
class Mine:
    """A rule with parameters of its own."""

    long: float = 1.0

    def __call__(self, forecast, candles):
        frame = forecast.averaged().frame
        return Positions(frame.select("time", "symbol", position=pl.lit(self.long)))


def test_two_rules_of_one_name_are_two_trials(first):
    ledger = Ledger.in_memory()
    one, other = (first.rebacktest(rule=VolatilityTarget(rule=Mine(long)), ledger=ledger) for long in (1.0, 0.5))
    assert [each.model for each in ledger.trials()].count(first.model) == 2 and one.recipe["rule"] != other.recipe[
        "rule"
    ]
