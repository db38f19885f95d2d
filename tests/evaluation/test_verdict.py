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
from candlecast.evaluation.evidence import _bars_needed
from candlecast.evaluation.trial_count import TrialCount, count
from candlecast.evaluation.verdict import _power_words, _skill_words, judge
from candlecast.features import Features, log_return
from candlecast.ledger import Ledger, Trial
from candlecast.ledger.profile import profile_of
from candlecast.models import Drift, LinearRegression, Naive
from candlecast.signals import Threshold
from candlecast.sources import synthetic
from candlecast.stats import adjusted_p_value, deflated_sharpe, minimum_track_record, sharpe_difference, track_record
from candlecast.study import Study
from candlecast.study.checkpoints import run_study
from candlecast.study.loading import load_run
from candlecast.targets import NextReturn

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
    tried = TrialCount(
        trials=5_000, family=12, forecasts=5_000.0, trades=4_000.0, forecasts_before=4_999.0, trades_before=3_999.0
    )
    verdict = judge(
        planted.accuracy, planted.backtest, planted.summaries["linear"], planted.target,
        model="linear", trained=5, trial_count=tried,
    )  # fmt: skip
    assert not verdict.pays and not verdict.has_edge
    assert (
        "5,000 trials counted in this workspace, 12 of this market, interval and target; effective number of trials: "
        "5000.0 as forecasts, 4000.0 as strategies" in verdict.text
    )
    growth = np.log1p(planted.backtest.returns)
    assert verdict.evidence.deflated_sharpe == deflated_sharpe(track_record(growth), trials=4_000)
    evidence = planted.verdict.evidence
    adjusted = {
        name: adjusted_p_value(getattr(evidence, name), before=3_999, after=4_000) for name in ("return_p", "sharpe_p")
    }
    assert {name: getattr(verdict.evidence, f"{name}_adjusted") for name in adjusted} == pytest.approx(adjusted)
    assert verdict.evidence.forecast_p_adjusted == adjusted_p_value(evidence.forecast_p, before=4_999, after=5_000)


def test_one_trial_is_not_deflated(planted):
    evidence = planted.verdict.evidence
    assert evidence.forecast_p_adjusted == pytest.approx(evidence.forecast_p / 0.9)  # the rest is for later trials
    assert evidence.trial_count == TrialCount(content=planted.trial.content)
    assert "1 trial counted in this workspace." in planted.verdict.text + "."


def test_a_naive_model_judged_against_itself_reads_well():
    candles = synthetic.random_walk(600, seed=2).candles
    verdict = replace(STUDY, model=Naive()).run(candles).verdict
    assert not verdict.is_forecastable and not verdict.pays
    assert verdict.text.startswith(
        "No edge found. The naive forecast of the next return is the reference of all others: it makes no claim. "
        "The strategy never traded; buy-and-hold returned"
    )
    assert "nan" not in verdict.text.lower().replace("naive", "") and "undefined" not in verdict.text
    verdict = replace(STUDY, model=Drift()).run(candles).verdict
    assert "so it counts as no skill" in verdict.text and not verdict.is_forecastable


def test_the_words_say_what_was_asked_for(planted):
    text = replace(STUDY, costs=Costs()).run(synthetic.random_walk(1_200, seed=6).candles).verdict.text
    for words in (
        "No edge found",
        "The linear forecast of the next return is no better than naive, drift and the past mean (Clark-West p-value ",
        "After 12 bp of costs a side and",
        "buy-and-hold",
        "1 trial counted in this workspace",
        "This much data detects a Sharpe ratio of",
        "a smaller edge may have been missed",
    ):
        assert words in text, words
    assert "from zero takes about" in planted.verdict.text and "of such results; the record has" in planted.verdict.text
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
        (-0.5, 8.72, "from zero takes about 8.7 years of such results; the record has 9.5 years"),
        (1.5, 30.2, "this many trials has by luck takes about 30 years of such results; the record has 9.5 years"),
        (0.5, math.inf, "by luck, so no record of such results, however long, would distinguish this one from luck"),
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
    assert (
        evidence.sharpe_difference,
        evidence.sharpe_difference_low,
        evidence.sharpe_difference_high,
        evidence.sharpe_p,
    ) == expected
    assert f"95 % CI {expected.low:.2f} to {expected.high:.2f})" in planted.verdict.text


def test_a_sweep_of_thresholds_is_as_many_trials(planted):
    ledger = Ledger.in_memory()
    planted.record(ledger)
    rules = [Threshold(enter=enter) for enter in (0.0005, 0.001, 0.0015)]
    swept = planted.sweep(rules, ledger=ledger)
    assert [result.trial_count.trials for result in swept] == [4, 4, 4]
    one = planted.rebacktest(rule=rules[1], ledger=ledger)  # replayed
    assert ledger.count() == 4
    assert swept[1].verdict.text == one.verdict.text
    assert swept[1].recipe == one.recipe


