"""An edge at the prices of a second source: what confirms it, what does not, and what is no second source."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs, backtest
from candlecast.candles import Candles
from candlecast.dataset.folds import WalkForward
from candlecast.errors import CandleError, ConfigError, NotEnoughDataError
from candlecast.evaluation.second_source import pair_bars
from candlecast.features import Features, log_return, sma_ratio
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.signals import Positions
from candlecast.sources import sample, synthetic
from candlecast.study import Study
from venues import at_venue, filled_between, with_offsets

STUDY = Study(
    model=LinearRegression(),
    features=Features(log_return(), sma_ratio(10), sma_ratio(40)),
    folds=WalkForward(folds=2),
    costs=Costs(fee_bps=1, slippage_bps=0),
    baselines=(),
    seeds=1,
)


def study_of(candles):
    return STUDY.run(candles, ledger=Ledger.in_memory())


@pytest.fixture(scope="module")
def market():
    """2,000 bars of four hours, whose returns continue."""
    return synthetic.ar1(2_000, seed=3, phi=0.2, interval="4h").candles


@pytest.fixture(scope="module")
def result(market):
    return study_of(at_venue(market, seed=1, symbol="BTCUSDT"))


@pytest.fixture(scope="module")
def other(market):
    return at_venue(market, seed=2, symbol="BTC-USD")


@pytest.mark.parametrize("seed", range(10))
def test_an_edge_of_the_market_is_confirmed_at_another_venue(seed):
    market = synthetic.ar1(2_000, seed=seed, phi=0.2, interval="4h").candles
    result = study_of(at_venue(market, seed=100 + seed))
    found = result.confirm(at_venue(market, seed=200 + seed))
    claimed = replace(found, has_edge=True)  # as in nine of ten of these markets
    assert claimed.is_confirmed and claimed.answer.startswith("Confirmed: ")
    assert found.other.annual_return == pytest.approx(found.own.annual_return, rel=0.2)


@pytest.mark.parametrize("seed", range(10))
def test_a_gain_of_offsets_that_come_and_go_is_not_confirmed(seed):
    market = synthetic.random_walk(5_000, seed=seed, volatility=0.002, interval="4h").candles
    result = study_of(with_offsets(market, seed=1_000 + seed))
    found = result.confirm(at_venue(market, seed=2_000 + seed))
    claimed = replace(found, has_edge=True)
    assert found.own.growth_p < 0.001 and not claimed.is_confirmed
    assert claimed.answer.startswith("Not confirmed: ") and found.opens_apart_share > 0.1


@pytest.mark.parametrize("every", [2, 24])
@pytest.mark.parametrize("seed", range(3))
def test_closes_that_know_later_prices_are_not_confirmed_although_the_account_grows_elsewhere(seed, every):
    """Bars between known ones hold a part of the next move, which is one of the market: any second source gives the gain."""
    market = synthetic.random_walk(3_000, seed=seed, volatility=0.004, interval="4h").candles
    found = study_of(filled_between(market, every=every)).confirm(at_venue(market, seed=seed))
    claimed = replace(found, has_edge=True)
    assert claimed.grows and claimed.keeps_return and claimed.is_led and not claimed.is_confirmed
    assert "those of the run know later prices, or the second source lags" in claimed.answer


def test_on_the_same_bars_the_own_account_is_that_of_the_backtest(result, other):
    decided = result.positions[result.model]
    paired = pair_bars(result.candles, other, since=decided.frame["time"][0])
    assert paired.positions(decided).frame.equals(decided.frame)
    account = backtest(paired.own, decided, costs=result.costs, cash=result.cash)
    assert account.equity.equals(result.backtest.equity)


def test_orders_fill_at_the_opens_of_the_other_source_and_are_valued_at_its_closes(market):
    """By hand: bought at the second open of the other source, without costs."""
    own, other = market[:40], at_venue(market, seed=5)[:40]
    decided = Positions.from_array(own, [1.0, *[np.nan] * 39])
    paired = pair_bars(own, other, since=own.frame["close_time"][0])
    account = backtest(paired.other, paired.positions(decided), costs=Costs.free(), cash=1.0)
    assert account.equity["equity"].to_numpy()[1:] == pytest.approx(other.close[1:] / other.open[1])


def test_the_level_of_prices_does_not_count(result, other):
    prices = pl.col("open", "high", "low", "close") * 0.01
    found, scaled = result.confirm(other), result.confirm(replace(other, frame=other.frame.with_columns(prices)))
    assert scaled.other.annual_return == pytest.approx(found.other.annual_return)
    assert (scaled.opens_apart_share, scaled.is_confirmed) == (found.opens_apart_share, True)
    assert "multiplied by 99." in str(scaled) or "multiplied by 100" in str(scaled)
    assert "multiplied" not in str(found)


def test_a_decision_at_a_bar_that_the_other_lacks_fills_at_its_next_bar(market):
    own = market[:60]
    other = replace(own, frame=at_venue(own, seed=1).frame.filter(~pl.Series(np.isin(np.arange(60), [10, 11, 30]))))
    values = np.full(60, np.nan)
    values[[9, 10, 29, 31]] = [0.1, 0.2, 0.3, 0.4]
    paired = pair_bars(own, other, since=own.frame["close_time"][0])
    decided = paired.positions(Positions.from_array(own, values))
    closes = own.frame["close_time"]
    assert decided.frame["position"].to_list() == [
        0.2,
        0.3,
        0.4,
    ]  # what bars 9 and 10 decided fills at the open of bar 12
    assert decided.frame["time"].to_list() == closes.gather([9, 29, 31]).to_list()
    assert paired.missing_share == pytest.approx(3 / 60)


def test_bars_that_the_other_lacks_are_counted(result, other):
    kept = np.random.default_rng(0).random(len(other)) > 0.1
    found = result.confirm(replace(other, frame=other.frame.filter(pl.Series(kept))))
    assert found.missing_share == pytest.approx(0.1, abs=0.03) and found.is_confirmed
    assert "the second source lacks" in str(found) and f"{found.bars:,} bars" in str(found)


def test_bars_that_the_run_lacks_are_not_confirmed(market, other):
    kept = np.random.default_rng(0).random(len(market)) > 0.05
    candles = replace(at_venue(market, seed=1, symbol="BTCUSDT"), has_sessions=False)
    found = study_of(replace(candles, frame=candles.frame.filter(pl.Series(kept)))).confirm(other)
    assert found.left_out_share == pytest.approx(0.05, abs=0.02) and not replace(found, has_edge=True).is_confirmed
    assert "Not confirmed: the run lacks" in replace(found, has_edge=True).answer


def test_other_prices_make_no_edge_where_the_study_found_none():
    market = synthetic.random_walk(1_500, seed=4, interval="4h").candles
    result = study_of(market)
    found = result.confirm(at_venue(market, seed=1))
    assert not found.has_edge and not found.is_confirmed
    assert found.answer == "Nothing to confirm: the study found no edge, and other prices make none."
    forced = replace(found, other=replace(found.other, annual_return=9.0, growth_p=1e-6))
    assert not forced.is_confirmed


def test_half_of_the_return_must_be_left(result, other):
    found = result.confirm(other)
    less = replace(found, other=replace(found.other, annual_return=0.4 * found.own.annual_return))
    assert not less.is_confirmed and less.answer.endswith("less than half of the return is left.")
    luck = replace(found, other=replace(found.other, growth_p=0.06))
    assert not luck.is_confirmed and luck.answer.endswith("the account does not grow significantly.")


def test_it_is_no_trial(market):
    ledger = Ledger.in_memory()
    result = STUDY.run(at_venue(market, seed=1), ledger=ledger)
    before, verdict = ledger.count(), str(result.verdict)
    result.confirm(at_venue(market, seed=2))
    assert ledger.count() == before and str(result.verdict) == verdict


def test_it_prints_the_answer_first_and_is_json(result, other):
    found = result.confirm(other)
    text = str(found)
    assert text.startswith(found.answer) and text.endswith("The verdict stays as it is: an edge was found.")
    assert "Own prices  Other prices" in text and "BTCUSDT" in text and "BTC-USD" in text
    assert "Candles cannot show that both sources recorded their prices independently" in text
    values = json.loads(json.dumps(found.to_dict()))
    assert values["is_confirmed"] is True and values["answer"] == found.answer and values["own"]["sharpe"] > 0
    html = found._repr_html_()
    assert html.startswith("<p><strong>Confirmed") and "<table>" in html
    assert repr(found) == f"Confirmation(BTCUSDT 4h, linear: {found.answer})"


def test_frames_and_files_are_taken_as_everywhere(result, other, tmp_path):
    other.frame.write_csv(tmp_path / "BTC-USD.csv")
    expected = result.confirm(other).other
    for given in (tmp_path / "BTC-USD.csv", str(tmp_path / "BTC-USD.csv"), other.frame, other.to_pandas()):
        assert result.confirm(given).other == expected
    with pytest.raises(CandleError, match="a int is no candles"):
        result.confirm(3)


def test_a_copy_is_no_second_source(result):
    own = result.candles
    rounded = own.frame.with_columns(pl.col("open", "high", "low", "close").cast(pl.Float32).cast(pl.Float64))
    cheaper = own.frame.with_columns(pl.col("open", "high", "low", "close") / 7.0, volume=pl.lit(1.0))
    for frame in (own.frame, rounded, cheaper):
        with pytest.raises(
            ConfigError, match="to the last digit in 100.0 % of the bars: a copy, which confirms nothing"
        ):
            result.confirm(Candles.from_frame(frame, symbol="COPY", interval="4h"))


def test_a_feed_in_common_is_noted(result, other):
    prices = ["open", "high", "low", "close"]
    is_own = pl.Series(np.arange(len(other)) % 10 > 0)
    own = result.candles.frame.select(prices)
    mixed = [pl.when(is_own).then(own[name]).otherwise(pl.col(name)).alias(name) for name in prices]
    found = result.confirm(replace(other, frame=other.frame.with_columns(mixed)))
    assert 0.7 < found.equal_share < 0.9 and "both sources may have one feed in common" in str(found)
    assert result.confirm(other).equal_share < 0.1 and "in common, which" not in str(result.confirm(other))


def test_official_daily_prices_of_two_vendors_confirm_nothing():
    result = study_of(synthetic.ar1(2_000, seed=11, phi=0.3).candles)
    own = result.candles
    found = result.confirm(replace(own, frame=own.frame.with_columns(pl.col("volume") * 1.1)))
    assert found.has_edge and found.has_same_prices and not found.is_confirmed
    assert found.answer == "Not confirmed: both sources have the same prices, which confirms nothing."
    with pytest.raises(ConfigError, match="a copy, which confirms nothing"):
        result.confirm(replace(own, symbol="COPY"))


def test_days_are_paired_by_their_date():
    result = study_of(synthetic.ar1(1_500, seed=11, phi=0.3).candles)
    other = at_venue(result.candles, seed=1)
    later = other.frame.with_columns(pl.col("open_time", "close_time") + timedelta(hours=14, minutes=30))
    found = result.confirm(Candles(later, "X", other.interval))
    assert found.other == result.confirm(other).other


@pytest.mark.parametrize(("bars", "words"), [(1, "one bar later"), (-1, "one bar earlier")])
def test_candles_that_are_dated_otherwise_are_refused(result, other, bars, words):
    moved = other.frame.with_columns(pl.col("open_time", "close_time") + timedelta(hours=4 * bars))
    with pytest.raises(ConfigError, match=f"{words} than at the same time .* one of them is dated otherwise"):
        result.confirm(Candles(moved, "BTC-USD", other.interval))


def test_another_asset_is_refused(result):
    with pytest.raises(ConfigError, match="have a correlation of .* they are not prices of one asset"):
        result.confirm(replace(synthetic.random_walk(2_000, seed=9, interval="4h").candles, symbol="ETHUSDT"))


def test_an_asset_of_the_same_market_is_refused():
    """Returns of the S&P 500 and of the Nasdaq have a correlation of 0.9, but the ratio of their prices drifts."""
    own = sample("sp500")
    with pytest.raises(ConfigError, match="they are not prices of one asset"):
        pair_bars(own, sample("nasdaq"), since=own.frame["close_time"][0])


def test_another_interval_is_refused(result, other):
    with pytest.raises(ConfigError, match=r'candles of 8h; .* with candles.resample\("4h"\)'):
        result.confirm(other.resample("8h"))


def test_too_few_bars_in_common_are_refused(result, other):
    with pytest.raises(NotEnoughDataError, match=r"BTC-USD has \d+ bars of the [\d,]+ that the run was tested on"):
        result.confirm(other[-300:])
    with pytest.raises(NotEnoughDataError, match="has 0 bars"):
        result.confirm(other[:500])


def test_a_split_that_was_not_adjusted_is_refused(result, other):
    row = len(other) - 200
    factor = pl.Series(np.where(np.arange(len(other)) < row, 2.0, 1.0))
    split = replace(other, frame=other.frame.with_columns(pl.col("open", "high", "low", "close") * factor))
    with pytest.raises(ConfigError, match="jumps at .* where the candles of the run do not: .*with_real_jumps"):
        result.confirm(split)
    declared = result.confirm(split.with_real_jumps())
    assert declared.other != result.confirm(other).other


def test_unsound_candles_are_refused(result, other):
    low = other.frame.with_columns(low=pl.col("high") * 1.1)
    with pytest.raises(CandleError):
        result.confirm(replace(other, frame=low))
