"""fetch, candles and run --source: over real HTTP against a loopback Binance, and interrupted."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from candlecast import Store
from candlecast.cli import console, main, source_registry
from candlecast.sources.binance import Binance
from candlecast.sources.retry import Retry
from servers import BinanceWorld, Listing, market_server

HALT = (datetime(2024, 11, 20, 2, tzinfo=UTC), datetime(2024, 11, 20, 5, tzinfo=UTC))
SINCE = ["--since", "2024-11-15", "--until", "2024-12-01"]


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A Binance on loopback that the commands talk to, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with market_server() as server:
        world = BinanceWorld([Listing("BTCUSDT", halts=(HALT,)), Listing("ETHUSDT")]).mount(server)
        retry = Retry(pause=server.wait, timeout_seconds=120.0)
        source = Binance(**world.addresses, retry=retry, is_paced=False, clock=server.clock)
        monkeypatch.setitem(source_registry.SOURCES, "binance", lambda: source)
        yield world


def call(capsys, *arguments: str) -> str:
    main(list(arguments))
    return capsys.readouterr().out


def refused(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 1
    errors = capsys.readouterr().err
    assert errors.startswith("Error: ") and errors.count("\n") == 1
    return errors


def test_several_symbols_and_intervals_at_once(world, capsys):
    words = call(capsys, "fetch", "BTCUSDT", "ETHUSDT", "--interval", "1h", "4h", *SINCE)
    lines = words.splitlines()
    assert [line.split(":")[0] for line in lines] == ["BTCUSDT 1h", "BTCUSDT 4h", "ETHUSDT 1h", "ETHUSDT 4h"]
    assert lines[0].startswith(
        "BTCUSDT 1h: 375 bars, 2024-11-15 06:00 to 2024-12-01 00:00 UTC; 375 new, 3 missing; version 1; "
    )
    again = json.loads(call(capsys, "fetch", "BTCUSDT", "--interval", "1h", *SINCE, "--json"))
    assert again["store"] == "data"
    (row,) = again["candles"]
    assert (row["bars"], row["new"], row["changed"], row["missing"], row["is_sound"]) == (375, 0, 0, 3, True)
    assert again["version"] == row["version"] == Store("data").version
    longer = json.loads(call(capsys, "fetch", "BTCUSDT", "--interval", "1h", "--until", "2024-12-02", "--json"))
    assert (longer["candles"][0]["bars"], longer["candles"][0]["new"]) == (399, 24)


def test_one_of_several_that_cannot_be_had_holds_up_no_other(world, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fetch", "BTCUSDT", "NOSUCH", "ETHUSDT", "--interval", "4h", *SINCE, "--json", "-q"])
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert ended.value.code == 1
    assert [row["symbol"] for row in found["candles"]] == ["BTCUSDT", "ETHUSDT"]
    assert [row["symbol"] for row in found["errors"]] == ["NOSUCH"]
    assert err == f"Error: {found['errors'][0]['error']}\n"


def test_what_is_stored_and_its_faults(world, capsys):
    call(capsys, "fetch", "BTCUSDT", "--interval", "1h", "4h", *SINCE)
    table = call(capsys, "candles").splitlines()
    assert [line.split()[:4] for line in table[1:3]] == [
        ["binance", "BTCUSDT", "1h", "375"],
        ["binance", "BTCUSDT", "4h", "92"],
    ]
    assert len(call(capsys, "candles", "--interval", "4h").splitlines()) == 2
    assert len(call(capsys, "candles", "--source", "binance").splitlines()) == 3
    words = call(capsys, "candles", "BTCUSDT", "--interval", "1h")
    assert "Candles(BTCUSDT 1h, 375 bars" in words
    assert "3 bars are missing in 1 gap, the longest 3 bars from 2024-11-20 02:00" in words
    found = json.loads(call(capsys, "candles", "BTCUSDT", "--json"))["candles"]
    assert [(row["source"], row["interval"], row["missing"]) for row in found] == [
        ("binance", "1h", 3),
        ("binance", "4h", 2),
    ]
    assert (found[0]["issues"][0]["kind"], found[0]["issues"][0]["first"]) == ("gap", "2024-11-20T02:00:00+00:00")
    assert (found[0]["first"], found[0]["last"]) == ("2024-11-15T06:00:00+00:00", "2024-12-01T00:00:00+00:00")
    assert "nothing of binanse is stored in data; expected candles that were fetched. Did you mean binance?" in refused(
        capsys, "candles", "--source", "binanse"
    )
    assert "nothing of yahoo BTCUSDT is stored in data" in refused(capsys, "candles", "BTCUSDT", "--source", "yahoo")
    assert "Fetch them first" in refused(capsys, "candles", "--source", "binance", "--store", "elsewhere")


def test_every_source_is_called_as_its_candles_are():
    assert all(source_registry.make_source(name).name == name for name in source_registry.SOURCES)
    assert {"yahoo-raw", "alphavantage-currencies"} < set(source_registry.SOURCES)


def test_run_fetches_studies_and_says_what_it_saw(world, capsys):
    small = ["--model", "linear", "--folds", "2", "--json"]
    result = json.loads(call(capsys, "run", "BTCUSDT", "--interval", "1h", "--source", "binance", *SINCE, *small))
    assert (result["bars"], result["missing"], result["lost"]["warm-up"] > 0) == (375, 3, True)
    assert result["origin"] == {
        "source": "binance",
        "store": "data",
        "version": 1,
        "changes": [],
        "reading": None,
        "ended": None,
    }
    manifest = json.loads((Path(result["run"]) / "manifest.json").read_text())
    origin = manifest["candles"]["origin"]
    assert origin == {"source": "binance", "store": "data", "version": 1, "changes": [], "reading": None, "ended": None}
    call(capsys, "fetch", "BTCUSDT", "--interval", "1h")  # the store goes on, the run's version stays
    seen = Store(origin["store"]).read(origin["source"], "BTCUSDT", "1h", version=origin["version"])
    assert seen.fingerprint == manifest["candles"]["fingerprint"]
    words = " ".join(call(capsys, "run", "BTCUSDT", *SINCE, *small[:-1]).split())  # from the store alone
    assert (
        "375 bars, 2024-11-15 06:00 to 2024-12-01 00:00 UTC) from binance, version 2 of data; rows dropped: 3 missing, "
        in words
    )


def test_a_hole_that_a_doubtful_answer_left_is_asked_about_again(world, capsys):
    call(capsys, "fetch", "BTCUSDT", "--interval", "1h", *SINCE)
    world.listings[0] = Listing("BTCUSDT")  # the halt was none
    again = call(capsys, "fetch", "BTCUSDT", "--interval", "1h", *SINCE)
    assert "375 bars" in again and "3 missing" in again
    rechecked = call(capsys, "fetch", "BTCUSDT", "--interval", "1h", *SINCE, "--recheck")
    assert "378 bars" in rechecked and "3 new;" in rechecked and "missing" not in rechecked


def test_what_servers_and_names_say_obeys_no_terminal(world, capsys, caplog):
    world.server.fail("exchangeInfo", status=451, body="\x1b[2J", times=9)
    world.server.fail("/listing", status=403, body="\x1b[2Jno\u202e\r", times=9)
    for symbol in ("BTCUSDT", "BTC\x1b[31m", "\u202eX", "A\rB"):
        assert refused(capsys, "fetch", symbol, "--interval", "1h", *SINCE).strip().isprintable()
    with pytest.raises(SystemExit) as ended:
        main(["fetch", "BTCUSDT", "--interval", "1h", "--x\x1b[31m"])
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert "\\x1b[31m" in errors and "\x1b" not in errors
    assert "fetch --help' for help." in errors
    console.say("a \x1b[2J name\nof s3://user:pass@bucket")
    assert capsys.readouterr().out == "a \\x1b[2J name\nof s3://***@bucket\n"


def test_the_log_is_one_printable_line_for_each_message(capsys):
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers.clear()
    try:
        console.log_to_stderr()
        logging.getLogger("candlecast.x").warning(
            "%s from %s", "\x1b[2J\r\n\u202e", "s3://user:pass@bucket/x?token=abc"
        )
        logging.getLogger("candlecast.x").error("broken", exc_info=ValueError("\x1b[2J s3://user:pass@bucket"))
    finally:
        root.handlers[:] = before
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("candlecast.x: \\x1b[2J\\r\\n\\u202e from s3://***@bucket/x?token=***")
    assert lines[-1] == "ValueError: \\x1b[2J s3://***@bucket"


def test_a_store_with_a_password_in_its_address_is_shown_without(tmp_path, capsys, monkeypatch):
    errors = refused(capsys, "candles", "BTCUSDT", "--store", "nonsense://user:pass@bucket/x?token=abc")
    assert "pass@" not in errors and "abc" not in errors


def test_bad_input_is_one_sentence(world, capsys):
    assert "Did you mean BTCUSDT" in refused(capsys, "fetch", "BTCUSD", "--interval", "1h", "--since", "2024-11-20")
    assert "interval '7x' is not" in refused(
        capsys, "fetch", "BTCUSDT", "--interval", "1h", "7x"
    )  # before any is fetched
    assert "interval 'soon' is not a candle length" in refused(capsys, "fetch", "BTCUSDT", "--interval", "soon")
    assert "7m" in refused(capsys, "fetch", "BTCUSDT", "--interval", "7m")
    assert "is not before until" in refused(
        capsys, "fetch", "BTCUSDT", "--interval", "1h", "--since", "2024-11-20", "--until", "2024-11-19"
    )
    assert "is in the future" in refused(capsys, "fetch", "BTCUSDT", "--interval", "1h", "--since", "2999-01-01")
    assert "Did you mean binance" in refused(capsys, "fetch", "BTCUSDT", "--interval", "1h", "--source", "binanse")
    assert "without an interval" in refused(capsys, "run", "BTCUSDT", "--source", "binance")
    assert "'BTCUSDT' is neither a file nor a sample, and not stored in data" in refused(capsys, "run", "BTCUSDT")
    assert not Path("data").exists()
    Path("taken").write_text("a file")
    assert "taken is a file; expected the folder of a store" in refused(capsys, "candles", "--store", "taken")
    call(capsys, "fetch", "BTCUSDT", "--interval", "1h", "4h", *SINCE)
    assert "is stored as 1h of binance and 4h of binance" in refused(capsys, "run", "BTCUSDT")
    assert "Did you mean BTCUSDT" in refused(capsys, "candles", "BTCUSD")


def test_halts_of_a_file_are_known_once_its_source_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    times = pl.Series([datetime(2023, 3, 24, hour, tzinfo=UTC) for hour in range(24) if hour != 13])
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), [1.0] * 23)
    pl.DataFrame({"open_time": times.dt.epoch("ms"), **values}).write_csv("btc.csv")
    assert "1 bar is missing in 1 gap" in call(capsys, "candles", "btc.csv")
    assert "1 bar is missing in 1 known halt" in call(capsys, "candles", "btc.csv", "--source", "binance")


INTERRUPTED = """
import signal, sys
sys.path.insert(0, {tests!r})
import polars as pl
from candlecast.cli import console, main
from candlecast.cli import source_registry
from candlecast.store import update
from shelf import Shelf

