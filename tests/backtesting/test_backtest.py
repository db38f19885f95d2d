"""Whole backtests against ledgers worked on paper, their edges and their errors."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from candlecast import stats
from candlecast.backtesting import BacktestResult, Costs, account_returns, backtest, sweep
from candlecast.backtesting.result import RETURN_STATISTICS, TRADING_STATISTICS
from candlecast.backtesting.simulate import account_table
from candlecast.errors import CandleError, ConfigError, NotEnoughDataError
from candlecast.signals import Positions
from candlecast.sources import synthetic

FREE = Costs.free()
FEE = Costs(fee_bps=1_000, slippage_bps=0)
DEAR = Costs(fee_bps=1_000, slippage_bps=1_000)


def column(frame: pl.DataFrame, name: str) -> list[float]:
    return frame[name].to_list()


def test_long_round_trip_with_fee_and_slippage(market, decide):
    candles = market([90, 100, 120, 70], [95, 110, 50, 60])
    result = backtest(candles, decide(candles, [1, 0]), costs=DEAR, cash=1_210.0)
    assert column(result.equity, "equity") == pytest.approx([1_210, 1_100, 972, 972])
    assert column(result.equity, "position") == pytest.approx([0, 1, 0, 0])
    assert column(result.equity, "cost") == pytest.approx([0, 210, 438, 438])
    assert column(result.equity, "time") == candles.frame["close_time"].to_list()
    assert result.fills.rows() == [
        (
            candles.frame["open_time"][1],
            "buy",
            *map(pytest.approx, (10, 110, 1_100, 110, 100, 1.0)),
            False,
            "target",
            True,
        ),
        (
            candles.frame["open_time"][2],
            "sell",
            *map(pytest.approx, (10, 108, 1_080, 108, 120, 0.0)),
            False,
            "target",
            True,
        ),
    ]
    (trade,) = result.trades.rows(named=True)
    assert trade["side"] == "long"
    assert (trade["opened"], trade["closed"]) == (candles.frame["open_time"][1], candles.frame["open_time"][2])
    numbers = [trade[name] for name in ("units", "entry", "exit", "pnl", "return", "cost", "bars")]
    assert numbers == pytest.approx([10, 110, 108, -238, -238 / 1_100, 438, 1])
    assert not trade["is_open"]


def test_short_round_trip(market, decide):
    candles = market([100, 100, 95, 80], [100, 90, 95, 80])
    result = backtest(candles, decide(candles, {0: -1, 2: 0}), costs=FEE, cash=1_100.0)
    assert column(result.equity, "equity") == pytest.approx([1_100, 1_100, 1_050, 1_120])
    assert column(result.equity, "position") == pytest.approx([0, -900 / 1_100, -950 / 1_050, 0])
    (trade,) = result.trades.rows(named=True)
    assert (trade["side"], trade["bars"]) == ("short", 2)
    assert trade["pnl"] == pytest.approx(20)  # 10 x (100 - 80) - 100 - 80


def test_flip_shares_the_costs_between_two_trades(market, decide):
    candles = market([100, 100, 120], [100, 100, 100])
    result = backtest(candles, decide(candles, [1, -1]), costs=FEE, cash=1_210.0)
    assert column(result.equity, "equity") == pytest.approx([1_210, 1_100, 1_260])
    assert column(result.trades, "side") == ["long", "short"]
    assert column(result.trades, "units") == pytest.approx([11, 9])
    assert column(result.trades, "pnl") == pytest.approx([-22, 72])  # 220 - 110 - 132; 180 - 108
    assert column(result.trades, "is_open") == [False, True]
    assert column(result.trades, "bars") == [1, 1]


def test_partial_targets_trade_the_difference(market, decide):
    candles = market([100, 100, 120, 120], [100, 120, 120, 110])
    result = backtest(candles, decide(candles, [0.5, 1, 0.25]), costs=FREE, cash=1_000.0)
    assert column(result.fills, "side") == ["buy", "buy", "sell"]
    assert column(result.fills, "notional") == pytest.approx([500, 500, 825])  # 5 units; 1100 - 600; 1100 - 275
    assert column(result.equity, "equity") == pytest.approx([1_000, 1_100, 1_100, 825 + 275 * 110 / 120])
    (trade,) = result.trades.rows(named=True)
    assert trade["units"] == pytest.approx(1_100 / 120)
    assert trade["pnl"] == pytest.approx(result.equity["equity"][-1] - 1_000)
    assert trade["is_open"]


def test_orders_fill_at_the_next_open_and_not_at_a_close(market, decide):
    candles = market([100, 200, 400], [100, 300, 500])
    result = backtest(candles, decide(candles, [1]), costs=FREE, cash=1_000.0)
    assert column(result.fills, "price") == [200.0]
    assert column(result.equity, "equity") == [1_000.0, 1_500.0, 2_500.0]


def test_never_trading_is_flat_and_has_defined_statistics(market, decide):
    candles = market([100, 110, 120, 130], [105, 115, 125, 135])
    result = backtest(candles, decide(candles, [0, 0, 0, 0]))
    assert column(result.equity, "equity") == [10_000.0] * 4
    assert result.fills.is_empty()
    assert result.trades.is_empty()
    values = dict(result.summary().select("statistic", "value").iter_rows())
    assert [values[name] for name in RETURN_STATISTICS] == [0.0] * 7
    assert [values[name] for name in ("exposure", "turnover", "trades", "total cost")] == [0.0] * 4
    assert values["win rate"] is values["profit factor"] is values["mean holding"] is None


def test_units_are_kept_until_the_target_changes(market, decide):
    candles = market([100, 100, 200, 300, 50], [100, 200, 300, 50, 100])
    result = backtest(candles, decide(candles, {0: 0.5, 1: 0.5, 3: 0.5}), costs=FREE, cash=1_000.0)
    assert column(result.equity, "units") == [0.0, 5.0, 5.0, 5.0, 5.0]
    assert column(result.equity, "position")[1] == pytest.approx(1_000 / 1_500)


def test_the_result_begins_at_the_first_decision(market, decide):
    candles = market([100, 100, 100, 200], [100, 100, 100, 300])
    result = backtest(candles, decide(candles, {2: 1}), costs=FREE, cash=1_000.0)
    assert result.equity["time"].to_list() == candles.frame["close_time"][2:].to_list()
    assert column(result.equity, "equity") == [1_000.0, 1_500.0]


def test_the_last_order_is_pending(market, decide):
    candles = market([100, 100, 100], [100, 100, 100])
    result = backtest(candles, decide(candles, [1, 1, -0.5]))
    assert result.fills.height == 1
    assert result.pending == -0.5
    assert backtest(candles, decide(candles, [1, 1, 1])).pending is None
    assert backtest(candles, decide(candles, {0: 1})).pending is None


def test_one_bar_can_only_wait(market, decide):
    candles = market([100, 100], [100, 100])
    result = backtest(candles, decide(candles, {1: 1}))
    assert result.pending == 1.0
    assert len(result.returns) == 0
    table = result.summary()
    assert table["low"].null_count() == table.height
    values = dict(table.select("statistic", "value").iter_rows())
    assert (values["total return"], values["Sharpe ratio"], values["trades"]) == (0.0, None, 0.0)


def test_ruin_of_a_short_within_a_bar(market, decide):
    """10 units short at 100 on 1,000: nothing is left at 200, which the bar passes on its way to 250."""
    candles = market([100, 100, 100, 100], [100, 250, 100, 100])
    result = backtest(candles, decide(candles, [-1, -1, 1]), costs=FREE, cash=1_000.0)
    assert column(result.equity, "equity") == [1_000.0, 0.0, 0.0, 0.0]
    assert column(result.equity, "position") == [0.0, 0.0, 0.0, 0.0]
    assert result.ruined_at == candles.frame["close_time"][1]
    assert result.shortfall == 0.0
    assert column(result.fills, "price") == [100.0, 200.0]
    assert column(result.fills, "is_forced") == [False, True]
    assert column(result.fills, "reason") == ["target", "liquidation"]
    assert result.returns.tolist() == [-1.0, 0.0, 0.0]
    assert result.trades["pnl"].sum() == pytest.approx(-1_000)
    assert result.trades["bars"].to_list() == [1]
    values = dict(result.summary().select("statistic", "value").iter_rows())
    assert (values["total return"], values["annual return"], values["maximum drawdown"]) == (-1.0, -1.0, 1.0)


def test_bars_after_ruin_dilute_nothing(market, decide):
    """Ruined on the third of 60 bars: all figures are of the three returns that led there, the benchmark's too."""
    opens = [100, 100, 90, 90, *[100] * 56]
    closes = [100, 90, 90, 250, *[100] * 56]
    candles = market(opens, closes)
    result = backtest(candles, decide(candles, [-1]), costs=FREE, cash=1_000.0)
    assert result.returns_until_ruin.tolist() == pytest.approx([0.1, 0.0, -1.0])
    assert len(result.returns) == 59
    assert result.benchmark_returns_until_ruin.tolist() == result.benchmark_returns[:3].tolist()
    table = result.summary()
    values, held = (dict(table.select("statistic", name).iter_rows()) for name in ("value", "benchmark"))
    assert values["Sharpe ratio"] == pytest.approx(
        stats.sharpe(np.array([0.1, 0.0, -1.0]), bars_per_year=result.bars_per_year)
    )
    assert values["annual volatility"] == pytest.approx(
        stats.annual_volatility(np.array([0.1, 0.0, -1.0]), bars_per_year=result.bars_per_year)
    )
    assert held["total return"] == pytest.approx(1.5)
    assert values["exposure"] == pytest.approx((0 + 900 / 1_100 + 900 / 1_100 + 0) / 4)
    short = backtest(candles[:4], decide(candles[:4], [-1]), costs=FREE, cash=1_000.0).summary()
    assert table.select("value", "low", "high").equals(short.select("value", "low", "high"))
    of_returns = len(RETURN_STATISTICS)
    assert table["benchmark"].head(of_returns).equals(short["benchmark"].head(of_returns))
    row = sweep(candles, np.concatenate([[-1.0], np.full(59, np.nan)])[None], costs=FREE, cash=1_000.0).row(
        0, named=True
    )
    assert (row["sharpe"], row["exposure"]) == pytest.approx((values["Sharpe ratio"], values["exposure"]))


