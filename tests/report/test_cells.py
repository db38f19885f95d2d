"""Every cell of the tables against the numbers it comes from, all of which differ."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import candlecast
from candlecast.audit import AuditReport
from candlecast.backtesting import Costs
from candlecast.evaluation.trial_count import TrialCount
from candlecast.recipes.environment import code_digest, environment
from candlecast.report import tables
from candlecast.report.forecast_figures import _group_means
from candlecast.report.forecast_values import UNITS, _distance_words
from candlecast.report.provenance import provenance_table
from candlecast.sources import synthetic
from candlecast.targets import NextReturn, Price


class Cells(HTMLParser):
    """The rows of a table as texts, the head first, and which of them is emphasised."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.chosen: list[int] = []
        self.is_inside = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            if dict(attrs).get("class") == "chosen":
                self.chosen.append(len(self.rows))
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.is_inside = True

    def handle_endtag(self, tag):
        self.is_inside = self.is_inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.is_inside:
            self.rows[-1][-1] += data.replace("\u00a0", " ")


COLUMNS = (
    *("rmse", "mae"),
    *(
        f"{name}{end}"
        for name in ("r2", "hit_rate", "ic", "log_score", "crps", "pinball", "coverage")
        for end in ("", "_low", "_high")
    ),
    *("p_naive", "p_drift", "p_mean"),
)
VALUES = {name: 0.1 + 0.0123 * place for place, name in enumerate(COLUMNS)}


