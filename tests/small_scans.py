"""Plans that are scanned in a moment."""

from __future__ import annotations

from dataclasses import replace

from candlecast.dataset.folds import WalkForward
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.models import LSTM, LinearRegression
from candlecast.scan import Plan
from candlecast.sources import synthetic

SMALL = LSTM(hidden=3, window=4, training=Fit(epochs=2, batch=32, sampling="windows"))
LINEAR = LinearRegression(window=4)


def walk(symbol: str, seed: int, bars: int = 220, phi: float = 0.0):
    """Daily candles of a world with momentum `phi`."""
    return replace(synthetic.ar1(bars, seed=seed, phi=phi, interval="1d").candles, symbol=symbol)


def plan_of(*assets, **parts) -> Plan:
    """A plan that is scanned in a moment."""
    usual = {
        "models": [SMALL, LINEAR],
        "features": Features(log_return(), log_range()),
        "folds": WalkForward(folds=2),
        "baselines": (),
        "seeds": 1,
    }
    return Plan(assets=list(assets), **(usual | parts))


def files_of(folder) -> dict[str, bytes]:
    """The content of every file of a folder of scans, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
