"""Progress as lines, for whoever has no terminal."""

from __future__ import annotations

import io

import pytest

import candlecast as cc
from candlecast.events import Progress, ProgressLines


def lines(events, *, every=1.0, **options):
    """What is written of events that come every so many seconds."""
    times = iter(every * step for step in range(len(events)))
    stream = io.StringIO()
    listener = ProgressLines(stream, clock=lambda: next(times), **options)
    for event in events:
        listener(event)
    return stream.getvalue().splitlines()


def stage(total, name="train", detail=""):
    return [Progress(name, done, total, detail) for done in range(total + 1)]


def test_first_and_last_and_at_most_every_five_seconds_or_tenth():
    written = lines(stage(1_000), every=0.1)
    assert written[0] == "train: 1 of 1,000 (0 %), 10/s, about 2 min left"
    assert written[-1] == "train: 1,000 of 1,000 (100 %) in 2 min"
    assert [line.split()[1] for line in written] == ["1", *(f"{50 * i + 1:,}" for i in range(1, 20)), "1,000"]
    assert [line.split()[1] for line in lines(stage(1_000), every=0.0)] == [
        "1",
        *map(str, range(101, 1_000, 100)),
        "1,000",
    ]


def test_the_time_left_is_that_of_the_work_done():
    assert lines(stage(4), every=30.0) == [
        "train: 1 of 4 (25 %), 2/min, about 2 min left",
        "train: 2 of 4 (50 %), 2/min, about 60 s left",
        "train: 3 of 4 (75 %), 2/min, about 30 s left",
        "train: 4 of 4 (100 %) in 2 min",
    ]


def test_work_taken_up_counts_for_no_time():
    """A stage that begins with most of it done."""
    written = lines([Progress("fetch", done, 100.0) for done in (90.0, 91.0, 100.0)], every=10.0)
    assert written == [
        "fetch: 90 of 100 (90 %)",
        "fetch: 91 of 100 (91 %), 6/min, about 2 min left",
        "fetch: 100 of 100 (100 %) in 20 s",
    ]


def test_each_stage_has_its_own_lines():
    events = [event for pair in zip(stage(2, "fit"), stage(2, "judge", "x" * 3), strict=True) for event in pair]
    assert lines(events) == [
        "fit: 1 of 2 (50 %), 30/min, about 2 s left",
        "judge: 1 of 2 (50 %), 30/min, about 2 s left; xxx",
        "fit: 2 of 2 (100 %) in 4 s",
        "judge: 2 of 2 (100 %) in 4 s; xxx",
    ]


def test_a_stage_that_begins_again_is_another():
    assert [line[:12] for line in lines(stage(1) + stage(1))] == ["train: 1 of "] * 2


def test_nothing_twice_and_nothing_before_anything_is_done():
    assert lines([Progress("judge", 0, 1)]) == []
    assert len(lines([Progress("judge", 0, 1), *[Progress("judge", 1, 1)] * 3])) == 1
    assert lines([Progress("search", 0, 0), Progress("search", 1, 0)]) == ["search: 1 of 0 (100 %) in 1 s"]


def test_what_was_taken_up_is_a_sentence():
    assert lines([Progress("resume", 7, 15, "continues an interrupted run: 7 of 15 trainings are reused")]) == [
        "continues an interrupted run: 7 of 15 trainings are reused"
    ]


def test_a_study_writes_where_it_is_asked_to(market, features, small, capsys):
    study = cc.Study(model=small, baselines=(), features=features, folds=cc.WalkForward(folds=1), seeds=1)
    study.run(market, progress=cc.ProgressLines(), ledger=cc.Ledger.in_memory())
    out, err = capsys.readouterr()
    assert not out and "baselines: 2 of 2 (100 %)" in err and "train: " in err and "judge: 1 of 1 (100 %)" in err
    study.run(market, ledger=cc.Ledger.in_memory())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("done", [0.25, 1.0])
def test_parts_of_units_are_written_short(done):
    assert lines([Progress("fetch", 0, 3), Progress("fetch", done / 3, 3)])[0].startswith(
        f"fetch: {done / 3:.4g} of 3 ("
    )
