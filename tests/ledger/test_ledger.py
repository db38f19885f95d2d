"""The ledger: what was tried stays, whoever writes, dies or lies."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from candlecast.errors import ConfigError, RunError
from candlecast.evaluation.trial_count import count
from candlecast.ledger import Begun, Ledger, Trial
from candlecast.ledger.profile import profile_of
from candlecast.ledger.schema import APPLICATION
from candlecast.ledger.sketch import sketch_of

DAY = np.timedelta64(86_400, "s")
REPLACED = (
    "SELECT {}, identity, 'x', 'x', 'x', 'x', 'x', 'x', 'x', 1.0, x'', x'', 'x', 1, x'' FROM trials"  # every column
)


SKETCH = sketch_of(np.datetime64("2024-01-01", "us") + np.arange(40) * DAY, np.linspace(1.0, 2.0, 40))


def trial(seed=0, bars=50, **changes) -> Trial:
    generator = np.random.default_rng(seed)
    made = Trial(
        data="fingerprint",
        study={"model": "lstm", "seed": seed},
        code="0.1.0",
        symbol="BTCUSDT",
        interval="1d",
        model="lstm",
        bars_per_year=365.0,
        times=np.datetime64("2024-01-01", "us") + np.arange(bars) * DAY,
        returns=0.01 * generator.standard_normal(bars),
    )
    return replace(made, **changes)


def test_trials_come_back_as_they_were(tmp_path):
    ledger = Ledger(tmp_path / "runs")
    assert ledger.count() == 0 and ledger.trials() == [] and not (tmp_path / "runs").exists()  # looking writes nothing
    assert ledger.record(trial(0)) and ledger.record(trial(1))
    first, second = Ledger(tmp_path / "runs").trials()
    assert (first.identity, second.identity) == (trial(0).identity, trial(1).identity)
    assert np.array_equal(first.times, trial(0).times)
    assert np.array_equal(first.returns, trial(0).returns.astype(np.float32))
    assert (first.study, first.symbol, first.bars_per_year) == (trial(0).study, "BTCUSDT", 365.0)


def test_a_replayed_trial_counts_once(tmp_path):
    ledger = Ledger(tmp_path)
    assert [ledger.record(trial()) for _ in range(3)] == [True, False, False]
    assert ledger.count() == 1


@pytest.mark.parametrize("change", [{"data": "other"}, {"code": "0.2.0"}, {"study": {"model": "lstm", "epochs": 21}}])
def test_data_study_and_code_make_another_trial(change):
    ledger = Ledger.in_memory()
    assert ledger.record(trial()) and ledger.record(trial(**change)) and ledger.count() == 2


def test_other_returns_are_never_the_same_trial():
    """Whatever a recipe cannot say of user code shows in what came out."""
    ledger = Ledger.in_memory()
    assert ledger.record(trial()) and ledger.record(trial(returns=-trial().returns)) and ledger.count() == 2
    assert trial().content == trial(code="0.2.0").content != trial(returns=-trial().returns).content


def test_other_forecasts_are_never_the_same_trial(tmp_path):
    """Trials that never traded have the same returns, and code may read other parameters each time."""
    idle = np.zeros_like(trial().returns)

    def forecast(seed):
        skill = np.random.default_rng(seed).standard_normal(len(idle))
        profile = profile_of(trial().times, idle, step=86_400_000_000, skills=(trial().times, skill))
        return trial(returns=idle, profile=profile)

    ledger = Ledger(tmp_path)
    assert [ledger.record(forecast(seed)) for seed in (0, 1, 0, 1)] == [True, True, False, False]
    assert forecast(0).content == forecast(1).content
    assert [each.identity for each in ledger.trials()] == [forecast(0).identity, forecast(1).identity]


def test_trials_that_are_judged_at_once_are_one_batch(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.record(trial(0))
    assert ledger.record_all([trial(1), trial(0), trial(2)]) == [True, False, True]
    ledger.record(trial(3))
    entries = ledger.entries()
    assert [entry.batch for entry in entries] == [1, 2, 2, 4]
    assert [entry.identity for entry in entries] == [trial(seed).identity for seed in range(4)]
    assert np.array_equal(entries[2].profile.values, trial(2).outline.values)


def test_a_batch_is_written_whole_or_not_at_all():
    ledger = Ledger.in_memory()
    ledger.record(trial(0))
    with pytest.raises(TypeError):
        ledger.record_all([trial(1), trial(2, study={"model": object()})])
    assert ledger.count() == 1 and ledger.record(trial(1)) and ledger.count() == 2  # also in memory


def test_a_ledger_of_an_older_format_goes_on(tmp_path):
    Ledger(tmp_path).record(trial(0))
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    for table in ("begun", "ended", "sketches", "begins"):
        connection.execute(f"DROP TABLE {table}")
    for column in ("target", "batch", "profile"):
        connection.execute(f"ALTER TABLE trials DROP COLUMN {column}")
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    ledger = Ledger(tmp_path)
    assert ledger.count() == 1 and ledger.record(trial(1))
    old, new = ledger.entries()
    assert (old.batch, new.batch) == (1, 2)
    assert np.allclose(old.profile.values, trial(0).outline.values, atol=1e-6)
    assert ledger.trials()[0].target == ""


def begun(seed=0, **changes) -> Begun:
    same, rng = trial(seed), np.random.default_rng(100 + seed)
    skill = rng.standard_normal(len(same.times))
    made = Begun(same.data, same.study, "BTCUSDT", "1d", "", same.times, skill, {"BTCUSDT": SKETCH})
    return replace(made, **changes)


def test_a_study_that_begins_counts_until_its_trial_is_there(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin([begun(0), begun(1)])
    ledger.begin([begun(0)])
    assert [(each.number, each.is_open) for each in ledger.entries()] == [(1, True), (2, True)] and ledger.count() == 0
    ledger.record(trial(0))
    assert [(each.number, each.batch, each.is_open) for each in ledger.entries()] == [(2, 2, True), (3, 3, False)]
    ledger.begin([begun(0)])  # a repeated study
    assert len(Ledger(tmp_path).entries()) == 2
    assert ledger.record(trial(1)) and not ledger.record(trial(0))
    assert [each.is_open for each in ledger.entries() if each.is_seen(4)] == [False, False]
    ledger.record(trial(2))
    ledger.begin([begun(2)])
    assert not ledger.entries()[-1].is_open


def test_what_was_judged_beside_a_begun_study_stays_so_when_that_ends(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin([begun(0), begun(1)])
    ledger.record(trial(2))
    first = count(trial(2), ledger.entries())
    assert (first.trials, first.unfinished) == (3, 2)
    ledger.record_all([trial(0), trial(2)])
    ledger.begin([begun(3)])
    ledger.record(trial(3))  # nobody was judged in between
    assert [(each.number, each.ended) for each in ledger.entries() if each.is_open] == [(1, 4), (2, None)]
    assert count(trial(2), ledger.entries()) == first
    last = count(trial(3), ledger.entries())
    assert (last.trials, last.unfinished) == (4, 1)


def test_a_study_whose_result_is_known_counts_as_its_trial():
    counted = []
    for known in (False, True):
        ledger = Ledger.in_memory()
        if known:
            ledger.begin([begun(seed, profile=trial(seed).outline) for seed in range(3)])
        else:
            ledger.record_all([trial(seed) for seed in range(3)])
        counted.append(count(trial(4), ledger.entries()))
    recorded, open_ = counted
    assert (recorded.forecasts, recorded.trades) == (open_.forecasts, open_.trades) and open_.unfinished == 3


def test_the_account_of_a_study_that_never_ended_is_like_no_other():
    one, other = begun(0).outline, begun(1).outline
    same, unknown = begun(2, skill=begun(0).skill).outline, begun(3, skill=None).outline
    assert np.array_equal(one.values, begun(0).outline.values) and one.has_traded
    assert np.allclose(one.values[2], same.values[2])  # the same forecasts
    for profile in (other, same, unknown):
        assert abs(np.corrcoef(one.values[0], profile.values[0])[0, 1]) < 0.5
    assert abs(np.corrcoef(unknown.values[0], unknown.values[2])[0, 1]) < 0.5


def test_sketches_are_kept_by_candles_and_symbol(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.record(trial(0, sketches={"BTCUSDT": SKETCH}))
    ledger.record(trial(1, sketches={"BTCUSDT": SKETCH}))
    ledger.record(trial(2, data="others", sketches={}))
    first, second, third = ledger.entries()
    for entry in (first, second):
        assert np.array_equal(entry.sketches["BTCUSDT"].times, SKETCH.times)
        assert np.array_equal(entry.sketches["BTCUSDT"].returns, SKETCH.returns)
    assert third.sketches == {}


def test_memory_is_not_shared():
    first, second = Ledger.in_memory(), Ledger.in_memory()
    first.record(trial())
    assert (first.count(), second.count()) == (1, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM trials",
        "UPDATE trials SET model = 'other'",
        "UPDATE trials SET number = 7",
        f"INSERT OR REPLACE INTO trials {REPLACED.format('number')}",
        f"INSERT OR REPLACE INTO trials {REPLACED.format(9)}",
        "DELETE FROM begun",
        "UPDATE begun SET choices = 'other'",
        "INSERT OR REPLACE INTO begun SELECT number, 'x', 'x', 'x', 'x', 'x', 'x', 'x', x'' FROM begun",
        "DELETE FROM ended",
        "UPDATE ended SET choices = (SELECT choices FROM begun)",
        "DELETE FROM begins",
        "UPDATE begins SET unended = 0",
        "INSERT OR REPLACE INTO begins SELECT number, choices, 'x', 'x', 0 FROM begins",
        "INSERT OR REPLACE INTO begins SELECT 7, choices, token, 'x', 0 FROM begins",
        "DELETE FROM sketches",
        "UPDATE sketches SET sketch = x''",
        "INSERT OR REPLACE INTO sketches SELECT data, symbol, x'' FROM sketches",
    ],
)
def test_nothing_is_changed_or_removed(tmp_path, statement):
    ledger = Ledger(tmp_path)
    ledger.record(trial())
    ledger.begin([begun(1, token="first")])
    connection = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    with suppress(sqlite3.IntegrityError):  # refused aloud, or ignored
        connection.execute(statement)
    assert connection.execute("SELECT number, token, unended FROM begins").fetchall() == [(1, "first", 1)]
    connection.close()
    (left,) = ledger.trials()
    assert left.identity == trial().identity and left.model == "lstm"
    recorded, started = ledger.entries()
    assert recorded.identity == trial().identity and started.is_open
    assert started.identity == begun(1).choices and started.sketches["BTCUSDT"].pack() == SKETCH.pack()


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_ledger import trial
from candlecast.ledger import Ledger
ledger = Ledger({folder!r})
for seed in range({first}, {last}):
    ledger.record(trial(seed))
    print(seed, flush=True)
"""


