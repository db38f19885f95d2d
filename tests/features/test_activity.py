"""Features of trades and takers, by hand; candles that carry what klines have."""

from __future__ import annotations

import numpy as np
import pytest

import candlecast as cc
from candlecast.errors import ConfigError, LookaheadError
from candlecast.features import Features
from candlecast.testing import check_feature

PLAIN = cc.synthetic.garch(1_500, seed=1, interval="1h").candles
GENERATOR = np.random.default_rng(0)
FULL = PLAIN.with_activity(
    trades=GENERATOR.poisson(40, 1_500),
    taker_volume=PLAIN.volume * GENERATOR.uniform(0.2, 0.8, 1_500),
    quote_volume=PLAIN.volume * PLAIN.close,
)
FEATURES = [cc.taker_imbalance(), cc.taker_imbalance(5), cc.trades_change(), cc.trade_size_change(10)]


@pytest.mark.parametrize("feature", FEATURES, ids=lambda each: each.name)
def test_they_are_causal_and_settle(feature):
    check_feature(feature, FULL)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda each: each.name)
def test_candles_without_the_numbers_are_refused(feature):
    with pytest.raises(ConfigError, match=rf"{feature.kind} of GARCH.* needs t(rades|aker_volume)"):
        feature(PLAIN)


def test_they_are_what_they_say():
    some = PLAIN[:4].with_activity(trades=[1, 2, 0, 4], taker_volume=PLAIN.volume[:4] * [1.0, 0.5, 0.0, 0.75])
    np.testing.assert_allclose(cc.taker_imbalance()(some)[:, 0], [1.0, 0.0, -1.0, 0.5])
    np.testing.assert_allclose(cc.trades_change(2)(some)[[1, 3], 0], np.log([2 / 1.5, 4 / 2]))
    sizes = some.volume / [1, 2, 1, 4]
    np.testing.assert_allclose(cc.trade_size_change(2)(some)[1, 0], np.log(2 * sizes[1] / (sizes[0] + sizes[1])))


def test_slices_longer_candles_and_fingerprints_know_them():
    assert FULL[10:20].trades.tolist() == FULL.trades[10:20].tolist()
    assert FULL.resample("4h").taker_volume[0] == pytest.approx(FULL.taker_volume[:4].sum())
    assert FULL.fingerprint != PLAIN.fingerprint
    assert PLAIN.activity == () and np.isnan(PLAIN.trades).all()


def test_a_feature_that_looks_ahead_in_them_is_found():
    @cc.feature(warmup=0)
    def next_trades(c):
        return np.append(c.trades[1:], np.nan)

    with pytest.raises(LookaheadError, match="next_trades"):
        cc.walk_forward(cc.Naive(), FULL, features=Features(next_trades))


def test_a_run_keeps_them(tmp_path):
    study = cc.Study(
        model=cc.LinearRegression(), features=Features(cc.taker_imbalance()), baselines=(), folds=cc.Holdout(0.7)
    )
    result = study.run(FULL, ledger=cc.Ledger.in_memory())
    result.save(tmp_path / "run")
    again = cc.load_run(tmp_path / "run")
    assert again.candles.activity == FULL.activity and again.candles.fingerprint == FULL.fingerprint
    assert cc.audit(study, FULL).passed


@pytest.mark.parametrize(
    ("columns", "words"),
    [({"spread": np.ones(1_500)}, "spread is no column of candles"), ({"trades": [1.0]}, r"trades has shape \(1,\)")],
)
def test_other_columns_are_refused(columns, words):
    with pytest.raises(ConfigError, match=words):
        PLAIN.with_activity(**columns)
