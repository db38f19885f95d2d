"""Audits that show results to code of the user's count as studies that have begun."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import candlecast as cc
from candlecast.cli import main
from candlecast.ledger import Ledger
from candlecast.sources import synthetic
from small_scans import LINEAR


@pytest.fixture(scope="module")
def candles():
    return synthetic.ar1(400, seed=1, phi=0.3).candles


class Configured:
    """A rule whose threshold stands in a file, and which notes how well the forecasts that it sees did."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __call__(self, forecast, candles):
        return cc.Threshold(enter=float(Path(self.path).read_text()))(forecast)


def study(rule=None, **parts):
    shared = {"features": cc.Features(cc.log_return()), "folds": cc.Holdout(train=0.5), "seeds": 1, "baselines": ()}
    return cc.Study(model=LINEAR, rule=rule, **shared, **parts)


def begun(ledger):
    return [entry.is_open for entry in ledger.entries()]


def test_audits_of_a_rule_that_reads_its_parameters_count_each_time(candles, tmp_path):
    ledger, rule = cc.Ledger(tmp_path), Configured(tmp_path / "enter.txt")
    for number in range(6):
        Path(rule.path).write_text(str(0.0001 * number))
        assert cc.audit(study(rule), candles, ledger=ledger).passed
    assert begun(ledger) == [True] * 4, "the study itself, and each audit beyond two more"
    counted = study(rule).run(candles, ledger=ledger).trial_count
    assert (counted.trials, counted.unfinished) == (5, 4)
    assert counted.trades > 4 and counted.forecasts < 2, "accounts unlike each other, of nearly the same forecasts"


def test_two_audits_before_a_study_are_free(candles, tmp_path):
    ledger, rule = cc.Ledger(tmp_path), Configured(tmp_path / "enter.txt")
    Path(rule.path).write_text("0.001")
    for _ in range(2):
        cc.audit(study(rule), candles, ledger=ledger)
    assert begun(ledger) == [True]
    counted = study(rule).run(candles, ledger=ledger).trial_count
    assert (counted.trials, counted.unfinished) == (1, 0)
    assert begun(ledger) == [False], "the study has the choices of its audits, and ends one of them"


def test_an_audit_counts_before_the_rule_sees_anything(candles):
    def stops(forecast, candles):
        raise KeyboardInterrupt

    ledger = Ledger.in_memory()
    for look in (cc.audit, cc.shortcuts):
        with pytest.raises(KeyboardInterrupt):
            look(study(stops), candles, ledger=ledger)
        with pytest.raises(KeyboardInterrupt):
            look(study(stops), candles, seed=len(begun(ledger)), ledger=ledger)
    assert begun(ledger) == [True] * 3, "seed 0, 1 and 2"


@dataclass(frozen=True)
class Told(cc.NextReturn):
    """A target that may stop as soon as it is told forecasts of a model that was trained."""

    def expected_return(self, forecast, candles):
        if told:
            told[0] -= 1
            raise KeyboardInterrupt
        return super().expected_return(forecast, candles)


told: list[int] = []


class Trained(cc.LinearRegression):
    """A model after whose first training the target stops."""

    def fit(self, jobs, *, progress):
        found = list(super().fit(jobs, progress=progress))
        told.append(1)
        yield from found


@pytest.mark.parametrize(
    "look",
    [
        lambda own, *given, **named: own.run(*given, **named),
        cc.audit,
        cc.shortcuts,
        lambda own, candles, ledger: cc.compare(
            {"a": own.model}, candles, target=own.target, features=own.features, folds=own.folds, ledger=ledger
        ),
    ],
    ids=["run", "audit", "shortcuts", "compare"],
)
def test_a_target_of_the_users_counts_before_it_is_told_forecasts(look, candles):
    ledger = Ledger.in_memory()
    told.clear()
    with pytest.raises(KeyboardInterrupt):
        look(replace(study(target=Told()), model=Trained()), candles, ledger=ledger)
    told.clear()
    assert begun(ledger) == [True]


