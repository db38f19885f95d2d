"""An edge in the candles of a second source: what confirms it, what does not, and what is no second source."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from candlecast.backtesting import Costs, backtest
from candlecast.candles import Candles
from candlecast.confirmation import confirm
from candlecast.confirmation.second_source import pair_bars
from candlecast.dataset.folds import WalkForward
from candlecast.errors import CandleError, ConfigError, NotEnoughDataError, RunError
from candlecast.features import Features, feature, log_return, of, sma_ratio, taker_imbalance
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression
from candlecast.signals import Positions
from candlecast.sources import sample, synthetic
from candlecast.study import Study
from venues import at_venue, filled_between, with_day_totals, with_fading_noise, with_flow, with_offsets

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


def with_claim(result):
    """The result as if its verdict were an edge."""
    result.__dict__["verdict"] = replace(result.verdict, is_forecastable=True, pays=True)
    return result


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


@pytest.mark.parametrize("seed", range(3))
def test_an_edge_of_the_market_is_confirmed_at_another_venue(seed):
    market = synthetic.ar1(2_000, seed=seed, phi=0.2, interval="4h").candles
    result = study_of(at_venue(market, seed=100 + seed))
    found = confirm(result, at_venue(market, seed=200 + seed))
    assert result.verdict.has_edge and found.is_confirmed
    assert found.answer == "Confirmed: the same study finds an edge in the candles of the second source as well."
    assert found.other.annual_return == pytest.approx(found.own.annual_return, rel=0.2)


@pytest.mark.parametrize("seed", range(2))
def test_columns_that_know_later_bars_are_not_confirmed(seed):
    """Totals of the day beside each of its hours pass all tests of one file, and foretell the next bars at any prices."""
    market = synthetic.random_walk(4_000, seed=seed, volatility=0.01, interval="4h").candles
    study = replace(STUDY, features=Features(log_return(), taker_imbalance()))
    own = with_day_totals(with_flow(at_venue(market, seed=100 + seed), seed=seed), bars=24)
    result = study.run(own, ledger=Ledger.in_memory())
    found = confirm(result, with_flow(at_venue(market, seed=200 + seed), seed=300 + seed))
    assert result.verdict.has_edge and not found.is_confirmed
    assert found.answer == ("Not confirmed: on the candles of the second source the same study says: no edge found.")
    with pytest.raises(
        ConfigError, match="cannot be repeated on the second source: taker_imbalance .* needs taker_vol"
    ):
        confirm(result, at_venue(market, seed=1))


@pytest.mark.parametrize("seed", range(2))
def test_gains_in_the_prices_of_one_source_are_not_confirmed(seed):
    """Offsets that come and go, and noise of each source's own that fades over the next bar: orders earn nothing elsewhere."""
    walk = synthetic.random_walk(5_000, seed=seed, volatility=0.002, interval="4h").candles
    for own, other in (
        (with_offsets(walk, seed=1_000 + seed), at_venue(walk, seed=2_000 + seed)),
        (with_fading_noise(walk, seed=1_000 + seed), with_fading_noise(walk, seed=2_000 + seed)),
    ):
        ledger = Ledger.in_memory()
        result = with_claim(replace(STUDY, costs=Costs(fee_bps=0.1, slippage_bps=0)).run(own, ledger=ledger))
        found = confirm(result, other)
        assert found.kept.growth_p < 0.05 and not found.is_crossed and not found.is_confirmed
        assert found.other is None and ledger.count() == 1
        assert found.answer.startswith(
            "Not confirmed: filled at the prices of the second source, the orders of the run earn"
        )
        assert found.answer.endswith("most of the gain is in the prices of one source.")


def test_the_study_is_repeated_on_nothing_but_the_second_source():
    """Closes on a straight line between known ones know a part of the next move, of any source: those of the second do not."""
    walk = synthetic.random_walk(3_000, seed=3, volatility=0.004, interval="4h").candles
    other, result = at_venue(walk, seed=1), study_of(filled_between(walk, every=2))
    found = confirm(with_claim(result), other)
    assert found.is_crossed and not found.is_confirmed
    assert found.other.annual_return == pytest.approx(study_of(other).summary()["value"][0])


