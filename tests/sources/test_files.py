"""Files: every way in which one can be wrong, and the compressions that are read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile

import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.errors import CandleError, SourceError
from candlecast.reading import containers
from candlecast.sources import read_csv, read_parquet, synthetic
from candlecast.sources.files import as_candles, read_candles

CANDLES = synthetic.random_walk(50, seed=0, interval="1h").candles
HEADER = "time,open,high,low,close,volume\n"
CSV = CANDLES.frame.drop("close_time").with_columns(pl.col("open_time").dt.epoch("ms")).write_csv()


def same(candles: Candles) -> bool:
    return candles.frame.equals(CANDLES.frame)


def test_a_csv_file_there_and_back(tmp_path):
    path = tmp_path / "BTCUSDT-1h-2020.csv"
    path.write_text(CSV)
    candles = read_csv(path)
    assert same(candles)
    assert candles.symbol == "BTCUSDT"
    assert read_csv(str(path), symbol="X", interval="1h").symbol == "X"


def test_compressed_files(tmp_path):
    gz, zipped = tmp_path / "A.csv.gz", tmp_path / "A.zip"
    gz.write_bytes(gzip.compress(CSV.encode()))
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A.csv", CSV)
    assert same(read_csv(gz))
    assert same(read_candles(zipped))


def test_parquet_is_told_by_its_suffix(tmp_path):
    path = tmp_path / "A.parquet"
    CANDLES.frame.write_parquet(path)
    assert same(read_parquet(path))
    assert same(read_candles(path))


def test_whole_numbers_before_decimals(tmp_path):
    rows = [f"{1_700_000_000 + 3_600 * row},1,2,1,{1 if row < 300 else 1.5},{row}" for row in range(400)]
    path = tmp_path / "A.csv"
    path.write_text(HEADER + "\n".join(rows))
    assert read_csv(path).close[-1] == 1.5


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", " is empty; expected a table of candles"),
        (bytes(range(256)) * 40, " cannot be read (it is no text); expected a table"),
        (b"\x00\x01\xff\xfe" * 1_000, " cannot be read (it is no text); expected a table"),
        (b"\x1f\x8b" + b"junk" * 20, " cannot be read ("),
        (b"\x28\xb5\x2f\xfd" + b"junk" * 20, " cannot be read ("),
        (
            (HEADER + "1700000000,1,2,1,2,3,9\n1700003600,1,2\n").encode(),
            "the header of {} names 6 columns (time, open,",
        ),
        (
            (HEADER + "1700000000,1,2,1,2,3\n1700003600,1,2,1\n").encode(),
            " has 4 cells in line 3 ('1700003600,1,2,1'); exp",
        ),
        (
            (HEADER + "1700000000,1,2,1,2,3\n1700003600,1,2,1,2\n").encode(),
            " has 5 cells in line 3 ('1700003600,1,2,1,2')",
        ),
        ((HEADER + '1700000000,1,2,1,2,3\n1700003600,1,"2,1,2,3\n').encode(), " has 3 cells in line 3 ("),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", " is a pointer of Git LFS"),
        (b"<!DOCTYPE html><title>Sign in</title>", " is a web page or XML, not a table (Sign in); expected"),
        (b'{"code": -1, "msg": "no such symbol"}', " is an answer in JSON without candles: no such symbol; expected"),
        (HEADER.encode(), " has a header (time, open, high, low, close, volume) and no rows of candles; expected"),
        (b"a,b\n1,2\n3,4\n", " holds no table (it begins 'a,b'); expected rows of cells"),
    ],
)
def test_files_that_hold_no_table(tmp_path, content, wrong):
    path = tmp_path / "A.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError) as error:
        read_csv(path)
    assert wrong.replace("{}", str(path)) in str(error.value)


@pytest.mark.parametrize("members", [0, 2])
def test_a_zip_holds_one_file(tmp_path, members):
    path = tmp_path / "A.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member in range(members):
            archive.writestr(f"{member}.csv", CSV)
    with pytest.raises(
        SourceError, match="the archive holds 2 files instead of one: 0.csv, 1.csv" if members else "not packed"
    ):
        read_csv(path)


def test_a_broken_zip(tmp_path):
    path = tmp_path / "A.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("A.csv", CSV)
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"cannot be read \(Bad CRC-32 for file 'A\.csv'"):
        read_csv(path)


@pytest.mark.parametrize("name", ["a.zip", "a.csv.zip"])
def test_a_zip_without_its_end(tmp_path, name):
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", CSV)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(
        SourceError, match=r"cannot be read \(the zip is not whole\); expected a whole and readable file"
    ):
        read_candles(path)


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"[[1700000000000, 1, 2, 1, 2, 5]]", mtime=0)[:-5], b"[" * 100_000],
    ids=["gzip", "brackets"],
)
def test_json_that_is_cut_short(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.json cannot be read \(.*\); expected (a whole|JSON with)"):
        read_candles(path)


@pytest.mark.parametrize("reader", [read_csv, read_parquet, read_candles])
def test_missing_files_and_folders(tmp_path, reader):
    with pytest.raises(SourceError) as error:
        reader(tmp_path / "none.csv")
    assert f"{tmp_path / 'none.csv'} does not exist; expected a " in str(error.value)
    assert str(error.value).endswith("Check the path; relative paths start at the current folder.")
    with pytest.raises(SourceError, match=" is a folder; expected a "):
        reader(tmp_path)


def test_a_file_that_is_no_parquet(tmp_path):
    path = tmp_path / "A.parquet"
    path.write_bytes(b"junk")
    with pytest.raises(SourceError, match=r"A\.parquet cannot be read .*; expected a Parquet file\. Check the file"):
        read_parquet(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "1700000000,1,2,1,2,3\n", " has 1 candle; expected at least 2."),
        (HEADER + "1700000000,1,2,1,2,3\n1700003600,1,2,1,abc,3\n", " has close 'abc' in line 3; expected a number."),
        (HEADER + "1700000000,1,2,1,2,3\n,1,2,1,2,3\n", " has no time in line 3; expected a time in every row."),
    ],
)
def test_tables_that_hold_no_candles(tmp_path, content, message):
    path = tmp_path / "A.csv"
    path.write_text(content)
    with pytest.raises(CandleError) as error:
        read_csv(path)
    assert str(error.value).startswith(f"{path}{message}")


def test_what_is_no_plain_file(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(SourceError, match=r"pipe\.csv is not a regular file; expected a file of candles"):
        read_candles(pipe)


def test_a_path_is_no_pattern(tmp_path):
    for name, bars in (("btc1", CANDLES.frame[:20]), ("btc[12]", CANDLES.frame)):
        bars.write_parquet(tmp_path / f"{name}.parquet")
        bars.drop("close_time").write_csv(tmp_path / f"{name}.csv", datetime_format="%FT%TZ")
    for suffix in ("csv", "parquet"):
        path = tmp_path / f"btc[12].{suffix}"
        assert same(read_candles(path))
        path.unlink()
        with pytest.raises(SourceError, match="does not exist"):
            read_candles(path)


@pytest.mark.parametrize("kind", ["gz", "zip", "xz"])
def test_files_that_inflate_without_measure(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(containers, "FREE_BYTES", 2**16)
    path, content = tmp_path / f"A.csv.{kind}", CSV.encode() + (b"0" * 2**16 + b"\n") * 2**6
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("A.csv", content)
    else:
        path.write_bytes(gzip.compress(content) if kind == "gz" else lzma.compress(content))
    with pytest.raises(
        SourceError, match=r"holds [\d,]+ bytes packed into [\d,]+; expected at most [\d,]+ bytes, and a ratio"
    ):
        read_candles(path)


def test_times_that_no_calendar_here_has(tmp_path):
    far = CANDLES.frame.with_columns((pl.col("open_time").cast(pl.Int64) + 10**18).cast(pl.Datetime("us", "UTC")))
    far.write_parquet(tmp_path / "A.parquet")
    days = CANDLES.frame.with_columns(
        open_time=pl.int_range(5_000_000, 5_000_000 + len(CANDLES)).cast(pl.Int32).cast(pl.Date)
    )
    days.write_parquet(tmp_path / "B.parquet")
    for name in ("A", "B"):
        with pytest.raises(CandleError, match="microseconds from 1970 in row 1; expected times of the years 1 to 9999"):
            read_candles(tmp_path / f"{name}.parquet")


def test_other_compressions(tmp_path):
    for name, content in (("A.csv.bz2", bz2.compress(CSV.encode())), ("A.csv.xz", lzma.compress(CSV.encode()))):
        (tmp_path / name).write_bytes(content)
        assert same(read_candles(tmp_path / name))
    CANDLES.frame.drop("close_time").write_csv(tmp_path / "A.csv.zst", compression="zstd", datetime_format="%FT%TZ")
    assert same(read_candles(tmp_path / "A.csv.zst"))


def test_anything_that_holds_candles(tmp_path):
    path = tmp_path / "BTC-1h.csv"
    path.write_text(CSV)
    for value in (CANDLES, CANDLES.frame, CANDLES.frame.lazy(), CANDLES.to_pandas(), path, str(path)):
        assert same(as_candles(value))
    with pytest.raises(
        CandleError, match="a list is no candles; expected Candles, a pandas or Polars frame, or the path of a"
    ):
        as_candles([1])


def test_an_absent_value_in_a_file_is_kept_absent(tmp_path):
    path = tmp_path / "A.csv"
    path.write_text(HEADER + "1700000000,1,2,1,2,3\n1700003600,1,2,,2,3\n1700007200,1,2,NaN,2,3\n")
    assert read_csv(path).check().issues.row(0)[:3] == ("not_finite", True, 2)
