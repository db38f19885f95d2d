"""What a terminal shows: texts above the bars of progress, errors that fit, the log without what only files need."""

from __future__ import annotations

import logging
import os
import re
import sys

import pytest

from candlecast.cli import console, main

pty = pytest.importorskip("pty")
BESIDE_BARS = """
from candlecast.cli.console import log_to_stderr, print_table, progress, say, say_error
from candlecast.events import Progress
import logging
log_to_stderr()
with progress(quiet=False) as listener:
    listener(Progress("open", 1, 2))
    say("one of two")
    print_table([["a", "1"]], ["model", "trades"])
    say_error("it failed")
    logging.getLogger("candlecast.sources").warning("asked again in 3 s")
    listener(Progress("open", 2, 2))
"""


def on_terminal(code: str) -> str:
    """What Python code writes to a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-c", code])
    found = b""
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux says so at the end
            break
        if not part:
            break
        found += part
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, found.decode()
    return found.decode()


def test_texts_stand_above_the_bars_of_progress():
    shown = on_terminal(BESIDE_BARS)
    for text in ("one of two", "model  trades", "Error: it failed", "asked again in 3 s"):
        before = shown[: shown.index(text)]
        assert re.search(r"(\n|\x1b\[2K|\r)(\x1b\[[0-9;]*m)*$", before), (text, before[-80:])
    assert "candlecast.sources" not in shown


def test_errors_of_usage_fit_the_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit) as ended:
        main(["run", "--modle", "lstm"])
    errors = capsys.readouterr().err
    assert ended.value.code == 2 and "Did you mean one of: '--model'" in " ".join(errors.split())
    assert max(map(len, errors.splitlines())) <= 62


def test_a_missing_option_is_explained(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fetch", "BTCUSDT"])
    assert ended.value.code == 2
    assert "Error: Missing option '--interval': lengths of one candle, such as 1m 1h.\n" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["completion"])
    assert "Choose from: bash, zsh, fish\n" in capsys.readouterr().err


def test_lines_stay_whole_where_there_is_no_terminal(capsys):
    console.say_line("word " * 40)
    console.say_error("word " * 40)
    written = capsys.readouterr()
    assert written.out.count("\n") == written.err.count("\n") == 1
    assert logging.getLogger("candlecast").handlers == []