def test_the_verdict_as_json(planted):
    values = json.loads(json.dumps(planted.verdict.to_dict(), allow_nan=False))
    assert {"is_forecastable", "has_edge", "text", "reasons", "forecast_p", "break_even_bps", "trials"} <= set(values)
    counted = values["trials"]
    assert (counted["trials"], counted["forecasts"], counted["trades"], counted["overfitting"]) == (1, 1.0, 1.0, None)
    assert TrialCount.from_dict(counted) == planted.counted


def entries_of(trials):
    ledger = Ledger.in_memory()
    for each in trials:
        ledger.record(each)
    return ledger.entries()


def counted_last(trials):
    """The trial_count of the last of trials that were made one after the other."""
    return count(trials[-1], entries_of(trials))


def test_copies_count_little_and_strangers_in_full():
    generator = np.random.default_rng(0)
    base = 0.01 * generator.standard_normal(500)
    copies = [trial(base * (1 + 0.001 * seed), seed=seed) for seed in range(6)]
    strangers = [trial(0.01 * generator.standard_normal(500), seed=seed) for seed in range(6)]
    apart = [trial(base, start=f"{2000 + 2 * seed}-01-01", data=f"d{seed}") for seed in range(6)]
    assert counted_last(copies).trials == 6
    assert counted_last(copies).effective == pytest.approx(1.0, abs=0.05)
    assert counted_last(strangers).effective > 5
    assert counted_last(apart).effective > 5  # what never overlaps is unrelated
    assert count(copies[0], entries_of(copies[1:])).trials == 6  # the judged one counts, recorded or not


def test_trials_of_other_intervals_are_compared_on_the_longest():
    returns = 0.01 * np.random.default_rng(0).standard_normal(200 * 24)
    hourly = trial(returns, interval="1h")
    daily = trial(returns.reshape(-1, 24).sum(axis=1), data="e")
    assert counted_last([hourly, daily]).effective == pytest.approx(1.0, abs=0.05)


def test_the_overfitting_probability_is_that_of_trials_on_the_same_candles():
    generator = np.random.default_rng(1)
    noise = [trial(0.01 * generator.standard_normal(800), seed=seed) for seed in range(20)]
    skilled = trial(0.01 * generator.standard_normal(800) + 0.004, seed=99)
    assert counted_last(noise).overfitting > 0.2
    assert counted_last([*noise, skilled]).overfitting < 0.05
    assert math.isnan(counted_last(noise[:3]).overfitting)
    assert math.isnan(counted_last([*(replace(other, data="other") for other in noise), noise[0]]).overfitting)


def test_a_low_overfitting_probability_is_shown_as_a_ranking(planted):
    """One idle trial among nine that lose to costs stays the best, and has no edge."""
    generator = np.random.default_rng(2)
    losers = [trial(0.01 * generator.standard_normal(800) - 0.006, seed=seed) for seed in range(9)]
    idle = 0.01 * generator.standard_normal(800)
    counted = counted_last([*losers, trial(idle - idle.mean(), seed=99)])
    assert counted.overfitting < 0.05 and counted.compared == 10
    verdict = judge(
        planted.accuracy, planted.backtest, planted.summaries["linear"], planted.target,
        model="linear", trained=5, trial_count=counted,
    )  # fmt: skip
    assert "(PBO), over the 10 trials on these candles, 0 %: how often the best trial of one half" in verdict.text
    assert "so a low PBO is no evidence that the best one has an edge" in verdict.text
    assert TrialCount.from_dict(counted.to_dict()) == counted
    assert "(PBO), over the trials on these candles" in replace(counted, compared=0).overfitting_words
    assert TrialCount().overfitting_words == ""


def test_a_trial_pays_for_what_came_before_and_is_judged_alike_for_ever():
    generator = np.random.default_rng(4)
    tried = [trial(0.01 * generator.standard_normal(500), seed=seed) for seed in range(8)]
    whole = entries_of(tried)
    for place in (0, 3, 7):
        trial_count = count(tried[place], whole)
        assert trial_count == count(tried[place], whole[: place + 1])  # later ones change nothing
        assert trial_count.trials == place + 1
        assert trial_count.forecasts_before < trial_count.forecasts <= place + 1
    ledger = Ledger.in_memory()
    ledger.record(tried[0])
    ledger.record_all(tried[1:5])
    together = [count(each, ledger.entries()) for each in tried[1:5]]
    assert {(trial_count.trials, trial_count.forecasts_before) for trial_count in together} == {(5, 1.0)}


