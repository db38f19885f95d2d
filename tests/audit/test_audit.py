"""Audits: leaks are found at their stage, clean pipelines pass, and what is reported is true."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.audit.perturbations import PERTURBATIONS
from candlecast.audit.stage import first_movement, stages_of
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.testing.pipelines import CLEAN, LEAKY, PipelineCase
from candlecast.testing.pipelines.case import of_feature, study


@pytest.fixture(scope="module")
def candles():
    return PipelineCase.candles()


def ahead(bars):
    """A feature that is the close `bars` bars later, over the close."""

    def compute(candles):
        later = np.concatenate([candles.close[bars:], np.full(bars, np.nan)])
        return later / candles.close

    return compute


@pytest.mark.parametrize("case", LEAKY, ids=lambda case: case.name)
def test_every_leak_is_found_at_its_stage(case, candles):
    report = cc.audit(case.make(), candles)
    assert not report.passed
    (finding,) = report.findings
    assert finding.stage == case.stage, str(report)
    assert finding.lead >= 1 and finding.cause and finding.remedy
    assert report.line == f"Audit (full): failed at {case.stage}" or case.stage == "fills"


@pytest.mark.parametrize("case", CLEAN, ids=lambda case: case.name)
def test_no_clean_pipeline_is_accused(case, candles):
    report = cc.audit(case.make(), candles)
    assert report.passed, str(report)
    assert not report.findings
    assert report.line.startswith("Audit (full): no look-ahead found in ")


@pytest.mark.parametrize("bars", [1, 2, 7])
def test_the_lead_is_the_number_of_bars_ahead(bars, candles):
    (finding,) = cc.audit(of_feature(ahead(bars))(), candles).findings
    assert (finding.stage, finding.column, finding.lead) == ("features", "own", bars)
    row = int(np.searchsorted(candles.close_time, np.datetime64(finding.time.replace(tzinfo=None))))
    assert candles.close_time[row] == np.datetime64(finding.time.replace(tzinfo=None))
    assert finding.before == pytest.approx(candles.close[row + bars] / candles.close[row])
    assert finding.before != finding.after


@pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=lambda each: each.name)
def test_perturbed_candles_are_sound_and_equal_up_to_the_bar(perturbation, candles):
    changed = perturbation.apply(candles, 400, np.random.default_rng(1))
    assert changed.check().is_sound
    assert changed.frame[:401].equals(candles.frame[:401])
    assert not changed.frame.equals(candles.frame)
    if perturbation.name == "next bar":
        assert changed.frame[402:].equals(candles.frame[402:])
    if perturbation.name.startswith("other "):
        moved = [name for name in candles.frame.columns if not changed.frame[name].equals(candles.frame[name])]
        assert moved == [perturbation.name.removeprefix("other ").removesuffix("s")]


def test_a_reversal_turns_the_order_of_returns(candles):
    (reversal,) = (each for each in PERTURBATIONS if each.name == "reversal")
    changed = reversal.apply(candles, 400, np.random.default_rng(0))
    np.testing.assert_allclose(
        np.diff(np.log(changed.close[400:])), np.diff(np.log(candles.close[400:]))[::-1], atol=1e-12
    )


def test_a_feature_found_by_date_is_refused_by_the_audit(candles):
    answers = dict(zip(candles.close_time.tolist(), ahead(1)(candles), strict=True))

    def looked_up(other):
        return np.array([answers.get(time, 1.0) for time in other.close_time.tolist()])

    report = cc.audit(of_feature(looked_up)(), candles)
    assert not report.passed
    assert report.checks[0].name == "computed from the candles" and "own" in report.checks[0].detail


def test_a_pipeline_that_is_not_repeatable_is_refused(candles):
    with pytest.raises(ConfigError, match="the stage features of the pipeline gives other values when it is run again"):
        cc.audit(lambda candles: {"features": np.random.default_rng().random(len(candles))}, candles)


@pytest.mark.parametrize(
    ("tables", "wrong"),
    [
        (5, "the pipeline gave a int"),
        ({}, "the pipeline gave a dict"),
        ({"features": [1.0]}, "the stage features is of type list"),
        ({"features": pl.DataFrame({"a": [1.0]})}, "the stage features is of type DataFrame"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused(tables, wrong, candles):
    with pytest.raises(ConfigError, match=wrong):
        cc.audit(lambda candles: tables, candles)


def test_too_few_candles_are_refused(candles):
    with pytest.raises(NotEnoughDataError, match="59 candles for the audit of a pipeline"):
        cc.audit(lambda candles: {"features": candles.close}, candles[:59])


def test_a_pipeline_that_fails_on_other_candles_is_reported(candles):
    def needs_all(other):
        if len(other) < len(candles):
            raise KeyError("2024")
        return {"features": other.close}

    (finding,) = cc.audit(needs_all, candles).findings
    assert finding.column == "error (KeyError: '2024')" and finding.perturbation == "truncation"


def test_rows_that_appear_later_are_a_movement(candles):
    def rows_of_high_bars(other):
        rows = np.flatnonzero(other.close > np.median(other.close))
        return {"orders": pl.DataFrame({"time": other.close_time[rows], "side": ["buy"] * len(rows)})}

    (finding,) = cc.audit(rows_of_high_bars, candles).findings
    assert (finding.stage, finding.column) == ("orders", "side")


def test_text_is_compared_by_content(candles):
    times = candles.close_time[:3]
    one, two = (
        stages_of({"side": pl.DataFrame({"time": times, "side": sides})}, candles)["side"]
        for sides in (["buy", "sell", "buy"], ["buy", "buy", "buy"])
    )
    movement = first_movement(one, two, times[2])
    assert movement is not None and (movement.time, movement.share) == (times[1], 1 / 3)
    assert first_movement(one, two, times[0]) is None


def test_undefined_values_are_equal(candles):
    one = stages_of({"x": np.full(len(candles), np.nan)}, candles)["x"]
    assert first_movement(one, one, candles.close_time[-1]) is None


def test_later_stages_are_not_compared_after_the_first_that_moved(candles):
    report = cc.audit(of_feature(ahead(1))(), candles)
    status = dict(zip(report.frame["check"], report.frame["status"], strict=True))
    assert status["features"] == "failed" and status["target"] == status["orders"] == "not run"
    assert "features, own: the value known at" in str(report) and "looks 1 bar ahead" in str(report)


def test_the_same_seed_gives_the_same_report(candles):
    made = study(folds=cc.WalkForward(folds=2))
    assert cc.audit(made, candles, seed=3) == cc.audit(made, candles, seed=3)


def test_a_short_warm_up_fails_its_check(candles):
    def slow(other):
        return np.convolve(other.close, np.ones(30) / 30)[: len(other)] / other.close

    report = cc.audit(of_feature(slow, warmup=3)(), candles)
    (check,) = (each for each in report.checks if each.name == "warm-up")
    assert check.status == "failed" and check.detail == "own settles after 29 bars and declares 3"


def test_stale_opens_fail_the_check_of_prices():
    market = cc.sample("sp500")[:2_000]
    report = cc.audit(study(folds=cc.WalkForward(folds=2)), market)
    (check,) = (each for each in report.checks if each.name == "tradable prices")
    assert check.status == "failed" and "stale opens" in check.detail


def test_nets_stream_as_they_forecast(candles):
    net = cc.LSTM(hidden=3, window=6, training=cc.Fit(epochs=1))
    report = cc.audit(study(model=net), candles)
    (check,) = (each for each in report.checks if each.name == "streaming")
    assert check.status == "passed" and check.detail.startswith("149 bars, largest difference ")
    assert report.passed


def test_cross_validated_folds_are_not_compared_as_a_walk(candles):
    report = cc.audit(study(folds=cc.PurgedKFold(3)), candles)
    checks = {check.name: check for check in report.checks}
    assert checks["weights"].detail == "1 fold trained again"  # the last, which trains on the others
    assert checks["forecasts"].status == "passed"


def test_progress_ends_whole(candles):
    events = []
    cc.audit(study(), candles, progress=events.append)
    assert events[-1].done == events[-1].total


def test_the_report_as_json(candles):
    report = cc.audit(of_feature(ahead(2))(), candles).to_dict()
    assert report["passed"] is False
    assert report["findings"][0]["lead"] == 2
    assert {check["status"] for check in report["checks"]} == {"failed", "not run"}
