"""Damaged and rearranged files of every shape: read right, or refused in one sentence."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.sources import synthetic
from candlecast.sources.files import read_candles
from fuzz.budget import SHARDS, Failures, seeds
from fuzz.mutations import KINDS, mutated, reading_of, wrong_bars

BARS = synthetic.random_walk(32, seed=3, interval="1h").candles.frame.drop("close_time").with_columns(
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
DUMPED = [
    f"{v},{int(e) + 3599}999,{float(v) * float(bar[3]):.5f},{n}"
    for v, e, bar, n in zip(VOLUMES, EPOCHS, PLAIN, COUNTS, strict=True)
]
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
    "months.csv": lines(
        NAMES, [f"{2015 + row // 12}-{row % 12 + 1:02}-01" for row in range(len(BARS))], PLAIN, VOLUMES
    ),
    "symbols.csv": "\n".join(
        [f"symbol,{NAMES}"]
        + [
            f"{name},{line}"
            for name in ("AA", "BB")
            for line in lines("", times("%Y-%m-%d", DAY), PLAIN, VOLUMES).split()
        ]
    ),
    "mt5.csv": lines(
        TABS.replace("TICKVOL", "TICKVOL>\t<VOL>\t<SPREAD"),
        times("%Y.%m.%d\t%H:%M:%S"),
        PLAIN,
        [f"{count}\t{volume}\t2" for count, volume in zip(COUNTS, VOLUMES, strict=True)],
        "\t",
    ),
}
ENCODINGS = {"german.csv": "cp1252", "tabs.txt": "utf-16"}
OPTIONS = {
    **{name: {"zone": "UTC"} for name in ("mt4.csv", "mt5.csv", "tabs.txt", "am_pm.csv")},
    "symbols.csv": {"symbol": "AA"},
}


def content_of(name: str) -> tuple[bytes, str]:
    """The text of a shape in its encoding, and the encoding."""
    encoding = ENCODINGS.get(name, "utf-8")
    return SHAPES[name].encode(encoding), encoding


def truth_of(name: str, found: Candles, right: Candles) -> Candles:
    """The right candles; of a file with two volumes those with the ticks, where the reading says that it took them."""
    reading = str(found.origin)
    if name != "mt5.csv" or not ("volume is the number of ticks" in reading or "no header" in reading):
        return right
    return replace(right, frame=right.frame.with_columns(volume=pl.Series(COUNTS).cast(float)))


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    """What is written to a file."""
    content = io.BytesIO()
    write(content)
    return content.getvalue()


def zipped(content: io.BytesIO) -> None:
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("iso.csv", TEXT)


def by_pandas(compression: str | None) -> bytes:
    """Parquet of another writer."""
    return written(lambda file: BARS.to_pandas().to_parquet(file, compression=compression))


TEXT = SHAPES["iso.csv"].encode()
COLUMNAR = {
    "plain.parquet": written(lambda file: BARS.write_parquet(file, compression="uncompressed")),
    "zstandard.parquet": written(lambda file: BARS.write_parquet(file, compression="zstd")),
    "snappy.parquet": by_pandas("snappy"),
    "pandas.parquet": by_pandas(None),
    "plain.feather": written(BARS.write_ipc),
    "zstandard.feather": written(lambda file: BARS.write_ipc(file, compression="zstd")),
    "lz4.feather": written(lambda file: BARS.write_ipc(file, compression="lz4")),
}
CHECKED = {  # with checksums, so that a damaged one gives no wrong bar
    "packed.csv.gz": gzip.compress(TEXT, mtime=0),
    "packed.csv.zip": written(zipped),
    "packed.csv.bz2": bz2.compress(TEXT),
    "packed.csv.xz": lzma.compress(TEXT),
}
UNCHECKED = {
    "packed.csv.zst": written(
        lambda file: BARS.write_csv(file, compression="zstd", check_extension=False, datetime_format="%FT%TZ")
    )
}
BINARY = COLUMNAR | CHECKED | UNCHECKED


@pytest.mark.parametrize("name", [*SHAPES, *BINARY])
def test_every_shape_is_read(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(BINARY[name] if name in BINARY else content_of(name)[0])
    found = reading_of(path, OPTIONS.get(name, {}))
    assert isinstance(found, Candles), found
    assert found.close.tolist() == BARS["close"].to_list()


@pytest.mark.parametrize("shard", range(SHARDS))
def test_mutations_of_text_are_read_right_or_refused(shard, tmp_path):
    failures, names, right = Failures(), list(SHAPES), {}
    for seed in seeds("text", shard):
        name = names[seed % len(names)]
        content, encoding = content_of(name)
        path, options = tmp_path / name, OPTIONS.get(name, {})
        if name not in right:
            path.write_bytes(content)
            right[name] = reading_of(path, options)
        kind = KINDS[seed // len(names) % len(KINDS)]
        change = mutated(content, kind, np.random.default_rng(seed), encoding=encoding)
        if change is None:
            continue
        path.write_bytes(change[0])
        with failures.case("case", seed, name, kind):
            found = read_candles(path, **options)
            assert wrong_bars(found, truth_of(name, found, right[name])) <= change[1], f"wrong bars: {found.origin}"
    failures.require_none()


@pytest.mark.parametrize("shard", range(SHARDS))
def test_mutations_of_binary_files_are_read_or_refused(shard, tmp_path):
    failures, names = Failures(), list(BINARY)
    for seed in seeds("binary", shard):
        name = names[seed % len(names)]
        path = tmp_path / name
        path.write_bytes(damaged(BINARY[name], random.Random(seed)))
        with failures.case("case", seed, name):
            found = read_candles(path)
            if name in CHECKED:
                assert found.close.tolist() == BARS["close"].to_list()
    failures.require_none()


def damaged(content: bytes, dice: random.Random) -> bytes:
    """The content with other bytes anywhere or in its last part, where tables of contents are; cut; or moved."""
    kind = dice.choice(["anywhere", "anywhere", "end", "end", "numbers", "cut", "lost", "longer"])
    changed, count = bytearray(content), dice.choice([1, 2, 8])
    if kind in ("anywhere", "end"):
        first = max(len(content) - 800, 0) if kind == "end" else 0
        for _ in range(count):
            changed[dice.randrange(first, len(content))] = dice.choice([0, 127, 128, 255, dice.randrange(256)])
    elif kind == "numbers":  # sizes and counts, plain or as varints
        for _ in range(count):
            at = dice.randrange(len(content))
            huge = dice.choice(
                [b"\xff" * 4, b"\xff" * 8, b"\0\0\0\0\2\0\0\0", b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x40"]
            )
            changed[at : at + (len(huge) if dice.random() < 0.7 else 1)] = huge
    elif kind == "cut":
        del changed[dice.randrange(len(content)) :]
    else:
        at = dice.randrange(len(content))
        changed[at : at + (count if kind == "lost" else 0)] = b"" if kind == "lost" else dice.randbytes(count)
    return bytes(changed)
