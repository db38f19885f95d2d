"""Several models on the same folds and costs, with intervals, adjusted for every trial that was made."""

import candlecast as cc

if __name__ == "__main__":
    models = {"naive": cc.Naive(), "ridge": cc.Ridge(), "gru": cc.GRU(hidden=8, training=cc.Fit(epochs=3))}
    table = cc.compare(models, cc.sample("sp500"), folds=cc.WalkForward(folds=2), seeds=range(2))
    print(table)
    print(table.frame.select("model", "r2", "r2_low", "r2_high", "sharpe", "p_trials"))
