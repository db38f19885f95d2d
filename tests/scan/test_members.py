"""A universe of the largest assets: known at the start of each test part, and never by what came later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.dataset.folds import WalkForward
from candlecast.dataset.membership import WhileMember
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.events import ignore
from candlecast.recipes import describe, restore
from candlecast.scan import scan
from candlecast.scan.members import members_of, membership, values_by_day
from small_scans import LINEAR, plan_of, walk

DAY = np.timedelta64(1, "D")


def trading(symbol, seed, volumes):
    """Candles whose volume is as given."""
    candles = walk(symbol, seed)
    return replace(candles, frame=candles.frame.with_columns(volume=pl.Series(volumes)))


@pytest.fixture(scope="module")
def three():
    """A and C are large at first, B and C later; C always has more than the others have at their least."""
    first, later = np.full(220, 1e6), np.full(220, 1.0)
    turned = np.where(np.arange(220) < 140, first, later)
    return trading("A", 1, turned), trading("B", 2, turned[::-1]), trading("C", 3, np.full(220, 1e4))


def test_values_are_those_of_the_span_before_midnight(three):
    days, values = values_by_day(three[0], np.timedelta64(10, "D"))
    closes, traded = three[0].close_time, three[0].close * three[0].volume
    for place in (0, 30, 200):
        midnight = days[place].astype("datetime64[us]")
        inside = (closes <= midnight) & (closes > midnight - np.timedelta64(10, "D"))
        assert values[place] == pytest.approx(traded[inside].sum())


def test_later_candles_change_no_earlier_rank(three):
    bar = 120
    cut = three[0].close_time[bar]
    changed = [
        replace(
            each,
            frame=each.frame.with_columns(
                volume=pl.when(pl.col("close_time") > pl.lit(cut).dt.replace_time_zone("UTC"))
                .then(7e9)
                .otherwise(pl.col("volume"))
            ),
        )
        for each in three[2:]
    ]
    before, after = (
        membership({each.symbol: values_by_day(each, 30 * DAY) for each in assets}, 1)
        for assets in (three, (*three[:2], *changed))
    )
    assert before != after
    limit = str(cut.astype("datetime64[D]"))
    for symbol in "ABC":
        early = [[(a, min(b, limit)) for a, b in spans[symbol] if a < limit] for spans in (before, after)]
        assert early[0] == early[1]


def test_parts_in_which_an_asset_is_not_among_the_largest_are_left_out(three, tmp_path):
    plan = plan_of(*three, models=[LINEAR], folds=WalkForward(folds=6), largest=2, volume_span="20d")
    found = scan(plan, runs=tmp_path, workers=1)
    assert found.failures.is_empty()
    starts = {
        symbol: found.result(symbol=symbol).folds["test_first"].dt.replace_time_zone(None).to_numpy()
        for symbol in "ABC"
    }
    own = members_of(plan, progress=ignore)
    whole = scan(replace(plan, largest=None), runs=tmp_path, workers=1)
    for candles in three:
        spans = own(candles).folds.spans
        everything = whole.result(symbol=candles.symbol).folds["test_first"].dt.replace_time_zone(None).to_numpy()
        known = [candles.close_time[np.searchsorted(candles.close_time, each) - 1] for each in everything]
        kept = [
            each
            for each, time in zip(everything, known, strict=True)
            if any(np.datetime64(a) <= time < np.datetime64(b) for a, b in spans)
        ]
        assert np.array_equal(kept, starts[candles.symbol])
    assert (len(starts["A"]), len(starts["B"]), len(starts["C"])) == (3, 6, 3)
    assert max(starts["A"]) < min(starts["C"]), "A is large at first, and C afterwards"


def test_nothing_is_held_between_parts(three, tmp_path):
    folds = WhileMember(WalkForward(folds=6), (("2015-01-01", "2015-04-01"), ("2015-06-01", "2015-07-01")))
    found = scan(plan_of(three[0], models=[LINEAR], folds=folds), runs=tmp_path, workers=1)
    result = found.result(symbol="A")
    parts = result.folds.sort("fold")
    held = result.positions["linear"].frame
    gaps = [
        (last, first)
        for last, first in zip(parts["test_last"], [*parts["test_first"][1:], None], strict=True)
        if first is None or (first - last).days > 1
    ]
    assert gaps
    for last, first in gaps:
        closed = held.filter(pl.col("time") > last)["position"].head(1).to_list()
        assert closed in ([], [0.0])
        account = result.backtest.equity.filter(pl.col("time") > last)[2:]
        account = account if first is None else account.filter(pl.col("time") < first)
        assert (account["position"] == 0).all()


def test_folds_while_member_are_described_and_checked():
    folds = WhileMember(WalkForward(folds=3), (("2020-01-01", "2020-06-01"),))
    assert restore(describe(folds)) == folds
    with pytest.raises(ConfigError, match="spans overlap"):
        WhileMember(WalkForward(), (("2020-01-01", "2020-06-01"), ("2020-05-01", "2020-07-01")))
    with pytest.raises(ConfigError, match="spans are"):
        WhileMember(WalkForward(), (("soon", "later"),))
    times = np.datetime64("2024-01-01", "us") + np.arange(1, 101) * DAY
    with pytest.raises(NotEnoughDataError, match="none of the 3 test parts begins while"):
        folds.split(times, range(100), horizon=1)
