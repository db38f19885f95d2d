"""Earlier trials on candles that are dated otherwise are moved to where they agree with the trial."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from candlecast.evaluation.combinations import made_of
from candlecast.evaluation.redating import redated
from candlecast.ledger.profile import profile_of

DAY = 86_400_000_000
DAYS = np.datetime64("2015-01-01", "us") + np.arange(700) * np.timedelta64(DAY, "us")


def dated(series, days=DAYS, *, hours=0):
    times = days + np.timedelta64(hours, "h")
    return profile_of(times, series, step=DAY, skills=(times, series))


@pytest.mark.parametrize("hours", [5, -24, 1_462 * 24, -365 * 24])
def test_a_sum_of_signals_that_were_tried_at_other_dates_is_a_combination(signals, best_sum, hours):
    """Of another zone, by opens, and in the epoch of 1904."""
    own = dated(best_sum)
    at_its_dates = made_of(own, [dated(each) for each in signals])
    assert at_its_dates["skills"].own < 0.5
    assert made_of(own, [dated(each, hours=hours) for each in signals]) == at_its_dates


def test_parts_of_the_record_are_moved_too(signals, best_sum):
    part = slice(80, None)
    moved = redated(dated(best_sum), [dated(each[part], DAYS[part], hours=240) for each in signals])
    assert {each.first for each in moved} == {dated(best_sum).first + 80}


def test_each_record_is_moved_by_its_own_error(signals, best_sum):
    own = dated(best_sum)
    moved = redated(own, [dated(each, hours=24 * (place % 3)) for place, each in enumerate(signals)])
    assert {each.first for each in moved} == {own.first}


def test_what_agrees_at_no_other_date_stays(signals, best_sum):
    """Strangers, trials at their dates, bars of another length and records too short to compare."""
    own = dated(best_sum)
    strangers = [dated(each, hours=240) for each in np.random.default_rng(1).normal(size=signals.shape)]
    coarse = [replace(dated(each, hours=240), width=2 * DAY) for each in signals]
    short = [dated(each[:60], DAYS[:60], hours=240) for each in signals]
    for earlier in (strangers, [dated(each) for each in signals], coarse, short):
        assert [each.first for each in redated(own, earlier)] == [each.first for each in earlier]
