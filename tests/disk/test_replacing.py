"""Replacing a folder: killed between any two steps, the old one or the new one is there, whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from candlecast.disk import claims, replacing
from candlecast.disk.claims import Claim
from candlecast.disk.replacing import exchange, replaced, tidy
from candlecast.errors import RunError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals")

# Replaces `run` in a process that kills itself before its k-th step, for every k, and says what is there then.
KILLED = """
import json, os, shutil, signal, sys
from pathlib import Path
from candlecast.disk import files
from candlecast.disk import replacing

def counted(call, steps):
    def step(*arguments, **options):
        steps[0] -= 1
        if steps[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return step

def content(folder):
    return sorted(path.read_text() for path in folder.iterdir()) if folder.exists() else None

top, can_exchange = Path(sys.argv[1]), sys.argv[2] == "exchange"
for kill in range(40):
    runs = top / str(kill)
    runs.mkdir()
    (runs / "run").mkdir()
    for name in "abc":
        (runs / "run" / name).write_text("old " + name)
    child = os.fork()
    if not child:
        steps = [kill]
        for module, name in ((os, "fsync"), (os, "rename"), (shutil, "rmtree"), (Path, "write_bytes"), (Path, "mkdir")):
            setattr(module, name, counted(getattr(module, name), steps))
        replacing.exchange = counted(replacing.exchange if can_exchange else lambda one, other: False, steps)
        with replacing.replaced(runs / "run") as fresh:
            for name in "abcd":
                files.write_flushed(fresh / name, ("new " + name).encode())
        os._exit(0)
    code = os.waitpid(child, 0)[1]
    before = content(runs / "run")
    replacing.tidy(runs)
    print(json.dumps([code, before, content(runs / "run"), [path.name for path in runs.iterdir()]]))
    if not code:
        break
"""
OLD, NEW = [f"old {name}" for name in "abc"], [f"new {name}" for name in "abcd"]


@pytest.mark.parametrize("way", ["exchange", "two steps"])
def test_killed_before_any_step(way, tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, way], capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 12 and found[-1][0] == 0 and all(code == 9 for code, *_ in found[:-1])
    for _, before, after, names in found:
        assert after in (OLD, NEW) and names == ["run"]  # nothing else is left once it has been tidied
        assert before in (OLD, NEW) or (way == "two steps" and before is None)
    states = [after for _, _, after, _ in found]
    assert states == sorted(states, key=[OLD, NEW].index)  # once the new one is there, it stays
    assert states[0] == OLD and states[-1] == NEW
    assert [before for _, before, _, _ in found].count(None) == (1 if way == "two steps" else 0)


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no exchange of folders")
def test_folders_are_exchanged(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "one", tmp_path / "other"):
        pytest.skip("the file system exchanges no folders")
    assert (tmp_path / "one" / "other").exists() and (tmp_path / "other" / "one").exists()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "nowhere")


@pytest.mark.parametrize("can_exchange", [True, False])
def test_what_was_there_is_replaced_or_kept(can_exchange, tmp_path, monkeypatch):
    if not can_exchange:
        monkeypatch.setattr(replacing, "exchange", lambda one, other: False)
    for content in ("first", "second"):
        with replaced(tmp_path / "run") as fresh:
            (fresh / "file").write_text(content)
        assert (tmp_path / "run" / "file").read_text() == content
    with pytest.raises(KeyError), replaced(tmp_path / "run") as fresh:
        raise KeyError
    assert (tmp_path / "run" / "file").read_text() == "second" and [each.name for each in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_link_is_replaced_and_not_followed(can_exchange, tmp_path, monkeypatch):
    if not can_exchange:
        monkeypatch.setattr(replacing, "exchange", lambda one, other: False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()
    (tmp_path / "run").symlink_to("mine")
    with replaced(tmp_path / "run") as fresh:
        (fresh / "file").touch()
    assert not (tmp_path / "run").is_symlink() and (tmp_path / "run" / "file").exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mine", "run"] and (tmp_path / "mine/precious").exists()


def test_an_interruption_between_two_renames_puts_the_old_one_back(tmp_path, monkeypatch):
    monkeypatch.setattr(replacing, "exchange", lambda one, other: False)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "file").touch()
    rename, calls = replacing.os.rename, []

    def interrupted(one, other):
        calls.append(one)
        if len(calls) == 2:
            raise KeyboardInterrupt
        rename(one, other)

    monkeypatch.setattr(replacing.os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replaced(tmp_path / "run"):
        pass
    assert (tmp_path / "run" / "file").exists() and len(list(tmp_path.iterdir())) == 1


def test_copies_that_are_being_written_are_left_alone(tmp_path):
    with replaced(tmp_path / "run") as fresh:
        (fresh / "file").touch()
        tidy(tmp_path)
        assert (fresh / "file").exists()
    (tmp_path / ".run-abcd1234.new").mkdir()
    (tmp_path / ".run-abcd1234.old").symlink_to("run")
    (tmp_path / ".mine").mkdir()
    tidy(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".mine", ".run-abcd1234.old", "run"]
    tidy(tmp_path / "nowhere")


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with (
        pytest.raises(RunError, match="cannot be written.*earlier runs are untouched"),
        replaced(tmp_path / "taken/run"),
    ):
        pass
    with pytest.raises(RunError, match="cannot be written .*null"), replaced(tmp_path / "a\0b"):
        pass


def test_a_claim_is_shared_until_the_last_one_goes(tmp_path):
    one, other = Claim(tmp_path / "jobs"), Claim(tmp_path / "jobs")
    (tmp_path / "jobs" / "file").touch()
    assert not one.remove_if_alone() and (tmp_path / "jobs" / "file").exists()
    assert other.remove_if_alone() and not (tmp_path / "jobs").exists()
    other.release()
    assert not one.is_alone() and not other.is_alone()  # they hold nothing any more
    again = Claim(tmp_path / "jobs")
    assert again.is_alone() and (tmp_path / "jobs").is_dir()
    again.release()


def test_a_claim_ends_with_its_process(tmp_path):
    code = (
        "import sys, candlecast.disk.claims as c, pathlib; "
        "c = c.Claim(pathlib.Path(sys.argv[1])); print(1, flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "jobs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline()
    first = Claim(tmp_path / "jobs")
    assert not first.is_alone()
    first.release()
    process.kill()
    process.communicate()
    assert Claim(tmp_path / "jobs").remove_if_alone() and not (tmp_path / "jobs").exists()


def test_a_link_is_not_claimed(tmp_path):
    (tmp_path / "jobs").symlink_to(tmp_path)
    with pytest.raises((NotADirectoryError, OSError), match="directory|links"):
        Claim(tmp_path / "jobs")


def test_claims_are_files_where_folders_cannot_be_locked(tmp_path, monkeypatch):
    """As on Windows, where a file that is open cannot be removed."""
    monkeypatch.setattr(claims, "fcntl", None)
    opened: set[Path] = set()
    unlink, take = Path.unlink, claims._marked

    def refused(path, missing_ok=False):
        if path in opened:
            raise PermissionError(13, "in use")
        unlink(path, missing_ok=missing_ok)

    def marked(mark):
        opened.add(mark)
        return take(mark)

    monkeypatch.setattr(Path, "unlink", refused)
    monkeypatch.setattr(claims, "_marked", marked)
    one, other = Claim(tmp_path / "jobs"), Claim(tmp_path / "jobs")
    assert not one.is_alone() and len(opened) == 2
    opened.discard(other._mark)  # its process is gone
    assert one.is_alone()
    opened.clear()
    one.release()
    assert [path.name for path in tmp_path.iterdir()] == ["jobs"]
    other.release()