def test_trials_of_minutes_are_counted_one_by_one_whatever_their_annual_figures():
    """Six days of minutes have annual Sharpe ratios in the hundreds; a daily trial of ten years pays for three more, no more."""
    generator = np.random.default_rng(5)
    day = np.datetime64("2024-03-01", "us") + np.arange(1, 8_641) * np.timedelta64(60, "s")
    minutes = [
        Trial("m", {"seed": seed}, "0", "M", "1m", "m", 525_600.0, day, 1e-4 * generator.standard_normal(8_640) - 1e-5)
        for seed in range(3)
    ]
    daily = trial(0.01 * generator.standard_normal(3_650))
    trial_count = counted_last([*minutes, daily])
    assert trial_count.effective == pytest.approx(4.0, abs=0.1)
    assert trial_count.family == 1 and trial_count.trials == 4


def test_trials_that_never_traded_count_by_their_forecasts():
    generator = np.random.default_rng(6)
    times = trial(np.zeros(600)).times
    flat = np.zeros(600)

    def idle(seed, values):
        profile = profile_of(times, flat, step=86_400_000_000, skills=(times, values))
        return replace(trial(flat, seed=seed), profile=profile)

    unlike = [idle(seed, generator.standard_normal(600)) for seed in range(9)]
    alike = [idle(seed, unlike[0].outline.values[2] + 1e-3 * generator.standard_normal(600)) for seed in range(9)]
    for counted, few, many in ((counted_last(unlike), 8.5, 9.1), (counted_last(alike), 0.9, 1.2)):
        assert few < counted.forecasts < many and few < counted.trades < many


def test_views_of_a_result_are_trials_once_they_are_judged(planted):
    ledger = Ledger.in_memory()
    result = planted.record(ledger)
    half = str(planted.forecast.frame["time"][600])
    view = result.between(until=half)
    assert ledger.count() == 1  # looked at, not judged
    assert view.verdict.evidence.trial_count.trials == 2 == ledger.count()
    assert result.between(since=half).verdict.evidence.trial_count.trials == 3  # the other half is another trial
    assert result.between(until=half).verdict.evidence.trial_count.trials == 2  # judged again
    changed = replace(result, positions=result.positions | {"linear": result.positions["naive"]})
    assert changed.verdict.evidence.trial_count.trials == 4  # a copy with other positions under the same recipe
    assert result.verdict.evidence.trial_count.trials == 1


def test_every_evaluation_is_recorded_once(planted):
    ledger = Ledger.in_memory()
    candles = planted.candles
    first = STUDY.run(candles, ledger=ledger)
    assert STUDY.run(candles, ledger=ledger).trial_count == first.trial_count  # replayed
    assert ledger.count() == 1
    for enter in (0.0005, 0.001):
        first.rebacktest(rule=Threshold(enter=enter), ledger=ledger)
    first.rebacktest(costs=Costs(fee_bps=1), ledger=ledger)
    result = STUDY.run(candles, seed=1, ledger=ledger)
    assert ledger.count() == result.counted.trials == 5
    assert 1 <= result.counted.effective < 3
    recorded = ledger.trials()[0]
    np.testing.assert_allclose(recorded.returns, first.backtest.returns, rtol=1e-6, atol=1e-12)
    assert recorded.identity == first.trial.identity
    replace(STUDY, baselines=(Naive(), Drift(), LinearRegression())).run(candles, ledger=ledger)
    assert ledger.count() == 5  # baselines beside it are no other choice


def test_a_run_keeps_its_trial_count(tmp_path, planted):
    run_study(STUDY, planted.candles, runs=tmp_path)
    result, folder = run_study(replace(STUDY, cash=5_000.0), planted.candles, runs=tmp_path)
    assert result.trial_count.trials == 2
    assert load_run(folder).verdict.to_dict() == result.verdict.to_dict()
    assert Ledger(tmp_path).count() == 2
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tally"] = manifest.pop("trial_count")  # its name in older runs
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert load_run(folder).verdict.to_dict() == result.verdict.to_dict()


def test_a_plain_session_records_in_its_folder(tmp_path):
    code = """
import candlecast as cc
from candlecast.sources import synthetic
study = cc.Study(model=cc.LinearRegression(), features=cc.Features(cc.log_return()), baselines=())
print(study.run(synthetic.random_walk(300, seed=1).candles).trial_count.trials)
print(study.run(synthetic.random_walk(300, seed=2).candles).trial_count.trials)
print(study.run(synthetic.random_walk(300, seed=3).candles, ledger=cc.Ledger.in_memory()).trial_count.trials)
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
