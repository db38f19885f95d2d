"""One network for several assets, and a portfolio of their positions in one account."""

import candlecast as cc

if __name__ == "__main__":
    assets = [cc.sample("sp500"), cc.sample("nasdaq")]
    pooled = cc.Pooled(cc.GRU(hidden=8, training=cc.Fit(epochs=2)))
    forecast = cc.walk_forward(pooled, assets, folds=cc.WalkForward(folds=2))
    held = [0.5 * cc.NoTradeBand(cost_bps=12)(forecast.only(each.symbol), each) for each in assets]
    print(cc.backtest_portfolio(assets, held).summary())
    print(cc.backtest_portfolio(assets, cc.equal_weights(assets)).summary())  # what holding both earns
