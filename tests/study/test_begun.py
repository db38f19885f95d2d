"""Studies whose rule was shown its forecasts and that never ended count as trials, until they are run to their end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import candlecast as cc
from candlecast.errors import CandlecastError
from candlecast.ledger import Ledger
from candlecast.scan import scan
from candlecast.signals import NoTradeBand
from candlecast.sources import synthetic, synthetic_panel
from panel_studies import quick_study
from small_scans import LINEAR, plan_of, walk


@pytest.fixture(scope="module")
def candles():
    return synthetic.ar1(500, seed=1, phi=0.3).candles


def study(rule=None, **parts):
    return cc.Study(
        model=LINEAR,
        rule=rule,
        folds=cc.WalkForward(folds=2),
        features=cc.Features(cc.log_return()),
        baselines=(),
        **parts,
    )


class Looking:
    """A rule that holds by the sign of the forecast above a threshold, and stops when it does not like what it sees."""

    def __init__(self, enter: float, stops: BaseException | None = None) -> None:
        self.enter = enter
        self.stops = stops

    def __call__(self, forecast, candles):
        if self.stops is not None:
            raise self.stops
        return cc.Threshold(enter=self.enter)(forecast)


def begun(ledger):
    return [entry.is_open for entry in ledger.entries()]


def test_a_rule_that_stops_its_study_is_counted(candles, tmp_path):
    ledger = cc.Ledger(tmp_path)
    for number in range(3):
        with pytest.raises(KeyboardInterrupt):
            study(Looking(0.001 * number, KeyboardInterrupt())).run(candles, ledger=ledger)
    with pytest.raises(CandlecastError):
        study(Looking(0.004, ValueError("not this one"))).run(candles, ledger=ledger)
    assert begun(ledger) == [True] * 4 and ledger.count() == 0
    counted, alone = (study().run(candles, ledger=each) for each in (ledger, Ledger.in_memory()))
    assert (counted.trial_count.trials, counted.trial_count.unfinished) == (5, 4)
    assert (
        counted.trial_count.trades > 4 and counted.trial_count.forecasts < 1.5
    )  # the same forecasts, accounts unknown
    assert counted.verdict.evidence.return_p_adjusted > alone.verdict.evidence.return_p_adjusted
    assert "5 trials counted in this workspace, 4 of them begun and never finished" in counted.verdict.text
    assert cc.load_run(counted.save(tmp_path / "run")).counted == counted.trial_count


def test_a_study_that_is_run_to_its_end_counts_once(candles):
    ledger, rule = Ledger.in_memory(), Looking(0.002)
    first = study(rule).run(candles, ledger=ledger)
    assert begun(ledger) == [False] and first.trial_count.unfinished == 0
    rule.stops = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        study(rule).run(candles, ledger=ledger)
    assert begun(ledger) == [False, True]  # what it holds decides what it is


def test_a_study_that_was_killed_while_it_was_judged_goes_on(candles, monkeypatch):
    ledger, rule = Ledger.in_memory(), Looking(0.002)
    with monkeypatch.context() as patched:
        patched.setattr(cc.Study, "audited", lambda *given, **named: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            study(rule).run(candles, ledger=ledger)
        with pytest.raises(KeyboardInterrupt):
            study(NoTradeBand()).run(candles, ledger=ledger)  # which shows nothing
    assert begun(ledger) == [True]
    result = study(rule).run(candles, ledger=ledger)
    assert begun(ledger) == [False] and result.trial_count.trials == 1


class Configured:
    """A rule whose threshold stands in a file, with whether it stops once it has seen its forecasts."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def write(self, enter: float, stops: bool) -> None:
        Path(self.path).write_text(json.dumps([enter, stops]))

    def __call__(self, forecast, candles):
        enter, stops = json.loads(Path(self.path).read_text())
        if stops:
            raise KeyboardInterrupt
        return cc.Threshold(enter=enter)(forecast)


def looked(rule, candles, ledger, looks):
    """Looks at a rule with other parameters each time."""
    for number in range(looks):
        rule.write(0.0001 * number, stops=True)
        with pytest.raises(KeyboardInterrupt):
            study(rule).run(candles, ledger=ledger)
    rule.write(0.002, stops=False)


def test_parameters_that_a_rule_reads_from_a_file_count_each_time(candles, tmp_path):
    ledger, rule = cc.Ledger(tmp_path), Configured(tmp_path / "parameters.json")
    looked(rule, candles, ledger, 12)
    counted = study(rule).run(candles, ledger=ledger).trial_count
    assert (counted.trials, counted.unfinished) == (11, 10)
    assert counted.trades > 9, "their accounts are unlike each other"
    again = study(rule).run(candles, ledger=ledger)
    assert again.trial_count == counted and len(begun(ledger)) == 11, "a study that ends costs nothing"
    looked(rule, candles, ledger, 3)
    assert study(rule).run(candles, ledger=ledger).trial_count == counted, "a repeated trial keeps its count"
    assert begun(ledger).count(True) == 13, "an end frees no look that was counted"


