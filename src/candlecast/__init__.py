"""candlecast: train recurrent networks on market candles, walk forward, backtest after costs, and be told the truth.

    import candlecast as cc
    result = cc.Study(model=cc.LSTM(hidden=32)).run(cc.sample("sp500"), seed=0)
    print(result.verdict)

Names are imported from their rooms when first used, so that importing candlecast costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from candlecast.backtest import BacktestResult, Costs, backtest
    from candlecast.candles import CandleReport, Candles
    from candlecast.errors import (
        CandlecastError,
        CandleError,
        ConfigError,
        LookaheadError,
        NotEnoughDataError,
        RunError,
        SourceError,
    )
    from candlecast.events import Progress
    from candlecast.features import (
        Feature,
        Features,
        MinMax,
        Robust,
        Standard,
        Unscaled,
        atr,
        bollinger,
        ema_ratio,
        feature,
        log_range,
        log_return,
        macd,
        realized_volatility,
        rsi,
        scaled_close,
        sma_ratio,
        standard_features,
        time_of_day,
        time_of_week,
        volume_change,
    )
    from candlecast.fleet.settings import Fit
    from candlecast.folds import Fold, Holdout, WalkForward
    from candlecast.forecast import Forecast
    from candlecast.models import GRU, LSTM, RNN, Drift, LinearRegression, Naive, Torch
    from candlecast.presets import tutorial
    from candlecast.runs import list_runs, load_run
    from candlecast.signals import FollowDirection, InverseVolatility, Positions, Threshold
    from candlecast.sources import read_csv, read_parquet, sample, synthetic
    from candlecast.study import Study, StudyResult
    from candlecast.targets import Direction, NextReturn, Price, Volatility
    from candlecast.verdict import Verdict
    from candlecast.walk import walk_forward, watch_forward

_ROOMS = {
    "backtest": "BacktestResult Costs backtest",
    "candles": "CandleReport Candles",
    "errors": "CandlecastError CandleError ConfigError LookaheadError NotEnoughDataError RunError SourceError",
    "events": "Progress",
    "features": "Feature Features MinMax Robust Standard Unscaled atr bollinger ema_ratio feature log_range log_return "
    "macd realized_volatility rsi scaled_close sma_ratio standard_features time_of_day time_of_week volume_change",
    "fleet.settings": "Fit",
    "folds": "Fold Holdout WalkForward",
    "forecast": "Forecast",
    "models": "GRU LSTM RNN Drift LinearRegression Naive Torch",
    "presets": "tutorial",
    "runs": "list_runs load_run",
    "signals": "FollowDirection InverseVolatility Positions Threshold",
    "sources": "read_csv read_parquet sample synthetic",
    "study": "Study StudyResult",
    "targets": "Direction NextReturn Price Volatility",
    "verdict": "Verdict",
    "walk": "walk_forward watch_forward",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}

__version__ = version("candlecast")
__all__ = sorted(_ROOM_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'candlecast' has no attribute {name!r}")
    value = getattr(import_module(f"candlecast.{_ROOM_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