def test_an_account_that_lives_has_all_of_its_returns(market, decide):
    candles = market([100, 100, 110], [100, 110, 120])
    result = backtest(candles, decide(candles, [1]), costs=FREE)
    assert result.returns_until_ruin.tolist() == result.returns.tolist()
    assert result.benchmark_returns_until_ruin.tolist() == result.benchmark_returns.tolist()


def test_ruin_without_a_liquidation_has_a_date(market, decide):
    """A charge of 2,000 an order on 1,000: sold out, and in debt. There was nothing to close by force."""
    candles = market([100] * 4, [100] * 4)
    costs = Costs(fee_bps=0, slippage_bps=0, extra=lambda units, price, volume: 2_000.0 * (units < 0))
    result = backtest(candles, decide(candles, [0.5, 0.0]), costs=costs, cash=1_000.0)
    assert column(result.equity, "equity") == [1_000.0, 1_000.0, -1_000.0, -1_000.0]
    assert not result.fills["is_forced"].any()
    assert result.ruined_at == candles.frame["close_time"][2]
    assert result.returns_until_ruin.tolist() == [0.0, -2.0]


def test_ruin_is_dated_by_its_own_liquidation_and_not_by_an_earlier_one(market, decide):
    """Liquidated with its margin left on the second bar, and ruined by a gap on the fourth."""
    candles = market([100, 100, 100, 100, 500], [100, 170, 100, 100, 500])
    costs = Costs(fee_bps=0, slippage_bps=0, maintenance_percent=25.0)
    result = backtest(candles, decide(candles, [-1.0, -0.9, -1.0, -1.0]), costs=costs, cash=1_000.0)
    forced = result.fills.filter("is_forced")
    assert forced["time"].to_list() == [candles.frame["close_time"][1], candles.frame["open_time"][4]]
    assert result.ruined_at == candles.frame["open_time"][4]


