"""A small cross-section with a signal, and studies of it that train in a moment."""

from __future__ import annotations

import pytest

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.sources import synthetic_panel


@pytest.fixture(scope="session")
def world():
    """12 assets x 500 days whose returns continue."""
    return synthetic_panel(12, 500, seed=3, ic=0.2)


@pytest.fixture(scope="session")
def uneven(world):
    """The same with one asset listed late, one that ends, and one that is halted for 20 days."""
    assets = list(world.assets)
    assets[0] = assets[0][150:]
    assets[1] = assets[1][:300]
    halted = assets[2].frame
    from dataclasses import replace

    import polars as pl

    assets[2] = replace(assets[2], frame=pl.concat([halted[:200], halted[220:]]))
    return assets


@pytest.fixture(scope="session")
def study():
    """A linear study: nothing random, nothing slow."""
    return cc.PanelStudy(
        model=cc.LinearRegression(window=5),
        features=cc.Features(cc.log_return(), cc.cross_rank(cc.log_return(5))),
        rule=cc.TopBottom(3),
        folds=cc.WalkForward(folds=2),
        costs=cc.Costs(fee_bps=2, slippage_bps=0),
        baselines=(cc.Reversal(), cc.Momentum(60, 5)),
        seeds=1,
    )


@pytest.fixture(scope="session")
def result(study, uneven):
    """The linear study of the uneven assets."""
    return study.run(uneven, ledger=Ledger.in_memory())
