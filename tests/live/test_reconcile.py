"""Paper against its backtest: every difference by its cause, the sum exact, nothing unexplained."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from fractions import Fraction

import pytest
from click.testing import CliRunner

from candlecast.backtesting import Limits
from candlecast.cli import cli
from candlecast.errors import CandleError, NotEnoughDataError, RunError
from candlecast.live import paper, reconcile
from candlecast.live.journal import JOURNAL, chained
from candlecast.live.reconcile import CAUSES
from candlecast.sources.feed import Notice, Tape
from paper_sessions import FIRST, Scripted, later, played, run, seen

__all__ = ["later", "run"]  # fixtures


def explained(folder, **options):
    found = reconcile(folder, **options)
    for row in found.frame.iter_rows(named=True):
        total = sum((Fraction(row[name]) for name in CAUSES), Fraction(0))
        assert float(total) == pytest.approx(row["paper"] - row["backtest"], abs=1e-9)
    assert found.unexplained == 0.0
    assert set(found.frame["unexplained"]) == {0.0}
    return found


def caused(found):
    """Causes that make a difference at any bar."""
    return {name for name in CAUSES if set(found.frame[name]) != {0.0}}


def test_a_tape_of_the_run_differs_in_nothing(run, tmp_path):
    played(run, tmp_path / "s")
    found = explained(tmp_path / "s")
    assert caused(found) == set()
    assert found.paper == found.backtest
    assert found.differences.is_empty()
    assert "no difference" in found.text


def test_late_orders_missing_and_revised_bars_are_told_apart(run, later, tmp_path):
    rows = [row for row in range(420, 460) if row not in (433, 434)]
    batches = [[seen(later, row, delay=3_000.0 if row % 4 == 1 else 0.0, bid=99.0, ask=99.5)] for row in rows]
    good = seen(later, 440)
    batches.append([replace(good, close=good.close * 1.004, high=good.high * 1.01)])
    batches.append([seen(later, 434)])  # comes after later ones; 433 never does
    played(run, tmp_path / "s", feed=Scripted(later, batches, at=later.frame["close_time"][419]))
    found = explained(tmp_path / "s")
    assert (found.late, found.revised, found.missing) == (9, 1, 2)
    assert caused(found) == {"delay", "data"}
    assert {"delay", "data"} <= set(found.differences["cause"])
    assert found.spread is not None
    final = explained(tmp_path / "s", candles=later)
    assert final.causes["delay"] == found.causes["delay"]
    assert final.frame["data"].to_list() != found.frame["data"].to_list()


def test_limits_and_models_trained_on_the_way_are_causes(run, tmp_path):
    played(run, tmp_path / "s", limits=Limits(max_position=0.5), refit="40h")
    found = explained(tmp_path / "s")
    assert "limits" in caused(found)
    assert "model" in {*caused(found), *found.differences["cause"]} or found.causes["model"] == 0.0


def test_a_target_that_a_stale_feed_took_back_is_a_limit_and_not_unexplained(run, later, tmp_path):
    feed = Scripted(later, [[seen(later, row)] for row in range(420, 450)], at=later.frame["close_time"][419])

    def batches(since):
        for row, batch in enumerate(feed.given):
            feed.at = batch[-1].received_at
            yield batch
            if row % 5 == 4:
                feed.at = later.frame["close_time"][min(420 + row + 3, 459)]
                yield []

    feed.batches = batches
    played(run, tmp_path / "s", feed=feed)
    found = explained(tmp_path / "s")
    assert "unexplained" not in set(found.differences["cause"])
    assert "limits" in set(found.differences["cause"])


def test_the_spread_that_was_seen_is_a_cause_of_its_own(run, later, tmp_path):
    def played_at(name, **options):
        batches = [
            [seen(later, row, bid=later.close[row] * 0.997, ask=later.close[row] * 1.003)] for row in range(420, 460)
        ]
        feed = Scripted(later, batches, at=later.frame["close_time"][419])
        return played(run, tmp_path / name, feed=feed, **options)

    played_at("assumed")
    assert caused(explained(tmp_path / "assumed")) == set()
    _, events = played_at("seen", at_spread=True)
    fills = [(event.bar.open, *fill) for event in events for fill in event.fills]
    assert fills
    assumed = run.costs.slippage_bps / 10_000
    for opened, units, price, *_ in fills:
        side = 1.0 if units > 0 else -1.0
        assert price == pytest.approx(opened * (1.0 + side * (0.003 + assumed)), rel=1e-9)
    found = explained(tmp_path / "seen")
    assert caused(found) == {"costs"}
    assert found.causes["costs"] < 0.0
    assert "spread seen in place of the assumed one" in found.text
    with pytest.raises(RunError, match="is a session with another spread"):
        played_at("seen")
    session = paper(
        run, feed=Scripted(later, [], at=later.frame["close_time"][459]), session=tmp_path / "seen", at_spread=True
    )
    assert session._half_spread == pytest.approx(0.003)
    session.close()


def test_a_wrong_clock_is_told_from_other_delays(run, later, tmp_path):
    wrong = Notice("clock wrong", later.frame["close_time"][425], "the clock of this machine is 900 s behind")
    right = Notice("clock right", later.frame["close_time"][440], "the clock of this machine is right again")
    batches = [[seen(later, row, delay=900.0 if 425 < row < 440 else 0.0)] for row in range(420, 460)]
    batches.insert(6, [wrong])
    batches.insert(21, [right])
    played(run, tmp_path / "s", feed=Scripted(later, batches, at=later.frame["close_time"][419]))
    found = explained(tmp_path / "s")
    assert caused(found) == {"clock"}


def test_a_changed_decision_is_unexplained(run, tmp_path):
    """A journal whose chain holds, but whose account does not follow from its decisions."""
    played(run, tmp_path / "s")
    path = tmp_path / "s" / JOURNAL
    with sqlite3.connect(path) as connection:
        statements = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
        for name in ("entries_hold", "entries_stay"):
            connection.execute(f"DROP TRIGGER {name}")
        rows, digest = connection.execute("SELECT number, kind, content FROM entries ORDER BY number").fetchall(), b""
        for number, kind, text in rows:
            written = text
            if kind == "bar":
                content = json.loads(text)
                content["equity"] += 1.0 if number == len(rows) else 0.0
                written = json.dumps(content, sort_keys=True, separators=(",", ":"))
            digest = chained(digest, kind, written)
            connection.execute("UPDATE entries SET content = ?, digest = ? WHERE number = ?", (written, digest, number))
        for statement in statements:
            connection.execute(statement)
    connection.close()
    found = reconcile(tmp_path / "s")
    assert found.unexplained == pytest.approx(1.0)
    assert "unexplained: a defect" in found.text


def test_the_command_says_it_and_lists_the_differences(run, tmp_path):
    played(run, tmp_path / "s", limits=Limits(max_position=0.5))
    told = CliRunner().invoke(cli, ["reconcile", str(tmp_path / "s"), "--json"], catch_exceptions=False)
    values = json.loads(told.stdout)
    assert values["causes"]["unexplained"] == 0.0
    assert values["difference"] == values["paper"] - values["backtest"]
    told = CliRunner().invoke(cli, ["reconcile", str(tmp_path / "s")], catch_exceptions=False)
    assert told.exit_code == 0
    assert "safety limits" in told.stdout


def test_what_cannot_be_reconciled_is_refused(run, later, tmp_path):
    with pytest.raises(RunError, match="is no paper session"):
        reconcile(tmp_path)
    session = paper(run, feed=Tape(run.candles[FIRST:]), session=tmp_path / "s")
    session.close()
    with pytest.raises(NotEnoughDataError, match="has no bar yet"):
        reconcile(tmp_path / "s")
    played(run, tmp_path / "s")
    with pytest.raises(CandleError, match="all bars of the session"):
        reconcile(tmp_path / "s", candles=run.candles[:300])
