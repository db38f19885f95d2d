"""The inbox of a ledger: what begins on hosts that must not open the database counts, once, whoever is killed on the way."""

from __future__ import annotations

import json
import shutil
import sqlite3
from hashlib import sha256

import numpy as np
import pytest

from candlecast.errors import RunError
from candlecast.ledger import Begun, Inbox, Ledger, Trial, inbox as inboxes
from candlecast.ledger.profile import profile_of
from candlecast.ledger.sketch import sketch_of

DAY = np.timedelta64(86_400, "s")
TIMES = np.datetime64("2024-01-01", "us") + np.arange(50) * DAY


def begun(seed=0, **parts) -> Begun:
    dice = np.random.default_rng(seed)
    sketch = sketch_of(TIMES, np.exp(dice.standard_normal(len(TIMES)).cumsum() / 100))
    usual = {
        "data": "fingerprint",
        "study": {"model": "ä", "seed": seed, "rate": 0.1 + seed, "parts": [1, None, {"b": 1e-300, "a": True}]},
        "symbol": "BTCUSDT",
        "interval": "1d",
        "target": "return_1",
        "times": TIMES,
        "skill": dice.standard_normal(len(TIMES)),
        "sketches": {"BTCUSDT": sketch},
    }
    return Begun(**(usual | parts))


def of(entries):
    """All that is known of entries but the time."""
    return [
        (
            each.number, each.batch, each.identity, each.data, each.symbol, each.interval, each.target, each.assets, each.is_open,
            each.ended, each.profile.pack(), {name: sketch.pack() for name, sketch in each.sketches.items()},
        )
        for each in entries
    ]  # fmt: skip


def ended(study: Begun) -> Trial:
    """The trial that a study becomes."""
    returns = np.random.default_rng(9).standard_normal(len(TIMES)) / 100
    return Trial(study.data, study.study, "0.1", study.symbol, study.interval, "m", 365.0, TIMES, returns)


def forged(folder, values) -> None:
    """A file of any values in an inbox, under the name of its content."""
    content = json.dumps(values).encode()
    Inbox(folder).path.mkdir(exist_ok=True)
    (Inbox(folder).path / f"{sha256(content).hexdigest()[:32]}.json").write_bytes(content)


def test_what_waits_is_counted_as_what_begins_in_the_ledger(tmp_path):
    studies = [begun(0), begun(1, skill=None), begun(2, study={"assets": ["A", "B"]}, symbol="2 assets")]
    studies.append(begun(3, profile=profile_of(TIMES, np.linspace(-1.0, 1.0, 50), step=86_400_000_000)))
    Ledger(tmp_path / "own").begin(studies)
    Inbox(tmp_path / "runs").begin(studies)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["ledger.inbox"], "no database is made"
    found = Ledger(tmp_path / "runs").entries()
    assert len(found) == 4 and of(found) == of(Ledger(tmp_path / "own").entries())
    assert Inbox(tmp_path / "runs").waiting() == []
    assert of(Ledger(tmp_path / "runs").entries()) == of(found)


@pytest.mark.parametrize(
    "use",
    [
        lambda ledger: ledger.count(),
        lambda ledger: ledger.trials(),
        lambda ledger: ledger.entries(),
        lambda ledger: ledger.require_writable(),
        lambda ledger: ledger.begin([begun(1)]),
        lambda ledger: ledger.record(ended(begun(1))),
    ],
)
@pytest.mark.parametrize("is_there", [False, True])
def test_whoever_opens_the_ledger_takes_in_what_waits_first(tmp_path, use, is_there):
    if is_there:
        assert Ledger(tmp_path).record(ended(begun(5)))
    Inbox(tmp_path).begin([begun(0)])
    use(Ledger(tmp_path))
    assert not Inbox(tmp_path).waiting()
    first, *_ = [each for each in Ledger(tmp_path).entries() if each.is_open]
    assert (first.identity, first.number) == (begun(0).choices, 1 + is_there)


def test_numbers_do_not_depend_on_who_wrote_first(tmp_path):
    studies = [begun(seed) for seed in range(6)]
    for runs, order in (("one", studies), ("other", studies[::-1])):
        for each in order:
            Inbox(tmp_path / runs).begin([each])
    one, other = (Ledger(tmp_path / runs).entries() for runs in ("one", "other"))
    assert len(one) == 6 and of(one) == of(other)


