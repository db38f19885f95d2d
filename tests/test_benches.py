"""What the benchmarks measure still runs."""

import importlib
import importlib.util
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

BENCH = Path(__file__).parent.parent / "bench"


@pytest.fixture(scope="module")
def kernels():
    spec = importlib.util.spec_from_file_location("bench_kernels", BENCH / "kernels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_kernels_step(kernels, cell):
    kernels.kernel_step(cell, 2)()
    for step in kernels.fleet_steps(cell, 2):
        step()


@pytest.fixture(scope="module")
def honesty():
    names = {name: f"honesty_{name}" for name in ("worlds", "tries", "users", "tables")}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        modules = {name: importlib.import_module(module) for name, module in names.items()}
        yield SimpleNamespace(command=importlib.import_module("honesty"), **modules)


def test_honesty_names_every_world_once_and_the_old_ones_as_ever(honesty):
    batches = honesty.command.planned(400)
    assert sorted({batch.part for batch in batches}) == ["families", "sequence", "tutorial", "verdict"]
    seeds = {}
    for batch in batches:
        if batch.part != "tutorial":  # which goes through worlds of the others
            seeds.setdefault((batch.part, batch.family, batch.strength), []).extend(batch.seeds)
    everything = [seed for group in seeds.values() for seed in group]
    assert len(everything) == len(set(everything))
    assert seeds["verdict", "AR(1), phi", 0.06] == list(range(1_010_000, 1_010_016))
    counts = {family: len(group) for (part, family, _), group in seeds.items() if part == "families"}
    assert set(counts) == set(honesty.users.FAMILIES) - set(honesty.users.SEQUENCES)
    assert set(counts.values()) == {100}
    assert sum(len(group) for (part, *_), group in seeds.items() if part == "sequence") >= 2_000
    ticks = honesty.command.planned(400, ["ticks"])
    assert {batch.family for batch in ticks} == {"ticks, chained opens", "ticks, opens of their own"}
    assert {batch.part for batch in honesty.command.planned(8, ["sequence"])} == {"sequence"}


def test_honesty_continues_an_interrupted_run(honesty, tmp_path):
    path = tmp_path / "records.jsonl"
    assert honesty.command.kept(path) == honesty.command.kept(None) == {}
    batches = honesty.command.planned(8)
    for batch in batches[:3]:
        honesty.command.keep(path, batch, [{"edge": np.bool_(True), "seed": batch.seeds[0]}], 1.5)
    known = honesty.command.kept(path)
    named = [honesty.command.key(asdict(batch)) for batch in batches]
    assert [name in known for name in named[:4]] == [True, True, True, False]
    assert known[named[1]] == ([{"edge": True, "seed": batches[1].seeds[0]}], 1.5)


def test_honesty_has_one_market_in_four_intervals(honesty):
    market = honesty.worlds.one_market(3)
    assert {interval: len(candles) for interval, candles in market.items()} == honesty.worlds.INTERVALS
    assert all(candles.check().is_sound and not candles.check().missing for candles in market.values())
    assert len({float(candles.close[-1]) for candles in market.values()}) == 1
    hours = market["1m"].resample("1h")
    np.testing.assert_array_equal(hours.high, market["1h"].high[-len(hours) :])


def test_a_try_without_tables_is_the_trial_of_its_backtest(honesty):
    candles = honesty.worlds.make_world("shuffled S&P 500 and Nasdaq", np.nan, 1, 800).candles
    walked = honesty.tries.Walked.of(candles)
    for names, alpha, recent in list(honesty.tries.ideas())[::15]:
        mean = walked.forecast(names, alpha, recent=recent)
        result = walked.tried(mean, honesty.tries.FOLLOW, columns=names)
        whole, short = result.trial, walked.trial(mean, columns=names)
        np.testing.assert_array_equal(whole.times, short.times)
        np.testing.assert_allclose(short.returns, whole.returns, atol=0.05 * np.abs(whole.returns).max())
        assert np.corrcoef(short.returns, whole.returns)[0, 1] > 0.99
        np.testing.assert_allclose(short.profile.values[2], whole.profile.values[2], atol=1e-6)
        idle, still = walked.tried(mean, honesty.tries.IDLE).trial, walked.trial(mean, rule=honesty.tries.IDLE)
        assert not idle.returns.any() and not still.returns.any()
        np.testing.assert_allclose(still.profile.values, idle.profile.values, atol=1e-6)
        accuracy = result.accuracy.row(by_predicate=pl.col("model") == "linear", named=True)
        row = walked.row(mean)
        assert row == {name: pytest.approx(accuracy[name], rel=1e-9) for name in row}


def test_fifty_tries_are_fifty_trials(honesty):
    candles = honesty.worlds.make_world("random walk", np.nan, 2, 600).candles
    claims = honesty.users.in_sequence(candles)
    assert claims["tries"] == honesty.users.TRIES
    assert claims == honesty.users.in_sequence(candles)
    assert len(set(honesty.tries.ideas())) == 45


@pytest.mark.parametrize(
    "name",
    [
        "ticks, chained opens",
        "filled bars, a leader",
        "a crash in 50 bars, 250 bars",
        "purged k-fold on AR(1)",
        "50 idle trials, then the best",
        "24 ways of volatility timing",
    ],
)
def test_families_of_honesty_run(honesty, name):
    claims = replace(honesty.users.FAMILIES[name], bars=600).claims(seed=5)
    assert isinstance(claims["edge"], bool) and isinstance(claims["forecastable"], bool)


def test_figures_of_honesty_are_shares_with_exact_intervals(honesty):
    users = [
        {"family": "50 trials on random walk", "edge": seed < 1, "forecastable": seed < 3} for seed in range(100)
    ] + [{"family": "ticks, chained opens", "edge": True, "forecastable": True}]
    figures = {each["name"]: each for each in honesty.tables.figures_of([], [], users, 60.0)}
    assert figures["false forecasts: 50 trials on random walk"]["value"] == 3.0
    assert figures["false edges: 50 trials, all markets"]["interval"] == pytest.approx([0.025, 5.446], abs=0.001)
    assert figures["false edges: ticks, chained opens"]["goal"] == 5.0
    assert "false forecasts: ticks, chained opens" not in figures
    assert figures["whole benchmark"]["value"] == 1.0


@pytest.fixture(scope="module")
def rule_worlds():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        yield importlib.import_module("rule_worlds")


@pytest.mark.parametrize("is_even", [False, True])
def test_worlds_with_a_drift_are_sound_and_known_to_the_oracle(rule_worlds, is_even):
    world = rule_worlds.honesty_worlds.make_world("random walk", 0.0, 1, 300)
    drift = np.linspace(-0.01, 0.02, 300)
    moved = rule_worlds.with_drift(world, drift, is_even=is_even)
    moved.candles.require_sound()
    np.testing.assert_allclose(np.diff(np.log(moved.candles.close / world.candles.close)), drift[1:], atol=1e-12)
    np.testing.assert_allclose(moved.mean[:-1], drift[1:], atol=1e-12)


def test_edges_are_counted_where_the_oracle_is_found(rule_worlds):
    def outcome(family, strength, seed, model, rule, *, found):
        return rule_worlds.Outcome(
            "edges", family, strength, seed, model, rule, found, found, found, 1.0, 0.01, 0.01, 0.01
        )  # fmt: skip

    found = [
        *(outcome("AR", 0.2, seed, "oracle", "threshold", found=True) for seed in (1, 2)),
        *(outcome("AR", 0.2, seed, model, "default", found=model != "lstm" or seed == 1)
          for model in ("oracle", "ridge", "lstm") for seed in (1, 2)),
        outcome("walk", 0.0, 1, "lstm", "default", found=False),
    ]  # fmt: skip
    figures = {figure["name"]: (figure["value"], figure["goal"]) for figure in rule_worlds.figures_of(found)}
    assert figures["edges found, oracle with its best rule: AR 0.2"] == (1.0, None)
    assert figures["edges found: AR 0.2, lstm"] == (0.5, 0.8)
    assert figures["forecastable by the LSTM where by ridge: AR 0.2"] == (0.5, 0.95)
    assert figures["false edges, edges: walk, lstm"] == (0.0, 0.05)


def test_the_bench_of_panels_runs(monkeypatch):
    spec = importlib.util.spec_from_file_location("bench_panel", BENCH / "panel.py")
    panel = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(panel)
    monkeypatch.setattr(panel, "WHOLE", (4, 90))
    figures = [*panel.edgeless(1), *panel.backtest()]
    assert {"name", "value", "unit", "goal", "better", "against"} == set(figures[0])
    assert all(np.isfinite(each["value"]) for each in figures)
