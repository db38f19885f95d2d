"""Round trips worked on paper: how far the price went against them and for them while they were held."""

from __future__ import annotations

import pytest

from candlecast.backtesting import Costs, backtest


@pytest.mark.parametrize(
    ("side", "pnl", "against", "favour"),
    [(1.0, 0.1, 0.2, 0.3), (-1.0, -0.1, 0.3, 0.2)],
)
def test_excursions_of_a_trade(market_of, decide, side, pnl, against, favour):
    """Entered at 100, a low of 80 and a high of 130 on the way, left at 110; what comes before and after does not count."""
    candles = market_of(
        [(100, 500, 10, 100), (100, 120, 80, 110), (110, 130, 90, 110), (110, 400, 20, 110), (110, 110, 110, 110)]
    )
    trades = backtest(candles, decide(candles, {0: side, 2: 0.0}), costs=Costs.free(), cash=1_000.0).trades
    assert trades.height == 1
    row = trades.row(0, named=True)
    assert (row["entry"], row["exit"], row["bars"], row["is_open"]) == (100.0, 110.0, 2, False)
    assert row["side"] == ("long" if side > 0 else "short")
    assert (row["return"], row["mae"], row["mfe"]) == pytest.approx((pnl, against, favour))