def test_the_orders_must_grow_significantly_and_keep_half_of_the_return(result, other):
    found = confirm(result, other)
    less, half = ({"annual_return": share * found.kept.annual_return} for share in (0.49, 0.51))
    for change, is_crossed in ((less, False), (half, True), ({"growth_p": 0.051}, False), ({"growth_p": 0.049}, True)):
        assert replace(found, crossed=replace(found.crossed, **change)).is_crossed is is_crossed
    luck = replace(found, crossed=replace(found.crossed, growth_p=0.051), other=None)
    assert not luck.is_worth_repeating and "(p-value of no growth 0.051): most of the gain" in luck.answer


def test_the_own_orders_at_the_own_prices_are_the_backtest(result, other):
    """By hand, too: bought at the second open of the other source, without costs."""
    decided = result.positions[result.model]
    paired = pair_bars(result.candles, other, since=decided.frame["time"][0])
    account = backtest(paired.own, paired.positions(decided), costs=result.costs, cash=result.cash)
    assert account.equity.equals(result.backtest.equity)
    one = Positions.from_array(paired.own, [1.0, *[np.nan] * (len(paired.own) - 1)])
    account = backtest(paired.other, paired.positions(one), costs=Costs.free(), cash=1.0)
    assert account.equity["equity"].to_numpy()[1:] == pytest.approx(paired.other.close[1:] / paired.other.open[1])


def test_a_decision_at_a_bar_that_the_other_lacks_fills_at_its_next_bar(market):
    own = market[:60]
    other = replace(own, frame=at_venue(own, seed=1).frame.filter(~pl.Series(np.isin(np.arange(60), [10, 11, 30]))))
    values = np.full(60, np.nan)
    values[[9, 10, 29, 31]] = [0.1, 0.2, 0.3, 0.4]
    paired = pair_bars(own, other, since=own.frame["close_time"][0])
    decided = paired.positions(Positions.from_array(own, values))
    assert decided.frame["position"].to_list() == [
        0.2,
        0.3,
        0.4,
    ]  # what bars 9 and 10 decided fills at the open of bar 12
    assert decided.frame["time"].to_list() == own.frame["close_time"].gather([9, 29, 31]).to_list()


def test_a_study_of_other_candles_too_is_not_confirmed(market, other):
    """Those are the same on both sides, whatever is wrong with their times."""
    own, leader = at_venue(market, seed=1), replace(at_venue(market, seed=8), symbol="LEADER")
    study = replace(STUDY, features=Features(log_return(), of(leader, log_return())))
    found = confirm(with_claim(study.run(own, ledger=Ledger.in_memory())), other)
    assert found.other is None and not found.is_confirmed
    assert found.answer.startswith("Not confirmed: the study uses other candles or tables (LEADER 4h)")


def test_bars_outside_the_time_of_the_run_are_left_out(result, other, market):
    short = study_of(result.candles[100:-100])
    found = confirm(short, other)
    assert found.other == confirm(replace(short), other[100:-100]).other
    assert found.first >= short.forecast.frame["time"][0] and found.last <= short.candles.frame["close_time"][-1]


def test_the_level_of_prices_does_not_count(result, other):
    prices = pl.col("open", "high", "low", "close") * 0.01
    found, scaled = confirm(result, other), confirm(result, replace(other, frame=other.frame.with_columns(prices)))
    assert scaled.other.annual_return == pytest.approx(found.other.annual_return)
    assert (scaled.opens_apart_share, scaled.is_confirmed) == (found.opens_apart_share, True)
    assert "at another level (those of the run are 100" in str(scaled) or "of the run are 99.9" in str(scaled)
    assert "another level" not in str(found)


def test_sources_of_one_name_are_told_apart(result, other):
    assert "BTCUSDT of the run and BTCUSDT of the second source have" in str(
        confirm(result, replace(other, symbol="BTCUSDT"))
    )


