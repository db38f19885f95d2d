"""Manifests of other formats."""

from __future__ import annotations

import json

import pytest

from candlecast.errors import RunError
from candlecast.runs import read_manifest
from candlecast.runs.manifest import FORMAT


@pytest.mark.parametrize("version", [FORMAT + 1, 1_000])
def test_a_newer_format_is_refused(tmp_path, version):
    (tmp_path / "manifest.json").write_text(json.dumps({"format": version}))
    with pytest.raises(
        RunError, match=f"format {version}; expected format {FORMAT} or older. Install a newer candlecast"
    ):
        read_manifest(tmp_path)


def test_a_format_of_before_is_read(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 1, "model": "m"}))
    assert read_manifest(tmp_path)["model"] == "m"
