"""Claims: shared locks on folders, so that no process removes a folder that another one uses.

A claim ends with its process, however that ends. It is a shared `flock` on the folder; on Windows, an open file beside it,
which other processes cannot remove. On a file system without locks, no process ever counts as the only one.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

MARK = ".claim-"  # in the names of files beside folders


class Claim:
    """A shared lock on a folder, which is made if it does not exist. Several processes may hold claims to one folder.

    Raises OSError, also for a link.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = folder.with_name(f"{folder.name}{MARK}{secrets.token_hex(4)}")  # used without flock
        self._held: int | None = None
        while self._held is None:
            with suppress(FileExistsError):
                folder.mkdir(parents=True)
            self._held = _marked(self._mark) if fcntl is None else _locked(folder)

    def is_alone(self) -> bool:
        """Whether no other process holds a claim to the folder. If so, none can get one until this claim is released."""
        if self._held is None:
            return False
        if fcntl is None:
            return not [path for path in _marks(self.folder) if path != self._mark and not _removed(path)]
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return _is_at(self._held, self.folder)

    def release(self) -> None:
        """Release the lock."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
            if fcntl is None:
                for path in _marks(self.folder):
                    _removed(path)

    def remove_if_alone(self) -> bool:
        """Remove the folder unless another process holds a claim, and release this one. Whether it was removed."""
        is_alone = self.is_alone()
        if is_alone:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.release()
        return is_alone


def _locked(folder: Path) -> int | None:
    """A handle with a shared lock on the folder; None if another process has just removed it."""
    assert fcntl is not None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_SH)
    if _is_at(handle, folder):
        return handle
    os.close(handle)
    return None


def _is_at(handle: int, folder: Path) -> bool:
    """Whether an open folder still has that name."""
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(folder))
    except FileNotFoundError:
        return False


def _marked(mark: Path) -> int:
    """Create a file, and return its handle."""
    return os.open(mark, os.O_RDWR | os.O_CREAT | os.O_EXCL)


def _marks(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return [path for path in folder.parent.iterdir() if path.name.startswith(folder.name + MARK)]
    return []


def _removed(mark: Path) -> bool:
    """Remove a mark if possible: Windows refuses while the file is open. Whether it was removed."""
    try:
        mark.unlink(missing_ok=True)
    except OSError:
        return False
    return True
