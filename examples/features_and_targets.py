"""Features and targets: the usual ones, one of your own, and what happens to one that looks ahead."""

import numpy as np

import candlecast as cc


@cc.feature(warmup=24)
def range_position(candles: cc.Candles) -> np.ndarray:
    """Where the close lies between the lowest low (0) and the highest high (1) of the last 25 bars."""
    windows = np.lib.stride_tricks.sliding_window_view
    low, high = windows(candles.low, 25).min(axis=1), windows(candles.high, 25).max(axis=1)
    return np.concatenate([np.full(24, np.nan), (candles.close[24:] - low) / (high - low)])


@cc.feature(warmup=0)
def tomorrow(candles: cc.Candles) -> np.ndarray:
    """The next return, which nobody knows."""
    return np.append(candles.close[1:] / candles.close[:-1] - 1, np.nan)


if __name__ == "__main__":
    sp500 = cc.sample("sp500")
    features = cc.Features(cc.log_return(), cc.rsi(14), cc.macd(12, 26, 9), cc.sma_ratio(20), range_position)
    for target in (cc.NextReturn(), cc.Direction(), cc.Volatility(horizon=5)):
        forecast = cc.walk_forward(
            cc.LinearRegression(), sp500, features=features, target=target, folds=cc.WalkForward(folds=2)
        )
        print(target.name, forecast.frame.height, "forecasts")
    try:
        cc.walk_forward(cc.Ridge(), sp500, features=cc.Features(tomorrow))
    except cc.LookaheadError as error:
        print(error)
