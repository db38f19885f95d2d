"""A walk, fold by fold: what is trained on what, and the table of forecasts."""

import candlecast as cc

if __name__ == "__main__":
    sp500, folds = cc.sample("sp500"), cc.WalkForward(folds=3)
    for done in cc.watch_forward(cc.Ridge(), sp500, folds=folds):
        print(done.job.key, done.frame.height, "test rows")
    forecast = cc.walk_forward(cc.Ridge(), sp500, folds=folds)
    print(forecast.frame.select("time", "known_at", "symbol", "fold", "seed", "mean", "target").tail(3))
