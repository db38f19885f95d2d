"""The public journeys, as they are promised to users."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.sources import synthetic


@pytest.fixture(scope="module")
def candles(tmp_path_factory):
    """Hourly candles, read from a CSV as a user would."""
    path = tmp_path_factory.mktemp("data") / "btc_1h.csv"
    frame = synthetic.garch(1_500, seed=1, interval="1h").candles.frame.drop("close_time")
    frame.with_columns(pl.col("open_time").dt.epoch("ms")).write_csv(path)
    return cc.read_csv(path, interval="1h")


def test_one_line(tmp_path):
    result = cc.Study(model=cc.LSTM(hidden=32)).run(cc.sample("sp500"), seed=0)
    assert str(result.verdict)
    assert result.verdict.has_edge in (True, False)
    page = result.report(tmp_path / "report.html")
    assert page.stat().st_size > 100_000


def test_data(candles):
    assert candles.check().is_sound
    assert len(candles.resample("4h")) == 375
    assert cc.Candles.from_frame(candles.frame, interval="1h").symbol == "asset"
    assert len(cc.Candles.from_frame(candles.frame.to_pandas())) == 1_500


def test_features_models_walk_signals_and_backtest(candles):
    @cc.feature(warmup=24)
    def range_position(c: cc.Candles) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view
        low, high = windows(c.low, 25).min(axis=1), windows(c.high, 25).max(axis=1)
        return np.concatenate([np.full(24, np.nan), (c.close[24:] - low) / (high - low)])

    features = cc.Features(cc.log_return(), cc.rsi(14), cc.macd(12, 26, 9), cc.sma_ratio(20), range_position)
    target = cc.NextReturn(horizon=1)
    folds = cc.WalkForward(train="30d", test="10d")
    model = cc.GRU(
        hidden=4, window=8, training=cc.Fit(epochs=2, batch=32, lr=1e-3, patience=5, sampling="sequence", device="auto")
    )
    forecast = cc.walk_forward(model, candles, features=features, target=target, folds=folds, seeds=range(2))
    assert {"time", "known_at", "symbol", "fold", "seed", "mean", "target"} <= set(forecast.frame.columns)

    positions = cc.Threshold(enter=0.001, exit=0.0)(forecast)
    result = cc.backtest(candles, positions, costs=cc.Costs(fee_bps=10, slippage_bps=2), cash=10_000.0)
    assert result.equity["equity"][0] == 10_000.0
    assert result.summary()["statistic"].len() == 15
    assert result.trades.height <= result.fills.height + 1


def test_any_torch_module(candles):
    import torch

    class MyNet(torch.nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            self.gru = torch.nn.Linear(inputs, 4)
            self.head = torch.nn.Linear(4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.gru(x).tanh().mean(1))

    model = cc.Torch(MyNet, name="mine", window=8, training=cc.Fit(epochs=1, sampling="windows"))
    forecast = cc.walk_forward(model, candles, folds=cc.Holdout(0.8))
    assert forecast.model == "mine"


def test_compare(candles):
    lstm = cc.LSTM(4, window=8, training=cc.Fit(epochs=2))
    table = cc.compare({"naive": cc.Naive(), "linear": cc.LinearRegression(), "lstm": lstm}, candles, seeds=range(5))
    assert table.frame["model"].to_list() == ["naive", "linear", "lstm"]
    assert {"r2", "r2_low", "r2_high", "sharpe", "sharpe_low", "sharpe_high", "p_trials"} <= set(table.frame.columns)
    assert table.results["btc", "1h", "lstm"].forecast.seeds == [0, 1, 2, 3, 4]
    assert "3 trials counted" in str(table)


def test_baselines_by_name():
    baselines = (cc.Naive(), cc.Drift(), cc.ARIMA(), cc.LinearRegression(), cc.LightGBM())
    assert [model.name for model in baselines] == ["naive", "drift", "arima", "linear", "lightgbm"]
