"""Files as streams of bytes, plain or compressed, up to a size limit; folders, pipes and glob patterns are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from candlecast.errors import ConfigError, SourceError
from candlecast.reading import zstandard

Kind = Literal["text", "parquet", "feather", "workbook"]
MAX_BYTES = 4 * 2**30  # after decompression
FREE_BYTES = 64 * 2**20  # after decompression, below which any ratio of compression is accepted
MAX_INFLATION = 200  # ratio of compression, at most, beyond that; tables of prices have 3 to 20
MAX_DOCUMENT = 512 * 2**20  # of JSON or a workbook, which are in memory as a whole
PACKED = {".gz", ".zst", ".zip", ".bz2", ".xz"}
SUFFIXES: dict[str, Kind] = {
    ".parquet": "parquet", ".pq": "parquet", ".feather": "feather", ".arrow": "feather", ".ipc": "feather",
    ".xlsx": "workbook", ".xlsm": "workbook", ".xlsb": "workbook", ".xls": "workbook", ".ods": "workbook",
}  # fmt: skip
FAILURES = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)
WORDS = {
    "text": "a table in text", "parquet": "a Parquet file", "feather": "a feather file", "workbook": "a workbook of Excel",
}  # fmt: skip


@dataclass(frozen=True)
class Content:
    """The content of a file: its kind, its name (in an archive the member's), and a function that opens it, decompressed."""

    path: Path
    kind: Kind
    name: str
    open: Callable[[], IO[bytes]]
    is_packed: bool
    is_zip: bool = False


def find(path: str | Path) -> Content:
    """The content of the file at `path`. Raises SourceError for a missing file and for one that cannot be decompressed."""
    path = existing(path)
    with reading(path):
        with path.open("rb") as file:
            start = file.read(4096)
        return _find(path, start)


def existing(path: str | Path) -> Path:
    """The path of a regular file. Raises SourceError for anything else."""
    if not isinstance(path, (str, Path)):
        is_table = hasattr(path, "columns") or hasattr(path, "frame")
        raise ConfigError(
            f"a {type(path).__name__} is no path of a file",
            expected="a path",
            remedy="Make candles of a table with Candles.from_frame" if is_table else 'Use text, such as "btc_1h.csv"',
        )
    path = Path(path)
    try:
        is_file, is_there, is_folder = path.is_file(), path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not is_file:
        what = "is a folder" if is_folder else "is not a regular file" if is_there else "does not exist"
        raise SourceError(
            f"{path} {what}",
            expected="a file of candles",
            remedy="Check the path; relative paths start at the current folder",
        )
    return path


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of decompression and of the disk inside the block into a SourceError."""
    try:
        yield
    except FAILURES as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception, kind: Kind | None = None) -> SourceError:
    """The SourceError for a file whose reading failed with `error`; `kind` is that of its content, if known."""
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SourceError(
        f"{path} cannot be read ({words})",
        expected=WORDS[kind] if kind else "a whole and readable file of candles",
        remedy="Check the file, or fetch it again",
    )


def _find(path: Path, start: bytes) -> Content:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if start[:2] == b"\x1f\x8b":
        return _packed(path, lambda: cast("IO[bytes]", gzip.open(path, "rb")))
    if start[:3] == b"BZh" and ".bz2" in suffixes:
        return _packed(path, lambda: cast("IO[bytes]", bz2.open(path, "rb")))
    if start[:6] == b"\xfd7zXZ\x00":
        return _packed(path, lambda: cast("IO[bytes]", lzma.open(path, "rb")))
    if start[:4] == b"\x28\xb5\x2f\xfd":
        return _packed(path, lambda: _zstandard(path))
    if start[:4] == b"PK\x03\x04":
        return _zipped(path, suffixes)
    if suffixes and suffixes[-1] in PACKED:
        raise SourceError(
            f"{path} is not packed as its name says",
            expected=f"a file that begins as {suffixes[-1]} does",
            remedy="Fetch it again, or rename it",
        )
    return Content(path, _kind(path, start, suffixes), path.name, lambda: path.open("rb"), is_packed=False)


def _kind(path: Path, start: bytes, suffixes: list[str]) -> Kind:
    named = next((SUFFIXES[suffix] for suffix in reversed(suffixes) if suffix in SUFFIXES), "text")
    found: Kind = "text"
    if start[:4] == b"PAR1":
        found = "parquet"
    elif start[:6] == b"ARROW1":
        found = "feather"
    elif start[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        found = "workbook"
    if named not in ("text", found):
        raise SourceError(
            f"{path} cannot be read (it does not begin as {WORDS[named]} does)",
            expected=WORDS[named],
            remedy="Check the file, or rename it",
        )
    return found


def _packed(path: Path, opener: Callable[[], IO[bytes]]) -> Content:
    size = path.stat().st_size
    name = path.name
    for suffix in PACKED:
        name = name.removesuffix(suffix)
    return Content(path, "text", name, lambda: cast("IO[bytes]", Limited(opener(), path, size)), is_packed=True)


def _zipped(path: Path, suffixes: list[str]) -> Content:
    if not zipfile.is_zipfile(path):
        raise zipfile.BadZipFile("the zip is not whole")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = {member.filename for member in members}
    if "[Content_Types].xml" in names or "mimetype" in names or set(suffixes) & {".xlsx", ".xlsm", ".xlsb", ".ods"}:
        require_size(path, sum(member.file_size for member in members), path.stat().st_size, MAX_DOCUMENT)
        return Content(path, "workbook", path.name, lambda: path.open("rb"), is_packed=False)
    files = [
        member
        for member in members
        if member.filename
        and not member.is_dir()
        and not re.search(r"(^|/)(__MACOSX/|\._|\.DS_Store|\.?CHECKSUM$)", member.filename)
    ]
    if len(files) != 1:
        names_of = ", ".join(member.filename for member in files[:5]) + (", ..." if len(files) > 5 else "")
        raise SourceError(
            f"{path} cannot be read (the archive holds {len(files)} files instead of one{': ' * bool(files)}{names_of})",
            expected="one file of candles in the archive",
            remedy="Unpack the archive and name the file",
        )
    member = files[0]
    if member.flag_bits & 1:
        raise SourceError(
            f"{path} is encrypted", expected="an archive that opens without a password", remedy="Unpack it first"
        )
    require_size(path, member.file_size, max(member.compress_size, 1), MAX_BYTES)

    def opener() -> IO[bytes]:
        return cast("IO[bytes]", Limited(zipfile.ZipFile(path).open(member), path, max(member.compress_size, 1)))

    name = Path(member.filename).name
    return Content(path, "text", name, opener, is_packed=True, is_zip=True)


def _zstandard(path: Path) -> IO[bytes]:
    """A zstandard stream, decompressed as a whole."""
    content = path.read_bytes()
    require_size(path, zstandard.size_bound(content), len(content), MAX_BYTES)
    return zstandard.lines_of(content)


def require_size(path: Path, size: int, packed: int, most: int = MAX_BYTES) -> None:
    """Raise SourceError for a content of `size` bytes that is too large, or inflated too much from `packed` bytes."""
    if size > most or (size > FREE_BYTES and size > MAX_INFLATION * packed):
        raise SourceError(
            f"{path} holds {size:,} bytes packed into {packed:,}",
            expected=f"at most {most:,} bytes, and a ratio of at most {MAX_INFLATION} beyond {FREE_BYTES:,} bytes",
            remedy="Check where the file is from; split it if it is what it says",
        )


class Limited(io.RawIOBase):
    """A stream that is refused once it has given more than an honest file of its packed size would."""

    def __init__(self, stream: IO[bytes], path: Path, packed: int) -> None:
        self._stream = stream
        self._path = path
        self._packed = packed
        self._given = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; all that are left when negative, up to the limit. Raises SourceError beyond it."""
        if size >= 0:
            return self._counted(self._stream.read(size))
        parts = []
        while part := self._counted(self._stream.read(2**20)):
            parts.append(part)
        return b"".join(parts)

    def _counted(self, part: bytes) -> bytes:
        self._given += len(part)
        require_size(self._path, self._given, self._packed, MAX_BYTES)
        return part

    def close(self) -> None:
        """Close what it reads from."""
        self._stream.close()
        super().close()
