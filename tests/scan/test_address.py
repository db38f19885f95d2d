"""Candles of a store are read by the workers: what they need of it, the same bars, and from the tasks where they cannot."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from candlecast.errors import CandlecastError
from candlecast.scan import running, workers
from candlecast.scan.address import Address
from candlecast.scan.folder import TABLE
from candlecast.scan.messages import packed
from candlecast.scan.scanning import compute_cells, open_plan
from candlecast.store import Store
from servers.objects import object_store
from shelf import Shelf
from small_scans import LINEAR, files_of, plan_of, walk

SINCE, UNTIL = "2016-02-01", "2016-09-01"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with a store `data`, of two symbols of 900 days from 2015 on: a file for each of three years."""
    folder = tmp_path_factory.mktemp("kept")
    store = Store(folder / "data")
    for seed, symbol in enumerate("AB"):
        store.update(Shelf(walk(symbol, seed, bars=900).frame), symbol, "1d")
    return folder


def computed(store, runs, *, spy=None, **parts):
    """The folder of a scan over a store, computed in this process; `spy` is called before, with the cells."""
    given = replace(plan_of(models=[LINEAR], since=SINCE, until=UNTIL), assets=store, **parts)
    folder, opened = open_plan(given, runs=runs, seed=0)
    if spy:
        spy(opened)
    assert not compute_cells(opened, opened.cells, folder, workers.Here())
    return folder


@pytest.fixture
def tasks(monkeypatch):
    """The tasks that were sent, in order."""
    sent = []
    monkeypatch.setattr(running, "packed", lambda task: sent.append(task) or packed(task))
    return sent


def carried(tasks):
    """Whether each task had the tables of its candles."""
    return [all(TABLE in files for files in task.candles.values()) for task in tasks]


def test_a_task_has_the_address_of_candles_in_a_store(kept, tmp_path, tasks, monkeypatch):
    read = computed(Store(kept / "data"), tmp_path / "read")
    assert carried(tasks) == [False]
    address = tasks[0].cells[0].series.address
    assert (address.source, address.symbol, address.stored, address.interval) == ("shelf", "A", "1d", "1d")
    assert (address.since, address.until) == (SINCE, UNTIL)
    assert len(packed(tasks[0])) < 10_000
    task_of = running.task_of
    monkeypatch.setattr(running, "task_of", lambda *given, **parts: task_of(*given, **parts | {"carries": True}))
    sent = computed(Store(kept / "data"), tmp_path / "sent")
    assert carried(tasks) == [False, True]
    assert files_of(read.path) == files_of(sent.path)


def test_a_worker_reads_the_files_of_its_symbol_and_period(kept, tmp_path):
    shutil.copytree(kept / "data", tmp_path / "data")
    for path in (tmp_path / "data").rglob("*.parquet"):
        if "symbol=A" not in path.parts or "part=2015" in path.parts:  # the last file says whether the market closes
            path.write_bytes(b"not read")
    address = Address(Store(tmp_path / "data"), None, "shelf", "A", "1d", "1d", SINCE, UNTIL)
    assert len(address.read()) == 213
    with pytest.raises(CandlecastError):
        replace(address, since="2015-12-01").read()


def test_a_worker_makes_longer_candles_of_stored_ones(kept, tmp_path, tasks):
    folder = computed(Store(kept / "data"), tmp_path, intervals=["2d"])
    assert carried(tasks) == [False]
    series = tasks[0].cells[0].series
    assert (series.address.stored, series.address.interval, series.bars) == ("1d", "2d", 106)
    assert folder.candles(series.name).frame.equals(series.address.read().frame)


def test_bars_that_come_later_change_nothing(kept, tmp_path, tasks):
    shutil.copytree(kept / "data", tmp_path / "data")
    store = Store(tmp_path / "data")

    def change(opened):
        frame = walk("A", 0, bars=900).frame
        assert len(store.update(Shelf(frame.with_columns(frame["volume"] + 1.0)), "A", "1d", refresh=True)) == 900

    late = computed(store, tmp_path / "late", spy=change)
    calm = computed(Store(kept / "data"), tmp_path / "calm")
    assert carried(tasks) == [False, False]
    assert files_of(late.path / "cells") == files_of(calm.path / "cells")


def test_tasks_carry_candles_that_a_worker_cannot_read(kept, tmp_path, tasks, caplog):
    shutil.copytree(kept / "data", tmp_path / "data")

    def lose(opened):
        shutil.rmtree(tmp_path / "data" / "source=shelf" / "symbol=B")

    with caplog.at_level(logging.WARNING, logger="candlecast.scan"):
        found = computed(Store(tmp_path / "data"), tmp_path / "lost", spy=lose)
    assert carried(tasks) == [False, True]
    assert [cell.series.symbol for cell in tasks[1].cells] == ["B"], "the other series was finished"
    assert "a worker cannot read the store, so tasks carry their candles from now on" in caplog.text
    calm = computed(Store(kept / "data"), tmp_path / "calm")
    assert files_of(found.path / "cells") == files_of(calm.path / "cells")


def test_other_bars_under_an_address_are_not_studied(kept, tmp_path, tasks):
    def swap(opened):
        for cell in opened.cells:
            object.__setattr__(cell.series.address, "symbol", "B")

    found = computed(Store(kept / "data"), tmp_path / "swapped", spy=swap, symbols=["A"])
    assert carried(tasks) == [False, True]
    calm = computed(Store(kept / "data"), tmp_path / "calm", symbols=["A"])
    assert files_of(found.path / "cells") == files_of(calm.path / "cells")


def test_workers_read_an_object_store(kept, tmp_path, tasks):
    with object_store(kept) as objects:
        store = Store(f"{objects.url}/data", options=objects.options)
        found = computed(store, tmp_path / "objects", spy=lambda _: objects.asked.clear())
    assert carried(tasks) == [False]
    read = {Path(key).parent.as_posix() for key in objects.asked if key.endswith(".parquet")}
    assert read == {f"data/source=shelf/symbol={symbol}/bar=1d/part={year}" for symbol in "AB" for year in (2016, 2017)}
    calm = computed(Store(kept / "data"), tmp_path / "calm")
    assert files_of(found.path / "cells") == files_of(calm.path / "cells")
    assert objects.options["aws_secret_access_key"].encode() not in b"".join(files_of(found.path).values())


def test_a_store_of_a_relative_path_is_found_from_elsewhere(kept, tmp_path, tasks, monkeypatch):
    monkeypatch.chdir(kept)
    computed(Store("data"), tmp_path / "runs", spy=lambda _: monkeypatch.chdir(tmp_path))
    assert carried(tasks) == [False]
