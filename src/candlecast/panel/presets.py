"""Ready-made studies of panels."""

from __future__ import annotations

from candlecast.backtesting import Costs
from candlecast.dataset.folds import WalkForward
from candlecast.features import Features, log_return
from candlecast.fleet.settings import Fit
from candlecast.models import LSTM, Pooled
from candlecast.panel.study import PanelStudy
from candlecast.panel.universe import Universe
from candlecast.signals.across import TopBottom
from candlecast.targets import AboveMedian

WINDOW, TRAIN, TEST = 240, 750, 250  # days of the paper, section 3


def fischer_krauss(*, universe: Universe | None = None, k: int = 10, seeds: int = 1) -> PanelStudy:
    """The study of Fischer and Krauss (2018), Deep learning with LSTM networks for financial market predictions.

    Windows of 240 daily returns, standardised by the training part. One LSTM of 25 units with a dropout of 0.1 for all assets
    learns whether a return is above the median of the day, by cross-entropy. 750 days of training, of which the first 240 fill
    the first window, and 250 days of trading, rolling; a fifth of the training part is for early stopping with a patience of
    10. Long the `k` highest and short the `k` lowest probabilities, with one unit of equity each; 5 bp a half-turn.

    Different from the paper: log returns in place of simple ones, Adam in place of RMSprop, batches of 256, and orders that fill
    at the next open, where the paper trades at the close that the forecast is made of.

    Args:
        universe: membership by date, that of the index; every asset at all times when not given.
        k: assets on each side.
        seeds: trainings per fold; the paper has one.
    """
    return PanelStudy(
        model=Pooled(
            LSTM(
                hidden=25,
                dropout=0.1,
                window=WINDOW,
                training=Fit(
                    epochs=1_000, batch=256, lr=1e-3, patience=10, sampling="windows", linear=False, shrink=False
                ),
            )
        ),
        features=Features(log_return(1)),
        target=AboveMedian(),
        folds=WalkForward(train=TRAIN - WINDOW, test=TEST),
        rule=TopBottom(k, gross=2.0),
        costs=Costs(fee_bps=5.0, slippage_bps=0.0),
        universe=universe,
        seeds=seeds,
    )
