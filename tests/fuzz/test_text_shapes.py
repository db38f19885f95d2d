"""Damaged and rearranged files of every shape: read right or refused in one sentence; more with CANDLECAST_FUZZ=10000."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.sources import synthetic
from fuzz.mutations import KINDS, mutated, reading_of, wrong_bars

MUTATIONS = int(os.environ.get("CANDLECAST_FUZZ", "320"))
BARS = synthetic.random_walk(60, seed=3, interval="1h").candles.frame.drop("close_time").with_columns(
    pl.col("open", "high", "low", "close").round(2) * 70, pl.col("volume").round(3)
).with_columns(pl.col("open", "high", "low", "close").round(2))  # fmt: skip
START = datetime(2024, 3, 4, tzinfo=UTC)
PRICES = ("open", "high", "low", "close")


def times(form: str, step: timedelta = timedelta(hours=1)) -> list[str]:
    return [(START + step * row).strftime(form) for row in range(len(BARS))]


def numbers(form) -> list[list[str]]:
    return [[form(value) for value in row] for row in BARS.select(PRICES).iter_rows()]


def lines(header: str, stamps: list[str], prices: list[list[str]], volumes: list[str], mark: str = ",") -> str:
    rows = [mark.join([stamp, *bar, volume]) for stamp, bar, volume in zip(stamps, prices, volumes, strict=True)]
    return "\n".join([*([header] if header else []), *rows, ""])


def german(value: float) -> str:
    return f"{value:,.2f}".translate({ord(","): ".", ord("."): ","})


PLAIN = numbers(lambda value: f"{value:.2f}")
VOLUMES = [f"{value:.3f}" for value in BARS["volume"]]
EPOCHS = [str(int((START + timedelta(hours=row)).timestamp())) for row in range(len(BARS))]
DAY = timedelta(days=1)
COUNTS = [str(row + 5) for row in range(len(BARS))]
DUMPED = [f"{v},{int(e) + 3599}999,1.5,9" for v, e in zip(VOLUMES, EPOCHS, strict=True)]
DOLLARS = [[f"${c}", n, f"${o}", f"${h}"] for n, (o, h, _, c) in zip(COUNTS, PLAIN, strict=True)]
LISTED = [[int(e) * 1000, *bar, v] for e, bar, v in zip(EPOCHS, BARS.select(PRICES).iter_rows(), VOLUMES, strict=True)]
NAMES = "time,open,high,low,close,volume"
TABS = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>"
GERMAN = "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen"
LEVELS = "Price,Open,High,Low,Close,Volume\nTicker,A,A,A,A,A\nDate,,,,,"
SEVEN = timedelta(hours=7)
SHAPES = {
    "iso.csv": lines(NAMES, times("%Y-%m-%dT%H:%M:%SZ"), PLAIN, VOLUMES),
    "epoch.csv": lines(NAMES, EPOCHS, PLAIN, VOLUMES),
    "dump.csv": lines("", [f"{epoch}000" for epoch in EPOCHS], PLAIN, DUMPED),
    "mt4.csv": lines("", times("%Y.%m.%d,%H:%M"), PLAIN, COUNTS),
    "us.csv": lines(NAMES, times('"%b %d, %Y"', DAY), numbers(lambda v: f'"{v:,.2f}"'), [f"{v}K" for v in VOLUMES]),
    "dollars.csv": lines(
        "Date,Close/Last,Volume,Open,High,Low", times("%m/%d/%Y", DAY), DOLLARS, [f"${r[2]}" for r in PLAIN]
    ),
    "german.csv": lines(GERMAN, times("%d.%m.%Y", DAY), numbers(german), [german(v) for v in BARS["volume"]], ";"),
    "tabs.txt": lines(TABS, times("%Y.%m.%d\t%H:%M:%S"), PLAIN, VOLUMES, "\t"),
    "am_pm.csv": lines(NAMES, times("%m/%d/%Y %I:%M %p", SEVEN), PLAIN, VOLUMES),
    "yfinance.csv": lines(LEVELS, times("%Y-%m-%d", DAY), PLAIN, VOLUMES),
    "list.json": json.dumps(LISTED),
    "objects.json": json.dumps([dict(zip(NAMES.split(","), row, strict=True)) for row in LISTED]),
    "offsets.csv": lines(NAMES, times("%Y-%m-%d %H:%M:%S+01:00"), PLAIN, VOLUMES),
    "months.csv": lines(NAMES, [f"{2015 + row // 12}-{row % 12 + 1:02}-01" for row in range(len(BARS))], PLAIN, VOLUMES),
    "symbols.csv": "\n".join(
        [f"symbol,{NAMES}"]
        + [f"{name},{line}" for name in ("AA", "BB") for line in lines("", times("%Y-%m-%d", DAY), PLAIN, VOLUMES).split()]
    ),
    "mt5.csv": lines(TABS.replace("TICKVOL", "TICKVOL>\t<VOL>\t<SPREAD"), times("%Y.%m.%d\t%H:%M:%S"), PLAIN,
        [f"{count}\t{volume}\t2" for count, volume in zip(COUNTS, VOLUMES, strict=True)], "\t"),
}  # fmt: skip
ENCODINGS = {"german.csv": "cp1252", "tabs.txt": "utf-16"}
TOLD = {"mt4.csv": {"zone": "UTC"}, "tabs.txt": {"zone": "UTC"}, "am_pm.csv": {"zone": "UTC"},
        "symbols.csv": {"symbol": "AA"}, "mt5.csv": {"zone": "UTC"}}  # fmt: skip


def content_of(name: str) -> tuple[bytes, str | None]:
    if name == "packed.csv.gz":
        return gzip.compress(SHAPES["iso.csv"].encode(), mtime=0), None
    if name == "packed.zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("iso.csv", SHAPES["iso.csv"])
        return packed.getvalue(), None
    encoding = ENCODINGS.get(name, "utf-8")
    return SHAPES[name].encode(encoding), encoding


@pytest.mark.parametrize("name", [*SHAPES, "packed.csv.gz", "packed.zip"])
def test_mutations_are_read_right_or_refused(name, tmp_path):
    content, encoding = content_of(name)
    path, told = tmp_path / name, TOLD.get(name, {})
    path.write_bytes(content)
    right = reading_of(path, told)
    assert isinstance(right, Candles), right
    assert len(right) == len(BARS)
    assert right.close.tolist() == BARS["close"].to_list()
    ticking = replace(
        right, frame=right.frame.with_columns(volume=pl.Series(COUNTS).cast(float))
    )  # as its reading says
    rng = np.random.default_rng(list(name.encode()))
    for number in range(MUTATIONS // (len(SHAPES) + 2)):
        kind = KINDS[number % len(KINDS)]
        change = mutated(content, kind, rng, encoding=encoding)
        if change is None:
            continue
        path.write_bytes(change[0])
        found = reading_of(path, told)
        if isinstance(found, Candles):
            touched = change[1] if encoding else 0
            reading = str(found.origin)
            is_ticks = "volume is the number of ticks" in reading or "no header" in reading  # as the reading says
            truth = ticking if name == "mt5.csv" and is_ticks else right
            assert wrong_bars(found, truth) <= touched, f"{kind} {number} of {name}: {found.origin}"
        else:
            assert found.count("; expected ") == 1, found
