"""The command ui: it serves until it is ended, and says what is wrong in a sentence."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from candlecast.cli import cli


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_pages_are_served_until_the_command_is_ended(tmp_path, ending):
    (tmp_path / "runs").mkdir()
    words = [sys.executable, "-m", "candlecast", "ui", "--json"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = json.loads("".join(process.stdout.readline() for _ in range(3)))["address"]
        assert "No runs in runs" in urlopen(address).read().decode()
        process.send_signal(ending)
        _, error = process.communicate(timeout=60)
        assert (process.returncode, error) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "there is none of runs, data and paper; expected a folder"),
        (["--runs", "nowhere"], "--runs nowhere does not exist; expected a folder that is there"),
        (["--store", "nowhere"], "--store nowhere does not exist"),
        (["--paper", "file"], "paper is file, which is a file"),
        (["--paper", ".", "--port", "70000"], "port is 70000; expected a whole number from 1 to 65,535"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(cli, ["ui", *words])
    assert result.exit_code == 1
    assert str(result.exception).startswith(said)
