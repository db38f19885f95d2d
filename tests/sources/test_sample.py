"""The embedded data."""

from __future__ import annotations

import pytest

from candlecast.errors import SourceError
from candlecast.sources import sample


@pytest.mark.parametrize("name", ["sp500", "nasdaq"])
def test_samples_are_sound_and_whole(name):
    candles = sample(name)
    report = candles.check()
    assert (len(candles), str(candles.interval), candles.symbol) == (5_031, "1d", name.upper())
    assert report.is_sound
    assert report.missing == 0


def test_another_name_is_offered_the_near_one():
    with pytest.raises(SourceError) as error:
        sample("sp50")
    assert str(error.value) == "there is no sample 'sp50'; expected sp500 or nasdaq. Did you mean sp500?"
