"""Studies of panels: one calendar of folds, one account, one verdict."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.panel.account import Traded, universe_weights
from candlecast.panel.samples import panel_samples, stacked
from candlecast.panel.walking import fold_table, folds_of, forecast_table, panel_jobs, reach_of, scores_of, walk_panel
from candlecast.sources import synthetic_panel

FIT = cc.Fit(epochs=2, batch=64, lr=5e-3)


def samples_of(assets, window=5, target=None, universe=None):
    panel = cc.Panel.of(assets, universe=universe)
    return panel_samples(panel, features=cc.Features(cc.log_return()), target=target or cc.AboveMedian(), window=window)


def test_the_study_of_the_documentation_runs(world):
    study = cc.PanelStudy(
        model=cc.Pooled(cc.LSTM(25, window=8, training=FIT)), target=cc.AboveMedian(), rule=cc.TopBottom(10), seeds=1
    )
    result = study.run(world.assets, ledger=Ledger.in_memory())
    assert result.model == "pooled_lstm" and result.verdict.answers[0].measure == "rank IC"
    assert [row["model"] for row in result.ranking.to_dicts()] == ["reversal", "momentum", "linear", "pooled_lstm"]
    assert result.audit.passed and len(result.audit.checks) == 8
    assert result.own_ranking["rank_ic"] > 0.05  # the returns continue
    assert "holding the universe" in result.verdict.text


def test_a_fold_ends_at_one_moment_for_every_asset(uneven):
    samples = samples_of(uneven)
    folds = folds_of(samples, cc.WalkForward(folds=3), cc.Features(cc.log_return()))
    jobs = panel_jobs(samples, cc.LSTM(2, window=5, training=FIT), folds, [0])
    times = samples.panel.times
    for job in jobs:
        rows = np.concatenate([job.job.train_rows, job.job.valid_rows])
        learnt = job.stack.moment[rows]
        assert learnt.max() + samples.horizon < job.fold.test.first
        assert set(learnt) <= {*job.fold.train, *job.fold.valid}
    for fold in folds:
        learnt = {job.places[0] for job in jobs if job.fold is fold}
        assert (1 in learnt) == bool(
            samples.is_complete[fold.train.array, 1].any()
        )  # the asset that ended at moment 299
    assert times[folds[-1].test.last] == times[-1]


def test_one_net_for_all_and_one_for_each(uneven):
    samples = samples_of(uneven, window=6)
    features = cc.Features(cc.log_return())
    folds = folds_of(samples, cc.WalkForward(folds=2), features)
    pooled, each = cc.Pooled(cc.LSTM(2, window=6, training=FIT)), cc.LSTM(2, window=6, training=FIT)
    parts = list(walk_panel(samples, pooled, folds, [0, 1]))
    assert len(parts) == 4 and {part.job.places for part in parts} == {tuple(range(12))}
    table = fold_table(samples, parts)
    assert table["assets_trained"].to_list() == [12, 12] and table["assets_tested"].to_list()[1] == 11
    own = list(walk_panel(samples, each, folds, [0]))
    assert len({part.job.places for part in own}) == 12
    forecast = forecast_table(samples, parts, model="pooled_lstm")
    assert forecast.symbols == [f"A{number:03d}" for number in range(12)] and forecast.seeds == [0, 1]
    scores = scores_of(forecast, samples)
    assert np.isfinite(scores[folds[0].test.first :, 3]).all()
    assert not np.isfinite(scores[300:, 1]).any() and not np.isfinite(scores[200:220, 2]).any()
    known = forecast.frame.drop_nulls("target")
    assert (known["known_at"] - known["time"]).min() == pl.Series([known["known_at"][0] - known["time"][0]])[0]


@pytest.mark.parametrize("sampling", ["windows", "sequence"])
def test_a_net_of_one_asset_is_the_one_of_a_stack_of_one(world, sampling):
    """Forecasts do not depend on which assets stand beside a row in the stack."""
    fit = cc.Fit(epochs=1, batch=32, sampling=sampling)
    samples = samples_of(world.assets, window=6)
    folds = folds_of(samples, cc.WalkForward(folds=1), cc.Features(cc.log_return()))
    (part,) = walk_panel(samples, cc.Pooled(cc.LSTM(3, window=6, training=fit)), folds, [0])
    test = folds[0].test
    for place in (0, 7):
        alone = stacked(samples, [place], test.first, test.last, reach=reach_of(cc.LSTM(3, window=6)), name="one")
        rows = alone.forecastable_at(np.isin(np.arange(len(samples.panel)), test.array))
        found = part.fitted.forecast(alone, rows).mean
        assert np.array_equal(found, part.values[part.places == place])


def test_a_study_of_a_net_for_each_asset_runs(uneven, study):
    each = replace(study, model=cc.LSTM(2, window=6, training=FIT), baselines=())
    result = each.run(uneven, ledger=Ledger.in_memory())
    assert result.audit.passed and result.model == "lstm"
    assert len(result.tensors) > 12 and "A001/fold-0/seed-0" in result.tensors


def test_windows_are_views_of_the_rows(world):
    samples = samples_of(world.assets, window=60)
    stack = stacked(samples, range(12), 100, 300, reach=60, name="all")
    assert stack.inputs.nbytes == 12 * (201 + 60 + 60) * 8  # rows, those before, and undefined ones between


def test_the_same_study_gives_the_same_bits(uneven, study, result):
    again = study.run(uneven[::-1], ledger=Ledger.in_memory())
    for name in result.scores:
        assert np.array_equal(again.scores[name], result.scores[name], equal_nan=True)
        assert np.array_equal(again.weights[name], result.weights[name])
    assert again.verdict.text == result.verdict.text


def test_what_is_forecast_and_held_does_not_move_with_later_candles(uneven, study, result, other_future):
    time = result.panel.times[400]
    changed = []
    for each in uneven:
        bar = int(np.searchsorted(each.close_time, time, side="right")) - 1
        changed.append(other_future(each, bar, seed=5) if bar < len(each) - 1 else each)
    other = study.run(changed, ledger=Ledger.in_memory())
    first = study.folds.split(result.panel.times, range(result.lost["warm-up"] and 9, 500), horizon=1)[-1].test.first
    known = slice(0, 401 if first > 400 else first)
    for name in ("reversal", "momentum"):
        assert np.array_equal(other.scores[name][:401], result.scores[name][:401], equal_nan=True)
    assert np.array_equal(other.scores["linear"][known], result.scores["linear"][known], equal_nan=True)
    assert np.array_equal(other.weights["linear"][known], result.weights["linear"][known])


def test_the_audit_finds_a_rule_and_a_model_that_look_ahead(uneven, study):
    class Peeking:
        gross = 1.0

        def weights(self, scores, section):
            later = np.roll(np.nan_to_num(scores), -1, axis=0)
            return later / max(np.abs(later).sum(axis=1).max(), 1.0)

    with pytest.raises(cc.LookaheadError, match="the weights of rule Peeking before moment"):
        replace(study, rule=Peeking()).run(uneven, ledger=Ledger.in_memory())


def test_an_audit_that_fails_forbids_a_claim(result):
    from candlecast.audit import AuditReport, Check

    failed = replace(result, audit=AuditReport("quick", (Check("features", "failed", "x moved"),)))
    assert failed.verdict.headline == "No verdict: the audit of the study failed." and not failed.verdict.has_edge


def test_an_account_by_hand():
    """Two assets, bought and sold at the next open; costs of 100 bp a side."""
    day = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 4), "1d", eager=True).dt.replace_time_zone(
        "UTC"
    )
    assets = []
    for symbol, opens in (("A", [10.0, 10.0, 20.0, 20.0]), ("B", [10.0, 10.0, 10.0, 5.0])):
        prices = dict.fromkeys(("open", "high", "low", "close"), opens)
        frame = pl.DataFrame({"time": day, **prices, "volume": [1.0] * 4})
        assets.append(cc.Candles.from_frame(frame, symbol=symbol, interval="1d"))
    panel = cc.Panel.of(assets)
    weights = np.array([[0.5, -0.5], [0.5, -0.5], [0.0, 0.0], [0.0, 0.0]])
    traded = Traded(panel, 0, 3, cc.Costs.free(), 100.0, 1.0)
    equity = traded.run(weights).equity["equity"].to_list()
    assert equity == pytest.approx([100.0, 100.0, 150.0, 175.0])  # 5 A + 50, then -5 B fall by 5 each: flat at the open
    paid = replace(traded, costs=cc.Costs(fee_bps=100, slippage_bps=0)).run(weights)
    assert paid.fills.height == 4 and paid.equity["equity"][-1] < 175.0
    assert np.isinf(traded.break_even_bps(weights)) and np.isnan(traded.break_even_bps(-weights))


def test_the_cost_that_a_portfolio_breaks_even_at(world):
    """Costs of that many basis points leave the account where it began."""
    panel = cc.Panel.of(world.assets)
    weights = cc.TopBottom(3).weights(world.mean, panel.section)  # the oracle's
    traded = Traded(panel, 0, 499, cc.Costs(), 1_000.0, 1.0)
    cost = traded.break_even_bps(weights)
    assert 5 < cost < 200
    final = [
        traded.run(weights, costs=cc.Costs(fee_bps=cost + more, slippage_bps=0)).equity["equity"][-1]
        for more in (-1, 1)
    ]
    assert final[0] > 1_000.0 > final[1]


def test_holding_the_universe_trades_when_its_members_change(world):
    day = world.assets[0].frame["open_time"][250].strftime("%Y-%m-%d")
    universe = cc.Universe([("A000", None, day), ("A001", None, None), ("A002", None, None)])
    weights = universe_weights(cc.Panel.of(world.assets, universe=universe))
    assert np.allclose(weights[0, :3], 1 / 3) and weights[0, 3:].sum() == 0
    assert np.allclose(weights[-1, :3], [0, 0.5, 0.5])
    assert (np.abs(np.diff(weights, axis=0)).sum(axis=1) > 0).sum() == 1


def test_a_halted_asset_is_held_and_an_ended_one_is_closed(uneven):
    panel = cc.Panel.of(uneven)
    weights = np.zeros(panel.bars.shape)
    weights[:, 1] = weights[:, 2] = 0.25
    result = Traded(panel, 150, 499, cc.Costs.free(), 100.0, 1.0).run(weights)
    ended = result.fills.filter((pl.col("symbol") == "A001") & (pl.col("reason") == "series ended"))
    assert ended.height == 1 and ended["price"][0] == pytest.approx(panel.assets[1].close[-1])
    assert result.trades.filter(pl.col("symbol") == "A002").height == 1  # through the halt


def test_trials_are_counted(uneven, study, tmp_path):
    ledger = Ledger(tmp_path)
    first = study.run(uneven, ledger=ledger)
    again = study.run(uneven, ledger=ledger)
    other = replace(study, rule=cc.TopBottom(2)).run(uneven, ledger=ledger)
    assert [each.counted.trials for each in (first, again, other)] == [1, 1, 3]  # with the momentum of the first
    assert "3 trials counted in this workspace, 3 of this market" in other.verdict.text


def test_panels_without_a_signal_have_no_edge(study):
    for seed in range(2):
        world = synthetic_panel(12, 300, seed=100 + seed)
        assert not study.run(world.assets, ledger=Ledger.in_memory()).verdict.has_edge


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": cc.NextReturn()}, "expected a target across assets"),
        ({"rule": cc.Threshold(enter=0.1)}, "expected a rule across assets, with gross and weights"),
        ({"universe": "members.csv"}, "universe is of type str|universe is 'members.csv'"),
        ({"seeds": 0}, "seeds is 0"),
        ({"baselines": ("linear",)}, "a baseline is 'linear'"),
        ({"baselines": (cc.Reversal(), cc.Reversal(3))}, "two models are called reversal"),
        ({"model": cc.GARCH()}, "garch forecasts"),
    ],
)
def test_parts_that_do_not_fit_are_refused(study, change, message):
    with pytest.raises(cc.ConfigError, match=message):
        replace(study, **change)


def test_members_that_never_meet(world, study):
    universe = cc.Universe([("A000", None, "2015-06-01"), ("A001", "2015-07-01", None)])
    with pytest.raises(cc.ConfigError, match="no two assets are members of the universe at the same moment"):
        replace(study, universe=universe).run(world.assets, ledger=Ledger.in_memory())


@pytest.mark.parametrize("target", [cc.RelativeReturn(), cc.AboveMedian()])
def test_two_assets_have_no_ranking_to_test(world, study, target):
    words = (
        r"no more than 2 assets are members at the same moment: over two assets an information coefficient \(IC\) is \+1, -1 or "
        r"undefined, so no ranking can be tested; expected 3 assets or more. Add assets, or forecast one of them with cc.Study"
    )
    with pytest.raises(cc.ConfigError, match=words):
        replace(study, target=target).run(world.assets[:2], ledger=Ledger.in_memory())
    universe = cc.Universe([("A000", None, None), ("A001", None, None)])
    with pytest.raises(cc.ConfigError, match="no more than 2 assets are members"):
        replace(study, universe=universe).run(world.assets, ledger=Ledger.in_memory())


def test_a_window_longer_than_the_panel(world, study):
    with pytest.raises(cc.NotEnoughDataError, match="have none at which two members have a whole window of 600 bars"):
        replace(study, model=cc.LinearRegression(window=600)).run(world.assets, ledger=Ledger.in_memory())


def test_a_copy_with_other_weights_or_scores_gets_no_verdict_on_skill(result, tmp_path):
    """Weights that know the next return would be an edge."""
    assert result.replaced == ()
    known = {**result.weights, result.model: np.roll(result.weights[result.model], 1, axis=0)}
    copy = replace(result, weights=known, trial_count=None, ledger=cc.Ledger.in_memory())
    assert copy.replaced == ("weights",)
    assert not copy.verdict.is_forecastable
    assert copy.verdict.headline == "No verdict on skill: weights from elsewhere."
    assert cc.load_panel_run(copy.save(tmp_path / "copy")).replaced == ("weights",)
    assert replace(result, costs=cc.Costs(fee_bps=1.0)).replaced == ()
