"""The figures show the result's own numbers, and say so when there is nothing to show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs, backtest
from candlecast.dataset.folds import Holdout
from candlecast.dataset.forecast import Forecast
from candlecast.models import Drift, Naive
from candlecast.report.figures import DETAIL_BARS, Figure, milliseconds, thinned
from candlecast.report.forecast_figures import forecast_in_groups, forecast_over_time
from candlecast.report.trading_figures import equity, signals
from candlecast.report.training_figures import losses, skill_by_training, timeline
from candlecast.targets import Direction, NextReturn, Price, Volatility


def trace(figure: Figure, name: str):
    return next(trace for trace in figure.plot.data if trace.name == name)


def gross(result):
    return backtest(result.candles, result.positions, costs=Costs.free(), cash=result.cash)


@pytest.mark.parametrize("target", [NextReturn(), NextReturn(5), Price()])
def test_forecast_is_drawn_as_price_at_the_time_it_is_for(study_of, target):
    result = study_of(target=target)
    figure = forecast_over_time(result)
    close = dict(zip(milliseconds(result.candles.frame["close_time"]), result.candles.close, strict=True))
    happened, naive, forecast = (trace(figure, name) for name in ("actual", "naive", "linear"))
    np.testing.assert_allclose(happened.y, [close[time] for time in happened.x])
    np.testing.assert_allclose(naive.y[target.horizon :], happened.y[: -target.horizon])
    known = result.forecast.frame.drop_nulls("target")
    mean = known["mean"].to_numpy()
    np.testing.assert_allclose(forecast.y, mean if target.name == "price" else naive.y * np.exp(mean))
    assert len(happened.x) == known.height


def test_volatility_is_drawn_as_range_in_percent_of_price(study_of):
    result = study_of(target=Volatility())
    happened = trace(forecast_over_time(result), "actual")
    candles = result.candles
    ranges = dict(zip(milliseconds(candles.frame["close_time"]), 100 * (candles.high / candles.low - 1), strict=True))
    np.testing.assert_allclose(happened.y, [ranges[time] for time in happened.x])


def test_direction_is_drawn_as_a_probability_with_its_calibration(study_of):
    result = study_of(target=Direction())
    known = result.forecast.frame.drop_nulls("target")
    np.testing.assert_allclose(trace(forecast_over_time(result), "linear").y, 100 * known["mean"])
    groups = trace(forecast_in_groups(result), "mean, 95 % CI")
    assert len(groups.x) == 10
    assert np.mean(groups.y) == pytest.approx(100 * known["target"].mean(), abs=0.5)


def test_newest_forecast_without_outcome_is_told_and_not_drawn(result):
    figure = forecast_over_time(result)
    assert "its outcome is not known yet" in figure.caption
    assert trace(figure, "linear").x[-1] == milliseconds(result.candles.frame["close_time"])[-1]


def test_no_known_outcome_gives_a_sentence(result):
    frame = result.forecast.frame.with_columns(target=pl.lit(None, pl.Float64), known_at=pl.lit(None))
    unknown = replace(result, forecasts={**result.forecasts, result.model: Forecast(frame, 1)})
    assert forecast_over_time(unknown).plot is None
    assert forecast_in_groups(unknown).caption == "0 known outcomes: too few to group."


def test_seeds_span_a_band(result):
    frame = result.forecast.frame
    other = frame.with_columns(pl.col("mean") * -1, pl.lit(1, pl.Int32).alias("seed"))
    seeded = replace(result, forecasts={**result.forecasts, result.model: Forecast(pl.concat([frame, other]), 1)})
    figure = forecast_over_time(seeded)
    low, high = figure.plot.data[:2]
    naive = trace(figure, "naive").y
    width = frame.drop_nulls("target")["mean"].abs().to_numpy()
    assert high.name == "range over seeds"
    np.testing.assert_allclose(low.y, naive * np.exp(-width))
    np.testing.assert_allclose(high.y, naive * np.exp(width))
    np.testing.assert_allclose(trace(figure, "linear").y, naive)


def test_groups_rise_where_skill_was_planted(result):
    groups = trace(forecast_in_groups(result), "mean, 95 % CI")
    slope = np.polyfit(groups.x, groups.y, 1)[0]
    assert 0.6 < slope < 1.4
    assert groups.y[-1] > 0 > groups.y[0]


def test_equity_and_drawdown_end_where_the_account_does(result):
    figure = equity(result, gross(result))
    for name, table in (("linear", result.backtest.equity), ("buy-and-hold", result.backtest.benchmark)):
        assert trace(figure, name).y[-1] == table["equity"][-1]
    assert trace(figure, "without costs").y[-1] == gross(result).equity["equity"][-1]
    summary = dict(result.backtest.summary().select("statistic", "value").iter_rows())
    assert -figure.plot.data[-1].y.min() / 100 == pytest.approx(summary["maximum drawdown"])
    assert len(figure.plot.layout.shapes) == 2 * (result.folds.height - 1)


def test_every_fill_is_marked_with_its_reason_and_cost(result):
    figure = signals(result)
    fills = result.backtest.fills
    for side in ("buy", "sell"):
        chosen = fills.filter(pl.col("side") == side)
        assert list(trace(figure, side).y) == chosen["price"].to_list()
        assert list(trace(figure, side).x) == list(milliseconds(chosen["time"]))
    first = fills.row(0, named=True)
    decided = result.forecast.frame.filter(pl.col("time") <= first["time"])["expected_return"][-1]
    words = trace(figure, first["side"]).text[0]
    assert f"forecast {100 * decided:+.2f}" in words
    assert f"cost {first['fee'] + first['slippage']:,.2f}" in words
    held = trace(figure, "long").y + trace(figure, "short").y
    np.testing.assert_allclose(held, 100 * result.backtest.equity["position"].to_numpy())


def test_a_model_that_never_trades_gets_sentences(study_of):
    result = study_of(model=Naive())
    assert signals(result).plot is None
    assert forecast_in_groups(result).caption == "All forecasts of naive are equal, so they cannot be grouped."
    assert losses(result).plot is None
    assert len(set(trace(equity(result, gross(result)), "naive").y)) == 1


def test_one_split_is_called_one_opinion(study_of):
    result = study_of(model=Drift(), folds=Holdout())
    assert timeline(result).plot is None
    assert "One split is one sample" in timeline(result).caption
    assert skill_by_training(result).plot is None


def test_folds_and_trainings_are_the_results(result):
    train, test = timeline(result).plot.data
    assert list(test.base) == list(milliseconds(result.folds["test_first"]))
    assert all(base + length < start for base, length, start in zip(train.base, train.x, test.base, strict=True))
    skill = skill_by_training(result)
    np.testing.assert_allclose(skill.plot.data[0].x, 100 * result.accuracy_by_part["r2"].to_numpy())
    better = (result.accuracy_by_part["r2"] > 0).sum()
    assert f"{better} of {result.folds.height} have an R2 above zero" in skill.caption


def test_losses_start_at_one_and_break_between_trainings(result):
    rows = [(0, 0, 1, 4.0, 2.0), (0, 0, 2, 3.0, 1.0), (1, 0, 1, 0.5, 0.2), (1, 0, 2, 0.4, 0.3), (1, 0, 3, 0.1, 0.4)]
    table = pl.DataFrame(rows, schema=["fold", "seed", "epoch", "train", "valid"], orient="row")
    figure = losses(replace(result, losses=table))
    train, valid = figure.plot.data
    np.testing.assert_allclose(train.y, [1, 0.75, np.nan, 1, 0.8, 0.2, np.nan])
    np.testing.assert_allclose(valid.y, [1, 0.5, np.nan, 1, 1.5, 2, np.nan])
    assert figure.caption.startswith("2 trainings, one line each. Lowest validation loss: at epoch 1 of 3")


def test_losses_without_validation_are_training_losses(result):
    rows = [(0, 0, 1, 4.0, float("nan")), (0, 0, 2, 3.0, float("nan"))]
    table = pl.DataFrame(rows, schema=["fold", "seed", "epoch", "train", "valid"], orient="row")
    figure = losses(replace(result, losses=table))
    assert [part.name for part in figure.plot.data] == ["training loss"]
    assert figure.caption == "1 training, one line each."


def test_thinning_keeps_extremes_and_ends():
    values = np.cumsum(np.random.default_rng(0).standard_normal(50_000))
    kept = thinned(values)
    assert len(kept) <= 1_202
    assert {0, 49_999, values.argmin(), values.argmax()} <= set(kept)
    assert (np.diff(kept) > 0).all()


def test_long_histories_are_drawn_in_part_and_say_so(long):
    for figure in (forecast_over_time(long), signals(long)):
        assert f"The figure shows the last {DETAIL_BARS:,}" in figure.caption
        assert max(len(part.x) for part in figure.plot.data) <= DETAIL_BARS
    assert "the highest and the lowest value" in equity(long, gross(long)).caption