def writer(folder, first, last) -> subprocess.Popen:
    code = WRITER.format(tests=str(Path(__file__).parent), folder=str(folder), first=first, last=last)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_several_processes_write_at_once(tmp_path):
    processes = [writer(tmp_path, 10 * number, 10 * number + 15) for number in range(3)]  # five of each in common
    assert [process.wait() for process in processes] == [0, 0, 0]
    for process in processes:
        process.stdout.close()
    assert sorted(made.study["seed"] for made in Ledger(tmp_path).trials()) == list(range(35))


def test_damaged_foreign_and_newer_files_are_refused(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database at all, but long enough to be read as a header of one " * 20)
    with pytest.raises(RunError, match="is damaged .*Put a copy of it back"):
        Ledger(tmp_path).record(trial())
    assert path.read_bytes().startswith(b"no database")

    for statements in ((), (f"PRAGMA application_id = {APPLICATION}", "PRAGMA user_version = -1")):
        path.unlink()
        connection = sqlite3.connect(path)
        for statement in (*statements, "CREATE TABLE mine (value)"):
            connection.execute(statement)
        connection.commit()
        connection.close()
        with pytest.raises(RunError, match="is a database of something else.*Move it away"):
            Ledger(tmp_path).trials()

    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(RunError, match="written in format 99.*Install a newer candlecast"):
        Ledger(tmp_path).count()


def test_a_torn_series_is_refused(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.record(trial())
    path = tmp_path / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    place = content.rfind(b"\x78\x9c")  # the opening of a zlib stream
    content[place + 10 : place + 30] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(RunError, match="is damaged"):
        ledger.trials()


def test_a_file_born_by_a_killed_process_is_completed(tmp_path):
    (tmp_path / "ledger.sqlite").touch()
    assert Ledger(tmp_path).count() == 0
    assert Ledger(tmp_path).record(trial())


def test_what_cannot_be_written_is_said_before_any_work(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(RunError, match="cannot be written.*in_memory"):
        Ledger(tmp_path / "taken" / "runs").require_writable()
    (tmp_path / "runs" / "ledger.sqlite").mkdir(parents=True)
    with pytest.raises(RunError, match="cannot be written"):
        Ledger(tmp_path / "runs").require_writable()


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.record(trial(0))
    original = sqlite3.connect

    class Full(sqlite3.Connection):
        def execute(self, statement, *values):
            if statement.startswith("INSERT"):
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(statement, *values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *places, **options: original(*places, factory=Full, **options))
        with pytest.raises(RunError, match="disk is full.*Free space"):
            ledger.record(trial(1))
    assert ledger.count() == 1


def test_series_that_do_not_belong_together():
    with pytest.raises(ConfigError, match="a trial of 50 times and 49 returns"):
        trial(returns=np.zeros(49))
    with pytest.raises(ConfigError, match="rising times"):
        trial(times=trial().times[::-1])
    with pytest.raises(ConfigError, match="finite return"):
        trial(returns=np.full(50, np.nan))
