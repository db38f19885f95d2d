"""Options that mend candles: nothing without them, and with them every change is shown and kept."""

from __future__ import annotations

import json

import polars as pl
import pytest

from candlecast import load_run
from candlecast.cli import main
from candlecast.sources import synthetic
from trading_hours import NEW_YORK, candles, days, each, sessions

SMALL = ["--model", "linear", "--window", "5", "--folds", "2", "--seeds", "1"]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder: its exit code, and all that it wrote."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str]:
        try:
            main([str(each) for each in arguments])
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        written = capsys.readouterr()
        return code, written.out + written.err

    return run


@pytest.fixture
def frame() -> pl.DataFrame:
    frame = synthetic.ar1(300, seed=1, phi=0.2, interval="1h").candles.frame.drop("close_time")
    return frame.with_columns(
        pl.col("open_time").dt.to_string("iso"),
        high=pl.when(pl.int_range(pl.len()) == 7).then(pl.col("low") / 2).otherwise("high"),
    )


def test_a_newest_first_file_with_a_fault(frame, tmp_path, call):
    frame.reverse().write_csv(tmp_path / "X-1h.csv")
    _, plain = call("candles", "X-1h.csv")
    assert "NOT SOUND" in plain
    _, sorted_only = call("candles", "X-1h.csv", "--sort")
    assert "1 bar has its open, high or close outside of low..high" in sorted_only
    code, both = call("candles", "X-1h.csv", "--sort", "--mend", "clip", "--json")
    (found,) = json.loads(both)["candles"]
    assert (code, found["is_sound"], found["bars"]) == (0, True, 300)
    assert [change["kind"] for change in found["changes"]] == ["clipped"]  # files are turned as they are read
    assert "newest first" in plain
    _, dropped = call("candles", "X-1h.csv", "--sort", "--mend", "drop")
    assert "299 bars, sound" in dropped
    assert "  1 bar dropped (prices outside low..high)" in dropped


def test_longer_candles_are_made_of_mended_ones(frame, tmp_path, call):
    """A bar with a faulty high, and bars out of order, which no longer candle may be made of."""
    frame[[*range(100, 300), *range(100)]].write_csv(tmp_path / "X-1h.csv")
    code, shown = call("candles", "X-1h.csv", "--interval", "4h")
    assert (code, "--sort" in shown) == (1, True)
    code, shown = call("candles", "X-1h.csv", "--interval", "4h", "--sort")
    assert (code, "--mend drop" in shown) == (1, True)
    code, shown = call("candles", "X-1h.csv", "--interval", "4h", "--sort", "--mend", "clip")
    assert code == 0
    assert "X 4h: 75 bars, sound" in shown


def test_a_run_keeps_what_was_mended(frame, tmp_path, call):
    frame.filter(~pl.int_range(pl.len()).is_in([150, 151])).write_csv(tmp_path / "X-1h.csv")
    code, shown = call("run", "X-1h.csv", "--mend", "clip", "--bridge", "2", *SMALL, "-q")
    assert code == 0, shown
    shown = " ".join(shown.split())
    assert "1 bar clipped (low and high moved to hold open and close), 2 bars missing and bridged" in shown
    assert "Note: the candles were changed: 1 bar clipped" in shown
    (manifest,) = (tmp_path / "runs").glob("*/manifest.json")
    kept = json.loads(manifest.read_text())["candles"]["origin"]["changes"]
    assert [(change["kind"], change["bars"]) for change in kept] == [("clipped", 1), ("bridged", 2)]
    origin = load_run(manifest.parent).candles.origin
    assert origin is not None
    assert [change.kind for change in origin.changes] == ["clipped", "bridged"]


def test_prices_adjusted_by_a_factor_file_and_by_a_column(tmp_path, call):
    days = synthetic.random_walk(60, seed=3, interval="1d").candles.frame.drop("close_time")
    prices = ["open", "high", "low", "close"]
    split = pl.when(pl.int_range(pl.len()) >= 30).then(0.25).otherwise(1.0)
    days.with_columns(pl.col(prices) * split).write_csv(tmp_path / "X.csv")
    (tmp_path / "factors.csv").write_text(f"{days['open_time'][29]:%Y%m%d},1,0.25,100\n20501231,1,1,0\n")
    assert "as after a split" in call("candles", "X.csv")[1]
    shown = call("candles", "X.csv", "--factors", "factors.csv")[1]
    assert "as after a split" not in shown
    assert "  30 bars adjusted (for splits and dividends, by factors.csv)" in shown
    yahoo = days.rename({name: name.title() for name in (*prices, "volume")}).rename({"open_time": "Date"})
    yahoo.with_columns(pl.col("Date").dt.date(), pl.col("Close").alias("Adj Close") / 2).write_csv(tmp_path / "Y.csv")
    code, shown = call("candles", "Y.csv", "--adjusted")
    assert code == 0
    assert "  60 bars adjusted (all prices as the file's adjusted close)" in shown
    code, shown = call("candles", "sp500", "--adjusted")
    assert code == 1
    assert "--adjusted of sp500, which is no file" in shown


def test_a_gap_that_is_too_long_ends_the_candles(tmp_path, call):
    hours = synthetic.random_walk(200, seed=1, interval="1h").candles.frame.drop("close_time")
    hours.filter(~pl.int_range(pl.len()).is_between(40, 79)).write_csv(tmp_path / "X-1h.csv")
    shown = call("candles", "X-1h.csv", "--max-gap", "24")[1]
    assert "120 bars, sound" in shown
    assert "40 bars left out (before 2015-01-04 08:00: 1 gap of more than 24 bars)" in shown
    assert call("candles", "X-1h.csv", "--max-gap", "-1")[0] == 1


def test_trading_hours_are_told_and_declared(tmp_path, call):
    times = sessions(NEW_YORK, days("2024-01-02", "2024-12-31"), each(60, "09:30-16:00"))
    candles(times).frame.drop("close_time").write_csv(tmp_path / "X-1h.csv")
    shown = call("candles", "X-1h.csv")[1]
    assert "  trades 09:30-16:30 America/New_York (New York), closed on Saturday and Sunday" in shown
    assert "  of its 1h, the bar of 15:30 holds 30 minutes" in shown
    declared = json.loads(call("candles", "X-1h.csv", "--clock", "always", "--json")[1])["candles"][0]
    assert (declared["has_sessions"], declared["clock"]["how"], declared["hours"]) == (False, "declared", [])
    assert declared["missing"] > 1_000
    assert call("candles", "X-1h.csv", "--clock", "mornings")[0] == 1


def test_a_symbol_with_control_characters_is_shown_with_escapes(frame, tmp_path, call):
    bars = frame.with_columns(high=pl.max_horizontal("open", "high", "low", "close"), symbol=pl.lit("A\x1b[2J\u202eB"))
    bars.write_csv(tmp_path / "X-1h.csv")
    for command in (
        ["candles", "X-1h.csv"],
        ["run", "X-1h.csv", *SMALL, "-q"],
        ["compare", "X-1h.csv", "--model", "naive"],
    ):
        code, shown = call(*command)
        assert code == 0, shown
        assert "A\\x1b[2J\\u202eB" in shown
        assert "\x1b[2J" not in shown and "\u202e" not in shown