def test_less_than_a_year_is_not_annualised(market, decide):
    candles = market([100, 100, 110], [100, 110, 120])
    table = backtest(candles, decide(candles, [1]), costs=FREE).summary()
    values = dict(table.select("statistic", "value").iter_rows())
    assert values["annual return"] == values["total return"] == pytest.approx(0.2)
    assert "not annualised" in dict(table.select("statistic", "formula").iter_rows())["annual return"]
    assert dict(table.select("statistic", "unit").iter_rows())["annual return"] == "fraction, not annualised"


def test_ruin_of_a_short_at_an_open(market, decide):
    candles = market([100, 100, 300, 100], [100, 100, 100, 100])
    result = backtest(candles, decide(candles, [-1, 0]), costs=FREE, cash=1_000.0)
    assert column(result.equity, "equity") == [1_000.0, 1_000.0, 0.0, 0.0]
    assert result.ruined_at == candles.frame["open_time"][2]
    assert column(result.fills, "target") == [-1.0, 0.0]
    assert result.shortfall == 1_000.0


def test_an_account_that_lives_was_not_ruined(market, decide):
    candles = market([100, 100], [100, 150])
    result = backtest(candles, decide(candles, [-1]), costs=FREE)
    assert result.ruined_at is None
    assert result.shortfall == 0.0


