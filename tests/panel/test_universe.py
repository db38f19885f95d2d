"""Membership by date."""

import numpy as np
import polars as pl
import pytest

import candlecast as cc


def moments(*days):
    return np.array(days, "datetime64[us]")


def test_a_member_is_one_from_its_start_until_before_its_end():
    universe = cc.Universe([("A", "2020-01-02", "2020-01-04"), ("A", "2020-01-06", None)])
    found = universe.is_member(["A", "B"], moments(*[f"2020-01-0{day}" for day in range(1, 8)]))
    assert found[:, 0].tolist() == [False, True, True, False, False, True, True]
    assert not found[:, 1].any()


def test_usual_names_of_columns_and_empty_dates_are_understood(tmp_path):
    path = tmp_path / "members.csv"
    path.write_text("ticker,start_date,end_date,GICS Sector\nA,2000-06-05,,Health\nB,,2017-06-19,Energy\n")
    universe = cc.Universe.read(path)
    assert universe.symbols == ["A", "B"]
    assert universe.sectors_of(["B", "A", "C"]) == ["Energy", "Health", "all"]
    assert universe.is_member(["B"], moments("1990-01-01", "2017-06-19"))[:, 0].tolist() == [True, False]
    frame = pl.read_csv(path)
    assert cc.Universe(frame).fingerprint == universe.fingerprint == cc.Universe(frame.to_pandas()).fingerprint


def test_later_rows_change_nothing_before_them():
    early, late = [("A", "2020-01-01", "2021-01-01")], [("A", "2022-01-01", None)]
    then = moments("2020-05-01", "2021-05-01")
    assert np.array_equal(cc.Universe(early).is_member(["A"], then), cc.Universe(early + late).is_member(["A"], then))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([("A", "2020-01-02", "2019-01-01")], "the membership of A ends on 2019-01-01, and starts on 2020-01-02"),
        ([("A", "second of May", None)], "start of the universe is 'second of May'; expected a date"),
        (pl.DataFrame({"name": ["A"]}), "the universe has the columns name; expected symbol, start and end"),
        ("members.csv", "a universe is made of str; expected a table"),
        ([(None, "2020-01-02", None)], "a universe is made of list"),
    ],
)
def test_what_cannot_be_a_universe_is_refused(table, message):
    with pytest.raises(cc.ConfigError, match=message):
        cc.Universe(table)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(cc.SourceError, match="cannot be read as a universe"):
        cc.Universe.read(tmp_path / "none.csv")


def test_symbols_are_matched_without_regard_to_case():
    one, two, three = cc.synthetic_panel(3, 100, seed=0).assets
    assets = {"aapl": one, "Ibm": two, "BAC": three}
    panel = cc.Panel.of(assets, universe=cc.Universe([("AAPL", None, None), ("IBM", None, None), ("BAC", None, None)]))
    assert panel.symbols == ["AAPL", "BAC", "IBM"] and panel.is_member.all()
    assert np.array_equal(panel.closes[:, 2], two.close)
    twice = cc.Universe([("AAPL", None, None), ("aapl", None, None), ("Bac", None, None)])
    assert cc.Panel.of({"Aapl": one, "bac": two}, universe=twice).symbols == ["Aapl", "Bac"]
    doubled = {"aapl": one, "AAPL": two, "BAC": three}
    assert cc.Panel.of(doubled, universe=twice).symbols == ["AAPL", "Bac", "aapl"]
