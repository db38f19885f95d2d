"""Tables of text: what a narrow terminal gets, and what stays whole."""

from __future__ import annotations

import pytest

from candlecast.cli.model_registry import model
from candlecast.errors import ConfigError, near_misses
from candlecast.text.formatting import table

RUNS = [
    ["panel-12-1d-pooled_lstm-above_median-1234abcd", "8,400", "not enough data", "no", "no"],
    ["AR-1h-lstm-direction-1774a9db", "3,000", "yes", "not enough data", "no"],
]
HEADINGS = ["run", "bars", "can be forecast", "pays", "edge"]


def test_a_table_fits_a_terminal_where_its_words_allow_it():
    wide, narrow = table(RUNS, HEADINGS), table(RUNS, HEADINGS, width=80)
    assert max(map(len, wide.split("\n"))) > 80 >= max(map(len, narrow.split("\n")))
    assert wide.split() and sorted(wide.split()) == sorted(narrow.split())
    assert wide == table(RUNS, HEADINGS, width=200)


def test_numbers_and_names_are_never_broken():
    rows = [["har-calendar", "-110.58 %", "-126.10 to -93.92 %", "< 0.001"]]
    narrow = table(rows, ["Model", "R2 vs naive", "95 % CI", "p"], width=20)
    assert narrow.split("\n")[-1].split("  ")[0] == "har-calendar"
    assert "-126.10 to -93.92 %" in narrow and "< 0.001" in narrow


def test_a_message_names_the_options_once():
    with pytest.raises(ConfigError) as raised:
        model("zebra")
    said = str(raised.value)
    assert said.count("transformer") == 1 and said.endswith("Choose one of them.")
    assert near_misses("lstn", ["lstm", "gru"], are_listed=True) == "Did you mean lstm?"
