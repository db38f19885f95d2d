"""Parquet files by their structure: what a library writes has the outline that it reads, and what is made up is refused."""

from __future__ import annotations

import io
import random
import struct
from datetime import UTC, datetime

import polars as pl
import pytest

from candlecast.disk.parquet import outline

FRAME = pl.DataFrame(
    {
        "time": pl.Series([datetime(2024, 1, 1, tzinfo=UTC)] * 5_000).dt.cast_time_unit("us"),
        "text": ["a", None, "longer than twelve bytes", "", "b"] * 1_000,
        "value": [i / 7 if i % 3 else None for i in range(5_000)],
        "number": pl.Series(range(5_000), dtype=pl.Int32),
        "flag": [i % 2 == 0 for i in range(5_000)],
    }
)


def written(frame, **options):
    content = io.BytesIO()
    frame.write_parquet(content, **options)
    return content.getvalue()


@pytest.mark.parametrize("compression", ["uncompressed", "zstd", "snappy", "gzip", "brotli", "lz4"])
@pytest.mark.parametrize("group", [None, 700])
def test_what_is_written_has_its_outline(compression, group):
    found = outline(written(FRAME, compression=compression, row_group_size=group))
    assert found.columns == tuple(FRAME.columns) and found.rows == 5_000
    assert 8 * 5_000 * 2 < found.memory < 1 << 20


def test_an_empty_table_has_one_too():
    found = outline(written(FRAME.clear()))
    assert found.columns == tuple(FRAME.columns) and found.rows == 0


def test_files_of_other_programs_have_one(tmp_path):
    table = pytest.importorskip("pyarrow").table({"a": [1.0, None, 3.0], "b": ["x", "y", None], "c": [1, 2, 3]})
    writer = pytest.importorskip("pyarrow.parquet")
    for version in ("1.0", "2.0"):
        writer.write_table(table, tmp_path / "other.parquet", data_page_version=version, compression="zstd")
        found = outline((tmp_path / "other.parquet").read_bytes())
        assert (found.columns, found.rows) == (("a", "b", "c"), 3)


def test_memory_is_known_before_it_is_taken():
    """Ten million equal values are a few bytes each page."""
    content = written(pl.select(a=pl.repeat(1.5, 10_000_000), b=pl.repeat("x", 10_000_000)))
    assert len(content) < 1 << 17 and outline(content).memory >= 24 * 10_000_000


CONTENT = written(FRAME, compression="uncompressed")
(FOOTER,) = struct.unpack("<I", CONTENT[-8:-4])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no Parquet file"),
        (b"PAR1PAR1", "it is no Parquet file"),
        (CONTENT[:-1], "it is no Parquet file"),
        (CONTENT[:-8] + struct.pack("<I", 0) + b"PAR1", "its footer is longer than the file"),
        (CONTENT[:-8] + struct.pack("<I", len(CONTENT)) + b"PAR1", "its footer is longer than the file"),
        (CONTENT[:-8] + struct.pack("<I", FOOTER // 2) + b"PAR1", "its footer|schema|it has no"),
        (b"PAR1" + bytes(len(CONTENT) - FOOTER - 12) + CONTENT[-FOOTER - 8 :], "it has no size of a page of time"),
        (b"PAR1" + CONTENT[-FOOTER - 8 :], "the column time lies outside of the file"),
        (written(pl.DataFrame({"a": [[1, 2]]})), "its schema is not flat"),
        (written(pl.DataFrame({"a": [{"b": 1}]})), "its schema is not flat"),
        (b"PAR1" + b"\x1c" * 1_000 + struct.pack("<I", 1_000) + b"PAR1", "its footer holds too much"),
        (b"PAR1" + b"\x19\xfc\xff\xff\xff\xff\x7f" + struct.pack("<I", 7) + b"PAR1", "its footer holds too much"),
    ],
)
def test_what_is_made_up_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        outline(content)


def test_damage_is_refused_or_harmless():
    """Whatever is changed, the outline is one or ValueError; and a library that reads what has one does not die of it."""
    for seed in range(400):
        dice, content = random.Random(seed), bytearray(CONTENT)
        for _ in range(dice.choice([1, 2, 8])):
            content[dice.randrange(len(content) - FOOTER - 8, len(content))] = dice.choice(
                [0, 127, 255, dice.randrange(256)]
            )
        try:
            found = outline(bytes(content))
        except ValueError:
            continue
        assert found.rows <= 5_000 and found.memory < 1 << 20, seed
