"""`Exclusive`: a lock on a folder that one process holds, and that no other waits for; it ends with the process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from candlecast.disk.files import is_regular

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = "lock"


class Exclusive:
    """The lock of a folder, which is made if it does not exist. Raises BlockingIOError when another one holds it, OSError.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lock = Exclusive(Path(folder))
    ...     print(is_held(Path(folder)))
    ...     lock.release()
    ...     print(is_held(Path(folder)))
    True
    False
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._handle: int | None = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(self._handle)
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Let it go."""
        if self._handle is not None:
            with suppress(OSError):
                os.close(self._handle)
            self._handle = None


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock of a folder. Nothing is made where there is none."""
    if not is_regular(folder / NAME):
        return False
    try:
        Exclusive(folder).release()
    except BlockingIOError:
        return True
    return False


def _lock(handle: int) -> None:
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt  # pyright: ignore[reportMissingImports,reportUnreachable]

    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        raise BlockingIOError(*error.args) from error
