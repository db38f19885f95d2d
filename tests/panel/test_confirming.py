"""The portfolio of a panel at the prices of a second source of its assets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.ledger import Ledger
from candlecast.sources import synthetic_panel
from venues import at_venue, filled_between


@pytest.fixture(scope="module")
def whole(study, world):
    return study.run(world.assets, ledger=Ledger.in_memory())


@pytest.fixture(scope="module")
def others(world):
    return [at_venue(each, seed=place, noise=5e-4) for place, each in enumerate(world.assets)]


def test_an_edge_across_assets_is_confirmed(whole, others):
    found = whole.confirm(others)
    assert whole.verdict.has_edge and found.is_confirmed
    assert (found.assets, found.missing_assets) == (12, 0) and "of 12 assets" in str(found)
    assert found.own.annual_return == pytest.approx(
        whole.summary().filter(pl.col("statistic") == "annual return")["value"][0]
    )
    assert found.other.annual_return == pytest.approx(found.own.annual_return, rel=0.2)
    assert found.own.break_even_bps == whole.traded.break_even_bps(whole.weights[whole.model])


def test_dicts_and_folders_are_taken_as_a_study_takes_them(whole, others, tmp_path):
    for each in others:
        each.frame.write_csv(tmp_path / f"{each.symbol.lower()}.csv")
    expected = whole.confirm(others).other
    assert whole.confirm({each.symbol: each.frame for each in others}).other == expected
    assert whole.confirm(tmp_path).other.annual_return == pytest.approx(expected.annual_return)


def test_assets_that_the_second_source_lacks_are_left_out_of_both(whole, others):
    kept = np.random.default_rng(0).random(len(others[0])) > 0.05
    short = replace(others[1], frame=others[1].frame[:20])
    holey = replace(others[2], frame=others[2].frame.filter(pl.Series(kept)))
    found = whole.confirm([short, holey, *others[3:]])
    assert (found.assets, found.missing_assets) == (10, 2) and found.missing_share > 0
    assert "2 assets of the run that the second source lacks are left out of both accounts" in str(found)
    with pytest.raises(NotEnoughDataError, match="of the weights of the run; it lacks A003, A004"):
        whole.confirm(others[:3])


def test_a_copy_and_other_assets_are_refused(whole, others, world):
    with pytest.raises(ConfigError, match="the opens of A000 of the second source are those of A000 of the run"):
        whole.confirm([world.assets[0], *others[1:]])
    with pytest.raises(ConfigError, match="A000 of the second source and A000 of the run have a correlation"):
        whole.confirm([replace(others[5], symbol="A000"), *others[1:]])


def test_uneven_assets_are_confirmed_too(result, uneven):
    found = result.confirm([at_venue(each, seed=place) for place, each in enumerate(uneven)])
    assert found.other.annual_return == pytest.approx(found.own.annual_return, rel=0.3)


def test_closes_that_know_later_prices_are_not_confirmed(study):
    walks = synthetic_panel(6, 600, seed=5, ic=0.0).assets
    filled = study.run([filled_between(each, every=2) for each in walks], ledger=Ledger.in_memory())
    found = replace(filled.confirm([at_venue(each, seed=row) for row, each in enumerate(walks)]), has_edge=True)
    assert found.grows and found.keeps_return and found.is_led and not found.is_confirmed
