"""The verdict: both questions, the trials that were made, and the words."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from candlecast.backtesting import Costs
from candlecast.errors import RunError
from candlecast.evidence import _bars_needed, break_even_bps
from candlecast.features import Features, log_return
from candlecast.ledger import Ledger, Trial
from candlecast.models import Drift, LinearRegression, Naive
from candlecast.resume import run_study
from candlecast.runs import load_run
from candlecast.signals import Threshold
from candlecast.sources import synthetic
from candlecast.stats import deflated_sharpe, minimum_track_record, sharpe_difference, track_record
from candlecast.study import Study
from candlecast.tally import Tally, count
from candlecast.targets import NextReturn
from candlecast.verdict import _power_words, _skill_words, judge

FEATURES = Features(log_return())
STUDY = Study(model=LinearRegression(), features=FEATURES, baselines=(), costs=Costs.free())
DAY = np.timedelta64(86_400, "s")


@pytest.fixture(scope="module")
def planted():
    return STUDY.run(synthetic.ar1(2_500, seed=11, phi=0.25).candles)


def trial(returns, *, data="d", interval="1d", start="2020-01-01", seed=0) -> Trial:
    step = {"1d": DAY, "1h": DAY / 24}[interval]
    times = np.datetime64(start, "us") + (np.arange(len(returns)) + 1) * step
    return Trial(data, {"seed": seed}, "0", "A", interval, "m", 365.0, times, np.asarray(returns))


def test_many_trials_take_the_edge_away(planted):
    assert planted.verdict.has_edge
    tried = Tally(trials=5_000, effective=5_000.0, sharpe_variance=0.02)
    verdict = judge(
        planted.accuracy, planted.backtest, planted.summaries["linear"], planted.target,
        model="linear", trained=5, tally=tried,
    )  # fmt: skip
    assert not verdict.pays and not verdict.has_edge
    assert "5,000 trials counted in this workspace, worth 5000.0 independent ones" in verdict.text
    expected = deflated_sharpe(track_record(planted.backtest.returns), trials=5_000, variance=0.02)
    assert verdict.evidence.deflated_sharpe == expected
    p = planted.verdict.evidence.forecast_p
    assert verdict.evidence.forecast_p_adjusted == pytest.approx(1 - (1 - p) ** 5_000)


def test_one_trial_is_not_deflated(planted):
    evidence = planted.verdict.evidence
    assert evidence.forecast_p_adjusted == pytest.approx(evidence.forecast_p)
    assert evidence.tally == Tally()
    assert "1 trial counted in this workspace." in planted.verdict.text + "."


def test_break_even_costs_break_even(planted):
    cost = break_even_bps(planted.backtest)
    assert cost == planted.verdict.evidence.break_even_bps > 5
    charged = planted.retraded(costs=Costs(fee_bps=cost, slippage_bps=0.0), ledger=Ledger.in_memory())
    assert charged.backtest.returns.mean() == pytest.approx(0.0, abs=0.02 * planted.backtest.returns.mean())
    assert break_even_bps(charged.backtest) == pytest.approx(cost, rel=0.01)  # whatever is charged


def test_a_naive_model_judged_against_itself_reads_well():
    candles = synthetic.random_walk(600, seed=2).candles
    verdict = replace(STUDY, model=Naive()).run(candles).verdict
    assert not verdict.is_forecastable and not verdict.pays
    assert verdict.text.startswith(
        "No edge found. The naive forecast of the next return is what all others are measured against: it claims nothing. "
        "It never traded; buy-and-hold earned"
    )
    assert "nan" not in verdict.text.lower().replace("naive", "") and "undefined" not in verdict.text
    verdict = replace(STUDY, model=Drift()).run(candles).verdict
    assert "it counts as no skill" in verdict.text and not verdict.is_forecastable


def test_the_words_say_what_was_asked_for(planted):
    text = replace(STUDY, costs=Costs()).run(synthetic.random_walk(1_200, seed=6).candles).verdict.text
    for words in (
        "No edge found",
        "The linear forecast of the next return is no better than naive, drift and the past mean (Clark-West p = ",
        "After 12 bp of costs a side and",
        "buy-and-hold",
        "1 trial counted in this workspace",
        "So much data finds a Sharpe ratio of",
        "a smaller edge may have been missed",
    ):
        assert words in text, words
    assert "It takes about" in planted.verdict.text and "from zero; here are" in planted.verdict.text
    assert "smaller edge may have been missed" not in planted.verdict.text


@pytest.mark.parametrize(
    ("horizon", "model", "words"),
    [
        (1, "attention-lstm", "the attention-LSTM forecast of the next return"),
        (24, "gru", "the GRU forecast of the return over the next 24 bars"),
    ],
)
def test_what_was_forecast_is_named(planted, horizon, model, words):
    row = {"r2": 0.0, "r2_low": -0.01, "r2_high": 0.01}
    evidence = replace(planted.verdict.evidence, forecast_p=0.6, forecast_p_adjusted=0.6)
    assert _skill_words(model, NextReturn(horizon), row, evidence).startswith(f"{words} is no better")


def test_a_loss_is_told_from_zero_in_as_many_years_as_the_same_gain():
    noise = 0.01 * np.random.default_rng(3).standard_normal(2_520)
    gain, loss = (track_record(sign * (noise - noise.mean() + 0.0004)) for sign in (1, -1))
    assert (
        _bars_needed(loss, 0.0) == pytest.approx(_bars_needed(gain, 0.0)) == pytest.approx(minimum_track_record(gain))
    )
    assert _bars_needed(loss, 0.03) == _bars_needed(loss, 0.0)  # luck makes no losses
    assert _bars_needed(gain, 0.03) > _bars_needed(gain, 0.0)
    assert math.isinf(_bars_needed(gain, 0.05))


@pytest.mark.parametrize(
    ("sharpe", "years", "words"),
    [
        (-0.5, 8.72, "takes about 8.7 years of such results to tell this Sharpe ratio from zero; here are 9.5 years"),
        (1.5, 30.2, "from the 0.90 that the best of so many trials shows by luck; here are 9.5 years"),
        (0.5, math.inf, "by luck, so that no length of such results would tell this one from luck"),
    ],
)
def test_how_long_it_takes_is_always_said(planted, sharpe, years, words):
    evidence = replace(planted.verdict.evidence, years=9.5, years_needed=years, lucky_sharpe=0.9)
    (said,) = _power_words(evidence, sharpe, has_edge=True)
    assert said.endswith(words)


def test_the_lead_over_holding_has_an_interval(planted):
    evidence = planted.verdict.evidence
    expected = sharpe_difference(
        planted.backtest.returns, planted.backtest.benchmark_returns, bars_per_year=planted.backtest.bars_per_year
    )
    assert (evidence.sharpe_lead, evidence.sharpe_lead_low, evidence.sharpe_lead_high, evidence.sharpe_p) == expected
    assert f"95 % between {expected.low:.2f} and {expected.high:.2f}; p " in planted.verdict.text


def test_a_sweep_of_thresholds_is_as_many_trials(planted):
    ledger = Ledger.in_memory()
    planted.recorded(ledger)
    rules = [Threshold(enter=enter) for enter in (0.0005, 0.001, 0.0015)]
    swept = planted.swept(rules, ledger=ledger)
    assert [result.tally.trials for result in swept] == [4, 4, 4]
    one = planted.retraded(rule=rules[1], ledger=ledger)  # replayed
    assert ledger.count() == 4
    assert swept[1].verdict.text == one.verdict.text
    assert swept[1].recipe == one.recipe


def test_the_verdict_as_json(planted):
    values = json.loads(json.dumps(planted.verdict.to_dict(), allow_nan=False))
    assert {"is_forecastable", "has_edge", "text", "reasons", "forecast_p", "break_even_bps", "trials"} <= set(values)
    assert values["trials"] == {"trials": 1, "effective": 1.0, "sharpe_variance": None, "overfitting": None}


def test_copies_count_little_and_strangers_in_full():
    generator = np.random.default_rng(0)
    base = 0.01 * generator.standard_normal(500)
    copies = [trial(base * (1 + 0.001 * seed), seed=seed) for seed in range(6)]
    strangers = [trial(0.01 * generator.standard_normal(500), seed=seed) for seed in range(6)]
    apart = [trial(base, start=f"{2000 + 2 * seed}-01-01", data=f"d{seed}") for seed in range(6)]
    assert count(copies[0], copies).trials == 6
    assert count(copies[0], copies).effective == pytest.approx(1.0, abs=0.05)
    assert count(strangers[0], strangers).effective > 5
    assert count(apart[0], apart).effective > 5  # what never overlaps is unrelated
    assert count(copies[0], copies[1:]).trials == 6  # the judged one counts, recorded or not


def test_trials_of_other_intervals_are_compared_on_the_longest():
    returns = 0.01 * np.random.default_rng(0).standard_normal(200 * 24)
    hourly = trial(returns, interval="1h")
    daily = trial(returns.reshape(-1, 24).sum(axis=1), data="e")
    assert count(daily, [hourly]).effective == pytest.approx(1.0, abs=0.05)


def test_the_overfitting_probability_is_that_of_trials_on_the_same_candles():
    generator = np.random.default_rng(1)
    noise = [trial(0.01 * generator.standard_normal(800), seed=seed) for seed in range(20)]
    skilled = trial(0.01 * generator.standard_normal(800) + 0.004, seed=99)
    assert count(noise[0], noise).overfitting > 0.2
    assert count(skilled, [*noise, skilled]).overfitting < 0.05
    assert math.isnan(count(noise[0], noise[:3]).overfitting)
    assert math.isnan(count(noise[0], [replace(other, data="other") for other in noise]).overfitting)


def test_every_evaluation_is_recorded_once(planted):
    ledger = Ledger.in_memory()
    candles = planted.candles
    first = STUDY.run(candles, ledger=ledger)
    assert STUDY.run(candles, ledger=ledger).tally == first.tally  # replayed
    assert ledger.count() == 1
    for enter in (0.0005, 0.001):
        first.retraded(rule=Threshold(enter=enter), ledger=ledger)
    first.retraded(costs=Costs(fee_bps=1), ledger=ledger)
    result = STUDY.run(candles, seed=1, ledger=ledger)
    assert ledger.count() == result.tally.trials == 5
    assert 1 <= result.tally.effective < 3
    recorded = ledger.trials()[0]
    np.testing.assert_allclose(recorded.returns, first.backtest.returns, rtol=1e-6, atol=1e-12)
    assert recorded.identity == first.trial.identity
    replace(STUDY, baselines=(Naive(), Drift(), LinearRegression())).run(candles, ledger=ledger)
    assert ledger.count() == 5  # baselines beside it are no other choice


def test_a_run_keeps_its_tally(tmp_path, planted):
    run_study(STUDY, planted.candles, runs=tmp_path)
    result, folder = run_study(replace(STUDY, cash=5_000.0), planted.candles, runs=tmp_path)
    assert result.tally.trials == 2
    assert load_run(folder).verdict == result.verdict
    assert Ledger(tmp_path).count() == 2


def test_a_plain_session_records_in_its_folder(tmp_path):
    code = """
import candlecast as cc
from candlecast.sources import synthetic
study = cc.Study(model=cc.LinearRegression(), features=cc.Features(cc.log_return()), baselines=())
print(study.run(synthetic.random_walk(300, seed=1).candles).tally.trials)
print(study.run(synthetic.random_walk(300, seed=2).candles).tally.trials)
print(study.run(synthetic.random_walk(300, seed=3).candles, ledger=cc.Ledger.in_memory()).tally.trials)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.split() == ["1", "2", "1"]
    assert Ledger(tmp_path / "runs").count() == 2


def test_an_unwritable_ledger_is_said_before_the_model_is_trained(tmp_path, planted):
    (tmp_path / "taken").write_text("a file")

    class Untrained(LinearRegression):
        def learn(self, job):
            raise AssertionError("trained")

    with pytest.raises(RunError, match="cannot be written"):
        replace(STUDY, model=Untrained()).run(planted.candles, ledger=Ledger(tmp_path / "taken"))
