"""A paper session by websocket and HTTP, on a stream with every fault, killed at any moment: each difference has its cause.

CANDLECAST_KILLS=100 (`make kills`) plays a month of hours and a month of minutes; a part of a day is played otherwise.
"""

from __future__ import annotations

import mmap
import os
import random
import struct
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import candlecast as cc
from candlecast.errors import RunError
from candlecast.live import read_session
from candlecast.sources.binance import Binance
from paper_sessions import OF_STREAMS
from servers import Answer, BinanceWorld, Listing, market_server
from servers.binance_stream import stream_server

from .children import Moments, children
from .rounds import KILLS, SEED, Rounds

FIRST = datetime(2025, 2, 10, 12, tzinfo=UTC)
MONTH = {"1h": 720, "1m": 43_200}
FAULTS = ("drop", "twice", "late", "cut", "revised", "preliminary", "lag")
SKEWS = (0.0, -900.0, 45.0, 3_000.0)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")


def bars_of(interval: str) -> int:
    return MONTH[interval] if KILLS >= 100 else 9 * KILLS


@contextmanager
def exchange(folder, interval: str, bars: int, *, is_faulty: bool):
    """A loopback exchange: its arguments for the task, and its source with the exchange's own clock."""
    step = {"1h": 3_600, "1m": 60}[interval]
    dice = random.Random(SEED)
    # bars that never are: one in 60, in holes of one to three
    holes = sorted(dice.sample(range(5, bars), max(bars // 60, 1))) if is_faulty else []
    halts = tuple(
        (FIRST + timedelta(seconds=step * hole), FIRST + timedelta(seconds=step * (hole + dice.randint(1, 3))))
        for hole in holes
    )
    listing = Listing("BTCUSDT", halts=halts, prices="walk")
    with market_server(FIRST) as server:
        world = BinanceWorld([listing], weight_limit=10**9).mount(server)
        numbers = dice.sample(range(2, bars), bars // 6) if is_faulty else []
        faults = {number: dice.choice(FAULTS) for number in numbers}
        clock = folder / "clock"
        clock.write_bytes(struct.pack("d", FIRST.timestamp()))
        with open(clock, "r+b") as file:
            shown = mmap.mmap(file.fileno(), 8)
        with stream_server(world, listing, step, faults) as streamed:

            def advance(path, query):
                streamed.advance_from(int(query["known"]))
                shown[:8] = struct.pack("d", server.now.timestamp())
                return Answer({})

            server.routes["/advance"] = advance
            source = Binance(**world.addresses, is_paced=False, clock=server.clock)
            yield source, (world.addresses, streamed.url, str(clock)), streamed


@pytest.fixture(scope="module", params=["1h", "1m"] if KILLS >= 100 else ["1h"])
def run(request, tmp_path_factory):
    """A study on the bars before the session."""
    folder = tmp_path_factory.mktemp(request.param)
    with exchange(folder, request.param, 10, is_faulty=False) as (source, *_):
        length = timedelta(hours=400) if request.param == "1h" else timedelta(minutes=400)
        candles = source.fetch("BTCUSDT", request.param, since=FIRST - length)
    return cc.run_study(OF_STREAMS, candles, runs=folder / "runs")[1]


@pytest.fixture(scope="module")
def forked():
    with children() as running:
        yield running


def test_a_session(run, forked, tmp_path, record_property):
    """What was decided on the same data is what the backtest decides; every other difference has a cause."""
    interval = str(cc.load_run(run).candles.interval)
    bars, step = bars_of(interval), timedelta(hours=1) if interval == "1h" else timedelta(minutes=1)
    short = max(2 * bars // KILLS, 10)
    (tmp_path / "short").mkdir()
    with exchange(tmp_path / "short", interval, short, is_faulty=False) as (_, values, _):
        until = (FIRST + short * step).isoformat()
        moments = forked.time("paper", str(run), str(tmp_path / "short" / "s"), *values, until, 0.0)
    until, dice = (FIRST + bars * step).isoformat(), random.Random(SEED)
    found = []
    with exchange(tmp_path, interval, bars, is_faulty=True) as (source, values, _):
        rounds = Rounds("paper", forked, Moments(moments.events, moments.end), 10**9, record_property)

        def begin(number):
            assert number == 0 or rounds.kills >= KILLS or found
            return str(run), str(tmp_path / "s"), *values, until, dice.choice(SKEWS)

        def check(number):
            if (tmp_path / "s" / "journal.sqlite").exists():
                try:
                    cc.read_session(tmp_path / "s")
                except RunError as error:  # the first kill came before the first entry
                    assert "holds no session yet" in str(error)  # noqa: PT017 - others are damage

        def finish(number):
            found.append(number)
            rounds.kills = max(rounds.kills, KILLS)

        rounds.play(begin, check, finish)
        if not found:
            forked.time("paper", str(run), str(tmp_path / "s"), *values, until, 0.0)
        final = source.fetch("BTCUSDT", interval, since=FIRST - 2 * step)
    require_explained(tmp_path / "s", run, final, until)


def require_explained(folder, run, final, until):
    """The journal is whole, holds every bar but those that nobody had, and each difference from the backtest has a cause."""
    record = read_session(folder)
    assert record.last_close <= datetime.fromisoformat(until)
    found = cc.reconcile(folder, candles=final)
    assert found.unexplained == 0.0
    assert set(found.frame["unexplained"]) == {0.0}
    assert set(found.differences["cause"]) <= {"limits", "clock", "delay", "data"}
    traded = {bar["close_time"]: bar for bar in record.every_bar}
    seen = {time: tuple(bar["bar"]) for time, bar in traded.items()}
    own = final.frame.filter(
        final.frame["open_time"] >= record.candles(cc.load_run(run)).frame["open_time"][-len(seen)]
    )
    assert len(seen) <= len(own)
    same = [seen.get(row[1].isoformat()) == row[2:7] for row in own.iter_rows()]
    until_then = next((place for place, each in enumerate(same) if not each), len(same))
    ruled = np.array([np.nan if bar["ruled"] is None else bar["ruled"] for bar in record.every_bar])
    differing = {row["time"] for row in found.differences.to_dicts() if row["cause"] == "data"}
    assert not [time for time in own["close_time"][:until_then] if time in differing]
    assert np.isfinite(ruled).any()
    assert 1e2 < record.equity < 1e6  # an account of a usual size, whose differences are not those of large numbers
    assert sum(len(bar["fills"]) for bar in record.bars) > len(record.bars) // 20
