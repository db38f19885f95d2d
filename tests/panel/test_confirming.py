"""The study of a panel repeated on the candles of a second source of its assets."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from candlecast.backtesting import Costs
from candlecast.confirmation import confirm
from candlecast.errors import ConfigError, NotEnoughDataError, RunError
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
    found = confirm(whole, others)
    assert whole.verdict.has_edge and found.is_confirmed
    assert (found.assets, found.missing_assets) == (12, 0) and "of 12 assets" in str(found) and "rank IC" in str(found)
    assert found.own.annual_return == pytest.approx(
        whole.summary().filter(pl.col("statistic") == "annual return")["value"][0]
    )
    assert found.other.annual_return == pytest.approx(found.own.annual_return, rel=0.2)


def test_the_first_repetition_has_the_level_of_the_run(study, world, others):
    run = study.run(world.assets, ledger=Ledger.in_memory())
    found = confirm(run, others)
    again = study.run(others, ledger=run.ledger)  # the same trial, as it was counted: after the run and its momentum
    assert again.counted.trials == 3
    assert 0 < found.other.forecast_p < again.verdict.evidence.forecast_p_adjusted


def test_dicts_and_folders_are_taken_as_a_study_takes_them(whole, others, tmp_path):
    for each in others:
        each.frame.write_csv(tmp_path / f"{each.symbol.lower()}.csv")
    expected = confirm(whole, others).other
    assert confirm(whole, {each.symbol: each.frame for each in others}).other == expected
    assert confirm(whole, tmp_path).other.annual_return == pytest.approx(expected.annual_return)


def test_assets_that_the_second_source_lacks_are_left_out(whole, others):
    short = replace(others[1], frame=others[1].frame[:20])
    found = confirm(whole, [short, *others[2:]])
    assert (found.assets, found.missing_assets) == (10, 2) and found.is_confirmed
    assert "2 assets of the run that the second source lacks are left out when the study is repeated" in str(found)
    with pytest.raises(
        NotEnoughDataError, match="lacks 5 of the 12 assets of the run.*may be chosen by what they earned"
    ):
        confirm(whole, others[:7])


def test_assets_are_not_cut_to_their_bars_in_the_run(study, world, others):
    """Where an asset begins in a file may have been chosen by what it did: the second source has all of it."""
    rows = len(world.assets[0])
    begun = [each[rows // 3 :] if place % 2 else each for place, each in enumerate(world.assets)]
    result = study.run(begun, ledger=Ledger.in_memory())
    whole = study.run(others, ledger=Ledger.in_memory())
    result.__dict__["verdict"] = replace(result.verdict, is_forecastable=True, pays=True)
    found = confirm(result, others)
    assert found.other.annual_return == pytest.approx(whole.summary()["value"][0])


def test_a_copy_and_other_assets_are_refused(whole, others, world):
    with pytest.raises(ConfigError, match="the opens of A000 of the second source are those of A000 of the run"):
        confirm(whole, [world.assets[0], *others[1:]])
    with pytest.raises(ConfigError, match="A000 of the second source and A000 of the run have a correlation"):
        confirm(whole, [replace(others[5], symbol="A000"), *others[1:]])


def test_the_study_is_repeated_on_the_second_source_alone(study):
    """Bars between known ones hold a part of the next move; those of the second source do not."""
    walks = synthetic_panel(6, 600, seed=5, ic=0.0).assets
    filled = study.run([filled_between(each, every=2) for each in walks], ledger=Ledger.in_memory())
    filled.__dict__["verdict"] = replace(filled.verdict, is_forecastable=True, pays=True)
    found = confirm(filled, [at_venue(each, seed=row) for row, each in enumerate(walks)])
    assert found.is_crossed and found.other.growth_p > 0.05 and not found.is_confirmed


def test_a_study_is_that_of_the_run(whole, others, study):
    assert confirm(whole, others, study=study).is_confirmed
    with pytest.raises(RunError, match="not the study of the run: the part 'costs' differs"):
        confirm(whole, others, study=replace(study, costs=Costs(fee_bps=3)))
    with pytest.raises(ConfigError, match="PanelStudy"):
        confirm(whole, others, study=3)
