"""From a forecast to positions and an account, at several costs; and a strategy that places its own orders."""

import candlecast as cc
from candlecast.backtesting import bracket, limit


def buy_the_dip(view):  # noqa: ANN001, ANN201 - called at each close
    """A limit order 2 % below the close, with a stop and a take-profit, whenever nothing is held."""
    price = view.candles.close[-1]
    if view.state.account.units or len(view.state.book):
        return []
    return bracket(limit(1.0, 0.98 * price, bars=5), stop=0.95 * price, take_profit=1.03 * price)


if __name__ == "__main__":
    sp500 = cc.sample("sp500")
    forecast = cc.walk_forward(cc.Ridge(), sp500, folds=cc.WalkForward(folds=2))
    positions = cc.Threshold(enter=0.0005, exit=0.0)(forecast)
    for costs in (cc.Costs.free(), cc.Costs(fee_bps=10, slippage_bps=2)):
        result = cc.backtest(sp500, positions, costs=costs, cash=10_000.0)
        print(f"{costs.per_side_bps:g} bp a side: {result.trades.height} trades, {result.fills.height} fills")
        print(result.summary())
    print("break-even:", cc.break_even(sp500, positions).bps)
    print(cc.backtest(sp500[-500:], buy_the_dip).summary())