def test_a_study_that_ended_is_not_counted_again(tmp_path):
    Inbox(tmp_path).begin([begun(0), begun(1)])
    Ledger(tmp_path).record(ended(begun(0)))
    Inbox(tmp_path).begin([begun(0)])
    found = Ledger(tmp_path).entries()
    assert [(each.number, each.is_open) for each in found] == [(2, True), (3, False)]


def test_a_killed_intake_loses_and_doubles_nothing(tmp_path, monkeypatch):
    Inbox(tmp_path).begin([begun(0), begun(1)])
    Inbox(tmp_path).begin([begun(2)])
    kept = Inbox(tmp_path).path
    shutil.copytree(kept, tmp_path / "kept")

    def killed(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:  # before the transaction ends
        own = Inbox.read
        patched.setattr(Inbox, "read", lambda self, path: own(self, path) if path == self.waiting()[0] else killed())
        with pytest.raises(KeyboardInterrupt):
            Ledger(tmp_path).entries()
    assert len(Inbox(tmp_path).waiting()) == 2
    with monkeypatch.context() as patched:  # between its end and the removal
        patched.setattr(Inbox, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            Ledger(tmp_path).entries()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    assert connection.execute("SELECT count(*) FROM begun").fetchone() == (3,), "counted before their files go"
    connection.close()
    assert len(Inbox(tmp_path).waiting()) == 2
    found = Ledger(tmp_path).entries()
    assert sorted(each.identity for each in found) == sorted(begun(seed).choices for seed in range(3))
    assert [each.number for each in found] == [1, 2, 3] and not Inbox(tmp_path).waiting()
    shutil.copytree(tmp_path / "kept", kept, dirs_exist_ok=True)  # as they come back from a copy
    assert of(Ledger(tmp_path).entries()) == of(found)


def test_each_begin_with_a_token_counts_once(tmp_path, monkeypatch):
    for number in range(6):
        Inbox(tmp_path / "runs").begin([begun(0, token=f"begin {number}")])
    assert len(Inbox(tmp_path / "runs").waiting()) == 6
    with monkeypatch.context() as patched:
        patched.setattr(Inbox, "remove", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):  # after they were counted
            Ledger(tmp_path / "runs").entries()
    assert len(Inbox(tmp_path / "runs").waiting()) == 6
    ledger = Ledger(tmp_path / "runs")
    assert len(ledger.entries()) == 4, "three are free"
    ledger.record(ended(begun(0)))
    left = [each.profile.values for each in ledger.entries() if each.is_open]
    assert len(left) == 3
    for row in (0, 1, 2):
        seen = np.corrcoef([begun(0).outline.values[row], *(each[row] for each in left)])
        assert np.abs(seen - np.eye(4)).max() < 0.6, "each is like no other"


def test_a_begin_without_a_token_is_the_same_study(tmp_path):
    for _ in range(6):
        Inbox(tmp_path).begin([begun(0)])
        assert len(Ledger(tmp_path).entries()) == 1


def test_what_another_process_took_in_is_no_damage(tmp_path):
    Inbox(tmp_path).begin([begun(0)])
    [path] = Inbox(tmp_path).waiting()
    assert len(Ledger(tmp_path).entries()) == 1
    assert Inbox(tmp_path).read(path) == []
    Inbox(tmp_path).remove([path])


def test_files_that_are_being_written_do_not_wait(tmp_path, monkeypatch):
    def killed(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            Inbox(tmp_path).begin([begun(0)])
    assert len(list(Inbox(tmp_path).path.iterdir())) == 1, "what a killed process leaves"
    assert not Inbox(tmp_path).waiting() and not Ledger(tmp_path).entries()


def test_files_stay_small(tmp_path, monkeypatch):
    monkeypatch.setattr(inboxes, "TOGETHER", 2)
    Inbox(tmp_path).begin([begun(seed) for seed in range(5)])
    assert len(Inbox(tmp_path).waiting()) == 3
    monkeypatch.setattr(inboxes, "LARGEST", 2_000)
    with pytest.raises(RunError, match="bytes of 1 studies are too many"):
        Inbox(tmp_path).begin([begun(7)])
    with pytest.raises(RunError, match="is larger than 2,000 bytes"):
        Ledger(tmp_path).entries()


def test_a_ledger_in_memory_has_no_inbox(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Inbox("runs").begin([begun(0)])
    ledger = Ledger.in_memory()
    ledger.begin([begun(1)])
    assert [each.identity for each in ledger.entries()] == [begun(1).choices]
    assert len(Inbox("runs").waiting()) == 1


@pytest.mark.parametrize("way", ["cut", "changed", "empty", "renamed"])
def test_a_damaged_file_is_named(tmp_path, way):
    Inbox(tmp_path).begin([begun(0)])
    ledger = Ledger(tmp_path)
    [path] = Inbox(tmp_path).waiting()
    content = path.read_bytes()
    if way == "renamed":
        path = path.rename(path.with_name("study.json"))
    else:
        path.write_bytes({"cut": content[:-9], "changed": content.replace(b"BTC", b"ETH", 1), "empty": b""}[way])
    for use in (ledger.count, ledger.entries, ledger.require_writable, lambda: ledger.record(ended(begun(1)))):
        with pytest.raises(
            RunError, match=f"{path.name}, which waits for the ledger, is damaged .*Put a copy of it back"
        ):
            use()
    path.unlink()
    assert ledger.entries() == []


@pytest.mark.parametrize(
    "change",
    [
        {"data": 5},
        {"symbol": "\ud800"},
        {"study": "text"},
        {"target": None},
        {"profile": "AAAA"},
        {"profile": "no base64"},
        {"profile": 7},
        {"token": 7},
        {"sketches": {"A": "AAAA"}},
        {"sketches": {"\ud800": ""}},
        {"sketches": []},
        {"interval": ...},
    ],
)
def test_forged_files_are_refused(tmp_path, change):
    Inbox(tmp_path).begin([begun(0)])
    [path] = Inbox(tmp_path).waiting()
    values = json.loads(path.read_bytes())
    path.unlink()
    forged(tmp_path, values)
    assert len(Ledger(tmp_path).entries()) == 1, "the values themselves are none"
    own = values["studies"][0]
    values["studies"] = [{name: value for name, value in (own | change).items() if value is not ...}]
    forged(tmp_path, values)
    with pytest.raises(RunError, match="which waits for the ledger, is damaged"):
        Ledger(tmp_path).entries()


@pytest.mark.parametrize(
    "values", [[], {}, {"format": 1}, {"format": 1, "studies": 5}, {"format": 1, "studies": [[]]}, None]
)
def test_files_of_something_else_are_refused(tmp_path, values):
    forged(tmp_path, values)
    with pytest.raises(RunError, match="is damaged"):
        Ledger(tmp_path).entries()


def test_a_newer_format_is_named(tmp_path):
    forged(tmp_path, {"format": 2, "studies": []})
    with pytest.raises(RunError, match="written in format 2; expected format 1. Install a newer candlecast"):
        Ledger(tmp_path).entries()


def test_deep_values_are_refused(tmp_path):
    content = b'{"format": 1, "studies": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    Inbox(tmp_path).path.mkdir()
    (Inbox(tmp_path).path / f"{sha256(content).hexdigest()[:32]}.json").write_bytes(content)
    with pytest.raises(RunError, match="is damaged"):
        Ledger(tmp_path).entries()


def test_links_are_not_followed(tmp_path):
    Inbox(tmp_path / "others").begin([begun(0)])
    others = Inbox(tmp_path / "others")
    (tmp_path / "runs").mkdir()
    inbox = Inbox(tmp_path / "runs")
    inbox.path.symlink_to(others.path)
    with pytest.raises(RunError, match="cannot be read .it is no folder"):
        Ledger(tmp_path / "runs").entries()
    for write in (inbox.require_writable, lambda: inbox.begin([begun(1)])):
        with pytest.raises(RunError, match="cannot be written .it is no folder"):
            write()
    inbox.path.unlink()
    inbox.path.mkdir()
    [path] = others.waiting()
    (inbox.path / path.name).symlink_to(path)
    with pytest.raises(RunError, match=f"{path.name} is a link"):
        Ledger(tmp_path / "runs").entries()
    assert others.waiting() == [path]


def test_what_cannot_be_written_is_said_before_any_work(tmp_path, monkeypatch):
    Inbox(tmp_path / "runs").require_writable()
    assert not list(Inbox(tmp_path / "runs").path.iterdir())
    (tmp_path / "taken").touch()
    with pytest.raises(RunError, match="the inbox .* cannot be written"):
        Inbox(tmp_path / "taken" / "runs").require_writable()

    def full(*given, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(RunError, match="cannot be written .No space left on device.*Free space"):
        Inbox(tmp_path / "runs").require_writable()
    monkeypatch.setattr("candlecast.disk.files.write_flushed", full)
    with pytest.raises(RunError, match="cannot be written .No space left on device"):
        Inbox(tmp_path / "runs").begin([begun(0)])
    assert not list(Inbox(tmp_path / "runs").path.iterdir())