def test_the_benchmark_buys_at_the_first_open_and_holds(market, decide):
    candles = market([100, 100, 120], [100, 110, 50])
    result = backtest(candles, decide(candles, [0, -1]), costs=FEE, cash=1_100.0)
    assert column(result.benchmark, "equity") == pytest.approx([1_100, 1_100, 500])
    held = backtest(candles, decide(candles, [1]), costs=FEE, cash=1_100.0)
    assert result.benchmark.equals(held.equity)
    assert result.benchmark_returns.tolist() == held.returns.tolist() == pytest.approx([0.0, -6 / 11])


def summarised(market, decide) -> BacktestResult:
    rng = np.random.default_rng(7)
    closes = 100 * np.exp(np.cumsum(rng.normal(0.001, 0.02, 120)))
    candles = market(np.concatenate([[100.0], closes[:-1]]), closes)
    return backtest(candles, decide(candles, np.repeat(rng.choice([-1, 0, 0.5, 1], 24), 5)))


def test_summary_agrees_with_the_tables(market, decide):
    result = summarised(market, decide)
    table = result.summary()
    assert table["statistic"].to_list() == [*RETURN_STATISTICS, *TRADING_STATISTICS]
    values = dict(table.select("statistic", "value").iter_rows())
    equity, pnl = result.equity["equity"].to_numpy(), result.trades["pnl"].to_numpy()
    assert values["total return"] == pytest.approx(equity[-1] / 10_000 - 1)
    assert values["maximum drawdown"] == pytest.approx((1 - equity / np.maximum.accumulate(equity)).max())
    assert values["exposure"] == pytest.approx(np.abs(result.equity["position"].to_numpy()).mean())
    assert values["turnover"] == pytest.approx(
        result.fills["notional"].sum() / equity.mean() / (119 / result.bars_per_year)
    )
    assert values["win rate"] == np.mean(pnl > 0)
    assert values["profit factor"] == pytest.approx(pnl[pnl > 0].sum() / -pnl[pnl < 0].sum())
    assert values["mean holding"] == result.trades["bars"].mean()
    assert values["total cost"] == pytest.approx(result.fills["fee"].sum() + result.fills["slippage"].sum())
    assert values["relative cost"] == pytest.approx(values["total cost"] / 10_000)
    benchmark = dict(table.select("statistic", "benchmark").iter_rows())
    assert benchmark["trades"] == 1.0
    assert benchmark["total return"] == pytest.approx(result.benchmark["equity"][-1] / 10_000 - 1)


