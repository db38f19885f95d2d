"""Survivorship: lists of assets that were chosen with later knowledge."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import candlecast as cc
from candlecast.candles import Origin
from candlecast.candles.table import Ending
from candlecast.errors import ConfigError
from candlecast.evaluation.survivorship import survivorship
from candlecast.ledger import Ledger
from candlecast.sources import synthetic
from candlecast.testing.pipelines.case import study

BARS = 400  # weeks, 7.7 years


def assets(number, *, ended=()):
    """Series of that many assets; those in `ended` stop half way."""
    series = [
        replace(synthetic.random_walk(BARS, seed=place, interval="1w").candles, symbol=f"A{place}")
        for place in range(number)
    ]
    return [each[: BARS // 2] if place in ended else each for place, each in enumerate(series)]


def test_many_assets_of_which_none_ended_are_suspicious():
    found = survivorship(assets(12))
    assert found.asset_years == pytest.approx(12 * BARS / 52.1775, rel=1e-3)
    assert found.chance == pytest.approx(math.exp(-0.04 * found.asset_years))
    assert found.is_suspicious and not found.is_late
    assert found.warning.startswith("all 12 assets trade to the last bar, over 92 asset-years: a list of survivors")


@pytest.mark.parametrize(
    "series",
    [assets(1), assets(9), assets(12, ended=(3,)), [*assets(4), *assets(4), *assets(4)], []],
    ids=["one", "few", "one ended", "intervals of the same", "none"],
)
def test_others_are_not(series):
    assert not survivorship(series).is_suspicious and not survivorship(series).warning


def test_what_the_source_says_has_ended_has_ended():
    series = assets(12)
    ending = Ending(at=series[3].frame["close_time"][-1].isoformat(), why="delisted")
    series[3] = replace(series[3], origin=Origin("store", ended=ending))
    assert survivorship(series).ended == ("A3",) and not survivorship(series).is_suspicious


def test_a_declared_day_counts_in_place_of_the_look_of_the_list():
    tested = datetime(2018, 1, 1, tzinfo=UTC)
    early = survivorship(assets(12), as_of=datetime(2017, 12, 31), tested_from=tested)
    assert not early.warning and str(early) == "12 assets, chosen on 2017-12-31"
    late = survivorship(assets(12), as_of=datetime(2019, 1, 1), tested_from=tested)
    assert late.is_late and late.warning.startswith("the assets were chosen on 2019-01-01, after the first tested bar")


def compared(series, **options):
    parts = {"features": cc.Features(cc.log_return()), "folds": cc.Holdout(0.5), "seeds": [0]}
    return cc.compare({"naive": cc.Naive()}, series, ledger=Ledger.in_memory(), **parts, **options)


def test_a_comparison_warns_of_survivors():
    series = [each[:260] for each in assets(16)]
    found = compared(series)
    assert found.survivorship.is_suspicious
    assert "All 16 assets trade to the last bar, over 80 asset-years" in found.text
    assert "survivors" not in compared(series, as_of="2015-06-01").text
    assert (
        "The assets were chosen on 2024-01-01, after the first tested bar" in compared(series, as_of="2024-01-01").text
    )
    with pytest.raises(ConfigError, match="as_of 'never' is not a date"):
        compared(series, as_of="never")


def test_an_audit_of_several_assets():
    series = [each[:200] for each in assets(3)]
    report = cc.audit(study(), series)
    checks = {check.name: check for check in report.checks}
    assert report.passed and checks["survivorship"].status == "passed"
    assert checks["survivorship"].detail == "3 assets, of which 0 ended"
    late = cc.audit(study(), series[0], as_of="2100-01-01")
    assert not late.passed and late.failures[-1].startswith("survivorship: the assets were chosen on 2100-01-01")
    assert cc.audit(study(), series[0], as_of="2000-01-01").passed


def test_a_list_of_survivors_is_a_warning_of_an_audit():
    report = cc.audit(lambda candles: {"features": candles.close}, [each[:100] for each in assets(45)])
    assert report.passed and report.line == "Audit (full): no look-ahead found in 2 checks; warning: survivorship"


def test_the_asset_that_leaks_is_named():
    series = [each[:200] for each in assets(2)]

    def leaks_on_the_second(candles):
        return {"features": candles.close / (candles.close.max() if candles.symbol == "A1" else 1.0)}

    report = cc.audit(leaks_on_the_second, series)
    assert report.checks[0].status == "failed" and report.checks[0].detail.startswith("A1: ")
    assert [finding.column for finding in report.findings] == ["column 0 of A1"]
