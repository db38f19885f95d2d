"""What users get wrong at the entrance of a study: every mistake gets a sentence with a remedy."""

from __future__ import annotations

import pytest

import candlecast as cc

CANDLES = cc.synthetic.random_walk(400, seed=1).candles
LINEAR = cc.LinearRegression()
FEATURES = cc.Features(cc.log_return())


class NoOutcome(cc.NextReturn):
    def values(self, candles):
        return None


class NoReturn(cc.NextReturn):
    def expected_return(self, forecast, candles):
        return None


class Listed(cc.NextReturn):
    def values(self, candles):
        return super().values(candles).tolist()


def walked(**changes):
    return cc.walk_forward(LINEAR, CANDLES, **({"features": FEATURES, "target": cc.NextReturn()} | changes))


def studied(**changes):
    return cc.Study(**({"model": LINEAR, "features": FEATURES, "baselines": ()} | changes))


def test_a_number_of_seeds_names_the_first_ones_everywhere():
    net = cc.LSTM(2, window=4, training=cc.Fit(epochs=1))
    forecast = cc.walk_forward(net, CANDLES, features=FEATURES, folds=cc.WalkForward(folds=1), seeds=2)
    assert forecast.seeds == [0, 1]
    ledger = cc.Ledger.in_memory()
    table = cc.compare({"net": net}, CANDLES, features=FEATURES, folds=cc.WalkForward(folds=1), seeds=2, ledger=ledger)
    (result,) = table.results.values()
    assert result.forecast.seeds == [0, 1] and result.recipe["seeds"] == 2


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: walked(seeds=[1, 1]), "seed 1 comes twice; expected each seed once"),
        (lambda: walked(seeds=[]), "there are no seeds"),
        (lambda: walked(seeds=0), "seeds is 0; expected a number of trainings, or seeds. Use seeds=3"),
        (lambda: walked(seeds="3"), "seeds is '3'"),
        (lambda: walked(seeds=1.5), "seeds is 1.5"),
        (lambda: walked(seeds=[-1]), "seed is -1; expected a whole number from 0"),
        (lambda: walked(folds=5), "folds"),
        (
            lambda: walked(features=[cc.log_return()]),
            r"features is of type list; expected Features.*Use cc.Features\(cc",
        ),
        (lambda: cc.compare({"a": LINEAR}, CANDLES, seeds=[2, 2]), "seed 2 comes twice"),
        (lambda: cc.compare([LINEAR], CANDLES), "models is of type list; expected a dictionary of models by the names"),
        (lambda: studied(seeds=[1, 2]), r"seeds is \[1, 2\]; expected a whole number"),
        (lambda: studied(features=[cc.rsi(14)]), "features is of type list"),
        (
            lambda: studied().run(CANDLES, ledger="runs"),
            r"ledger is of type str; expected a Ledger. Use cc.Ledger\('runs'\)",
        ),
        (lambda: cc.sample(None), "sp500"),
        (
            lambda: studied(target=NoOutcome()).run(CANDLES),
            "values of the target return gave object of shape .*400 real numbers",
        ),
        (lambda: studied(target=NoReturn()).run(CANDLES), "expected_return of the target return gave object of shape"),
        (lambda: CANDLES.with_activity(trades="x"), "trades holds what is no number.*of 400 numbers"),
        (lambda: cc.audit(3, CANDLES), "study is 3; expected a Study, or a function of candles"),
        (lambda: cc.audit(cc.Study, CANDLES), "expected a Study, or a function.*Make one, such as"),
        (lambda: cc.shortcuts(3, CANDLES), "study is 3; expected a Study. Make one"),
        (lambda: cc.shortcuts(lambda candles: candles, CANDLES), "expected a Study. Make one"),
        (lambda: cc.of(3, cc.log_return()), "int.* no candles; expected Candles"),
        (lambda: studied(rule=cc.Threshold).run(CANDLES), r"rule is the class Threshold.*Make one: Threshold\(\)"),
    ],
)
def test_mistakes_get_a_sentence(use, message):
    with pytest.raises(cc.CandlecastError, match=message):
        use()


def test_outcomes_may_be_a_list():
    ledger = cc.Ledger.in_memory()
    listed, plain = (studied(target=each, seeds=1).run(CANDLES, ledger=ledger) for each in (Listed(), cc.NextReturn()))
    assert listed.forecast.frame.equals(plain.forecast.frame)


def test_results_are_shown_in_a_line():
    result = studied(folds=cc.WalkForward(folds=2)).run(CANDLES, ledger=cc.Ledger.in_memory())
    shown = [
        result,
        result.backtest,
        result.forecast,
        result.positions["linear"],
        cc.break_even(CANDLES, result.positions),
    ]
    assert all(len(repr(each)) < 200 and "\n" not in repr(each) for each in shown)
    assert repr(result).startswith("StudyResult(RANDOM_WALK 1d, linear, next return, 2 folds x 1 seed")
    assert repr(result.backtest).startswith("BacktestResult(RANDOM_WALK: ")
    assert result.verdict.headline in repr(result)


def test_positions_by_model_stand_for_those_of_the_studied_model(tmp_path):
    result = studied(baselines=(cc.Ridge(),), folds=cc.WalkForward(folds=2)).run(CANDLES, ledger=cc.Ledger.in_memory())
    own = result.positions["linear"]
    assert list(result.positions) == ["naive", "drift", "ridge", "linear"]
    for each in (result, cc.load_run(result.save(tmp_path / "run"))):
        assert cc.backtest(CANDLES, each.positions).equity.equals(cc.backtest(CANDLES, own).equity)
        assert cc.break_even(each.candles, each.positions).curve.equals(cc.break_even(CANDLES, own).curve)


@pytest.mark.parametrize("path", [".", "page.pdf", "page", None, 5])
def test_a_report_is_an_html_page(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = studied(folds=cc.WalkForward(folds=1)).run(CANDLES, ledger=cc.Ledger.in_memory())
    with pytest.raises(cc.ConfigError, match=r"expected the path of an HTML page. Use \"report.html\""):
        result.report(path)
    assert not list(tmp_path.iterdir())
