"""Shortcuts: each row is the account that the mistake would have given."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.audit.shortcuts import THRESHOLDS
from candlecast.cli import main
from candlecast.errors import ConfigError
from candlecast.report import write_shortcuts
from candlecast.signals import FollowDirection
from candlecast.stats import sharpe
from candlecast.testing.pipelines import PipelineCase
from candlecast.testing.pipelines.case import study

MARKET = PipelineCase.candles(seed=2)


@pytest.fixture(scope="module")
def report():
    return cc.shortcuts(study(costs=cc.Costs(fee_bps=20), rule=FollowDirection()), MARKET)


def ratio(candles, positions, costs):
    result = cc.backtest(candles, positions, costs=costs)
    return sharpe(result.returns, bars_per_year=result.bars_per_year)


def test_rows_are_those_of_accounts_made_by_hand(report):
    rows = dict(report.frame.select("shortcut", "sharpe").iter_rows())
    made = study(costs=cc.Costs(fee_bps=20), rule=FollowDirection())
    forecast = cc.walk_forward(
        made.model, MARKET, features=made.features, target=made.target, folds=made.folds, seeds=range(1)
    )
    positions = FollowDirection()(forecast)
    free = cc.Costs.free()
    assert rows["as the study is"] == pytest.approx(ratio(MARKET, positions, made.costs), rel=1e-12)
    assert rows["no costs"] == pytest.approx(ratio(MARKET, positions, free), rel=1e-12)
    best = max(
        ratio(MARKET, cc.Threshold(float(level))(forecast), made.costs)
        for level in np.quantile(np.abs(forecast.frame["expected_return"]), np.linspace(0, 0.99, THRESHOLDS))
    )
    assert rows[f"best of {THRESHOLDS} thresholds"] == pytest.approx(best, rel=1e-9)
    split = cc.walk_forward(
        made.model, MARKET, features=made.features, target=made.target, folds=cc.Holdout(0.8), seeds=range(1)
    )
    assert rows["one split"] == pytest.approx(ratio(MARKET, FollowDirection()(split), made.costs), rel=1e-12)


def test_what_is_added_is_the_difference_to_the_study(report):
    honest = report.frame["sharpe"][0]
    assert report.frame["added"].to_list() == (report.frame["sharpe"] - honest).to_list()
    assert report.frame["added"][0] == 0.0 and report.frame.height == 7
    assert "no costs" in str(report) and "fees, slippage and financing left out" in str(report)


def test_fills_at_the_deciding_close_earn_what_the_next_bar_brings():
    """Prices whose opens jump: the strategy earns the gap only where it is filled before it."""
    close = 100 * np.exp(np.cumsum(np.tile([0.02, -0.02], 150)))
    opened = np.concatenate([[100.0], close[1:]])  # each bar opens where it closes: the whole move is in the gap
    times = MARKET.frame["open_time"][:300]
    frame = pl.DataFrame(
        {
            "open_time": times,
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": np.ones(300),
        }
    )
    gaps = cc.Candles.from_frame(frame, symbol="GAPS", interval="1h")
    rows = dict(cc.shortcuts(study(costs=cc.Costs.free()), gaps).frame.select("shortcut", "sharpe").iter_rows())
    assert rows["filled at the deciding close"] > 50 > rows["as the study is"]


def test_a_target_without_a_return_is_refused():
    with pytest.raises(ConfigError, match="forecasts a target that implies no return"):
        cc.shortcuts(study(target=cc.Volatility(), model=cc.HAR()), MARKET)


def test_the_page_holds_the_numbers_and_loads_nothing(report, tmp_path):
    page = write_shortcuts(report, tmp_path / "a" / "page.html").read_text("utf-8")
    assert re.findall(r'class="end">([^<]*)</text>', page) == report.frame["shortcut"][1:].to_list()
    kinds = re.findall(r'<g class="bars (orange|blue)"><rect', page)
    assert [kind == "orange" for kind in kinds] == (report.frame["added"][1:] > 0).to_list()
    shown = re.findall(r'value">(-?[\d.]+)</text>', page)
    assert shown == [f"{sharpe:.2f}" for sharpe in report.frame["sharpe"][1:]]
    largest = report.frame[1:].sort("added").row(-1, named=True)
    assert f"The mistake that adds most is: {largest['shortcut']}, {largest['added']:+.2f}." in page
    assert f"{report.frame['sharpe'][0]:.2f} a year" in page
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", page)
    with pytest.raises(ConfigError, match="expected the path of an HTML page"):
        write_shortcuts(report, tmp_path)


def test_an_account_that_never_trades_adds_nothing(report, tmp_path):
    without = pl.when(pl.col("shortcut") == "as the study is").then(0.0).otherwise(float("nan"))
    nothing = replace(report, frame=report.frame.with_columns(sharpe=without, added=without))
    page = write_shortcuts(nothing, tmp_path / "page.html").read_text("utf-8")
    assert "None of the mistakes adds to it." in page
    assert not re.search(r"\bnan\b", page.partition("<main>")[2], re.IGNORECASE)


def test_the_command(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(
        "import candlecast as cc\n"
        "study = cc.Study(model=cc.Ridge(), features=cc.Features(cc.log_return()), folds=cc.WalkForward(folds=2))\n"
        "candles = cc.synthetic.ar1(400, seed=1, phi=0.2, interval='1h').candles\n"
    )
    page = tmp_path / "page.html"
    main(["audit", str(file), "--shortcuts", "--output", str(page), "-q", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["page"] == str(page) and page.exists()
    assert next(row["shortcut"] for row in found["shortcuts"]) == "as the study is"
