"""Files of runs: reading with limits on kind and size, and writing that is flushed to the disk.

A folder may come from anybody. Only regular files are read: a link leads elsewhere, and reading a pipe never ends.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from candlecast.errors import RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LARGEST = 1 << 33  # bytes of one file
SAFE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def is_regular(path: Path) -> bool:
    """Whether there is a regular file; False for a link to one, and for names that no file can have."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; False for a link to one, and for names that no folder can have."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def read_regular(path: Path, *, most: int = LARGEST) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises RunError, and FileNotFoundError if there is none."""
    try:
        _require_regular(path, os.lstat(path))
        handle = os.open(path, SAFE)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    try:
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            _require_regular(path, found)
            if found.st_size <= most:
                return file.read(found.st_size)  # `read` allocates what it is asked for: never ask for `most`
    except OSError as error:
        raise _unreadable(path, error) from error
    raise RunError(
        f"{path} is larger than {most:,} bytes",
        expected="a file that candlecast wrote",
        remedy="Remove it from the run",
    )


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file and flush it to the disk. Raises OSError."""
    path.write_bytes(content)
    with path.open("r+b") as file:
        _flush(file.fileno())


def put_flushed(path: Path, content: bytes) -> None:
    """Write a file that is at its path whole or not at all, and flush both to the disk. Raises OSError.

    Until it is whole, it has a hidden name beside the path.
    """
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        write_flushed(fresh, content)
        os.replace(fresh, path)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush the directory entries of a folder to the disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders, and flushes their entries by itself
        return
    try:
        _flush(handle)
    except OSError:  # a file system that cannot flush folders
        pass
    finally:
        os.close(handle)


def require_names(folder: Path, names: tuple[str, ...]) -> None:
    """Raise RunError when the file system refuses these names in a folder. Call it before long work."""
    for name in names:
        try:
            os.lstat(folder / name)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except (OSError, ValueError) as error:
            raise RunError(
                f"{_short(folder / name)} cannot be written ({reason(error)})",
                expected="a path that the file system takes",
                remedy="Choose a folder of runs with a shorter path",
            ) from error


def reason(error: Exception) -> str:
    """Why a file operation failed: the words of the system, without number and path, where there are any."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _flush(handle: int) -> None:
    full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync does not flush the disk's own cache
    if fcntl is None or full is None:
        os.fsync(handle)
    else:
        fcntl.fcntl(handle, full)


def _require_regular(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "not a regular file"
        raise RunError(f"{path} is {kind}", expected="a file that candlecast wrote", remedy="Replace it by the file")


def _unreadable(path: Path, error: Exception) -> RunError:
    return RunError(
        f"{_short(path)} cannot be read ({reason(error)})",
        expected="a file that may be read",
        remedy="Check its name and who may read it",
    )


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:100]}...{text[-60:]}"
