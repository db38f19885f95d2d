"""One net for several assets: it learns from all of them, and from no asset's future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import candlecast as cc
from candlecast.features import Features, log_range, log_return
from candlecast.sources import synthetic
from candlecast.walkforward import plan_jobs

FEATURES = Features(log_return(), log_range())
FOLDS = cc.WalkForward(folds=2)


def assets(bars=700, phi=0.4):
    return [
        replace(synthetic.ar1(bars, seed=seed, phi=phi, interval="1h").candles, symbol=f"A{seed}") for seed in (1, 2, 3)
    ]


def model(sampling):
    fit = cc.Fit(epochs=3, batch=16, lr=5e-3, sampling=sampling, chunk=8)
    return cc.Pooled(cc.LSTM(hidden=4, window=5, training=fit))


def jobs_of(pooled, candles, *, seeds=1, folds=FOLDS):
    return plan_jobs(pooled, candles, features=FEATURES, folds=folds, seeds=range(seeds))


@pytest.mark.parametrize("sampling", ["windows", "sequence"])
def test_no_asset_tells_of_anothers_future(sampling, other_future):
    pooled, candles = model(sampling), assets()
    jobs = jobs_of(pooled, candles)
    (first,) = [job for job in jobs if job.symbol == "A1" and job.fold.index == 0]
    boundary = first.fold.test.first
    changed = [candles[0], other_future(candles[1], boundary), other_future(candles[2], boundary)]
    before = {fitted.job.key: fitted for fitted in pooled.fit(jobs)}[first.key]
    after = {fitted.job.key: fitted for fitted in pooled.fit(jobs_of(pooled, changed))}[first.key]
    assert np.array_equal(
        before.forecast(first.samples, first.test_rows).mean, after.forecast(first.samples, first.test_rows).mean
    )
    near = [candles[0], other_future(candles[1], boundary - 100), candles[2]]
    moved = {fitted.job.key: fitted for fitted in pooled.fit(jobs_of(pooled, near))}[first.key]
    assert not np.array_equal(
        before.forecast(first.samples, first.test_rows).mean, moved.forecast(first.samples, first.test_rows).mean
    )


def test_a_shorter_asset_is_not_learnt_from_beyond_the_others_test():
    pooled, candles = model("windows"), assets()
    candles[1] = candles[1][300:]  # its folds lie later than the others'
    jobs = jobs_of(pooled, candles)
    from candlecast.models.wrappers.pooled import Pool, members

    group = [job for job in jobs if job.fold.index == 0]
    pool = Pool(members(group, pooled.model.net_spec(cc.NextReturn())), reach=9)
    tested = min(job.samples.candles.close_time[job.fold.test.first] for job in group)
    offset = 0
    for job in group:
        own = pool.train_rows[(pool.train_rows >= offset) & (pool.train_rows < offset + len(job.samples))] - offset
        assert len(own)
        assert (job.samples.known_at(cc.NextReturn())[own] < tested).all()
        assert set(own) <= set(job.train_rows)
        offset += len(job.samples) + 9
    assert len(pool.train_rows) < sum(len(job.train_rows) for job in group)


@pytest.mark.parametrize("sampling", ["windows", "sequence"])
def test_what_was_learnt_is_restored(sampling):
    pooled, candles = model(sampling), assets()
    for fitted in pooled.fit(jobs_of(pooled, candles)):
        job = fitted.job
        again = pooled.restore(job, fitted.tensors())
        expected = fitted.forecast(job.samples, job.test_rows).mean
        assert np.array_equal(again.forecast(job.samples, job.test_rows).mean, expected)
        assert np.isfinite(expected).all()


def test_seeds_and_folds_are_trainings_of_their_own():
    pooled, candles = model("windows"), assets(400)
    jobs = jobs_of(pooled, candles, seeds=2)
    fitted = list(pooled.fit(jobs))
    assert {each.job.key for each in fitted} == {job.key for job in jobs}
    weights = {each.job.key: each.tensors()["net.layers.0.w_x"] for each in fitted}
    assert np.array_equal(weights["A1/fold-0/seed-0"], weights["A3/fold-0/seed-0"])
    assert not np.array_equal(weights["A1/fold-0/seed-0"], weights["A1/fold-0/seed-1"])


def test_many_short_histories_teach_more_than_one():
    """Each asset alone is too short to learn its momentum from; together they are not."""
    candles = [
        replace(synthetic.ar1(400, seed=seed, phi=0.35, interval="1h").candles, symbol=f"A{seed}") for seed in range(8)
    ]
    net = cc.LSTM(hidden=8, window=4, training=cc.Fit(epochs=12, batch=16, lr=5e-3))
    errors = {}
    for name, learner in (("alone", net), ("pooled", cc.Pooled(net))):
        frame = cc.walk_forward(learner, candles, features=FEATURES, folds=cc.WalkForward(folds=1)).frame.drop_nulls(
            "target"
        )
        errors[name] = ((frame["mean"] - frame["target"]) ** 2).mean()
    assert errors["pooled"] < errors["alone"]


def test_folds_that_only_look_back_on_tests_are_refused():
    candles = assets(300)
    with pytest.raises(cc.NotEnoughDataError, match="known before the first of its assets is tested"):
        cc.walk_forward(model("windows"), candles, features=FEATURES, folds=cc.PurgedKFold(folds=3))


def test_only_nets_are_pooled():
    with pytest.raises(cc.ConfigError, match=r"a recipe of a net.*Pooled\(model"):
        cc.Pooled(cc.Naive())


def test_a_comparison_takes_pooled_nets():
    table = cc.compare(
        {"pooled": model("windows"), "naive": cc.Naive()}, assets(300), folds=FOLDS, features=FEATURES, seeds=[0]
    )
    assert table.frame.filter(model="pooled").height == 3


def test_a_saved_study_of_one_asset_is_read_back(tmp_path):
    study = cc.Study(model("windows"), features=FEATURES, folds=FOLDS, baselines=(), seeds=1)
    result, folder = cc.run_study(study, assets(300)[0], runs=tmp_path)
    fitted = cc.load_run(folder).fitted(fold=1)
    assert np.array_equal(fitted.forecast(fitted.job.samples, fitted.job.test_rows).mean, _forecasts(result, fold=1))


def test_positions_of_several_assets_imply_the_returns_of_each():
    policy = cc.Policy(hidden=3, window=5, training=cc.Fit(epochs=2, batch=4, chunk=32))
    study = cc.Study(cc.Pooled(policy), features=FEATURES, folds=FOLDS, seeds=1)
    assert study.recipe(assets(300)[0])["rule"]["type"] == "HoldPosition"
    for fitted in cc.Pooled(policy).fit(jobs_of(cc.Pooled(policy), assets(300))):
        job = fitted.job
        said, outcomes = fitted.forecast(job.samples, job.fit_rows), job.samples.outcomes[job.fit_rows]
        held = said.columns["position"]
        assert np.allclose(said.mean, held * (held @ outcomes) / (held @ held), rtol=1e-5)


def _forecasts(result, *, fold):
    return result.forecast.frame.filter(fold=fold)["mean"].to_numpy()


def test_a_pool_is_named_in_words():
    from candlecast.models.wrappers.pooled import Pool, members

    pooled = model("windows")
    spec = pooled.model.net_spec(cc.NextReturn())
    jobs = jobs_of(pooled, assets(400))
    pool = Pool(members([job for job in jobs if job.fold.index == 0], spec), reach=9)
    assert pool.words == "A1, A2, A3, fold 0, seed 0"
    assert jobs[0].words == "A1, fold 0, seed 0"
