"""The commands paper and reconcile, the page of a session, alerts and target positions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

from candlecast.cli import cli
from candlecast.errors import ConfigError
from candlecast.live import read_session
from candlecast.live.alerts import alerts_of, to_telegram
from candlecast.live.page import page_of, save_page, serve_page, state_of
from candlecast.live.verdict import live_verdict
from candlecast.sources.feed import Tape
from paper_sessions import FIRST, played, run

__all__ = ["run"]  # fixtures


def told(*words, code=0):
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == code, (result.stdout, result.exception)
    return result.stdout


def test_the_tape_of_a_run_is_played_listed_continued_and_reconciled(run, tmp_path):
    folder = tmp_path / "paper"
    out = told(
        "paper", run.folder, "--tape", "--folder", folder, "--session", "s", "--json", "--save", tmp_path / "p.html"
    )
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert lines[-1]["kind"] == "end"
    bars = [line for line in lines if line["kind"] == "bar"]
    test = run.folds["test_first"][-1]
    assert len(bars) == int((run.candles.frame["close_time"] >= test).sum())
    assert bars[-1]["equity"] == lines[-1]["equity"]
    assert "paper" in (tmp_path / "p.html").read_text()
    listed = json.loads(told("paper", "--list", "--folder", folder, "--json"))["sessions"]
    assert [(each["session"], each["bars"], each["is_running"]) for each in listed] == [("s", len(bars), False)]
    assert "s" in told("paper", "--list", "--folder", folder)
    again = told("paper", run.folder, "--tape", "--folder", folder, "--session", "s", "--json")
    assert json.loads(again.splitlines()[-1])["bars"] == 0
    assert "is not running" in told("paper", "--stop", "s", "--folder", folder)
    assert "no difference" in told("reconcile", folder / "s")


def test_several_runs_are_traded_by_one_command(run, tmp_path):
    folder = tmp_path / "paper"
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    words = ("--tape", "--folder", folder, "--json", "--until", str(run.candles.frame["close_time"][360]))
    lines = [json.loads(line) for line in told("paper", run.folder, copy, *words).splitlines()]
    ends = [line for line in lines if line["kind"] == "end"]
    assert [end["session"] for end in ends] == [str(folder / f"{run.folder.name}-tape"), str(folder / "copy-tape")]
    assert ends[0]["bars"] == ends[1]["bars"] > 0
    assert ends[0]["equity"] == ends[1]["equity"]
    assert {line["session"] for line in lines if line["kind"] == "bar"} == {f"{run.folder.name}-tape", "copy-tape"}
    result = CliRunner().invoke(cli, ["paper", str(run.folder), str(copy), "--tape", "--session", "s"])
    assert (result.exit_code, "--session is for one RUN; 2 are given" in result.output) == (2, True)


def test_wrong_use_is_said_in_sentences(run, tmp_path):
    told("paper", code=2)
    result = CliRunner().invoke(cli, ["paper", str(run.folder), "--folder", str(tmp_path)])
    assert "live bars" in str(result.exception)
    result = CliRunner().invoke(cli, ["paper", "--stop", "x", "--folder", str(tmp_path)])
    assert "there is no session 'x'" in str(result.exception)
    assert "No sessions" in told("paper", "--list", "--folder", tmp_path)


@pytest.mark.skipif(not hasattr(signal, "SIGTERM") or sys.platform == "win32", reason="needs SIGTERM")
def test_sigterm_leaves_a_session_whole(run, tmp_path):
    code = """
import sys, time
import candlecast.sources.feed as feed
from candlecast.cli import main
slow = feed.Tape.batches
def batches(self, since):
    for batch in slow(self, since):
        yield batch
        print("batch", flush=True)
        time.sleep(60)
