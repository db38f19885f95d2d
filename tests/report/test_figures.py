"""The figures show the result's own numbers, and say so when there is nothing to show."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs, backtest
from candlecast.dataset.folds import Holdout
from candlecast.dataset.forecast import Forecast
from candlecast.models import Drift, Naive
from candlecast.report.account_chart import account_figure
from candlecast.report.columns import Columns
from candlecast.report.cost_figure import cost_figure, returns_at_costs
from candlecast.report.forecast_figures import LAGS, forecast_in_groups, lag_errors, lag_figure
from candlecast.report.forecast_values import forecast_rows
from candlecast.report.market_chart import add_candles, bars_of, forecast_figure, price_figure
from candlecast.report.returns_figures import distribution, drawdown_frame, drawdown_table, monthly_frame
from candlecast.report.trade_list import add_trades
from candlecast.report.training_figures import loss_band, losses, skill_by_training, timeline
from candlecast.targets import Direction, NextReturn, Price, ScaledReturn, TripleBarrier, Volatility


def forecasts(result, columns):
    """The figure of forecasts with the rows that it shows."""
    return forecast_figure(result, columns, forecast_rows(result))


def gross(result):
    return backtest(result.candles, result.positions, costs=Costs.free(), cash=result.cash)


@pytest.fixture
def drawn(column_values):
    """What a chart shows: the figure, and the bar of the first value and the values of each column."""

    def read(figure, result, *more):
        columns = Columns()
        made = figure(result, columns, *more)
        return made, column_values(columns.entries, columns.payload)

    return read


@pytest.mark.parametrize("target", [NextReturn(), NextReturn(5), Price()])
def test_forecast_is_drawn_as_price_at_the_bar_it_is_for(study_of, drawn, target):
    result = study_of(target=target)
    _, columns = drawn(forecasts, result)
    offset, actual = columns["actual"]
    close = result.candles.close[offset : offset + len(actual)]
    np.testing.assert_allclose(actual, close, rtol=1e-6)
    _, naive = columns["naive"]
    np.testing.assert_allclose(naive[target.horizon :], close[: -target.horizon], rtol=1e-6)
    known = result.forecast.frame.drop_nulls("target")
    mean = known["mean"].to_numpy()
    expected = mean if target.name == "price" else naive * np.exp(mean)
    np.testing.assert_allclose(columns["forecast"][1], expected, rtol=1e-6)
    assert result.candles.frame["close_time"][offset] == known["known_at"][0]


def test_volatility_is_drawn_as_range_in_percent_of_price(study_of, drawn):
    result = study_of(target=Volatility())
    offset, actual = drawn(forecasts, result)[1]["actual"]
    ranges = 100 * (result.candles.high / result.candles.low - 1)
    np.testing.assert_allclose(actual, ranges[offset : offset + len(actual)], rtol=1e-5)


def test_direction_is_drawn_as_a_probability(study_of, drawn):
    result = study_of(target=Direction())
    known = result.forecast.frame.drop_nulls("target")
    columns = drawn(forecasts, result)[1]
    np.testing.assert_allclose(columns["forecast"][1], 100 * known["mean"], rtol=1e-5)
    assert set(columns["actual"][1]) <= {0.0, 50.0, 100.0}
    groups = forecast_in_groups(result).data
    assert groups.height == 10
    assert groups["outcome"].mean() == pytest.approx(100 * known["target"].mean(), abs=0.5)
    assert not lag_figure(result, forecast_rows(result)).is_drawn


def test_newest_forecast_without_outcome_is_told_and_not_drawn(result, drawn):
    figure, columns = drawn(forecasts, result)
    assert "its outcome is not known yet" in figure.caption
    offset, values = columns["forecast"]
    assert offset + len(values) == len(result.candles)


def test_no_known_outcome_gives_a_sentence(result, drawn):
    frame = result.forecast.frame.with_columns(target=pl.lit(None, pl.Float64), known_at=pl.lit(None))
    unknown = replace(result, forecasts={**result.forecasts, result.model: Forecast(frame, 1)})
    assert not drawn(forecasts, unknown)[0].is_drawn
    assert forecast_in_groups(unknown).caption == "0 known outcomes: too few to group."


def test_seeds_span_a_range(result, drawn):
    frame = result.forecast.frame
    other = frame.with_columns(pl.col("mean") * -1, pl.lit(1, pl.Int32).alias("seed"))
    seeded = replace(result, forecasts={**result.forecasts, result.model: Forecast(pl.concat([frame, other]), 1)})
    columns = drawn(forecasts, seeded)[1]
    naive = columns["naive"][1]
    width = frame.drop_nulls("target")["mean"].abs().to_numpy()
    np.testing.assert_allclose(columns["seeds_low"][1], naive * np.exp(-width), rtol=1e-6)
    np.testing.assert_allclose(columns["seeds_high"][1], naive * np.exp(width), rtol=1e-6)
    np.testing.assert_allclose(columns["forecast"][1], naive, rtol=1e-6)


def test_groups_rise_where_skill_was_planted(result):
    groups = forecast_in_groups(result).data
    slope = np.polyfit(groups["forecast"], groups["outcome"], 1)[0]
    assert 0.6 < slope < 1.4
    assert groups["outcome"][-1] > 0 > groups["outcome"][0]


def test_a_copy_of_the_last_price_is_unmasked():
    price = 100 + np.cumsum(np.random.default_rng(0).standard_normal(500))
    copied = lag_errors(price[:-1], price[1:], LAGS)  # the forecast of each price is the one before
    assert LAGS[copied.argmin()] == 1 and copied.min() == 0
    foreseen = lag_errors(price[1:], price[1:], LAGS)
    assert LAGS[foreseen.argmin()] == 0


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_forecast_of_the_last_price_is_said_to_follow_the_past(study_of, horizon):
    result = study_of(model=Naive(), target=NextReturn(horizon), baselines=())
    figure = lag_figure(result, forecast_rows(result))
    assert "the curve mostly repeats the past" in figure.caption
    errors = dict(figure.data.iter_rows())
    assert errors[horizon] == pytest.approx(0, abs=1e-9) and errors[0] > 0


def test_a_forecast_that_is_as_far_from_all_bars_resembles_none(study_of):
    result = study_of(model=Naive(), target=ScaledReturn(), baselines=())
    figure = lag_figure(result, forecast_rows(result))
    assert "within 10 % of each other: it resembles none" in figure.caption
    assert "mean absolute distance, standard deviations" in figure.drawing


@pytest.mark.parametrize(
    ("target", "across", "up"),
    [
        (Direction(), "forecast probability of a rise, %", "actual share of rises, %"),
        (TripleBarrier(5), "forecast label", "actual label"),
        (Volatility(), "forecast change of the range, log points", "actual change of the range, log points"),
    ],
)
def test_axes_of_groups_say_what_was_forecast_and_what_came(study_of, target, across, up):
    figure = forecast_in_groups(study_of(target=target, baselines=()))
    assert across in figure.drawing and up in figure.drawing


def test_equity_and_drawdown_end_where_the_account_does(result, drawn):
    _, columns = drawn(account_figure, result, gross(result))
    for name, table in (("model", result.backtest.equity), ("hold", result.backtest.benchmark)):
        assert columns[f"equity_{name}"][1][-1] == pytest.approx(table["equity"][-1], rel=1e-6)
    assert columns["equity_free"][1][-1] == pytest.approx(gross(result).equity["equity"][-1], rel=1e-6)
    summary = dict(result.backtest.summary().select("statistic", "value").iter_rows())
    assert -columns["drawdown_model"][1].min() / 100 == pytest.approx(summary["maximum drawdown"], rel=1e-3)
    assert columns["exposure"][1] == pytest.approx(100 * result.backtest.equity["position"].to_numpy(), rel=1e-2)
    ends = {offset + len(values) for offset, values in columns.values()}
    assert ends == {len(result.candles)}


def test_turnover_is_that_of_the_summary(result, drawn):
    """Over the whole record the mean of the rolling figure is near the statistic: value traded / mean equity / years."""
    _, columns = drawn(account_figure, result, gross(result))
    rolling = columns["turnover"][1]
    stated = dict(result.summary().select("statistic", "value").iter_rows())["turnover"]
    assert np.nanmean(rolling) == pytest.approx(stated, rel=0.3)


def test_every_fill_has_its_bar_its_forecast_and_its_cost(result, drawn):
    _, columns = drawn(add_trades, result)
    fills = result.backtest.fills.sort("time")
    bars = columns["fill_bar"][1].astype(int)
    at_open = fills["is_at_open"].to_numpy()
    opens = result.candles.frame["open_time"].gather(bars)
    assert (opens.to_numpy()[at_open] == fills["time"].to_numpy()[at_open]).all()
    np.testing.assert_allclose(columns["fill_price"][1], fills["price"], rtol=1e-6)
    np.testing.assert_allclose(columns["fill_cost"][1], fills["fee"] + fills["slippage"], rtol=1e-5, atol=1e-6)
    first = fills.row(0, named=True)
    known = result.forecast.frame.filter(pl.col("time") <= first["time"])["expected_return"][-1]
    assert columns["fill_mean"][1][0] == pytest.approx(100 * known, rel=1e-4)
    assert columns["fill_seed_0"][1][0] == pytest.approx(100 * known, rel=1e-4)


def test_a_fill_between_closes_has_the_forecast_of_the_close_before(result, drawn):
    earlier = pl.col("time") - result.candles.interval.timedelta / 2
    forecast = replace(result.forecast, frame=result.forecast.frame.with_columns(earlier))
    _, columns = drawn(add_trades, replace(result, forecasts={**result.forecasts, result.model: forecast}))
    known = forecast.frame.sort("time").select("time", "expected_return")
    expected = result.backtest.fills.sort("time").join_asof(known, on="time")["expected_return"]
    np.testing.assert_allclose(columns["fill_mean"][1], 100 * expected, atol=1e-5)


def test_the_list_of_trades_is_that_of_the_backtest(result, drawn):
    header, columns = drawn(add_trades, result)
    trades = result.backtest.trades
    np.testing.assert_allclose(columns["trade_pnl"][1], trades["pnl"], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(columns["trade_return"][1], 100 * trades["return"], rtol=1e-5, atol=1e-6)
    sides = [header["words"]["side"][int(code)] for code in columns["trade_side"][1]]
    assert sides == trades["side"].to_list()
    reasons = [header["words"]["exit_reason"][int(code)] for code in columns["trade_exit_reason"][1]]
    assert reasons == trades["exit_reason"].fill_null("still open").to_list()
    bars = columns["trade_opened"][1].astype(int)
    assert (result.candles.frame["open_time"].gather(bars).to_numpy() == trades["opened"].to_numpy()).all()


def test_candles_and_position_stand_on_their_bars(result, drawn):
    def both(study, columns):
        add_candles(study, columns)
        return price_figure(study, columns)

    figure, columns = drawn(both, result)
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(columns[name][1], result.candles.frame[name], rtol=1e-6)
    seconds = result.candles.open_time.astype("datetime64[s]").astype(float)
    np.testing.assert_array_equal(columns["time"][1], seconds)
    offset, position = columns["position"]
    assert offset == bars_of(result, result.backtest.equity["time"])[0]
    np.testing.assert_allclose(position, 100 * result.backtest.equity["position"].to_numpy(), atol=0.1)
    assert figure.caption.startswith(f"{result.backtest.fills.height} fills in ")


def test_a_model_that_never_trades_gets_sentences(study_of, drawn):
    result = study_of(model=Naive())
    assert drawn(price_figure, result)[0].caption.startswith("The rule never traded")
    assert forecast_in_groups(result).caption == "All forecasts of naive are equal, so they cannot be grouped."
    assert not losses(result).is_drawn and not cost_figure(result).is_drawn and not distribution(result).is_drawn
    assert len(set(drawn(account_figure, result, gross(result))[1]["equity_model"][1])) == 1


def test_returns_by_month_compound_to_the_account(result):
    frame = monthly_frame(result.backtest)
    total = np.prod(1 + frame["Year"].to_numpy())
    level = result.backtest.equity["equity"]
    assert total == pytest.approx(level[-1] / level[0])
    months = frame.drop("year", "Year", "Buy-and-hold").to_numpy()
    assert np.nanprod(1 + months) == pytest.approx(total)


def test_drawdowns_are_listed_with_their_dates(result):
    page = drawdown_table(result.backtest)
    summary = dict(result.summary().select("statistic", "value").iter_rows())
    assert f"{100 * summary['maximum drawdown']:.1f}" in page
    frame = drawdown_frame(result.backtest)
    assert frame["depth"][0] == pytest.approx(summary["maximum drawdown"])
    assert (frame["peak"] < frame["trough"]).all() and frame["recovered"].null_count() <= 1
    assert re.search(r"\d{4}-\d\d-\d\d", page)


def test_the_cost_curve_passes_the_result_and_the_break_even_cost(result):
    costs = result.backtest.costs
    at_own = returns_at_costs(result, np.array([0.0, costs.per_side_bps]))
    summary = dict(result.summary().select("statistic", "value").iter_rows())
    assert at_own[1] == pytest.approx(summary["annual return"], abs=0.01)
    assert at_own[0] > at_own[1]
    even = result.verdict.evidence.break_even_bps
    assert returns_at_costs(result, np.array([even]))[0] == pytest.approx(0, abs=0.01)
    assert f"breaks even at {even:.1f} bp" in cost_figure(result).caption


def test_the_distribution_counts_every_bar_with_a_return(result):
    returns = result.backtest.returns_until_ruin
    assert distribution(result).data["bars"].sum() == (returns != 0).sum()


def test_one_split_is_called_one_opinion(study_of):
    result = study_of(model=Drift(), folds=Holdout())
    assert not timeline(result).is_drawn
    assert "One split is one sample" in timeline(result).caption
    assert not skill_by_training(result).is_drawn


def test_folds_and_trainings_are_the_results(result):
    figure = timeline(result)
    places = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', figure.drawing)
    spans = [(float(x), float(x) + float(width)) for x, width in places]
    for train, test in zip(spans[::2], spans[1::2], strict=True):
        assert train[0] < train[1] <= test[0] < test[1]
    assert figure.data.equals(result.folds)
    skill = skill_by_training(result)
    np.testing.assert_allclose(skill.data["r2"], result.accuracy_by_part["r2"].to_numpy())
    better = (result.accuracy_by_part["r2"] > 0).sum()
    assert f"{better} of {result.folds.height} have an R2 above zero" in skill.caption


def test_losses_start_at_one_and_keep_their_last_value():
    rows = [(0, 0, 1, 4.0, 2.0), (0, 0, 2, 3.0, 1.0), (1, 0, 1, 0.5, 0.2), (1, 0, 2, 0.4, 0.3), (1, 0, 3, 0.1, 0.4)]
    table = pl.DataFrame(rows, schema=["fold", "seed", "epoch", "train", "valid"], orient="row")
    band = loss_band(table, "train")
    np.testing.assert_allclose(band["median"], [1, (0.75 + 0.8) / 2, (0.75 + 0.2) / 2])
    np.testing.assert_allclose(band["low"][0], 1)
    np.testing.assert_allclose(loss_band(table, "valid")["high"], [1, 0.05 * 0.5 + 0.95 * 1.5, 0.05 * 0.5 + 0.95 * 2])


def test_losses_say_where_the_best_epoch_was(result):
    rows = [(0, 0, 1, 4.0, 2.0), (0, 0, 2, 3.0, 1.0), (1, 0, 1, 0.5, 0.2), (1, 0, 2, 0.4, 0.3), (1, 0, 3, 0.1, 0.4)]
    table = pl.DataFrame(rows, schema=["fold", "seed", "epoch", "train", "valid"], orient="row")
    figure = losses(replace(result, losses=table))
    assert figure.caption.startswith(
        "2 trainings: the line is the median, the band holds 90 % of them. Lowest validation"
    )
    assert "at epoch 1 of 3" in figure.caption
    assert [words for _, words in figure.legend] == ["training loss", "validation loss"]


def test_losses_without_validation_are_training_losses(result):
    rows = [(0, 0, 1, 4.0, float("nan")), (0, 0, 2, 3.0, float("nan"))]
    table = pl.DataFrame(rows, schema=["fold", "seed", "epoch", "train", "valid"], orient="row")
    figure = losses(replace(result, losses=table))
    assert [words for _, words in figure.legend] == ["training loss"]
    assert figure.caption == "1 training: the line is the median, the band holds 90 % of them."
