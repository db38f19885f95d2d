"""Atomic replacement of a folder: the new one is written beside it, flushed to the disk, and exchanged in one step.

At any moment, the old or the new folder has the name. Some systems cannot exchange two folders; there, a process killed
between two renames leaves neither, and `tidy`, which every run calls first, restores the old one. Copies have hidden names,
and the process that writes one holds a claim to it; `tidy` removes copies without a claim.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from candlecast.disk.claims import Claim
from candlecast.disk.files import flush_folder, is_folder, reason
from candlecast.errors import RunError

COPY = re.compile(r"\.(?P<name>.+)-[a-z0-9_]{8}\.(?P<kind>new|old)")  # copies of the folder `name`
AT_HERE, EXCHANGE = -100, 2  # AT_FDCWD; RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
ATTEMPTS = 20  # while other processes replace the same folder
UNABLE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder to write to, which replaces `folder` when the block ends without an error.

    Raises RunError when it cannot be written; `folder` is then unchanged.
    """
    fresh, claim = None, None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".new", dir=folder.parent))
        fresh.chmod(0o755)  # a run is as readable as any folder
        claim = Claim(fresh)
        yield fresh
        flush_folder(fresh)
        _put(fresh, folder)
        flush_folder(folder.parent)
    except (OSError, ValueError) as error:
        raise RunError(
            f"{folder} cannot be written ({reason(error)})",
            expected="a folder with space that may be written to",
            remedy="Free space or choose another folder; earlier runs are untouched",
        ) from error
    finally:
        if fresh is not None:
            _remove(fresh)
        if claim is not None:
            claim.release()


def tidy(folder: Path) -> None:
    """Remove copies that killed processes left in a folder. An old copy whose name is free gets its name back."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            match = COPY.fullmatch(path.name)
            if match is None or not is_folder(path):
                continue
            with suppress(OSError):
                claim = Claim(path)
                if claim.is_alone():
                    place = folder / match["name"]
                    if match["kind"] == "old" and any(path.iterdir()) and not os.path.lexists(place):
                        os.rename(path, place)
                    else:
                        _remove(path)
                claim.release()


def exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; returns False if the system cannot. Raises OSError."""
    call = _exchanging()
    if call is None:
        return False
    if call(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    number = ctypes.get_errno()
    if number in UNABLE:
        return False
    raise OSError(number, os.strerror(number))


def _put(fresh: Path, folder: Path) -> None:
    """Give the new folder its name. What had the name is then at the path of the new folder, or removed."""
    for attempt in range(ATTEMPTS):
        try:
            if not os.path.lexists(folder):
                os.rename(fresh, folder)
            elif not exchange(fresh, folder):
                _put_in_two_steps(fresh, folder)
        except OSError as error:  # another process has just added or removed that folder
            if attempt + 1 == ATTEMPTS or error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
        else:
            return


def _put_in_two_steps(fresh: Path, folder: Path) -> None:
    old = fresh.with_suffix(".old")
    os.rename(folder, old)
    try:
        os.rename(fresh, folder)
    finally:
        if os.path.lexists(folder):
            _remove(old)
        else:
            os.rename(old, folder)


def _remove(path: Path) -> None:
    """Remove a folder, or a link in its place."""
    if path.is_symlink():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _exchanging() -> Callable[[bytes, bytes], int] | None:
    """The system call that exchanges two paths; None if there is none."""
    if sys.platform == "win32":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        call = getattr(library, "renamex_np", None)
        return call and (lambda one, other: call(one, other, ctypes.c_uint(EXCHANGE)))
    call = getattr(library, "renameat2", None)
    return call and (lambda one, other: call(AT_HERE, one, AT_HERE, other, ctypes.c_uint(EXCHANGE)))