feed.Tape.batches = batches
main(sys.argv[1:])
"""
    words = [sys.executable, "-c", code, "paper", run.folder, "--tape", "--folder", tmp_path, "--session", "s"]
    process = subprocess.Popen(
        [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
    for line in process.stdout:
        if b"batch" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"run the same command again to continue" in error
    assert read_session(tmp_path / "s").bars


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def hook():
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.got = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_alerts_and_targets_are_handed_out_and_a_token_is_shown_nowhere(run, tmp_path, hook, monkeypatch, caplog):
    server, address = hook
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "123456:very-secret-token")
    path, copy = tmp_path / "targets.json", tmp_path / "copy.json"
    alerts = alerts_of(
        "s",
        webhook=address + "/hook",
        targets=str(path),
        command=f"{sys.executable} -c \"import sys; open({str(copy)!r}, 'a').write(sys.stdin.read() + chr(10))\"",
    )
    monkeypatch.setattr("candlecast.live.alerts.TELEGRAM", address)
    chat = to_telegram("42", base=address)
    chat({"session": "s", "text": "hello"})
    assert server.got == [("/bot123456:very-secret-token/sendMessage", {"chat_id": "42", "text": "s: hello"})]
    server.got.clear()
    _, events = played(run, tmp_path / "s", alerts=alerts, until=run.candles.frame["close_time"][FIRST + 60])
    for alert in alerts:
        alert.close()
    news = [e for e in events if e.fills or e.kind != "bar"]
    assert news
    assert [message["text"] for _, message in server.got] == [e.text for e in news]
    target = json.loads(path.read_text())
    last = [e for e in events if e.position is not None][-1]
    assert (target["position"], target["time"]) == (last.position, last.time.isoformat())
    assert [json.loads(line)["text"] for line in copy.read_text().splitlines()] == [e.text for e in news]
    failing = alerts_of("s", webhook="http://127.0.0.1:9/very-secret-path-of-a-webhook")
    failing[0](news[0])
    failing[0].close()
    assert "posting to 127.0.0.1 failed" in caplog.text
    assert "secret" not in caplog.text


def test_places_that_cannot_be_told_are_refused_before_anything_begins(monkeypatch):
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="TELEGRAM_BOT_TOKEN is not set"):
        alerts_of("s", telegram="42")
    with pytest.raises(ConfigError, match="the webhook is"):
        alerts_of("s", webhook="ftp://x")
    with pytest.raises(ConfigError, match="the command is empty"):
        alerts_of("s", command=" ")


def test_the_page_is_live_on_this_machine_only_and_read_only(run, tmp_path):
    played(run, tmp_path / "s", until=run.candles.frame["close_time"][FIRST + 60])
    with serve_page(tmp_path / "s") as address:
        assert address.startswith("http://127.0.0.1:")
        page = urllib.request.urlopen(address).read().decode()
        assert "EventSource" in page
        with urllib.request.urlopen(address + "events") as stream:
            line = stream.readline().decode()
        state = json.loads(line.removeprefix("data: "))
        assert state["badges"][0] == "ACTIVE: follows the rule"
        assert len(state["paper"]) == len(state["backtest"]) == 61
        assert state["paper"] == state["backtest"]
        for request in (
            urllib.request.Request(address, data=b"x"),
            urllib.request.Request(address + "etc"),
            urllib.request.Request(address, headers={"Host": "example.org"}),
        ):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(request)


def test_a_page_holds_no_markup_of_others(run, tmp_path):
    played(run, tmp_path / "s", until=run.candles.frame["close_time"][FIRST + 40])
    record = read_session(tmp_path / "s")
    page = page_of(state_of(record, run) | {"run": "</script><script>alert(1)</script>"})
    assert "<script>alert" not in page
    assert save_page(tmp_path / "s", tmp_path / "p.html").stat().st_size > 5_000


def test_the_live_verdict_says_the_day_and_how_long_it_takes(run, tmp_path):
    played(run, tmp_path / "s", feed=Tape(run.candles[FIRST:]))
    verdict = live_verdict(read_session(tmp_path / "s"), run)
    assert verdict.bars == 420 - FIRST
    assert verdict.text.startswith("Day 7 (160 bars): ")
    assert 0 < verdict.p_earns <= 1
    assert verdict.to_dict()["text"] == verdict.text
    assert "(p < 0.001)" in replace(verdict, p_beats=1e-9).text and "(p = 0.21)" in replace(verdict, p_beats=0.21).text
    assert ("would take about" in verdict.text) == (verdict.days_needed < float("inf") and not verdict.has_edge)
