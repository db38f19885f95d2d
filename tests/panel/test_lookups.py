"""Features of a panel that rest on levels of prices or on names of assets: no edge, whatever the tests give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.panel.lookups import is_asked, lookups, with_level, with_steps
from candlecast.panel.panel import Panel
from candlecast.panel.samples import panel_inputs, panel_samples
from candlecast.panel.study import usual_panel_features
from candlecast.sources import synthetic, synthetic_panel
from panel_studies import quick_study

BARS, ASSETS = 600, 8


@pytest.fixture(scope="module")
def assets():
    return list(synthetic_panel(ASSETS, BARS, seed=3, ic=0.2).assets)


def looked_up(assets, feature, **given):
    samples = panel_samples(Panel.of(assets), features=cc.Features(feature), target=cc.RelativeReturn(), window=1)
    return lookups(samples, cc.Features(feature), **({"is_pooled": True} | given))


@cc.feature(warmup=0)
def level(candles):
    return np.log(candles.close)


@cc.feature(warmup=0)
def units(candles):
    return np.log(candles.volume)


@cc.feature(warmup=0)
def value_traded(candles):
    return np.log(candles.volume * candles.close)


@cc.feature(warmup=5)
def change(candles):
    values = np.full(len(candles), np.nan)
    values[5:] = candles.close[5:] / candles.close[:-5] - 1
    return values


def yield_of_today(assets):
    earnings = {each.symbol: each.close[-1] / (15 + place) for place, each in enumerate(assets)}

    @cc.feature(warmup=0)
    def earnings_yield(candles):
        return earnings[candles.symbol] / candles.close

    return earnings_yield


def yield_as_published(assets):
    """The same by tables of what had been published by each close."""
    times = assets[0].frame["close_time"][::60]
    columns = {each.symbol: each.close[::60] / 15 for each in assets}
    table = pl.DataFrame({"known_at": times, **columns})
    return cc.outside(
        "earnings_yield", table, combine=lambda candles, known: known[candles.symbol] / candles.close, outputs=()
    )


def by_name(assets):
    became = {each.symbol: float(np.log(each.close[-1] / each.close[0])) for each in assets}

    @cc.feature(warmup=1)
    def what_became_of_it(candles):
        return became[candles.symbol] * np.append(np.nan, np.diff(np.log(candles.close)))

    return what_became_of_it


@cc.feature(warmup=20)
def illiquidity(candles):
    values = np.full(len(candles), np.nan)
    moves = np.abs(np.diff(np.log(candles.close))) / (candles.close * candles.volume)[1:]
    values[20:] = np.log(sliding_window_view(moves, 20).mean(axis=1))
    return values


@cc.feature(warmup=0)
def value_reported(candles):
    return np.log(candles.quote_volume)


@pytest.mark.parametrize(
    ("make", "levels", "adjustment", "names"),
    [
        (lambda _: level, True, False, False),
        (lambda _: cc.cross_rank(level), True, False, False),
        (lambda _: cc.cross_relative(cc.cross_rank(level)), True, False, False),
        (lambda _: cc.across(lambda values: values - np.median(values), level), True, False, False),
        (lambda _: cc.scaled_close(), True, False, False),
        (lambda _: units, True, False, False),
        (yield_of_today, True, False, True),
        (by_name, False, False, True),
        (lambda _: value_traded, False, True, False),
        (lambda _: cc.cross_rank(value_traded), False, True, False),
        (lambda _: illiquidity, False, True, False),
        (lambda _: value_reported, False, False, False),
        (lambda _: change, False, False, False),
        (lambda _: cc.cross_rank(change), False, False, False),
        (yield_as_published, False, True, False),
        (lambda assets: cc.cross_rank(yield_as_published(assets)), False, True, False),
        (lambda _: cc.cross_rank(cc.log_return(5)), False, False, False),
        (lambda assets: cc.of(assets[0], cc.log_return()), False, False, False),
    ],
)
def test_what_changes_with_levels_adjustment_and_names_is_found(assets, make, levels, adjustment, names):
    full = [each.with_activity(quote_volume=each.volume * each.close) for each in assets]
    feature = make(full)
    found = looked_up(full, feature)
    assert found == tuple(feature.columns if each else () for each in (levels, adjustment, names))
    assert looked_up(full, feature, is_adjusted=True) == found._replace(adjustment=())


@cc.feature(warmup=40)
def relative_step(candles):
    """The least difference of two prices of 40 bars, over the price: 0.01 over an adjusted price in a file of cents."""
    prices = np.log(np.stack([candles.open, candles.high, candles.low, candles.close], 1))
    windows = sliding_window_view(prices, 41, axis=0).reshape(len(prices) - 40, -1)
    steps = np.diff(np.sort(windows, axis=1))
    least = np.where(steps > 1e-9, steps, np.inf).min(axis=1)
    return np.append(np.full(40, np.nan), np.round(np.log(least), 6))


@cc.feature(warmup=80)
def still_days(candles):
    """Share of bars without a return: higher for cheap shares, in a file of cents."""
    still = np.abs(np.diff(np.log(candles.close), prepend=np.nan)) < 1e-9
    return np.append(np.full(80, np.nan), sliding_window_view(still, 80)[:-1].mean(axis=1))


@cc.feature(warmup=20)
def spread_of_ranges(candles):
    ranges = np.log(candles.high / candles.low)
    return np.append(np.full(20, np.nan), sliding_window_view(ranges, 20)[:-1].std(axis=1))


def test_the_steps_of_prices_in_cents_tell_their_level():
    made = synthetic_panel(ASSETS, BARS, seed=5, ic=0.0).assets
    cents = [
        replace(each, frame=each.frame.with_columns(pl.col("open", "high", "low", "close").round(2))) for each in made
    ]
    for feature in (relative_step, cc.cross_rank(relative_step), still_days):
        assert looked_up(cents, feature) == (feature.columns, (), ())
    for feature in (change, cc.cross_rank(change), spread_of_ranges, cc.cross_rank(spread_of_ranges)):
        assert looked_up(cents, feature) == ((), (), ())
    assert looked_up(made, relative_step) == ((), (), ())  # no common step, so that none tells the level


def test_finer_steps_leave_the_candles_what_they_are():
    made = synthetic_panel(2, BARS, seed=6, ic=0.0).assets[0]
    cents = replace(made, frame=made.frame.with_columns(pl.col("open", "high", "low", "close").round(2)))
    finer = with_steps(cents, np.random.default_rng(0))
    assert finer.frame.columns == cents.frame.columns and finer.check().issues.equals(cents.check().issues)
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(finer.frame[name] / 32, cents.frame[name], atol=0.006)
    assert with_steps(made, np.random.default_rng(0)) is made


def test_values_traded_are_no_edge_unless_the_study_says_that_all_is_adjusted(assets):
    study = quick_study(cc.cross_relative(cc.log_return()), cc.cross_rank(value_traded))
    found = study.run(assets, ledger=Ledger.in_memory())
    assert (
        found.verdict.headline
        == "No edge found: the forecast compares assets by figures that later splits may have changed."
    )
    assert "cc.PanelStudy(..., adjusted=True)" in found.verdict.text and found.audit.adjustment_features
    declared = replace(study, adjusted=True).run(assets, ledger=Ledger.in_memory())
    assert declared.verdict.has_edge and not declared.audit.adjustment_features


def test_a_model_of_each_asset_does_not_see_the_level(assets):
    """It scales its features by their own past, and a level that is a multiple of another says the same."""
    assert looked_up(assets, level, is_pooled=False).levels == ()
    assert looked_up(assets, cc.cross_rank(level), is_pooled=False).levels == ("level_rank",)


def test_a_feature_that_cannot_be_computed_at_another_level_rests_on_it(assets):
    highest = max(each.close.max() for each in assets)

    @cc.feature(warmup=1)
    def bounded(candles):
        if candles.close.max() > 1.5 * highest:
            raise ValueError("too dear")
        return np.append(np.nan, np.diff(np.log(candles.close)))

    panel = Panel.of(assets)
    samples = panel_samples(panel, features=cc.Features(change), target=cc.RelativeReturn(), window=1)
    assert lookups(samples, cc.Features(bounded), is_pooled=True).levels == ("bounded",)


def test_features_of_candlecast_do_not_change_with_the_level(assets):
    """Those that are not asked: all but the price itself."""
    full = [each.with_activity(trades=each.volume, taker_volume=0.4 * each.volume) for each in assets]
    own = (
        *cc.standard_features("1d", has_calendar=True).features,
        *usual_panel_features().features,
        *(make() for make in (cc.rsi, cc.macd, cc.bollinger, cc.atr, cc.sma_ratio, cc.ema_ratio)),
        *(make() for make in (cc.volume_change, cc.taker_imbalance, cc.trades_change, cc.leverage_effect)),
        *(make(cc.log_return(3)) for make in (cc.cross_zscore, cc.cross_relative, cc.sector_mean, cc.sector_relative)),
        cc.at("1w", cc.rsi(3)),
    )
    features = cc.Features(*{each.name: each for each in (each.on(full[0]) for each in own)}.values())
    assert not [each.name for each in features.features if is_asked(each)]
    assert all(is_asked(each.on(full[0])) for each in (cc.scaled_close(), cc.cross_rank(level), cc.at("1w", level)))
    panel = Panel.of(full)
    others = [with_level(each, 4.0 if place % 2 else 0.125) for place, each in enumerate(panel.assets)]
    one, two = (panel_inputs(each, features) for each in (panel, Panel(tuple(others), None, panel.times, panel.bars)))
    for before, after in zip(one, two, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-7, atol=1e-9, equal_nan=True)


def test_cheap_shares_by_split_adjusted_prices_are_no_edge(assets):
    """A forecast with an edge of its own is refused where it rests on a level too, and the message says what to do."""
    study = quick_study(cc.cross_relative(cc.log_return()), cc.cross_rank(level))
    found = study.run(assets, ledger=Ledger.in_memory())
    verdict = found.verdict
    assert verdict.evidence.is_known and not verdict.is_forecastable and not verdict.has_edge
    assert verdict.headline == "No edge found: the forecast rests on the levels of prices."
    assert "level_rank change when all prices of each asset are multiplied" in verdict.text
    assert 'cc.outside(..., known_at="known_at", combine=...)' in verdict.text
    assert found.audit.level_features == "level_rank" and found.audit.passed
    named = replace(study, features=cc.Features(cc.cross_relative(cc.log_return()), by_name(assets)))
    verdict = named.run(assets, ledger=Ledger.in_memory()).verdict
    assert verdict.headline == "No edge found: the forecast rests on a table by name of the asset."
    assert "change when the assets exchange their names" in verdict.text and not verdict.is_forecastable
    honest = replace(study, features=cc.Features(cc.cross_relative(cc.log_return()), cc.cross_rank(change)))
    verdict = honest.run(assets, ledger=Ledger.in_memory()).verdict
    assert verdict.has_edge and verdict.reasons[0] == verdict.premise


def test_assets_that_return_to_levels_together_are_no_edge():
    """Prices over their mean of 60 bars: each alone may pass as an asset."""
    made = []
    for place in range(8):
        each = synthetic.random_walk(1_060, seed=40 + place).candles
        mean = np.convolve(each.close, np.ones(60) / 60, mode="valid")
        rows = slice(59, None)
        prices = {name: pl.Series(100 * getattr(each, name)[rows] / mean) for name in ("open", "high", "low", "close")}
        made.append(replace(each[59:], symbol=f"R{place}", frame=each[59:].frame.with_columns(**prices)))
    study = quick_study(
        cc.log_return(20),
        cc.sma_ratio(60),
        model=cc.LinearRegression(),
        target=cc.RelativeReturn(horizon=5),
        rule=cc.RankWeights(),
        folds=2,
        fee_bps=0.5,
    )
    verdict = study.run(made, ledger=Ledger.in_memory()).verdict
    assert verdict.evidence.is_significant and not verdict.has_edge
    assert "the prices of the assets return to their levels" in verdict.text
    assert verdict.evidence.conditions.assets.level_statistic < -3.0


def test_assets_whose_prices_return_to_a_level_are_named(assets):
    """Ratios in a panel cannot be held either."""
    made = []
    for place in range(ASSETS):
        candles = synthetic.random_walk(BARS + 10, seed=place).candles
        means = np.convolve(candles.close, np.full(10, 0.1), mode="valid")[:BARS]
        prices = [pl.col(name) / pl.Series(means) for name in ("open", "high", "low", "close")]
        frame = candles[10:].frame.with_columns(prices)
        made.append(replace(candles[10:], frame=frame, symbol=f"A{place}"))
    study = quick_study(cc.sma_ratio(10), cc.log_return())
    verdict = study.run(made, ledger=Ledger.in_memory()).verdict
    assert verdict.evidence.is_significant and not verdict.has_edge
    assert "A0: a price that returns to its level" in verdict.text


def test_a_number_for_each_place_in_the_list_is_a_table_of_names(assets):
    signs = np.random.default_rng(0).choice([-1.0, 1.0], ASSETS)

    def signed(values):
        return (values - np.median(values)) * (signs if len(values) == ASSETS else 1.0)

    found = looked_up(assets, cc.across(signed, cc.log_return(1)))
    assert found.names and not found.levels and not found.adjustment
    assert looked_up(assets, cc.across(lambda values: values - np.median(values), cc.log_return(1))) == ((), (), ())
    assert looked_up(assets, cc.cross_rank(cc.across(signed, cc.log_return(1)))).names
