"""Parts of a result, results traded otherwise, and what a run on disk must prove when it is read back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import polars as pl
import pytest

from candlecast.backtesting import Costs
from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError, LookaheadError, RunError
from candlecast.features import Features, log_return
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.runs import run_name
from candlecast.signals import FollowDirection, Positions
from candlecast.sources import synthetic
from candlecast.study import Study
from candlecast.study.deciding import positions_by_model
from candlecast.study.loading import load_run

STUDY = Study(
    model=LinearRegression(),
    features=Features(log_return()),
    folds=WalkForward(folds=2),
    baselines=(),
    seeds=1,
    cash=5_000.0,
)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.in_memory()


@pytest.fixture(scope="module")
def result(ledger):
    return STUDY.run(synthetic.ar1(500, seed=1, phi=0.3).candles, seed=7, ledger=ledger)


def test_seeds_begin_where_they_should(monkeypatch):
    study, candles, handed_on = replace(STUDY, seeds=2), synthetic.random_walk(50, seed=1).candles, []
    recipe = study.recipe(candles, seed=7)
    assert (recipe["seed"], recipe["seeds"], recipe["cash"], recipe["window"]) == (7, 2, 5_000.0, 1)

    assert study.walk_plan(candles, seed=7).seeds == (7, 8)

    def walked(model, jobs, **_):
        handed_on.append((model.name, sorted({job.seed for job in jobs})))
        return []

    monkeypatch.setattr("candlecast.study.study.walk_jobs", walked)
    with pytest.raises(ValueError, match="concat"):  # nothing was forecast
        study.run(candles, seed=7, ledger=Ledger.in_memory())
    assert handed_on == [("naive", [7]), ("drift", [7]), ("linear", [7])]  # none of them depends on the seed


def test_two_periods_are_two_trials_and_two_runs(result):
    times = result.forecast.frame["time"]
    first, second = str(times[100]), str(times[150])
    views = [
        result,
        result.between(since=first),
        result.between(since=second),
        result.between(until=second),
        result.between(first, second),
    ]
    for view, (since, until) in zip(
        views[1:], [(first, None), (second, None), (None, second), (first, second)], strict=True
    ):
        assert view.recipe["since"] == (since and datetime.fromisoformat(since).isoformat())
        assert view.recipe["until"] == (until and datetime.fromisoformat(until).isoformat())
    assert len({json.dumps(view.trial.study) for view in views}) == 5
    assert len({view.trial.identity for view in views}) == 5
    assert len({run_name(view.recipe, view.candles) for view in views}) == 5


def test_a_period_begins_at_since_and_ends_before_until(result):
    times = result.forecast.frame["time"]
    view = result.between(str(times[100]), str(times[150]))
    for frame in (view.forecast.frame, view.positions["linear"].frame):
        assert frame["time"].to_list() == times[100:150].to_list()
    assert view.candles.frame["close_time"][-1] == times[149]
    assert view.backtest.equity["time"].to_list() == times[100:150].to_list()
    assert view.trial_count is None


def test_what_is_traded_otherwise_is_another_trial(result):
    ledger = Ledger.in_memory()
    first = result.record(ledger)
    dear = first.rebacktest(costs=Costs(fee_bps=77))
    assert dear.costs == Costs(fee_bps=77) == dear.backtest.costs
    assert dear.recipe["costs"]["fee_bps"] == 77.0
    assert dear.counted.trials == ledger.count() == 2
    rich = first.rebacktest(cash=9.0)
    assert rich.backtest.equity["equity"][0] == 9.0
    assert (rich.counted.trials, rich.backtest.costs) == (3, result.costs)
    assert first.counted.trials == 1


def test_a_tally_is_of_its_own_trial_alone(result):
    ledger = Ledger.in_memory()
    first = result.record(ledger)
    other = replace(first, costs=Costs(fee_bps=50))
    assert first.trial_count == other.trial_count
    assert other.counted.trials == 2 and other.counted.content == other.trial.content != first.trial_count.content


def test_a_trial_names_all_that_was_chosen(result):
    trial = result.trial
    assert (trial.target, trial.symbol, trial.interval, trial.model) == (
        "return_1",
        result.candles.symbol,
        "1d",
        "linear",
    )
    assert trial.study["model"] == result.recipe["model"] and "baselines" not in trial.study
    assert trial.data == result.candles.fingerprint
    assert trial.times.tolist() == result.backtest.equity["time"].dt.replace_time_zone(None).to_list()[1:]


def test_a_rule_that_knows_the_outcome_is_refused(result):
    def prophet(forecast):
        frame = forecast.averaged().frame
        return Positions(frame.select("time", "symbol", position=pl.col("target").sign().fill_null(0.0)))

    with pytest.raises(LookaheadError, match="prophet"):
        positions_by_model(prophet, result.forecasts, result.candles, result.costs)
    assert (
        positions_by_model(FollowDirection(), result.forecasts, result.candles, result.costs).keys()
        == result.forecasts.keys()
    )


def rewritten(folder, name, change):
    """A run with one table changed, and its digest with it."""
    path, manifest = folder / f"{name}.parquet", json.loads((folder / "manifest.json").read_text())
    change(pl.read_parquet(path)).write_parquet(path)
    manifest["files"][path.name] = {"bytes": path.stat().st_size, "sha256": sha256(path.read_bytes()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_candles_must_be_those_of_the_fingerprint(result, tmp_path):
    folder = result.save(tmp_path / "run")
    rewritten(folder, "candles", lambda frame: frame.with_columns(volume=pl.col("volume") + 1))
    with pytest.raises(RunError, match="the candles of .* are not those that were written"):
        load_run(folder)


def test_rows_must_be_those_of_the_run(result, tmp_path):
    folder = result.save(tmp_path / "run")
    rewritten(folder, "positions", lambda frame: frame.with_columns(time=pl.col("time") + timedelta(hours=1)))
    with pytest.raises(RunError, match=r"positions\.parquet is of other candles than the run"):
        load_run(folder)


def test_a_run_is_read_back_with_its_money_its_tally_and_its_band(result, tmp_path):
    banded = {name: replace(held, band=0.25, leverage=2.0) for name, held in result.positions.items()}
    made = replace(result, positions=banded, trial_count=replace(result.counted, trials=9, family=3))
    made = replace(made, trial_count=replace(made.trial_count, content=made.trial.content))
    loaded = load_run(made.save(tmp_path / "run"))
    assert loaded.cash == 5_000.0 == loaded.backtest.equity["equity"][0]
    assert loaded.counted == made.trial_count and loaded.counted.trials == 9
    assert {(held.band, held.leverage) for held in loaded.positions.values()} == {(0.25, 2.0)}
    assert loaded.seed == 7 and loaded.forecast.seeds == [7]
    assert math.isinf(load_run(result.save(tmp_path / "other")).positions["linear"].band)


def test_a_range_whose_end_is_not_after_its_start_is_refused_and_a_year_stands_for_its_first_day(result):
    first, last = (result.forecast.frame["time"][row] for row in (0, -1))
    assert result.between(str(first.year)).recipe["since"] == f"{first.year}-01-01T00:00:00+00:00"
    assert (
        result.between(f"{first.year}-01", f"{last.year + 1}").recipe["until"]
        == f"{last.year + 1}-01-01T00:00:00+00:00"
    )
    for since, until in (("2014", "2012"), ("2014", "2014-01"), (last, first)):
        with pytest.raises(
            ConfigError, match="is not before until .*; expected a first moment and a later one. Change"
        ):
            result.between(since, until)


def test_a_moment_of_another_zone_is_the_same_moment(result):
    time = result.forecast.frame["time"][100]
    elsewhere = time.astimezone(UTC).replace(tzinfo=None)
    assert result.between(since=elsewhere).recipe["since"] == time.isoformat()
