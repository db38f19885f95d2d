"""Replacing a folder at once: written beside, flushed to the disk, and exchanged in one step where the system can.

Between any two steps there is the old folder or the new one under its name. Where the system cannot exchange two folders,
a process killed between its two renames leaves neither: `tidy`, which every run begins with, puts the old one back.
Copies are hidden, and claimed by whoever writes them; those of a process that is gone are removed by `tidy`.
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
from candlecast.disk.files import flush_folder, is_folder
from candlecast.errors import RunError

COPY = re.compile(r"\.(?P<name>.+)-[a-z0-9_]{8}\.(?P<kind>new|old)")  # hidden folders beside `name`
AT_HERE, EXCHANGE = -100, 2  # AT_FDCWD; RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
ATTEMPTS = 20  # of others that replace the same folder at the same moment
UNABLE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A fresh folder to write to, which takes the place of `folder` when the block ends well.

    Raises RunError when it cannot be written; `folder` is then untouched.
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
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RunError(
            f"{folder} cannot be written ({words})",
            expected="a folder with space that may be written to",
            remedy="Free space or choose another folder; earlier runs are untouched",
        ) from error
    finally:
        if fresh is not None:
            _remove(fresh)
        if claim is not None:
            claim.release()


def tidy(folder: Path) -> None:
    """Remove copies that killed processes left in a folder; what has no other copy is put back under its name."""
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
    """Exchange two folders in one step; False where the system cannot. Raises OSError."""
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
    """Move a folder to its place; what was there is then where the fresh one was, or gone."""
    for attempt in range(ATTEMPTS):
        try:
            if not os.path.lexists(folder):
                os.rename(fresh, folder)
            elif not exchange(fresh, folder):
                _put_in_two_steps(fresh, folder)
        except OSError as error:  # another process was faster: with its run, or with taking one away
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
    """Remove a folder, or a link that stood in its place."""
    if path.is_symlink():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _exchanging() -> Callable[[bytes, bytes], int] | None:
    """The system's call that exchanges two paths; None where there is none."""
    if sys.platform == "win32":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        call = getattr(library, "renamex_np", None)
        return call and (lambda one, other: call(one, other, ctypes.c_uint(EXCHANGE)))
    call = getattr(library, "renameat2", None)
    return call and (lambda one, other: call(AT_HERE, one, AT_HERE, other, ctypes.c_uint(EXCHANGE)))
