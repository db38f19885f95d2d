"""Intervals and spans."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from candlecast.errors import ConfigError
from candlecast.interval import Interval, span_seconds


@given(st.integers(1, 10**9))
def test_text_there_and_back(seconds):
    interval = Interval(seconds)
    assert Interval.parse(str(interval)) == interval
    assert interval.timedelta == timedelta(microseconds=interval.microseconds) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m", 60), ("60m", 3_600), (" 4h ", 14_400), ("1d", 86_400), ("1w", 604_800)]
)
def test_parse(text, seconds):
    assert Interval.parse(text) == Interval(seconds) == Interval.parse(Interval(seconds))


def test_intervals_are_ordered():
    assert Interval.parse("1h") < Interval.parse("61m") < Interval.parse("1d")


@pytest.mark.parametrize("text", ["", "h", "1", "0h", "-1h", "1.5h", "1M", "0mo", "1 h", "1H"])
def test_what_is_no_interval(text):
    with pytest.raises(ConfigError) as error:
        Interval.parse(text)
    assert str(error.value) == (
        f"interval {text!r} is not a candle length; expected a whole number and one of s, m, h, d, w, mo. "
        'Use for example "1m", "1h", "4h", "1d", "1w" or "1mo".'
    )


@pytest.mark.parametrize(
    ("text", "days"), [("90d", 90), ("12h", 0.5), ("2w", 14), ("4y", 1_460.97), ("6mo", 182.62125), ("0.5y", 182.62125)]
)
def test_spans(text, days):
    assert span_seconds(text) == pytest.approx(days * 86_400)


@pytest.mark.parametrize("text", ["", "y", "0y", "-1y", "4 years", "4Y"])
def test_what_is_no_span(text):
    with pytest.raises(
        ConfigError, match=r"^span '.*' is not a length of time; expected a number and one of s, m, h, d, w,"
    ):
        span_seconds(text)
