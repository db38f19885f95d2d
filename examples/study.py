"""From candles to a verdict and a report: real data, no network."""

import candlecast as cc

candles = cc.sample("sp500")
study = cc.Study(model=cc.LSTM(hidden=32), folds=cc.WalkForward(folds=3), seeds=2)

if __name__ == "__main__":
    result = study.run(candles, seed=0)
    print(result.verdict)
    print(result.summary())
    print(result.report("report.html"))