def test_bars_that_the_other_lacks_are_counted(result, other):
    kept = np.random.default_rng(0).random(len(other)) > 0.02
    found = confirm(result, replace(other, frame=other.frame.filter(pl.Series(kept))).with_max_gap(2))
    assert found.missing_share == pytest.approx(0.02, abs=0.01)
    assert "the second source lacks" in str(found) and f"{found.bars:,} tested bars" in str(found)


def test_where_no_edge_was_found_nothing_is_repeated(market, other):
    ledger = Ledger.in_memory()
    result = STUDY.run(at_venue(market, seed=1), ledger=ledger)
    result.__dict__["verdict"] = replace(result.verdict, pays=False)
    found = confirm(result, other)
    assert found.is_crossed and not found.is_confirmed and found.other is None and ledger.count() == 1
    assert found.answer == "Nothing to confirm: the study found no edge, and other candles make none."
    assert "Second source" not in str(found) and json.loads(json.dumps(found.to_dict()))["other"] is None


def test_it_is_one_more_trial_and_the_verdict_on_the_run_stays(market):
    ledger = Ledger.in_memory()
    result = STUDY.run(at_venue(market, seed=1), ledger=ledger)
    before, verdict = ledger.count(), str(result.verdict)
    first, again = (confirm(result, at_venue(market, seed=2)) for _ in range(2))
    assert ledger.count() == before + 1 and str(result.verdict) == verdict and first == again
    confirm(result, at_venue(market, seed=3))
    assert ledger.count() == before + 2


def test_a_view_is_repeated_as_a_view(result, other):
    view = with_claim(result.between("2015-08-01"))
    found = confirm(view, other)
    assert found.first == view.forecast.frame["time"][0]
    assert found.other.annual_return == pytest.approx(study_of(other).between("2015-08-01").summary()["value"][0])


def test_a_study_with_code_of_the_users_is_given(market):
    @feature(warmup=1)
    def move(candles):
        return np.diff(np.log(candles.close), prepend=np.nan)

    study = replace(STUDY, features=Features(move))
    result = study.run(at_venue(market, seed=1), ledger=Ledger.in_memory())
    with pytest.raises(RunError, match=r"confirm\(study=...\)"):
        confirm(result, at_venue(market, seed=2))
    assert confirm(result, at_venue(market, seed=2), study=study).is_confirmed
    with pytest.raises(RunError, match="not the study of the run"):
        confirm(result, at_venue(market, seed=2), study=STUDY)


def test_it_prints_the_answer_first_and_is_json(result, other):
    found = confirm(result, other)
    text = str(found)
    assert text.startswith(found.answer)
    assert text.endswith("The verdict on the run stays as it is: an edge was found, in the candles of one source.")
    assert "Own source  Second source" in text and "BTCUSDT" in text and "BTC-USD" in text
    assert "Candles cannot show that both sources recorded their prices independently" in text
    values = json.loads(json.dumps(found.to_dict()))
    assert values["is_confirmed"] is True and values["answer"] == found.answer and values["own"]["sharpe"] > 0
    html = found._repr_html_()
    assert html.startswith("<p><strong>Confirmed") and "<table>" in html
    assert repr(found) == f"Confirmation(BTCUSDT 4h, linear: {found.answer})"


def test_frames_and_files_are_taken_as_everywhere(result, other, tmp_path):
    other.frame.write_csv(tmp_path / "BTC-USD.csv")
    expected = confirm(result, other).other.annual_return
    for given in (tmp_path / "BTC-USD.csv", str(tmp_path / "BTC-USD.csv"), other.frame, other.to_pandas()):
        assert confirm(result, given).other.annual_return == expected
    with pytest.raises(CandleError, match="a int is no candles"):
        confirm(result, 3)


def test_a_copy_is_no_second_source(result):
    own = result.candles
    rounded = own.frame.with_columns(pl.col("open", "high", "low", "close").cast(pl.Float32).cast(pl.Float64))
    cheaper = own.frame.with_columns(pl.col("open", "high", "low", "close") / 7.0, volume=pl.lit(1.0))
    for frame in (own.frame, rounded, cheaper):
        with pytest.raises(
            ConfigError, match="to the last digit in 100.0 % of the bars: a copy, which confirms nothing"
        ):
            confirm(result, Candles.from_frame(frame, symbol="COPY", interval="4h"))


