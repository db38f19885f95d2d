"""The next bar, and a study that is followed bar by bar on paper: its newest candles stand for a live feed."""

import candlecast as cc

if __name__ == "__main__":
    sp500 = cc.sample("sp500")
    result = cc.Study(model=cc.Ridge(), folds=cc.WalkForward(folds=2), baselines=()).run(sp500)
    print(result.next())
    feed = cc.Tape(sp500[-60:])  # live: cc.Binance().stream("BTCUSDT", "1h")
    for event in cc.paper(result, feed=feed, session="paper/example", cash=10_000.0):
        print(event)
    print(cc.reconcile("paper/example", run=result))
