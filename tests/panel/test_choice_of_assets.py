"""Assets that were chosen by the results of earlier trials, and prices in several currencies: no edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

import candlecast as cc
from candlecast.evaluation.currencies import currency_of, several_currencies
from candlecast.evaluation.trial_count import TrialCount, count
from candlecast.interval import Interval
from candlecast.ledger import Ledger
from candlecast.sources import synthetic, synthetic_panel
from panel_studies import quick_study

FEATURES = cc.Features(cc.log_return())


@pytest.fixture(scope="module")
def assets():
    return list(synthetic_panel(24, 600, seed=3, ic=0.2).assets)


@pytest.fixture(scope="module")
def study():
    return quick_study()


def test_what_is_left_out_of_an_earlier_panel_is_counted_and_leaves_no_edge(assets, study, tmp_path):
    ledger = cc.Ledger(tmp_path)
    whole = study.run(assets, ledger=ledger)
    assert whole.verdict.has_edge and (whole.trial_count.tried, whole.trial_count.left_out) == (0, 0)
    part = study.run(assets[:16], ledger=ledger)
    assert (part.trial_count.tried, part.trial_count.left_out) == (24, 8) and part.trial_count.is_selection
    assert part.verdict.headline == "No edge found: its assets may have been chosen by the results of earlier trials."
    assert (
        "24 assets were studied in this workspace on these bars before, and 8 of them are left out here"
        in part.verdict.text
    )
    assert not part.verdict.is_forecastable
    assert study.run(assets[:16], ledger=Ledger.in_memory()).verdict.has_edge
    assert TrialCount.from_dict(part.trial_count.to_dict()) == part.trial_count
    again = cc.load_panel_run(part.save(tmp_path / "part")) if hasattr(cc, "load_panel_run") else part
    assert again.verdict.headline == part.verdict.headline


def test_assets_under_other_names_from_another_source_are_the_same(assets, study):
    ledger = Ledger.in_memory()
    study.run(assets, ledger=ledger)
    renamed = [
        replace(each, symbol=f"N{n}", frame=each.frame.with_columns(pl.col("open", "high", "low", "close") * 3.7))[40:]
        for n, each in enumerate(assets)
    ]
    found = study.run(renamed[:16], ledger=ledger)
    assert (found.trial_count.tried, found.trial_count.left_out) == (24, 8) and not found.verdict.has_edge
    others = [replace(each, symbol=f"O{n}") for n, each in enumerate(synthetic_panel(24, 600, seed=4, ic=0.2).assets)]
    assert study.run(others[:16], ledger=ledger).trial_count.left_out == 0


def test_assets_that_were_tried_in_other_bars_or_in_another_currency_count(assets, study):
    """Half-days whose other close lies between those of the days, and prices in a coin that moves by itself."""
    halves = [
        replace(each, symbol=f"H{n}", interval=Interval.parse("12h"), frame=halved(each))
        for n, each in enumerate(assets)
    ]
    coin = synthetic.random_walk(600, seed=9, volatility=0.03).candles
    in_coin = pl.col("open", "high", "low", "close") / pl.Series(coin.close)
    quoted = [
        replace(each, symbol=f"C{100 + n}BTC", frame=each.frame.with_columns(in_coin)) for n, each in enumerate(assets)
    ]
    dollars = [replace(each, symbol=f"C{100 + n}/USDT") for n, each in enumerate(assets)]
    for tried in (halves, quoted):
        ledger = Ledger.in_memory()
        study.run(tried, ledger=ledger)
        found = study.run(dollars[:16], ledger=ledger).trial_count
        assert (found.tried, found.left_out) == (24, 8)


def halved(candles):
    """Each day as two bars, of which the first closes halfway."""
    frame, half = candles.frame, timedelta(hours=12)
    middle = (pl.col("open") * pl.col("close")).sqrt()
    first = frame.with_columns(close=middle, close_time=pl.col("close_time") - half)
    second = frame.with_columns(open=middle, open_time=pl.col("open_time") + half)
    return pl.concat([first, second]).sort("open_time")


def test_assets_that_were_tried_at_other_dates_count(assets, study):
    """In the epoch of 1904, and by other names; who mends the dates of all assets leaves none out."""
    ledger, late = Ledger.in_memory(), timedelta(days=1_462)
    moved = pl.col("open_time", "close_time") + late
    study.run(
        [replace(each, symbol=f"L{n}", frame=each.frame.with_columns(moved)) for n, each in enumerate(assets)],
        ledger=ledger,
    )
    found = study.run(assets[:16], ledger=ledger).trial_count
    assert (found.tried, found.left_out) == (24, 8)
    assert study.run(assets, ledger=ledger).trial_count.left_out == 0


def test_members_of_a_universe_are_what_a_panel_is_of(assets, study):
    ledger = Ledger.in_memory()
    study.run(assets, ledger=ledger)
    universe = cc.Universe([(each.symbol, None, None) for each in assets[:16]])
    found = replace(study, universe=universe).run(assets, ledger=ledger).trial_count
    assert (found.tried, found.left_out) == (24, 8)


def test_panels_without_an_asset_in_common_are_no_choice(assets, study):
    ledger = Ledger.in_memory()
    strangers = synthetic_panel(30, 600, seed=4, ic=0.2).assets
    study.run([replace(each, symbol=f"S{n}") for n, each in enumerate(strangers)], ledger=ledger)
    for _ in range(2):
        assert study.run(assets, ledger=ledger).trial_count.left_out == 0
    for shared in (1, 2):
        mixed = [replace(strangers[n], symbol=f"S{n}") if n < shared else each for n, each in enumerate(assets)]
        assert study.run(mixed, ledger=ledger).trial_count.is_selection == (shared == 2)


def test_fewer_other_or_later_assets_are_no_choice(assets, study):
    ledger = Ledger.in_memory()
    study.run(assets[:14], ledger=ledger)
    for chosen in (assets[:12], assets[10:20], assets):  # nearly all, mostly others, more
        assert not study.run(chosen, ledger=ledger).trial_count.is_selection
    first = study.run([each[:350] for each in assets], ledger=(older := Ledger.in_memory()))
    later = study.run([each[200:] for each in assets[:10]], ledger=older)
    assert first.trial.times[-1] < later.trial.times[0] and not later.trial_count.is_selection


def test_assets_that_were_studied_one_by_one_count_too(assets, study):
    ledger = Ledger.in_memory()
    alone = cc.Study(model=cc.LinearRegression(window=1), folds=cc.WalkForward(folds=1), baselines=(), seeds=1)
    for each in assets[:8]:
        alone.run(each, ledger=ledger)
    trial = study.run(assets[:3], ledger=ledger).trial
    found = count(trial, ledger.entries())
    assert (found.tried, found.left_out) == (8, 5) and found.is_selection


def test_one_asset_of_an_earlier_panel_is_the_best_of_as_many(assets, study):
    ledger, alone = Ledger.in_memory(), cc.Study(model=cc.LinearRegression(), features=FEATURES, baselines=(), seeds=1)
    study.run(assets, ledger=ledger)
    found = alone.run(replace(assets[3], symbol="N3"), ledger=ledger)
    assert found.counted.panel_others == 23 and found.counted.trades_before == 1
    assert 24 < found.counted.trades < 26 and 24 < found.counted.forecasts < 26
    assert "one of 24 assets of an earlier panel, each of which counts" in found.verdict.text
    stranger = synthetic_panel(2, 600, seed=8).assets[0]
    assert alone.run(replace(stranger, symbol="Z"), ledger=ledger).counted.panel_others == 0
    first = Ledger.in_memory()
    alone.run(assets[3], ledger=first)
    assert first.entries() and alone.run(assets[3], ledger=first).counted.panel_others == 0


def test_prices_in_several_currencies_are_no_edge(assets, study):
    names = ["SAP.DE", "MC.PA", "VOD.L", "7203.T"]
    renamed = [replace(each, symbol=name) for each, name in zip(assets, names, strict=False)]
    verdict = study.run(
        [*renamed, *(replace(each, symbol=f"X{n}.DE") for n, each in enumerate(assets[4:]))], ledger=Ledger.in_memory()
    ).verdict
    assert verdict.headline == "No edge found: the prices are in several currencies."
    assert (
        "EUR (MC.PA, SAP.DE, ...)" in verdict.text and "GBP (VOD.L)" in verdict.text and "JPY (7203.T)" in verdict.text
    )
    alike = [replace(each, symbol=f"X{n}.DE") for n, each in enumerate(assets)]
    verdict = study.run(alike, ledger=Ledger.in_memory()).verdict
    assert verdict.has_edge and "; if all prices are in one currency; if trading costs less than" in verdict.premise


@pytest.mark.parametrize(
    ("symbols", "words"),
    [
        (["BTCUSDT", "ETHUSDC", "SOL-USD", "ADA/USDT:USDT"], ""),
        (["BTCUSDT", "ETHBTC"], "USD (BTCUSDT) and BTC (ETHBTC)"),
        (["EURUSD=X", "USDJPY=X"], "USD (EURUSD=X) and JPY (USDJPY=X)"),
        (["AAPL", "BRK.B", "MSFT"], ""),
        (["AAPL", "SAP.DE"], "USD (AAPL) and EUR (SAP.DE)"),
        (["S00", "A", "BABA", "TSLA"], ""),
    ],
)
def test_currencies_by_symbol(symbols, words):
    assert several_currencies(symbols) == words


def test_a_symbol_that_names_none_has_no_currency():
    assert not any(currency_of(each) for each in ("AAPL", "BF.B", "USDT", "EUR", "", ".", "X.", "synthetic"))
