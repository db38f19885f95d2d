"""Models across assets that hold code of a user: each row by itself, by what was learnt in the walk."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.sources import synthetic_panel
from panel_studies import quick_study

ASSETS = list(synthetic_panel(6, 500, seed=2, ic=0.05).assets)


def run(estimator, model=None):
    study = quick_study(
        cc.cross_relative(cc.log_return()),
        cc.cross_rank(cc.log_return(5)),
        model=model or cc.Sklearn(estimator, name="mine"),
        rule=cc.TopBottom(1),
        folds=2,
    )
    return study.run(ASSETS, ledger=Ledger.in_memory())


class Own(BaseEstimator):
    """Least squares of a user's own."""

    def fit(self, x, y):
        self.weights = np.linalg.lstsq(x, y, rcond=None)[0]
        return self

    def predict(self, x):
        return x @ self.weights


class Centred(Own):
    def predict(self, x):
        return (x - x.mean(axis=0)) @ self.weights


class Counting(Own):
    def predict(self, x):
        return x @ self.weights * (np.cumsum(np.abs(x[:, 0])) < 5 * np.abs(x[:, 0]).mean())


class Fixed(Own):
    def predict(self, x):
        return 0.3 * x[:, 0] - 0.2 * np.tanh(x[:, 1])


class RuleOfThumb(Own):
    def predict(self, x):
        return -0.3 * x[:, 0]


class Keeping(Own):
    kept: ClassVar[list[tuple[np.ndarray, np.ndarray]]] = []

    def fit(self, x, y):
        Keeping.kept.append((x, y))
        return super().fit(*(np.concatenate(each) for each in zip(*Keeping.kept, strict=True)))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Centred, "only other rows had been left out"),
        (Counting, "only other rows had been left out"),
        (Fixed, "it learns nothing in the walk"),
        (Keeping, "it keeps something between fits"),
    ],
)
def test_models_that_cannot_be_believed_are_refused(kind, words):
    with pytest.raises(cc.LookaheadError, match=words):
        run(kind())


@pytest.mark.parametrize("estimator", [Own(), RuleOfThumb(), LinearRegression()])
def test_models_that_learn_and_forecast_each_row_alone_pass(estimator):
    assert run(estimator).audit.passed


def test_a_net_of_a_user_is_checked_with_few_epochs():
    import torch

    class Net(torch.nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.layer = torch.nn.Linear(inputs, 1)

        def forward(self, x):
            return self.layer(x[:, -1])

    class Batch(Net):
        def forward(self, x):
            last = x[:, -1]
            return self.layer(last if self.training else last - last.mean(dim=0))

    made = cc.Torch(Net, name="mine", window=3, training=cc.Fit(epochs=2))
    assert run(None, cc.Pooled(made)).audit.passed
    with pytest.raises(cc.LookaheadError, match="only other rows had been left out"):
        run(None, cc.Pooled(cc.Torch(Batch, name="mine", window=3, training=cc.Fit(epochs=2))))