def test_a_feed_in_common_is_noted(result, other):
    prices = ["open", "high", "low", "close"]
    is_own = pl.Series(np.arange(len(other)) % 10 > 0)
    own = result.candles.frame.select(prices)
    mixed = [pl.when(is_own).then(own[name]).otherwise(pl.col(name)).alias(name) for name in prices]
    found = confirm(result, replace(other, frame=other.frame.with_columns(mixed)))
    assert 0.7 < found.equal_share < 0.9 and "both sources may have one feed in common" in str(found)
    assert confirm(result, other).equal_share < 0.1 and "in common, which" not in str(confirm(result, other))


def test_official_daily_prices_of_two_vendors_confirm_nothing():
    result = study_of(synthetic.ar1(2_000, seed=11, phi=0.3).candles)
    own = result.candles
    found = confirm(result, replace(own, frame=own.frame.with_columns(pl.col("volume") * 1.1)))
    assert found.own.has_edge and found.has_same_prices and found.other is None and not found.is_confirmed
    assert found.answer == "Not confirmed: both sources have the same prices, which confirms nothing."
    with pytest.raises(ConfigError, match="a copy, which confirms nothing"):
        confirm(result, replace(own, symbol="COPY"))


def test_days_are_paired_by_their_date():
    result = study_of(synthetic.ar1(1_500, seed=11, phi=0.3).candles)
    other = at_venue(result.candles, seed=1)
    later = other.frame.with_columns(pl.col("open_time", "close_time") + timedelta(hours=14, minutes=30))
    found = confirm(result, Candles(later, "X", other.interval))
    assert found.other.annual_return == confirm(result, other).other.annual_return


@pytest.mark.parametrize(("bars", "words"), [(1, "one bar later"), (-1, "one bar earlier")])
def test_candles_that_are_dated_otherwise_are_refused(result, other, bars, words):
    moved = other.frame.with_columns(pl.col("open_time", "close_time") + timedelta(hours=4 * bars))
    with pytest.raises(ConfigError, match=f"{words} than at the same time .* one of them is dated otherwise"):
        confirm(result, Candles(moved, "BTC-USD", other.interval))


def test_another_asset_is_refused(result):
    with pytest.raises(ConfigError, match="have a correlation of .* they are not prices of one asset"):
        confirm(result, replace(synthetic.random_walk(2_000, seed=9, interval="4h").candles, symbol="ETHUSDT"))


def test_an_asset_of_the_same_market_is_refused():
    """Returns of the S&P 500 and of the Nasdaq have a correlation of 0.9, but the ratio of their prices drifts."""
    own = sample("sp500")
    with pytest.raises(ConfigError, match="they are not prices of one asset"):
        pair_bars(own, sample("nasdaq"), since=own.frame["close_time"][0])


def test_another_interval_is_refused(result, other):
    with pytest.raises(ConfigError, match=r'candles of 8h; .* with candles.resample\("4h"\)'):
        confirm(result, other.resample("8h"))


def test_too_few_bars_in_common_are_refused(result, other):
    with pytest.raises(NotEnoughDataError, match=r"BTC-USD has \d+ bars of the [\d,]+ that the run was tested on"):
        confirm(result, other[-300:])
    with pytest.raises(NotEnoughDataError, match="has 0 bars"):
        confirm(result, other[:500])


def test_a_split_that_was_not_adjusted_is_refused(result, other):
    row = len(other) - 200
    factor = pl.Series(np.where(np.arange(len(other)) < row, 2.0, 1.0))
    split = replace(other, frame=other.frame.with_columns(pl.col("open", "high", "low", "close") * factor))
    with pytest.raises(ConfigError, match="jumps at .* where the candles of the run do not: .*with_real_jumps"):
        confirm(result, split)
    assert confirm(result, split.with_real_jumps()).crossed != confirm(result, other).crossed


def test_unsound_candles_are_refused(result, other):
    low = other.frame.with_columns(low=pl.col("high") * 1.1)
    with pytest.raises(CandleError):
        confirm(result, replace(other, frame=low))
