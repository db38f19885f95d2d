"""The error tree and its messages."""

from __future__ import annotations

import copy

import pytest

from candlecast import errors
from candlecast.errors import CandlecastError, ConfigError, near_misses

TREE = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, Exception)]


@pytest.mark.parametrize("error", TREE)
def test_one_root_and_three_parts(error):
    raised = error("x is 0", expected="1 or more", remedy="Use x=1")
    assert isinstance(raised, CandlecastError)
    assert (raised.wrong, raised.expected, raised.remedy) == ("x is 0", "1 or more", "Use x=1")
    assert str(raised) == "x is 0; expected 1 or more. Use x=1."
    other = copy.copy(raised)  # as another process would send it
    assert (type(other), str(other), other.remedy) == (error, str(raised), "Use x=1")


def test_the_tree_is_drawn_in_full():
    assert {error.__name__ for error in TREE} == {word for word in errors.__doc__.split() if word.endswith("Error")}


def test_a_wrong_parameter_is_a_value_error_too():
    assert issubclass(ConfigError, ValueError)


def test_a_question_needs_no_full_stop():
    assert str(ConfigError("a", expected="b", remedy="Did you mean c?")) == "a; expected b. Did you mean c?"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LSTN", "Did you mean lstm?"),
        ("lst", "Did you mean lstm?"),
        ("gr", "Did you mean gru?"),
        ("", "Choose one of gru, lstm, rnn"),
        ("prophet", "Choose one of gru, lstm, rnn"),
    ],
)
def test_near_misses(name, words):
    assert near_misses(name, iter(["rnn", "lstm", "gru"])) == words


def test_of_thousands_of_names_some_are_listed():
    words = near_misses("prophet", [f"{number:04}" for number in range(1_420)])
    assert words.startswith("Choose one of 0000, 0001, ")
    assert words.endswith("0018, 0019 and 1,400 others")


def test_a_misspelt_public_name_is_answered_with_the_nearest():
    import candlecast

    with pytest.raises(AttributeError, match=r"candlecast has no Lstm; .* Did you mean LSTM"):
        candlecast.Lstm  # noqa: B018 - the name is looked up
    assert not hasattr(candlecast, "_hidden")
