"""Files: every way in which one can be wrong, and the compressions that are read."""

from __future__ import annotations

import gzip
import zipfile

import polars as pl
import pytest

from candlecast.candles import Candles
from candlecast.errors import CandleError, SourceError
from candlecast.sources import read_csv, read_parquet, synthetic
from candlecast.sources.files import read_candles

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
        (b"", "(empty CSV)"),
        (bytes(range(256)) * 40, "(invalid utf-8 sequence)"),
        (b"\x00\x01\xff\xfe" * 1_000, "(it is not UTF-8 text)"),
        (CSV.encode("utf-16"), "(it is not UTF-8 text)"),
        (b"\x1f\x8b" + b"junk" * 20, "(invalid gzip header)"),
        ((HEADER + "1700000000,1,2,1,2,3,9\n1700003600,1,2\n").encode(), "(found more fields than defined"),
    ],
    ids=["empty", "binary", "zeros", "utf-16", "gzip", "ragged"],
)
def test_files_that_are_no_csv(tmp_path, content, wrong):
    path = tmp_path / "A.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError) as error:
        read_csv(path)
    assert str(error.value).startswith(f"{path} cannot be read {wrong}")
    assert str(error.value).endswith("; expected a CSV file with a header. Check the file.")


@pytest.mark.parametrize("members", [0, 2])
def test_a_zip_holds_one_file(tmp_path, members):
    path = tmp_path / "A.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member in range(members):
            archive.writestr(f"{member}.csv", CSV)
    with pytest.raises(
        SourceError, match=f"cannot be read .the archive holds {members} files instead of one.; expected a CSV"
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
    with pytest.raises(SourceError, match=r"cannot be read \(the zip is not whole\); expected a CSV file"):
        read_candles(path)


@pytest.mark.parametrize("content", [gzip.compress(b"[[1700000000000, 1, 2, 1, 2, 5]]")[:-5], b"[" * 100_000])
def test_json_that_is_cut_short(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.json cannot be read \(.*\); expected a JSON list of candles"):
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
    with pytest.raises(SourceError, match=r"A\.parquet cannot be read .*; expected a Parquet file\. Check the file\."):
        read_parquet(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3,4\n", "A has no column for time, open, high, low, close, volume (its columns are a, b)"),
        (
            HEADER.replace(",", ";"),
            "A has no column for time, open, high, low, close, volume (its columns are time;open",
        ),
        (HEADER, "A has 0 candles; expected at least 2."),
        (HEADER + "1700000000,1,2,1,2,3\n", "A has 1 candle; expected at least 2."),
        (HEADER + "1700000000,1,2,1,2,3\n1700003600,1,2,1,n/a,3\n", "A has close 'n/a' in row 2; expected a number."),
        (HEADER + "1700000000,1,2,1,2,3\n,1,2,1,2,3\n", "A has no time in row 2; expected a time in every row."),
    ],
)
def test_tables_that_hold_no_candles(tmp_path, content, message):
    path = tmp_path / "A.csv"
    path.write_text(content)
    with pytest.raises(CandleError) as error:
        read_csv(path)
    assert str(error.value).startswith(message)


def test_a_file_without_header_is_told_to_get_one(tmp_path):
    path = tmp_path / "A.csv"
    path.write_text("1700000000000,1,2,1,2,3\n1700003600000,1,2,1,2,3\n")
    with pytest.raises(CandleError, match="Add a header line that names the columns"):
        read_csv(path)


def test_an_absent_value_in_a_file_is_kept_absent(tmp_path):
    path = tmp_path / "A.csv"
    path.write_text(HEADER + "1700000000,1,2,1,2,3\n1700003600,1,2,,2,3\n1700007200,1,2,NaN,2,3\n")
    assert read_csv(path).check().faults.row(0)[:3] == ("not_finite", True, 2)
