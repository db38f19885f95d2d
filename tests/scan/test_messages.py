"""What travels to a worker is there what it was here: features of candlecast's own, and those of users."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import candlecast as cc
from candlecast import features
from candlecast.causality.features import is_ours
from candlecast.features import Feature, Features
from candlecast.scan.messages import packed
from candlecast.sources import synthetic

HOURLY = synthetic.garch(900, seed=1, interval="1h").candles


def travelled(feature):
    return pickle.loads(packed(feature))


@pytest.mark.parametrize("kind", features.FACTORIES)
def test_own_features_are_own_in_a_worker(kind):
    """They are not checked as code of a user's, nor is a time of day taken for a gain by the clock."""
    own = getattr(features, kind)()
    one, two = own.on(HOURLY), travelled(own).on(HOURLY)
    assert one == two and is_ours(one) and is_ours(two)
    assert is_ours(travelled(one))


def test_what_was_chosen_of_a_feature_travels():
    chosen = features.rsi(5).scaled(cc.Robust())
    assert travelled(chosen) == chosen and travelled(chosen).scaling == cc.Robust()
    within = travelled(Features(features.at("1d", features.rsi(5)), scaling=cc.MinMax()))
    assert is_ours(within.on(HOURLY).features[0].parameters["feature"]) and within.scaling == cc.MinMax()


@pytest.mark.parametrize("kind", ["rsi", "closes"])
def test_a_feature_of_a_user_stays_one_whatever_it_is_called(kind):
    theirs = Feature(kind, lambda candles: 2 * candles.close, 14, {"period": 14})
    again = travelled(theirs)
    assert not is_ours(again)
    assert np.array_equal(again(HOURLY)[14:, 0], 2 * HOURLY.close[14:])
