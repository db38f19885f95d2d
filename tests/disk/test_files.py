"""Files that are at their path whole or not at all."""

from __future__ import annotations

import pytest

from candlecast.disk import files


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.put_flushed(path, b"one")
    files.put_flushed(path, b"two")
    assert path.read_bytes() == b"two"

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.put_flushed(path, b"three")
    assert path.read_bytes() == b"two" and [each.name for each in tmp_path.iterdir()] == ["a.json"]