def test_a_study_of_a_target_of_the_users_ends_what_it_began(candles):
    told.clear()
    ledger, own = Ledger.in_memory(), study(target=Told())
    cc.audit(own, candles, ledger=ledger)
    assert begun(ledger) == [True]
    counted = own.run(candles, ledger=ledger).trial_count
    assert not any(begun(ledger)) and (counted.trials, counted.unfinished) == (1, 0)
    assert [each.model for each in ledger.trials()] == [own.model.name, "drift"], "which trades by what the target says"
    own.run(candles, ledger=ledger).rebacktest(rule=cc.Threshold(enter=0.001), ledger=ledger)
    assert not any(begun(ledger)) and [each.model for each in ledger.trials()].count(own.model.name) == 2


def test_each_asset_of_an_audit_counts(candles, tmp_path):
    ledger, rule = cc.Ledger(tmp_path), Configured(tmp_path / "enter.txt")
    Path(rule.path).write_text("0.001")
    cc.audit(study(rule), [candles, replace(synthetic.ar1(400, seed=2, phi=0.3).candles, symbol="B")], ledger=ledger)
    assert [entry.symbol for entry in ledger.entries()] == [candles.symbol, "B"]


def test_costs_of_the_users_count(candles):
    def meter(units, price, quote):
        return 0.0

    metered, ledger = study(costs=cc.Costs(extra=meter)), Ledger.in_memory()
    cc.audit(metered, candles, ledger=ledger)
    assert begun(ledger) == [True]
    metered.run(candles, ledger=ledger)
    assert begun(ledger) == [False]


def test_a_pretrained_model_is_judged_from_its_day(candles):
    class Zero(cc.LinearRegression):
        trained_until = str(candles.frame["close_time"][250].date())

    ledger = Ledger.in_memory()
    pretrained = replace(study(lambda forecast, candles: cc.Threshold(enter=0.001)(forecast)), model=Zero())
    cc.audit(pretrained, candles, ledger=ledger)
    assert begun(ledger) == [True]
    pretrained.run(candles, ledger=ledger)
    assert begun(ledger) == [False], "the same choices"


def test_audits_without_code_of_the_users_touch_no_ledger(candles, tmp_path):
    ledger = cc.Ledger(tmp_path / "runs")
    for rule in (None, cc.Threshold(enter=0.001), cc.DrawdownStop(rule=cc.Threshold(enter=0.001))):
        assert cc.audit(study(rule), candles, ledger=ledger).passed
    cc.shortcuts(study(), candles, ledger=ledger)
    cc.audit(lambda candles: {"features": candles.close / candles.open}, candles, ledger=ledger)
    assert not (tmp_path / "runs").exists()


def test_a_leak_that_stops_an_audit_before_the_rule_is_called_counts_nothing(candles, tmp_path):
    rule, ledger = Configured(tmp_path / "enter.txt"), Ledger.in_memory()
    leaking = replace(study(rule), features=cc.Features(cc.feature(warmup=0)(of_all_bars)))
    assert not cc.audit(leaking, candles, ledger=ledger).passed
    assert begun(ledger) == []


def of_all_bars(candles):
    return candles.close / candles.close.max()


STUDY = """
import candlecast as cc


def rule(forecast, candles):
    return cc.Threshold(enter=0.001)(forecast)


study = cc.Study(
    cc.LinearRegression(), rule=RULE, features=cc.Features(cc.log_return()), folds=cc.Holdout(train=0.5), baselines=(), seeds=1
)
candles = cc.synthetic.ar1(400, seed=1, phi=0.3).candles
"""


@pytest.mark.parametrize("options", [[], ["--shortcuts"]])
def test_the_command_counts_in_the_ledger_of_its_runs(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, rule in (("own", "rule"), ("ours", "None")):
        Path(f"{name}.py").write_text(STUDY.replace("RULE", rule))
    main(["audit", "ours.py", "-q", *options])
    assert not Path("runs").exists()
    main(["audit", "own.py", "-q", *options])
    main(["audit", "own.py", "-q", "--runs", "others", *options])
    assert begun(cc.Ledger("runs")) == begun(cc.Ledger("others")) == [True]
