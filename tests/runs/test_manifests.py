"""Manifests of other formats, and the folders that hold one."""

from __future__ import annotations

import json
import os

import pytest

from candlecast.errors import RunError
from candlecast.runs import list_runs, read_manifest
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


def test_runs_are_listed_newest_first_without_copies_that_are_being_written(tmp_path):
    for age, name in enumerate(("b", "a", ".a-12345678.new", "c")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
        os.utime(tmp_path / name / "manifest.json", (1_000 - age, 1_000 - age))
    (tmp_path / "empty").mkdir()
    assert [path.name for path in list_runs(tmp_path)] == ["b", "a", "c"]