class Stopping(Shelf):
    def pages(self, *request, **period):
        for number, page in enumerate(super().pages(*request, **period)):
            print("page", flush=True)
            if {stops} and number == 5:
                signal.pause()
            yield page

source_registry.SOURCES["binance"] = lambda: Stopping(pl.read_parquet("bars.parquet"), size=10)
main(["fetch", "X", "--interval", "1h"])
"""


def test_ctrl_c_keeps_what_came_and_the_next_fetch_goes_on(tmp_path, bars):
    bars.write_parquet(tmp_path / "bars.parquet")
    code, again = (INTERRUPTED.format(tests=str(Path(__file__).parents[1]), stops=stops) for stops in (True, False))
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(6)] == ["page\n"] * 6
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    words = "Interrupted: run the same command again to continue; what was stored before is untouched."
    assert errors.splitlines()[-1] == words
    left = Store(tmp_path / "data").read("shelf", "X", "1h").frame
    assert len(left) == 50  # of the pages that came
    assert left.equals(bars[: len(left)])
    done = subprocess.run([sys.executable, "-c", again], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"{len(bars):,} bars" in done.stdout
    assert "X 1h of shelf: continues after 50 stored bars, the last of 2015-01-03 01:00 UTC" in done.stderr
    assert Store(tmp_path / "data").read("shelf", "X", "1h").frame.equals(bars)


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    from candlecast.sources import synthetic

    return synthetic.garch(600, seed=5, interval="1h").candles.frame


def test_a_series_that_ended_and_a_symbol_that_was_renamed(world, capsys, monkeypatch):
    closed = datetime(2024, 11, 20, tzinfo=UTC)
    listings = [Listing("LUNAUSDT", closed=closed), Listing("LUNCUSDT", opened=datetime(2024, 11, 25, tzinfo=UTC))]
    BinanceWorld(listings).mount(world.server)
    monkeypatch.setattr("candlecast.store.store.utc_now", world.server.clock)
    words = call(capsys, "fetch", "LUNAUSDT", "--interval", "1h", "--since", "2024-11-15")
    assert "; the series ended (binance has halted its trading); version" in words
    assert "1 bar after which the series ends" in call(capsys, "candles", "LUNAUSDT")
    renamed = ["--renamed-from", "LUNAUSDT", "--renamed-at", "2024-11-21"]
    (row,) = json.loads(
        call(
            capsys,
            "fetch",
            "LUNCUSDT",
            "--interval",
            "1h",
            "--since",
            "2024-11-15",
            "--until",
            "2024-12-01",
            *renamed,
            "--json",
        )
    )["candles"]
    assert row["ended"] is None
    (found,) = json.loads(call(capsys, "candles", "LUNCUSDT", "--json"))["candles"]
    assert found["first"].startswith("2024-11-15") and found["changes"][0]["kind"] == "joined"
    assert found["bars"] == row["bars"]
    for wrong in (["A", "B", "--renamed-from", "C"], ["A", "--renamed-at", "2024-01-01"]):
        assert "expected the earlier name of one symbol" in refused(capsys, "fetch", *wrong, "--interval", "1h")
