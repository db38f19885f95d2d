"""Forecasts of pretrained models by what they were made from, in memory and, where a folder is given, on disk."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

from candlecast.disk.files import put_flushed, read_regular, reason
from candlecast.errors import RunError

MOST = 500_000  # forecasts of one model that are held in memory
KEY_BYTES = 32
_tables: dict[object, KnownForecasts] = {}
_lock = threading.Lock()


class KnownForecasts:
    """Quantiles (level,) by the SHA-256 of the context that they were forecast from."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._fresh: list[bytes] = []
        for path in sorted(folder.glob("*.npz")) if folder else ():
            try:
                with np.load(io.BytesIO(read_regular(path)), allow_pickle=False) as stored:
                    keys, values = stored["keys"], stored["values"]
            except (
                RunError,
                OSError,
                ValueError,
                KeyError,
                EOFError,
                zipfile.BadZipFile,
            ):  # torn: it is forecast again
                continue
            if keys.ndim == 2 and keys.shape[1] == KEY_BYTES and len(keys) == len(values):
                self._held.update((key.tobytes(), value) for key, value in zip(keys, values, strict=True))

    def __contains__(self, key: bytes) -> bool:
        return key in self._held

    def __getitem__(self, key: bytes) -> np.ndarray:
        return self._held[key]

    def add(self, key: bytes, values: np.ndarray) -> None:
        """Hold a forecast."""
        self._held[key] = values
        self._fresh.append(key)

    def save(self) -> None:
        """Write what is new to a file of its own, and forget the oldest where there are too many."""
        if self._fresh and self._folder is not None:
            keys = np.frombuffer(b"".join(self._fresh), dtype=np.uint8).reshape(-1, KEY_BYTES)
            values = np.array([self._held[key] for key in self._fresh])
            self._write(f"{hashlib.sha256(keys.tobytes()).hexdigest()[:24]}.npz", keys, values)
        self._fresh.clear()
        while len(self._held) > MOST:
            self._held.popitem(last=False)

    def _write(self, name: str, keys: np.ndarray, values: np.ndarray) -> None:
        assert self._folder is not None, "nothing is written without a folder"
        content = io.BytesIO()
        np.savez(content, keys=keys, values=values)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            put_flushed(self._folder / name, content.getvalue())
        except OSError as error:
            raise RunError(
                f"forecasts cannot be stored in {self._folder} ({reason(error)})",
                expected="a folder with space that may be written to",
                remedy="Free space, choose another folder, or leave cache out",
            ) from error


def known_forecasts(identity: object, folder: str | None) -> KnownForecasts:
    """The forecasts of a model (a name, or a function of a user's) that are known in this process and in the folder."""
    name = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
    place = Path(folder).expanduser() / name if folder else None
    with _lock:
        key = (identity, place)
        if key not in _tables:
            _tables[key] = KnownForecasts(place)
        return _tables[key]
