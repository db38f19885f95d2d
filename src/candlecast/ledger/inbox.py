"""The inbox of a ledger: studies that began where its database must not be opened, in plain files beside it.

    Inbox("runs").begin([study])     # a file in runs/ledger.inbox; `ledger.sqlite` is not touched
    Ledger("runs").entries()         # the study is among them: a ledger records what is in its inbox when it is opened

Several hosts may write to one inbox at once, on a network file system too, where an SQLite database with a write-ahead log
may be opened by one host alone. A file is JSON, named by the digest of its content, and appears whole or not at all:

    {"format": 1, "studies": [{"data": ..., "study": {...}, "symbol": ..., "interval": ..., "target": ...,
                               "profile": base64, "sketches": {symbol: base64}, "token": ...}, ...]}

A study whose begins are counted has a token, so that two begins of it are two files, and a file counts once however often it is
taken in. Other studies have none: begun twice, they are one.
"""

from __future__ import annotations

import json
import os
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from candlecast.disk.files import flush_folder, is_folder, put_flushed, read_regular, reason
from candlecast.errors import RunError
from candlecast.ledger.profile import Profile
from candlecast.ledger.sketch import Sketch
from candlecast.ledger.trial import Begun
from candlecast.parameters import as_path

FORMAT = 1
TOGETHER = 256  # studies of one file
LARGEST = 1 << 28  # bytes of one file
END = ".json"  # of the names of files; those that are being written have another one
TEXTS = ("data", "symbol", "interval", "target")


class Inbox:
    """What waits for the ledger of a folder, in `ledger.inbox`, which is made with the first study.

    >>> import tempfile
    >>> day = np.datetime64("2024-01-01", "us") + np.arange(3) * np.timedelta64(1, "D")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Inbox(folder).begin([Begun("d1", {"model": "a"}, "BTCUSDT", "1d", "return", day)])
    ...     [path] = Inbox(folder).waiting()
    ...     [study.symbol for study in Inbox(folder).read(path)]
    ['BTCUSDT']
    """

    def __init__(self, folder: str | Path = "runs") -> None:
        self.path = as_path(folder, "folder") / "ledger.inbox"

    def __repr__(self) -> str:
        return f"Inbox({str(self.path.parent)!r})"

    def require_writable(self) -> None:
        """Raise RunError if a study could not be written. Call it before long work."""
        self._made()
        try:
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise self._unwritable(reason(error)) from error

    def begin(self, studies: Sequence[Begun]) -> None:
        """Count studies from now on, as `Ledger.begin` does; they are on the disk when this returns. Raises RunError."""
        if not studies:
            return
        self._made()
        for first in range(0, len(studies), TOGETHER):
            values = {"format": FORMAT, "studies": [_values(each) for each in studies[first : first + TOGETHER]]}
            content = json.dumps(values).encode()
            if len(content) > LARGEST:
                raise self._unwritable(f"{len(content):,} bytes of {len(values['studies'])} studies are too many")
            try:
                put_flushed(self.path / f"{_digest(content)}{END}", content)
            except OSError as error:
                raise self._unwritable(reason(error)) from error

    def waiting(self) -> list[Path]:
        """The files that wait, by name: in an order that does not depend on who wrote first. Raises RunError."""
        if not os.path.lexists(self.path):
            return []
        try:
            if not is_folder(self.path):  # a link leads to files of others
                raise NotADirectoryError("it is no folder")
            return sorted(path for path in self.path.iterdir() if path.suffix == END)
        except OSError as error:
            raise RunError(
                f"the inbox {self.path} cannot be read ({reason(error)})",
                expected="a folder that may be read",
                remedy="Check who may read it, or move it away: what waits in it is then not counted",
            ) from error

    def read(self, path: Path) -> list[Begun]:
        """The studies of a file that waits; none if another process has taken it in. Raises RunError for a damaged one."""
        try:
            content = read_regular(path, most=LARGEST)
            if path.stem != _digest(content):
                raise ValueError("it is not the file that was written")
            values = json.loads(content)
            if values["format"] != FORMAT:
                raise RunError(
                    f"{path} was written in format {str(values['format'])[:20]}",
                    expected=f"format {FORMAT}",
                    remedy="Install a newer candlecast",
                )
            return list(map(_study, values["studies"]))
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(
                f"{path}, which waits for the ledger, is damaged ({str(error)[:200]})",
                expected="an untouched file",
                remedy="Put a copy of it back, or move it away: the studies in it are then not counted",
            ) from error

    def remove(self, paths: Sequence[Path]) -> None:
        """Remove files whose studies the ledger holds. Raises OSError."""
        for path in paths:
            path.unlink(missing_ok=True)

    def _made(self) -> None:
        """Make the folder. Raises RunError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            flush_folder(self.path.parent)
            if not is_folder(self.path):
                raise NotADirectoryError("it is no folder")
        except OSError as error:
            raise self._unwritable(reason(error)) from error

    def _unwritable(self, why: str) -> RunError:
        return RunError(
            f"the inbox {self.path} cannot be written ({why})",
            expected="a folder with space that may be written to",
            remedy="Free space or choose another folder",
        )


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:32]


def _values(study: Begun) -> dict[str, Any]:
    """A study as JSON values."""
    packed = {symbol: _text(sketch.pack()) for symbol, sketch in study.sketches.items()}
    own: dict[str, Any] = {name: getattr(study, name) for name in TEXTS}
    token = {"token": study.token} if study.token else {}
    return own | {"study": study.study, "profile": _text(study.outline.pack()), "sketches": packed} | token


def _study(values: Any) -> Begun:
    """The study of such values. Raises ValueError, KeyError, TypeError or RecursionError for any others."""
    texts, study, sketches = {name: values[name] for name in TEXTS}, values["study"], values["sketches"]
    texts |= {"token": values.get("token", "")}
    if not isinstance(study, dict) or not all(isinstance(each, str) for each in texts.values()):
        raise ValueError("a study of it cannot be")
    for each in (*texts.values(), *sketches):
        each.encode()  # raises for half a surrogate pair
    return Begun(
        **texts,
        study=study,
        times=np.array([], "datetime64[us]"),
        sketches={symbol: Sketch.unpack(_bytes(packed)) for symbol, packed in sketches.items()},
        profile=Profile.unpack(_bytes(values["profile"])),
    )


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)
