"""The doctor: what works is ok, what is optional is a note, and what is needed and broken gives exit code 1."""

from __future__ import annotations

import json
from importlib import metadata

import click
import pytest

from candlecast.cli import checks, cli
from candlecast.ledger import Ledger
from candlecast.process.compiling import CacheState
from candlecast.sources import synthetic
from candlecast.sources.reaching import reach
from candlecast.store import Store
from shelf import Shelf


def findings(capsys, *arguments):
    code = cli.main(["doctor", "--json", "-q", *arguments], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert (code == 1) == (not found["is_working"])
    return {each["subject"]: each for each in found["findings"]}


def test_all_that_is_needed_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = findings(capsys, "--offline")
    assert {"python", "packages", "cores", "blas", "kernel LSTM", "kernel GRU", "kernel RNN", "kernel cache"} <= set(
        found
    )
    assert {each["state"] for each in found.values()} <= {"ok", "note"}
    assert found["store"]["state"] == found["runs"]["state"] == "note"
    assert list(tmp_path.iterdir()) == []


def test_the_page_fits_the_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli.main(["doctor", "--offline", "-q"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Everything that is needed works."
    assert all(len(line) <= 80 for line in lines if "__pycache__" not in line)


def test_a_package_that_is_missing_or_old_fails(monkeypatch):
    known = {"numpy": "1.26.4", "torch": "2.9.0+cpu"}

    def version(name):
        if name in known:
            return known[name]
        if name == "polars":
            raise metadata.PackageNotFoundError(name)
        return metadata.version(name)

    monkeypatch.setattr(checks, "version", version)
    found = {each.subject: each for each in checks.versions()}
    assert (found["numpy"].state, found["numpy"].text) == ("failed", "1.26.4, older than 2.0")
    assert found["numpy"].remedy == "pip install --upgrade 'numpy>=2.0'"
    assert (found["polars"].state, found["polars"].text) == ("failed", "is not installed")
    assert "torch 2.9.0+cpu" in found["packages"].text and "pytest" not in found["packages"].text


def test_a_kernel_that_computes_something_else_fails(monkeypatch):
    from candlecast.nets import health

    wrong = [health.KernelHealth("GRU", 0.2, CacheState(None, is_reused=False))]
    monkeypatch.setattr(health, "kernels", lambda: wrong)
    kernel, cache = checks.kernels()
    assert (kernel.state, kernel.text) == ("failed", "differs from its definition by 0.2")
    assert cache.state == "note" and "NUMBA_CACHE_DIR" in cache.remedy


def test_whatever_a_check_raises_is_a_finding(monkeypatch, capsys, tmp_path):
    def fail():
        raise OSError("secret=hunter22 at https://me:hunter22@host/")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks, "kernels", fail)
    found = findings(capsys, "--offline")
    assert found["kernels"]["state"] == "failed" and "hunter22@" not in found["kernels"]["text"]


def test_the_store_is_read(tmp_path):
    candles = synthetic.ar1(60, seed=1, interval="1h").candles
    store = Store(tmp_path / "data")
    store.update(Shelf(candles.frame), "AR1", "1h")
    (found,) = checks.stored(str(tmp_path / "data"))
    assert found.state == "ok" and "1 series, 60 bars, 1 files" in found.text
    for file in (tmp_path / "data").rglob("*.parquet"):
        file.unlink()
    _, broken = checks.stored(str(tmp_path / "data"))
    assert broken.state == "failed" and broken.subject.startswith("series ")


def test_runs_and_ledger_are_counted(tmp_path):
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "manifest.json").write_text("{")
    Ledger(tmp_path)
    runs, torn, ledger = checks.worked(tmp_path)
    assert runs.text.startswith("1 in ") and runs.text.endswith("1 unreadable")
    assert (torn.subject, torn.state, ledger.text) == ("run torn", "note", "0 trials")
    (tmp_path / "ledger.sqlite").write_bytes(b"no database" * 100)
    assert checks.worked(tmp_path)[-1].state == "failed"


def test_servers_that_answer_refuse_or_are_silent(server_of):
    fine, blocked, silent = server_of(200), server_of(451), server_of(None)
    found = reach({"fine": fine, "blocked": blocked, "silent": silent, "none": "http://127.0.0.1:9/"}, seconds=0.5)
    assert [each.is_reached for each in found] == [True, False, False, False]
    assert [each.text for each in found[:3]] == [
        "answers 200",
        "refuses this network: answers 451",
        "no answer within 0.5 s",
    ]
    assert found[3].text.startswith("no connection")


@pytest.fixture
def server_of():
    """Makes a loopback server that answers each request with a status, or with None never."""
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    servers, ended = [], threading.Event()

    def make(status):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if status is None:
                    ended.wait(10)
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield make
    ended.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def test_colours_are_for_terminals_only(capsys):
    from candlecast.cli.doctor import _show

    _show(checks.Finding("gpu", "note", "none"))
    assert capsys.readouterr().out == "note   gpu                   none\n"
    assert "\x1b" in click.style("note", fg="yellow")
