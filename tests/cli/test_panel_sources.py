"""Panels of what a source serves over HTTP on loopback, and of a store."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

import candlecast as cc
from candlecast.cli import main, source_registry
from candlecast.ledger import Ledger
from candlecast.sources.binance import Binance
from candlecast.sources.retry import Retry
from servers import BinanceWorld, Listing, market_server

HALT = (datetime(2024, 11, 20, 2, tzinfo=UTC), datetime(2024, 11, 20, 5, tzinfo=UTC))
ENDED = datetime(2024, 11, 27, tzinfo=UTC)  # in the test part
SYMBOLS = ["BTCUSDT", "DOGEUSDT", "FLOKIUSDT", "1000PEPEUSDT"]
SINCE = ["--since", "2024-11-15", "--until", "2024-12-01", "--interval", "1h"]
SMALL = ["--model", "linear", "--folds", "1", "--seeds", "1", "--json", "-q"]


@pytest.fixture
def exchange(tmp_path, monkeypatch):
    """A Binance on loopback with four symbols, one of them halted once and one delisted, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    listings = [Listing("BTCUSDT", halts=(HALT,)), *map(Listing, SYMBOLS[1:3]), Listing(SYMBOLS[3], closed=ENDED)]
    with market_server() as server:
        world = BinanceWorld(listings).mount(server)
        retry = Retry(pause=server.wait, timeout_seconds=120.0)
        source = Binance(**world.addresses, retry=retry, is_paced=False, clock=server.clock)
        monkeypatch.setitem(source_registry.SOURCES, "binance", lambda: source)
        yield source


def call(capsys, *arguments):
    main(list(arguments))
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    err = capsys.readouterr().err
    assert ended.value.code == 1 and err.startswith("Error: ") and err.count("\n") == 1
    return err


def test_a_panel_of_symbols_of_an_exchange_and_of_the_store(exchange, capsys):
    found = call(capsys, "run", *SYMBOLS, "--panel", "--source", "binance", *SINCE, *SMALL)
    assert found["assets"] == sorted(SYMBOLS) and found["bars"] == 378
    again = call(capsys, "run", *SYMBOLS, "--panel", *SINCE, *SMALL)  # from the store, which the first run filled
    assert again["ranking"] == found["ranking"] and again["verdict"]["has_edge"] == found["verdict"]["has_edge"]
    replayed = call(capsys, "replay", found["run"], "--json", "-q")
    assert replayed["is_equal"]
    now = call(capsys, "forecast", found["run"], "--offline", "--json", "-q")
    assert {row["symbol"] for row in now["ranking"]} == set(SYMBOLS[:3])  # the fourth has no bar at the last moment
    later = call(capsys, "forecast", found["run"], "--json", "-q")  # up to the exchange's clock
    assert later["made_at"] > now["made_at"]


def test_a_panel_of_a_store_in_python(exchange):
    store = cc.Store("data")
    for symbol in SYMBOLS:
        store.update(exchange, symbol, "1h", since="2024-11-15", until="2024-12-01")
    study = cc.PanelStudy(
        model=cc.LinearRegression(window=3),
        rule=cc.TopBottom(1),
        folds=cc.WalkForward(folds=1),
        baselines=(),
        seeds=1,
        features=cc.Features(cc.log_return()),
    )
    result = study.run(store, ledger=Ledger.in_memory())
    fetched = [exchange.fetch(each, "1h", since="2024-11-15", until="2024-12-01") for each in SYMBOLS]
    again = study.run(fetched, ledger=Ledger.in_memory())
    assert result.panel.symbols == sorted(SYMBOLS) and result.ranking.equals(again.ranking)
    store.update(exchange, SYMBOLS[0], "4h", since="2024-11-15", until="2024-12-01")
    with pytest.raises(cc.ConfigError, match=r'the store has candles of 1h, 4h; expected one interval.*interval="1d"'):
        study.run(store, ledger=Ledger.in_memory())
    assert study.run(store, interval="1h", ledger=Ledger.in_memory()).ranking.equals(result.ranking)
    with pytest.raises(cc.ConfigError, match="one asset"):
        study.run(store, interval="4h", ledger=Ledger.in_memory())


def test_a_symbol_that_the_source_does_not_have_is_named(exchange, capsys):
    err = refused(capsys, "run", "BTCUSDT", "NOSUCH", "--panel", "--source", "binance", *SINCE, "-q")
    assert "NOSUCH" in err