def test_a_study_that_was_killed_twice_loses_nothing(candles, tmp_path):
    ledger, rule = cc.Ledger(tmp_path), Configured(tmp_path / "parameters.json")
    looked(rule, candles, ledger, 2)
    counted = study(rule).run(candles, ledger=ledger).trial_count
    assert (counted.trials, counted.unfinished) == (1, 0)


def test_looks_after_an_end_count(candles, tmp_path):
    ledger, rule = cc.Ledger(tmp_path), Configured(tmp_path / "parameters.json")
    for _ in range(3):
        looked(rule, candles, ledger, 2)
        study(rule).run(candles, ledger=ledger)
    assert begun(ledger).count(True) == 4, "six looks, of which two are free"


def test_other_rules_on_a_result_count(candles):
    ledger = Ledger.in_memory()
    result = study().run(candles, ledger=ledger)
    for number, use in enumerate((lambda rule: result.rebacktest(rule=rule), lambda rule: result.sweep([rule]))):
        with pytest.raises(KeyboardInterrupt):
            use(Looking(0.001 * number, KeyboardInterrupt()))
    assert begun(ledger) == [False, True, True]
    result.sweep([Looking(0.001), Looking(0.002)])
    assert begun(ledger) == [False, True, True, False, False]


def test_costs_that_see_the_fills_count(candles):
    def meter(units, price, quote):
        raise KeyboardInterrupt

    ledger = Ledger.in_memory()
    with pytest.raises(KeyboardInterrupt):
        study(costs=cc.Costs(extra=meter)).run(candles, ledger=ledger)
    assert begun(ledger) == [True]
    result = study().run(candles, ledger=ledger)
    with pytest.raises(KeyboardInterrupt):
        result.rebacktest(costs=cc.Costs(fee_bps=3, extra=meter), ledger=ledger)
    assert begun(ledger) == [True, False, True]


def test_costs_of_users_make_no_trials_alike(candles):
    """Trials are compared as if trading were free where a cost might be chosen to hide by how much they differ."""

    def noise(units, price, volume):
        return 200.0 * (int(volume) % 2)

    free, noisy = (study(cc.FollowDirection(), costs=each) for each in (cc.Costs.free(), cc.Costs(extra=noise)))
    free, noisy = (each.run(candles, ledger=Ledger.in_memory()).trial for each in (free, noisy))
    assert not np.allclose(noisy.returns, free.returns)
    assert np.allclose(noisy.outline.values, free.outline.values)


def test_comparisons_count(candles):
    ledger = Ledger.in_memory()
    parts = {
        "features": cc.Features(cc.log_return()),
        "folds": cc.WalkForward(folds=2),
        "seeds": [3, 5],
        "ledger": ledger,
    }
    with pytest.raises(KeyboardInterrupt):
        cc.compare({"linear": LINEAR}, candles, rule=Looking(0.001, KeyboardInterrupt()), **parts)
    assert begun(ledger) == [True]
    cc.compare({"linear": LINEAR}, candles, rule=Looking(0.002), **parts)
    assert begun(ledger) == [True, False]


def test_panels_count():
    ledger, assets = Ledger.in_memory(), list(synthetic_panel(8, 300, seed=1).assets)

    class Across:
        gross = 1.0

        def __init__(self, stops):
            self.stops = stops

        def weights(self, scores, section):
            if self.stops:
                raise KeyboardInterrupt
            return cc.TopBottom(2).weights(scores, section)

    with pytest.raises(KeyboardInterrupt):
        quick_study(rule=Across(stops=True)).run(assets, ledger=ledger)
    (entry,) = ledger.entries()
    assert entry.is_open and len(entry.assets) == len(entry.sketches) == 8
    result = quick_study(rule=Across(stops=False)).run(assets, ledger=ledger)
    assert begun(ledger) == [True, False] and result.trial_count.unfinished == 1


def test_scans_count(tmp_path):
    assets = [walk("A", 1), walk("B", 2)]
    plan = plan_of(*assets, models=[LINEAR], rule=Looking(0.001, ValueError("not this one")))
    assert scan(plan, runs=tmp_path, workers=1).failures.height == 2
    assert begun(cc.Ledger(tmp_path)) == [True, True]
    scan(plan_of(*assets, models=[LINEAR], rule=Looking(0.002)), runs=tmp_path, workers=1)
    scan(plan_of(*assets, models=[LINEAR]), runs=tmp_path, workers=1)
    assert begun(cc.Ledger(tmp_path)) == [True, True, False, False, False, False]
