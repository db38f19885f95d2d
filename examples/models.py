"""Models: a network of candlecast, a torch module, an estimator of scikit-learn, and a baseline, on the same folds."""

from sklearn.ensemble import RandomForestRegressor
from torch import nn

import candlecast as cc


def net(inputs: int) -> nn.Module:
    """A fresh module for each training."""
    return nn.Sequential(nn.Flatten(), nn.Linear(8 * inputs, 16), nn.Tanh(), nn.Linear(16, 1))


if __name__ == "__main__":
    training = cc.Fit(epochs=3, sampling="windows")
    models = [
        cc.GRU(hidden=8, training=cc.Fit(epochs=3, lr=1e-2, patience=2)),
        cc.Torch(net, name="mine", window=8, training=training),
        cc.Sklearn(RandomForestRegressor(n_estimators=10, random_state=0), name="forest"),
        cc.CalendarHAR(),
    ]
    for model in models:
        forecast = cc.walk_forward(
            model, cc.sample("sp500"), target=cc.Volatility(), folds=cc.WalkForward(folds=2), window=8
        )
        error = (forecast.averaged().frame["mean"] - forecast.averaged().frame["target"]).pow(2).mean()
        print(f"{model.name:<12} squared error {error:.4f}")