def accuracy():
    rows = [
        {"model": model, "observations": 1_234, **{n: v + shift for n, v in VALUES.items()}}
        for model, shift in (("naive", 0.3), ("m", 0.0))
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize("target", [NextReturn(), Price()])
def test_accuracy(target):
    cells = Cells(tables.accuracy_table(SimpleNamespace(accuracy=accuracy(), model="m", primary_target=target)))
    assert cells.chosen == [2]  # below the head and naive
    assert cells.rows[0] == [
        *("Model", "RMSE", "MAE", "R2", "Hit rate", "IC", "Log score", "CRPS", "Pinball", "Coverage"),
        *("p naive", "p drift", "p mean"),
    ]
    v = VALUES

    def error(name):
        return (
            f"{100 * v[name]:.3f} %"
            if target.name == "return"
            else f"{v[name]:.{4 - int(np.floor(np.log10(v[name])))}f}"
        )

    def share(name, digits):
        return (
            f"{100 * v[name]:.{digits}f} % [{100 * v[name + '_low']:.{digits}f}, {100 * v[name + '_high']:.{digits}f}]"
        )

    def plain(value):
        return f"{value:.{4 - int(np.floor(np.log10(value)))}f}"

    def score(name):
        return f"{plain(v[name])} [{plain(v[name + '_low'])}, {plain(v[name + '_high'])}]"

    assert cells.rows[2] == [
        "m",
        error("rmse"),
        error("mae"),
        share("r2", 2),
        share("hit_rate", 1),
        f"{v['ic']:.3f} [{v['ic_low']:.3f}, {v['ic_high']:.3f}]",
        score("log_score"),
        score("crps"),
        score("pinball"),
        share("coverage", 1),
        f"{v['p_naive']:.2f}",
        f"{v['p_drift']:.2f}",
        f"{v['p_mean']:.2f}",
    ]


def test_small_p_values_are_never_zero_and_absent_ones_are_none():
    frame = accuracy().with_columns(
        p_naive=0.0004, p_drift=0.001, p_mean=pl.lit(None, pl.Float64), r2=pl.lit(None, pl.Float64)
    )
    row = Cells(tables.accuracy_table(SimpleNamespace(accuracy=frame, model="m", primary_target=NextReturn()))).rows[2]
    assert row[-3:] == ["< 0.001", "0.001", "-"]
    assert row[3] == "-"


def summary():
    names = ("total return", "annual return", "Sharpe ratio", "trades", "turnover", "total cost", "relative cost")
    units = (
        "fraction",
        "fraction per year",
        "ratio per year",
        "count",
        "times equity per year",
        "currency",
        "fraction of initial cash",
    )
    return pl.DataFrame(
        {
            "statistic": names,
            "value": [0.11, 0.12, 1.3, 14.0, 15.5, 160.25, 0.0171],
            "low": [0.021, 0.022, 0.23, None, None, None, None],
            "high": [0.31, 0.32, 3.3, None, None, None, None],
            "benchmark": [0.41, 0.42, 4.3, 4.0, 4.5, 46.25, 0.0471],
            "unit": units,
        }
    )


def test_summary():
    cells = Cells(tables.summary_table(SimpleNamespace(model="m", summary=summary))).rows
    assert cells == [
        ["Statistic", "m", "95 % CI", "Buy-and-hold"],
        ["Total return", "11.0 %", "2.1 % to 31.0 %", "41.0 %"],
        ["Annual return", "12.0 %", "2.2 % to 32.0 %", "42.0 %"],
        ["Sharpe ratio", "1.30", "0.23 to 3.30", "4.30"],
        ["Trades", "14", "-", "4"],
        ["Turnover (times equity per year)", "15.50", "-", "4.50"],
        ["Total cost (currency)", "160.25", "-", "46.25"],
        ["Relative cost", "1.7 %", "-", "4.7 %"],
    ]


@pytest.mark.parametrize("carry", [0.0, 1.5])
def test_costs(carry):
    costs = Costs(fee_bps=4, slippage_bps=1, half_spread_bps=2, funding_bps=carry)
    fills = pl.DataFrame({"fee": [10.0, 20.5], "slippage": [1.0, 4.25]})
    traded = SimpleNamespace(costs=costs, fills=fills, equity=pl.DataFrame({"financing": [0.0, 7.75]}))
    gross = SimpleNamespace(returns=np.full(100, 0.002), bars_per_year=100.0)
    cells = Cells(tables.costs_table(SimpleNamespace(backtest=traded, summary=summary), gross)).rows
    yearly = 1.002**100 - 1
    assert cells == [
        ["Fee", "4 bp of each trade's value"],
        ["Slippage", "3 bp of each trade's value"],
        ["Fees paid", "30.50"],
        ["Slippage paid", "5.25"],
        *([["Funding, borrow and interest paid", "7.75"]] if carry else []),
        ["Total cost / initial cash", "1.7 %"],
        ["Turnover", "15.5 times equity a year"],
        ["Annual return without costs", f"{100 * yearly:.1f} %"],
        ["Annual return after costs", "12.0 %"],
        ["Difference", f"{100 * (yearly - 0.12):.1f} percentage points a year"],
    ]


def test_data():
    candles = synthetic.random_walk(50, seed=1).candles
    result = SimpleNamespace(
        candles=candles,
        counted=TrialCount(trials=7, forecasts=2.5, trades=3.5),
        lost={"warm-up": 3, "purge": 1},
    )
    cells = dict(Cells(tables.data_table(result)).rows)
    assert cells["Symbol"] == candles.symbol and cells["Interval"] == "1d" and cells["Bars"] == "50"
    assert cells["Rows dropped: warm-up"] == "3" and cells["Rows dropped: purge"] == "1"
    assert cells["Trials counted"] == "7; effective number: 2.5 as forecasts, 3.5 as strategies"
    first, last = candles.frame["open_time"][0], candles.frame["close_time"][-1]
    assert cells["Period"] == f"{first:%Y-%m-%d} to {last:%Y-%m-%d} UTC"


@pytest.mark.parametrize("is_run", [True, False])
def test_provenance(tmp_path, is_run):
    candles = synthetic.random_walk(50, seed=1).candles
    if is_run:
        (tmp_path / "manifest.json").write_text("{}")
    own = {"type": "Feature", "kind": "gap", "identity": "cpython-311:0123456789abcdef"}
    result = SimpleNamespace(
        candles=candles,
        recipe={"model": {"type": "LSTM"}, "features": {"features": [own] if is_run else []}},
        forecast=SimpleNamespace(seeds=[4, 5]),
        audit=AuditReport("quick", ()),
        environment=environment() if is_run else None,
    )
    cells = dict(Cells(provenance_table(result, tmp_path)).rows)
    assert cells["Digest of the candles"] == candles.fingerprint
    assert cells["Seeds"] == "4, 5" and cells["Audit"] == "no look-ahead found in 0 checks (quick audit)"
    assert cells["Candles"] == f"{candles.symbol} 1d, 50 bars; origin: {candles.origin or 'not known'}"
    if is_run:
        assert cells["candlecast"] == f"{candlecast.__version__}, code {code_digest()[:12]}"
        assert cells["Your own code"] == "gap 0123456789ab"
        assert cells["Packages"].startswith(f"Python {platform.python_version()}, numpy {np.__version__}, ")
        assert cells["Hardware"].endswith(f"{os.cpu_count()} cores")
        assert cells["Compute it again"] == f"candlecast replay {tmp_path} --study STUDY.py"
    else:
        assert cells["candlecast"] == cells["Packages"] == cells["Hardware"] == "not known"
        assert cells["Your own code"] == "none"
        assert cells["Compute it again"] == "result.save(FOLDER), then: candlecast replay FOLDER"


def test_groups_are_means_with_margins_of_overlapping_outcomes():
    forecast, outcome = np.array([3.0, 1.0, 2.0, 4.0]), np.array([30.0, 10.0, 14.0, 50.0])
    x, y, margin = _group_means(forecast, outcome, 2, 4)
    assert x.tolist() == [1.5, 3.5]
    assert y.tolist() == [12.0, 40.0]
    deviation = np.array([np.std([10, 14], ddof=1), np.std([30, 50], ddof=1)])
    assert margin == pytest.approx(1.96 * deviation * np.sqrt(4 / 2))


def test_the_distance_of_a_forecast_is_said_with_both_errors():
    """A close of 100: forecast 102, naive 100, outcome 110."""
    known = pl.DataFrame({"close": [100.0] * 3, "target": [110.0] * 3, "mean": [102.0] * 3, "naive": [100.0] * 3})
    words = _distance_words(SimpleNamespace(primary_target=Price()), UNITS["price"], known).replace("\u00a0", " ")
    assert re.findall(r"[\d.]+ %", words) == ["2.00 %", "10.00 %"]
    assert "Mean absolute error 8.0000, naive forecast 10.000." in words
    assert "close to a copy of the last known price" in words


def test_times_of_the_table_of_data_are_utc():
    time = datetime(2024, 1, 1, 5, 30, tzinfo=UTC)
    assert tables.moment(time) == "2024-01-01 05:30" and tables.moment(time - timedelta(hours=5.5)) == "2024-01-01"
