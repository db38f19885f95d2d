"""The quick audit of every study, and what it forbids."""

from __future__ import annotations

from dataclasses import replace

import pytest

import candlecast as cc
from candlecast.audit import AuditReport, Check
from candlecast.audit.audit import quick_audit
from candlecast.dataset.jobs import Job
from candlecast.ledger import Ledger
from candlecast.study.loading import load_run
from candlecast.testing.pipelines import LEAKY, PipelineCase
from candlecast.testing.pipelines.case import study
from candlecast.walkforward import plan_jobs

MARKET = PipelineCase.candles(seed=4)


@pytest.fixture(scope="module")
def result():
    return study().run(MARKET, ledger=Ledger.in_memory())


def test_every_study_is_audited_and_says_so(result):
    assert result.audit is not None and result.audit.passed and result.audit.kind == "quick"
    status = {check.name: check.status for check in result.audit.checks}
    assert status["features"] == status["forecasts"] == status["orders"] == "passed"
    assert status["weights"] == "not run"
    assert "Audit (quick): no look-ahead found in 7 checks" in result.verdict.reasons
    assert result.verdict.to_dict()["audit"] == "Audit (quick): no look-ahead found in 7 checks"


def jobs_of(made) -> list[Job]:
    return plan_jobs(
        made.model,
        MARKET,
        features=made.features,
        target=made.target,
        folds=made.folds,
        seeds=[0],
        window=made.model.window,
    )


@pytest.mark.parametrize(
    "case", [case for case in LEAKY if case.stage in ("forecasts", "positions") and hasattr(case.make(), "model")],
    ids=lambda case: case.name,
)  # fmt: skip
def test_leaks_after_the_features_are_found_without_training(case):
    made = case.make().completed(MARKET)
    jobs = jobs_of(made)
    report = quick_audit(made, jobs, list(made.model.fit(jobs, progress=lambda event: None)))
    assert [finding.stage for finding in report.findings] == [case.stage]


def test_a_failed_audit_forbids_every_claim(result):
    failed = AuditReport("quick", (Check("labels known before training", "failed", "fold 0 trains on later outcomes"),))
    verdict = replace(result, audit=failed).verdict
    assert verdict.headline == "No verdict: the audit of the study failed."
    assert verdict.reasons[0] == "labels known before training: fold 0 trains on later outcomes"
    assert not verdict.is_forecastable and not verdict.pays
    assert verdict.to_dict()["leaks"] == ["labels known before training: fold 0 trains on later outcomes"]


def test_a_result_without_an_audit_says_so(result):
    assert "Audit: not run" in replace(result, audit=None).verdict.reasons


@pytest.mark.parametrize("name", ["negative shift", "filled at the deciding close"])
def test_a_report_is_read_back_as_it_was(name):
    (case,) = (case for case in LEAKY if case.name == name)
    report = cc.audit(case.make(), MARKET)
    assert report.findings and AuditReport.from_dict(report.to_dict()) == report


def test_a_run_keeps_its_audit(result, tmp_path):
    assert load_run(result.save(tmp_path / "run")).audit == result.audit


def test_one_tested_bar_can_be_audited():
    made = study(folds=cc.Holdout(0.998))
    report = cc.audit(made, MARKET)
    assert report.passed, str(report)
