"""The two answers: what makes a no of a record, and what makes it too short to tell."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from candlecast.evaluation.answers import NOT_ENOUGH, forecast_answer, pay_answer
from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.evidence import Evidence
from candlecast.evaluation.measures import HEADINGS
from candlecast.evaluation.objection import Objection
from candlecast.evaluation.trial_count import TrialCount
from candlecast.models import LinearRegression
from candlecast.sources import synthetic
from candlecast.study import Study

NOTHING = Evidence(
    forecast_p=0.4, forecast_p_adjusted=0.5,
    return_p=0.3, return_p_adjusted=0.4,
    timing_p=0.2, timing_p_adjusted=0.3,
    sharpe_difference=0.1, sharpe_difference_low=-0.5, sharpe_difference_high=0.7,
    sharpe_p=0.4, sharpe_p_adjusted=0.45,
    lucky_sharpe=0.0, deflated_sharpe=0.7, detectable_sharpe=0.8, detectable_r2=0.003,
    years=9.0, years_needed=40.0, doubt="",
    conditions=Conditions(break_even_bps=5.0), trial_count=TrialCount(),
)  # fmt: skip
SHORT = replace(NOTHING, detectable_r2=0.0101, detectable_sharpe=2.01, years=1.5)
ROW = {"r2": 0.001, "r2_low": -0.002, "r2_high": 0.004}
LINES = {
    "annual return": {"value": 0.02, "low": -0.05, "high": 0.09, "benchmark": 0.07},
    "Sharpe ratio": {"value": 0.3, "low": -0.4, "high": 0.9, "benchmark": 0.5},
}
LOSING = LINES | {"annual return": {"value": -0.2, "low": -0.3, "high": -0.1, "benchmark": 0.07}}


def forecast(evidence=NOTHING, row=ROW, against=(), *, model="lstm", is_forecastable=False):
    return forecast_answer(row, evidence, against, model=model, is_forecastable=is_forecastable)


def pay(evidence=NOTHING, lines=LINES, against=(), *, orders=10, is_significant=False, pays=False):
    return pay_answer(lines, evidence, against, orders=orders, is_significant=is_significant, pays=pays)


def test_a_long_record_without_findings_is_a_no():
    assert (forecast().answer, pay().answer) == ("no", "no")
    assert "p 0.50, adjusted for all trials" in forecast().sentence
    assert pay().sentence == (
        "It does not grow significantly (p 0.40, adjusted for all trials); buy-and-hold returned 7.0 %, Sharpe ratio 0.50."
    )


def test_a_record_that_misses_the_largest_plausible_edge_is_not_enough_data():
    assert (forecast(SHORT).answer, pay(SHORT).answer) == (NOT_ENOUGH, NOT_ENOUGH)
    assert forecast(SHORT).sentence == (
        "This record detects an R2 of 1.0 % or more (power 80 %); more than 1 % is not plausible."
    )
    assert "a Sharpe ratio of 2.0 or more" in pay(SHORT).sentence
    at_the_limit = replace(NOTHING, detectable_r2=0.01, detectable_sharpe=2.0)
    assert (forecast(at_the_limit).answer, pay(at_the_limit).answer) == ("no", "no")


def test_an_interval_below_zero_is_a_no_however_short_the_record():
    assert forecast(SHORT, {"r2": -0.4, "r2_low": -0.6, "r2_high": -0.2}).answer == "no"
    losing = pay(SHORT, LOSING)
    assert losing.answer == "no"
    assert losing.sentence.startswith("It loses money: the whole confidence interval is below zero")


def test_yes_is_the_verdict_s_alone():
    assert forecast(SHORT, is_forecastable=True).answer == "yes"
    assert pay(SHORT, is_significant=True, pays=True).answer == "yes"


def test_an_objection_is_the_reason_and_one_about_the_length_is_not_enough_data():
    leak = Objection("No verdict: the audit of the study failed.", "", is_of_forecast=True)
    assert forecast(against=(leak,)).sentence == "The audit of the study failed."
    assert pay(against=(leak,)).answer == "no"
    short = Objection("No edge found: the record may lack rare large losses.", "", is_of_length=True)
    assert pay(against=(short,), is_significant=True).answer == NOT_ENOUGH
    of_gains = Objection("No edge found: it was earned inside the spread.", "", is_of_gains=True)
    assert "does not grow" in pay(against=(of_gains,)).sentence
    assert "inside the spread" in pay(against=(of_gains,), is_significant=True).sentence


def test_what_was_never_tested_says_so():
    assert "makes no claim" in forecast(replace(NOTHING, forecast_p=math.nan), model="naive").sentence
    unknown = replace(NOTHING, forecast_p=math.nan, forecast_p_adjusted=math.nan)
    undefined = forecast(unknown, {"r2": None, "r2_low": None, "r2_high": None})
    assert (undefined.answer, undefined.figure) == (NOT_ENOUGH, "R2 against naive undefined")
    assert pay(orders=0).sentence == "The strategy never traded."


def test_each_failed_test_of_the_account_is_named():
    grown = replace(NOTHING, return_p_adjusted=0.01)
    assert pay(grown).sentence.startswith("It earns no more than its mean position does (p 0.30")
    of_volatility = replace(grown, conditions=replace(grown.conditions, is_at_equal_risk=True))
    assert pay(of_volatility).sentence.startswith("It earns no more than holding at equal risk does (p 0.30")
    timed = replace(grown, timing_p_adjusted=0.01)
    assert pay(timed).sentence.startswith("Its Sharpe ratio is not significantly above that of buy-and-hold (p 0.45")
    better = replace(timed, sharpe_p_adjusted=0.01)
    assert pay(better).sentence == (
        "The best of this many trials does as well by luck (deflated Sharpe ratio 70.0 %, 95 % needed)."
    )


@pytest.mark.parametrize(("years", "words"), [(9.0, "annual return 2.0 %"), (0.5, "total return 2.0 %")])
def test_a_short_record_is_not_annualised(years, words):
    assert pay(replace(NOTHING, years=years)).figure == f"{words} (95 % CI -5.0 to 9.0 %)"


def test_answers_and_measures_are_those_of_the_verdict():
    result = Study(model=LinearRegression(), baselines=()).run(synthetic.ar1(900, seed=1, phi=0.3).candles)
    verdict = result.verdict
    first, second = verdict.answers
    row = result.accuracy.filter(model="linear").row(0, named=True)
    assert (first.value, first.low, first.high) == (row["r2"], row["r2_low"], row["r2_high"])
    assert (first.answer == "yes", second.answer == "yes") == (verdict.is_forecastable, verdict.pays)
    annual = result.summary().row(1, named=True)
    assert (second.value, second.low, second.high) == (annual["value"], annual["low"], annual["high"])
    assert all(len(measure.cells) == len(HEADINGS) for measure in verdict.measures)
    values = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))["answers"]
    assert [value["question"] for value in values] == ["Can it be forecast?", "Does it pay after costs?"]