def test_summary_intervals_hold_the_value_and_follow_the_seed(market, decide):
    result = summarised(market, decide)
    table = result.summary()
    bounded = table.head(len(RETURN_STATISTICS))
    for name in ("total return", "annual volatility", "Sharpe ratio"):
        (row,) = bounded.filter(pl.col("statistic") == name).rows(named=True)
        assert row["low"] < row["value"] < row["high"]
    assert table["low"].null_count() == len(TRADING_STATISTICS)
    assert result.summary().equals(table)
    assert not result.summary(seed=1).equals(table)
    narrow = result.summary(level=0.5).head(len(RETURN_STATISTICS))
    assert (narrow["high"] - narrow["low"] < bounded["high"] - bounded["low"]).all()


@pytest.mark.parametrize("cash", [0.0, -5.0, float("nan"), float("inf")])
def test_cash_must_be_positive(market, decide, cash):
    candles = market([100, 100], [100, 100])
    with pytest.raises(ConfigError, match=r"cash is .*expected a positive amount of money"):
        backtest(candles, decide(candles, [1]), cash=cash)


def test_positions_off_the_bars_are_named(market, decide):
    candles = market([100, 100, 100], [100, 100, 100])
    frame = decide(candles, [1, 0]).frame.with_columns(pl.col("time") + timedelta(hours=1))
    with pytest.raises(CandleError, match=r"the position at 2024-01-02 01:00:00 UTC is on no bar.*1d bar of asset"):
        backtest(candles, Positions(frame))
    late = decide(candles, [1, 0]).frame.with_columns(pl.col("time") + timedelta(days=2))
    with pytest.raises(CandleError, match=r"the position at 2024-01-05 00:00:00 UTC"):
        backtest(candles, Positions(late))


def test_positions_of_another_symbol(market, decide):
    candles = market([100, 100], [100, 100])
    with pytest.raises(CandleError, match="positions are of 'ETH'; expected positions of 'asset'"):
        backtest(candles, decide(candles, [1], symbol="ETH"))


def test_no_positions(market, decide):
    candles = market([100, 100], [100, 100])
    with pytest.raises(NotEnoughDataError, match="there are no positions"):
        backtest(candles, Positions(decide(candles, [1]).frame.clear()))


def test_unsound_candles(market, decide):
    candles = market([100, 100], [100, -5])
    with pytest.raises(CandleError, match="price of zero or below"):
        backtest(candles, decide(candles, [1]))


@pytest.mark.parametrize("band", [math.inf, 1e-9, 0.05])
@pytest.mark.parametrize("leverage", [1.0, 3.0])
def test_returns_without_tables_are_those_of_the_backtest(band, leverage):
    """To the last bit: with a band, on credit with interest, and in a short squeeze that ruins the account."""
    candles = synthetic.squeezes(400, seed=3, chance=0.02, size=4.0).candles
    generator = np.random.default_rng(5)
    decided = candles.frame[50:].select(time="close_time", symbol=pl.lit(candles.symbol))
    targets = generator.choice([-1.0, 0.0, 0.4, 1.0], decided.height) * leverage
    positions = Positions(decided.with_columns(position=pl.Series(targets)), leverage=leverage, band=band)
    costs = Costs(fee_bps=5.0, slippage_bps=1.0, loan_percent=5.0, borrow_percent=2.0)
    expected = backtest(candles, positions, costs=costs).returns
    assert account_returns(candles, positions, costs=costs).tolist() == expected.tolist()
    assert account_table(candles, positions, costs=costs).equals(backtest(candles, positions, costs=costs).equity)
    assert len(expected) == 349
