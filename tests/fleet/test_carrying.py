"""Nets of one shape that carry their memories in one call: the bits of each alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from candlecast.dataset.folds import WalkForward
from candlecast.features import Features, log_range, log_return
from candlecast.fleet import carrying
from candlecast.fleet.carrying import Carry, carry_all
from candlecast.fleet.settings import Fit
from candlecast.models import GRU, LSTM, RNN
from candlecast.sources import synthetic
from candlecast.targets import NextReturn
from candlecast.walkforward.plan import WalkPlan

QUICK = Fit(epochs=1, batch=16, sampling="sequence")


@pytest.fixture(scope="module")
def fitted():
    """Three LSTMs of one shape, and a GRU and an RNN."""
    candles = synthetic.ar1(260, seed=5, phi=0.1, interval="1h").candles
    found = []
    for model, seeds in (
        (LSTM(hidden=5, layers=2, window=8, training=QUICK), (0, 1, 2)),
        (GRU(hidden=5, window=8, training=QUICK), (0,)),
        (RNN(hidden=5, window=8, training=QUICK), (0,)),
    ):
        plan = WalkPlan(Features(log_return(), log_range()), NextReturn(), WalkForward(folds=1), seeds, 8)
        found += sorted(model.fit(plan.jobs(model, candles)), key=lambda each: each.job.seed)
    return found


@pytest.mark.parametrize("length", [1, 9, 30])
def test_together_is_alone_to_the_last_bit(fitted, length, monkeypatch):
    monkeypatch.setattr(carrying, "FORECAST_BATCH", 12)
    inputs = [each.job.samples.inputs[20 + place : 20 + place + length] for place, each in enumerate(fitted)]
    memories = [None] * len(fitted)
    for _ in range(2):  # from nothing, and on from there
        alone = [each.carry(memory, own) for each, memory, own in zip(fitted, memories, inputs, strict=True)]
        joint = carry_all([Carry(*each) for each in zip(fitted, memories, inputs, strict=True)])
        for (memory, said), (other, also) in zip(alone, joint, strict=True):
            np.testing.assert_array_equal(said.mean, also.mean)
            for layer, same in zip(memory, other, strict=True):
                assert all(torch.equal(*pair) for pair in zip(layer, same, strict=True))
        memories = [memory for memory, _ in joint]


def test_what_differs_in_shape_or_length_is_a_call_of_its_own(fitted, monkeypatch):
    calls = []
    together = carrying._together
    monkeypatch.setattr(carrying, "_together", lambda asked: calls.append(len(asked)) or together(asked))
    rows = [each.job.samples.inputs for each in fitted]
    carry_all([Carry(each, None, own[20:25]) for each, own in zip(fitted, rows, strict=True)])
    carry_all([Carry(fitted[0], None, rows[0][20:25]), Carry(fitted[1], None, rows[1][20:26])])
    assert calls == [3]
    assert carry_all([]) == []
