"""The examples run, small."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import nbclient
import nbformat
import numpy as np
import pytest
from jupyter_client import KernelManager

import candlecast as cc
from candlecast.backtesting import Costs
from candlecast.dataset.folds import WalkForward
from candlecast.models import LinearRegression
from candlecast.recipes import describe
from candlecast.study import Study
from candlecast.walkforward import plan_jobs

EXAMPLES = Path(__file__).parents[1] / "examples"
NEEDS_MORE = {"first_result", "recurrent_ppo"}  # tested below, by their parts
BARS = 700


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def agent():
    return example("recurrent_ppo").Agent(steps=64, bars=32, hidden=4, window=6, costs=Costs(fee_bps=5))


def test_the_picture_of_the_readme_shows_the_result(market):
    result = Study(model=LinearRegression(), folds=WalkForward(folds=2), baselines=()).run(market)
    drawn = ET.fromstring(example("first_result").picture(result))
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert f"{result.candles.symbol}: {result.verdict.headline}" in texts
    assert {"LINEAR after 12 bp a side", "buy-and-hold", "drift", "linear"} <= set(texts)
    lines = list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))
    ends = [float(line.get("points").split()[-1].split(",")[1]) for line in lines]
    grown = [table["equity"][-1] / table["equity"][0] for table in (result.backtest.equity, result.backtest.benchmark)]
    assert (ends[0] < ends[1]) == (grown[0] > grown[1])  # higher on the page is richer


def test_an_agent_of_stable_baselines_is_judged_like_any_model(agent, market, features):
    study = Study(model=agent, features=features, folds=WalkForward(folds=1), baselines=(), seeds=2)
    result = study.run(market[:200])
    assert result.recipe["rule"]["type"] == "HoldPosition"
    assert describe(agent)["costs"]["fee_bps"] == 5
    position = result.forecast.frame["position"].to_numpy()
    assert np.isfinite(position).all() and np.abs(position).max() <= 1
    assert result.verdict.text


def test_an_agent_sees_no_later_bar_and_is_restored(agent, market, features, other_future):
    def job(candles):
        (planned,) = plan_jobs(agent, candles, features=features, folds=WalkForward(folds=1))
        return planned

    known = job(market[:300])
    rows = known.test_rows[:60]
    (fitted,) = agent.fit([known])
    later = job(other_future(market, int(rows[20]))[:300])
    before, after = (fitted.forecast(each.samples, rows).columns["position"] for each in (known, later))
    assert np.array_equal(before[:21], after[:21])
    assert not np.array_equal(before[21:], after[21:])
    (again,) = agent.fit([later])  # what comes behind the training part is not learnt
    assert all(np.array_equal(value, again.tensors()[name]) for name, value in fitted.tensors().items())
    restored = agent.restore(known, fitted.tensors()).forecast(known.samples, rows)
    assert np.array_equal(restored.columns["position"], before)
    np.testing.assert_allclose(restored.mean, fitted.slope * before)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_runs(path, tmp_path, monkeypatch, capsys):
    if path.stem in NEEDS_MORE:
        pytest.skip("has tests of its own")
    whole = cc.sample
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cc, "sample", lambda name: whole(name)[-BARS:])
    monkeypatch.setattr("candlecast.study.study.BASELINES", (cc.Naive(), cc.Drift()))
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


@pytest.fixture(scope="module")
def kernel():
    """One process for all notebooks, since each would load the same libraries."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs(path, kernel, tmp_path):
    book = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells), "outputs are not stored"
    begin = (
        f"%reset -f\nimport os, warnings\nos.chdir({str(tmp_path)!r})\nwarnings.simplefilter('error')\ndel os, warnings"
    )
    book.cells.insert(0, nbformat.v4.new_code_cell(begin))
    client = nbclient.NotebookClient(book, timeout=300, km=kernel)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()
    shown = [cell for cell in book.cells if cell.get("outputs")]
    assert len(shown) >= 4
    assert any("text/html" in output.get("data", {}) for cell in shown for output in cell["outputs"])


def test_the_page_lists_every_example():
    named = set(re.findall(r"`(\w+\.(?:py|ipynb))`", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    assert named == {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
