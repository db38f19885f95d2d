"""Binance's official dumps: the list of files, their download and check, and their rows as a frame."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import threading
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Literal

import polars as pl

from candlecast.candles.intake import ACTIVITY
from candlecast.errors import SourceError
from candlecast.interval import Interval
from candlecast.sources.answers import unusable
from candlecast.sources.inflation import inflated, too_large
from candlecast.sources.retry import Retry, TransientError
from candlecast.sources.web import Get

Market = Literal["spot", "usdm"]
FOLDERS: dict[Market, str] = {"spot": "data/spot", "usdm": "data/futures/um"}
FIELDS = ("open_time", "open", "high", "low", "close", "volume")
REST = ("close_time", "quote_volume", "trades", "taker_volume", "taker_quote_volume", "ignored")
SCHEMA = {"open_time": pl.Int64, **dict.fromkeys(FIELDS[1:], pl.Float64), **dict.fromkeys(REST, pl.String)}
MICROSECONDS_FROM = 10**14  # counts below are milliseconds (to 2024, and all futures), others microseconds (from 2025)
GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
WAKING_SECONDS = 0.2  # between checks for Ctrl-C: with Polars loaded, SIGINT no longer ends a wait for a lock
INDEX = "The index of Binance's dumps"
MAX_INDEX = 8 << 20  # bytes of one answer of it, which names 1,000 files
MAX_KEYS = 100_000  # files of a folder: those of a century of days
MAX_CHECKSUM = 4_096  # bytes
MAX_CSV = 1 << 30  # bytes of a decompressed dump: a month of seconds has a third of it
MAX_DEFLATED = 1_032  # bytes that one byte of deflate can become
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    LookupError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # of a password
)
AHEAD = 4  # files that are fetched and parsed while one is in use


@dataclass(frozen=True)
class Dump:
    """One file: its key in the archive, and the half-open period that it covers."""

    key: str
    start: datetime
    end: datetime


def list_dumps(
    get: Get,
    listing: str,
    retry: Retry,
    *,
    market: Market,
    symbol: str,
    interval: Interval,
    since: datetime,
) -> list[Dump]:
    """Files with a checksum that reach beyond `since`, oldest first: months, and days where there is no month yet.

    `listing` is the address of the archive's index, which is that of an S3 bucket.
    """

    def read(cycle: str, since: datetime) -> list[Dump]:
        folder = f"{FOLDERS[market]}/{cycle}/klines/{symbol}/{interval}/"
        marker, keys = f"{folder}{symbol}-{interval}-{since:%Y-%m}", []
        while True:
            found, is_last = retry(
                lambda marker=marker: _keys(get(listing, {"prefix": folder, "marker": marker}), folder, marker)
            )
            keys += found
            if is_last or not found:
                break
            if len(keys) > MAX_KEYS:
                raise unusable(INDEX, f"it lists more than {MAX_KEYS:,} files of one folder").error
            marker = found[-1]
        checked = {key.removesuffix(".CHECKSUM") for key in keys if key.endswith(".CHECKSUM")}
        return [
            _dump(key) for key in keys if key in checked and re.search(r"-[0-9]{4}-[0-9]{2}(-[0-9]{2})?\.zip$", key)
        ]

    months = read("monthly", since - timedelta(days=31))
    days = read("daily", max(since, months[-1].end) if months else since)
    return sorted((file for file in (*months, *days) if file.end > since), key=lambda f: f.start)


def _keys(answer: bytes, folder: str, marker: str) -> tuple[list[str], bool]:
    """Keys in one answer of an S3 index, at most 1,000 in order of name after `marker`, and whether they are the last.

    Raises TransientError for anything else: another document does not tell which files there are.
    """
    if len(answer) > MAX_INDEX:
        raise unusable(INDEX, f"{len(answer):,} bytes")
    try:
        root = ET.fromstring(answer)
    except (ET.ParseError, ValueError, RecursionError):
        beginning = " ".join(answer[:60].decode(errors="replace").split())
        raise unusable(INDEX, beginning or "it is empty") from None
    is_cut = root.findtext("{*}IsTruncated")
    if root.tag.rpartition("}")[2] != "ListBucketResult" or is_cut not in ("true", "false"):
        raise unusable(INDEX, f"a document {root.tag.rpartition('}')[2]}")
    keys = [element.text or "" for element in root.iterfind("{*}Contents/{*}Key")]
    wrong = next((key for last, key in pairwise([marker, *keys]) if key <= last or not key.startswith(folder)), None)
    if wrong is not None:
        raise unusable(INDEX, f"file {wrong!r} out of order, or of another folder")
    if is_cut == "true" and not keys:
        raise unusable(INDEX, "no files, and yet not the end")
    return keys, is_cut == "false"


def _dump(key: str) -> Dump:
    parts = [int(part) for part in re.findall(r"-([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?\.zip$", key)[0] if part]
    try:
        start = datetime(parts[0], parts[1], parts[2] if len(parts) == 3 else 1, tzinfo=UTC)
        if len(parts) == 3:
            return Dump(key, start, start + timedelta(days=1))
        return Dump(key, start, (start + timedelta(days=32)).replace(day=1))
    except (ValueError, OverflowError):
        raise unusable(INDEX, f"file {key.rsplit('/', 1)[-1]!r} of no day or month").error from None


def read_dumps(get: Get, address: str, files: Sequence[Dump], retry: Retry) -> Iterator[pl.DataFrame]:
    """The bars of each file, in order; the next few files are fetched and parsed at the same time.

    Raises SourceError when a file's SHA-256 differs from the published one in every attempt, or when it is not a dump.
    """
    waiting: deque[Future[pl.DataFrame]] = deque()
    remaining = iter(files)
    while True:
        while len(waiting) < AHEAD and (file := next(remaining, None)) is not None:
            waiting.append(_begin(partial(_read, get, address, file, retry)))
        if not waiting:
            return
        first = waiting.popleft()
        while not wait([first], timeout=WAKING_SECONDS).done:
            pass
        yield first.result()


def _begin(work: Callable[[], pl.DataFrame]) -> Future[pl.DataFrame]:
    """Run the work in a daemon thread: Ctrl-C must not wait for a download."""
    future: Future[pl.DataFrame] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised again by `Future.result`
            future.set_exception(error)

    threading.Thread(target=run, name="dump", daemon=True).start()
    return future


def _read(get: Get, address: str, file: Dump, retry: Retry) -> pl.DataFrame:
    name = file.key.rsplit("/", 1)[-1]

    def download() -> bytes:
        content = get(f"{address}/{file.key}", {})
        published = get(f"{address}/{file.key}.CHECKSUM", {})[:MAX_CHECKSUM].decode(errors="replace").split()[:1]
        found = hashlib.sha256(content).hexdigest()
        if [found] != published:
            raise TransientError(
                SourceError(
                    f"{name} has SHA-256 {found[:16]}..., not the published {''.join(published)[:16] or 'nothing'}...",
                    expected="the file as it was published",
                    remedy="Try again later: the archive may just be replacing it",
                )
            )
        return content

    return parse_dump(retry(download), name)


def parse_dump(content: bytes, name: str) -> pl.DataFrame:
    """The bars of a zipped dump, `open_time` in UTC, with ACTIVITY; with or without header, milliseconds or microseconds."""
    try:
        stream, first = _stream(content)
        rows = pl.scan_csv(io.BytesIO(stream), has_header=False, skip_rows=0 if first.isdigit() else 1, schema=SCHEMA)
        count = pl.col("open_time")
        micros = pl.when(count < MICROSECONDS_FROM).then(count * 1_000).otherwise(count)
        activity = [pl.col(name).cast(pl.Float64, strict=False) for name in ACTIVITY]
        return rows.select(micros.cast(pl.Datetime("us", "UTC")), *FIELDS[1:], *activity).collect()
    except (*UNREADABLE, pl.exceptions.PolarsError) as error:
        why = str(error).strip().splitlines()
        raise SourceError(
            f"{name} cannot be read ({why[0][:160] if why else type(error).__name__})",
            expected="a zipped CSV of candles as Binance publishes it",
            remedy="Check the file",
        ) from error


def _stream(content: bytes) -> tuple[bytes, bytes]:
    """The first file of a zip, as gzip or decompressed, and its first byte. Raises SourceError for more than MAX_CSV bytes.

    Zip and gzip hold the same deflate stream between other headers (RFC 1951, RFC 1952, PKWARE APPNOTE 4.3). Polars
    decompresses and parses gzip in about half the time that Python's zlib takes to decompress it. A file that may exceed
    the limit, whatever size it states, is decompressed here.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        member = archive.infolist()[0]
        if member.file_size > MAX_CSV:
            raise too_large(MAX_CSV)
        if member.compress_type == zipfile.ZIP_STORED:
            stream = archive.read(member)
            return stream, stream[:1]
        if member.compress_type != zipfile.ZIP_DEFLATED:  # Python decompresses the others without a limit
            raise zipfile.BadZipFile(f"compression method {member.compress_type}")
    name_length, extra_length = struct.unpack_from("<HH", content, member.header_offset + 26)
    start = member.header_offset + 30 + name_length + extra_length
    deflated = content[start : start + member.compress_size]
    stream = GZIP_HEADER + deflated + struct.pack("<II", member.CRC, member.file_size % 2**32)
    if member.compress_size * MAX_DEFLATED > MAX_CSV:  # the stated size may be false
        stream = inflated(stream, "gzip", MAX_CSV)
        return stream, stream[:1]
    return stream, zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, 1)
