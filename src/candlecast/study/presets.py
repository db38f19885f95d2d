"""Ready-made studies."""

from __future__ import annotations

from candlecast.dataset.folds import Holdout
from candlecast.features import Features, scaled_close
from candlecast.fleet.settings import Fit
from candlecast.models import LSTM
from candlecast.signals import FollowDirection
from candlecast.study.study import Study
from candlecast.targets import Price


def tutorial() -> Study:
    """The well-known tutorial's study, evaluated without look-ahead.

    Closing price scaled to [0, 1] by what the training part shows; windows of 50; LSTM 50 - dropout 0.2 - LSTM 50 -
    dropout 0.2 - dense 25 - dense 1; Adam 1e-3, squared error, 20 epochs of batch 32; 80/20 in time; buy when the forecast
    is above the current price and sell when below, at the next open, after costs, compared with the naive forecast.
    """
    return Study(
        model=LSTM(
            hidden=50,
            layers=2,
            dropout=0.2,
            dense=(25,),
            window=50,
            training=Fit(
                epochs=20, batch=32, lr=1e-3, patience=None, clip=None, sampling="windows", linear=False, shrink=False
            ),
        ),
        features=Features(scaled_close()),
        target=Price(),
        folds=Holdout(0.8),
        rule=FollowDirection(),
        seeds=1,
    )
