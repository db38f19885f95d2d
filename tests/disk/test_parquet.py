"""The structure of Parquet files: files of libraries are outlined as they were written, forged ones are refused."""

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


def struct_of(*fields):
    """A Thrift struct of the compact protocol: pairs of a field's number, in order, and its value."""
    found, last = b"", 0
    for key, value in fields:
        kind = 5 if isinstance(value, int) else 8 if isinstance(value, str) else 9 if isinstance(value, list) else 12
        found += bytes([(key - last) << 4 | kind]) + encoded(value)
        last = key
    return found + b"\0"


def encoded(value):
    if isinstance(value, int):
        return varint(2 * value)
    if isinstance(value, str):
        return varint(len(value)) + value.encode()
    if isinstance(value, list):
        kind = 5 if isinstance(value[0], int) else 12
        return bytes([0xF0 | kind]) + varint(len(value)) + b"".join(map(encoded, value))
    return value


def varint(value):
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def made_up(groups=1, rows=0, values=0, page_size=0, stated=0):
    """A Parquet file of one column and so many row groups, all of which name the same hundred pages.

    rows: of each group, by the footer; values: in each page, and a hundred times as many by the footer. page_size: unpacked
    bytes of each page by its header; stated: those of all pages by the footer.
    """
    page = struct_of((1, 0), (2, page_size), (3, 0), (5, struct_of((1, values), (2, 0), (3, 3), (4, 3))))
    pages = page * 100
    about = struct_of((1, 5), (2, [0]), (4, 0), (5, 100 * values), (6, stated), (7, len(pages)), (9, 4))
    chunk = struct_of((2, 4), (3, about))
    schema = [struct_of((4, "root"), (5, 1)), struct_of((1, 5), (3, 0), (4, "a"))]
    group = struct_of((1, [chunk]), (2, 0), (3, rows))
    footer = struct_of((1, 1), (2, schema), (3, groups * rows), (4, [group] * groups))
    return b"PAR1" + pages + footer + struct.pack("<I", len(footer)) + b"PAR1"


def test_column_chunks_that_overlap_are_refused():
    """A small file whose chunks share their pages would be read for hours."""
    assert outline(made_up()).rows == 0
    with pytest.raises(ValueError, match="its column chunks overlap"):
        outline(made_up(1_000))


def test_the_footer_states_no_fewer_values_and_bytes_than_the_pages():
    """What memory is allowed by is the footer: pages of more than it states would be read beyond that."""
    assert outline(made_up(rows=300, values=3, page_size=24, stated=2_400)).rows == 300
    with pytest.raises(ValueError, match="the column a has 300 values for 2 rows"):
        outline(made_up(rows=2, values=3, page_size=24, stated=2_400))
    with pytest.raises(ValueError, match="the pages of the column a are larger than its footer says"):
        outline(made_up(rows=300, values=3, page_size=1 << 20, stated=2_400))


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
        (b"PAR1" + CONTENT[-FOOTER - 8 :], "the column time lies outside the file"),
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
