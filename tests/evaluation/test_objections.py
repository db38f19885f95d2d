"""Objections: each alone turns an edge into none, and says why."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression as LeastSquares

from candlecast.backtesting import Costs, backtest, delayed, filled_at_worse
from candlecast.candles import Change
from candlecast.dataset.folds import WalkForward
from candlecast.evaluation.between_bars import BetweenBars
from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.fill_gains import FillGains
from candlecast.evaluation.stresses import Stresses
from candlecast.evaluation.tradability import tradability
from candlecast.evaluation.verdict import judge
from candlecast.features import Features, log_range, log_return, outside
from candlecast.ledger import Ledger
from candlecast.models import LinearRegression, Sklearn
from candlecast.signals import FollowDirection, InverseVolatility, Positions
from candlecast.sources import synthetic
from candlecast.study import Study
from candlecast.targets import Volatility

COSTS = Costs(fee_bps=4, slippage_bps=1)
STUDY = Study(
    model=LinearRegression(window=1),
    features=Features(log_return()),
    folds=WalkForward(folds=2),
    costs=COSTS,
    baselines=(),
    seeds=1,
)


RANGES = replace(STUDY, model=LinearRegression(window=10), features=Features(log_range()), target=Volatility())


@pytest.fixture(scope="module")
def planted():
    return STUDY.run(synthetic.ar1(3_000, seed=11, phi=0.3).candles, ledger=Ledger.in_memory())


def verdict_under(result, conditions, **prices):
    """The verdict on the same result, had market, prices and folds been such."""
    found = replace(tradability(result.candles), **prices)
    known = replace(Conditions(break_even_bps=40.0, tradability=found), **conditions)
    return judge(
        result.accuracy,
        result.backtest,
        result.summary(),
        result.primary_target,
        model=result.model,
        trained=2,
        conditions=known,
    )


def test_nothing_stands_against_an_edge_that_could_be_earned(planted):
    terms = {"delayed_return": 0.01, "worse_return": -0.4}
    verdict = verdict_under(planted, terms, half_spread_bps=3.0, tick_bps=1.0)
    assert verdict.has_edge and verdict.headline == "An edge was found, in the candles of one source."
    assert (
        "The strategy breaks even at costs of 40.0 bp a side; by these candles, half the bid-ask spread is 3.0 bp and a tick "
        "is 1.0 bp" in verdict.text
    )
    assert (
        "with fills one bar later it returns 1.0 % a year; with fills at the worse of open and close of their bar it returns "
        "-40.0 % a year" in verdict.text
    )


def test_what_is_returned_with_other_fills_is_that_of_accounts(planted):
    conditions, result = planted.verdict.evidence.conditions, planted.backtest
    accounts = {
        "delayed_return": (planted.candles, delayed(planted.candles, planted.positions[planted.model])),
        "worse_return": (filled_at_worse(planted.candles, result.fills), planted.positions[planted.model]),
    }
    for name, (candles, positions) in accounts.items():
        other = backtest(candles, positions, costs=COSTS, cash=result.cash)
        annual = dict(other.summary().select("statistic", "value").iter_rows())["annual return"]
        assert getattr(conditions, name) == pytest.approx(annual, rel=1e-9)
        assert conditions.to_dict()[name] == getattr(conditions, name) < planted.summary()["value"][0]


@pytest.mark.parametrize(
    ("conditions", "prices", "headline", "reason"),
    [
        (
            {},
            {"half_spread_bps": 40.0},
            "inside the spread, and nobody could have traded there",
            "costs at least 40.0 bp",
        ),
        ({}, {"tick_bps": 333.0}, "inside the spread, and nobody could have traded there", "costs at least 333.0 bp"),
        (
            {"break_even_bps": 4.9},
            {},
            "inside the spread",
            "breaks even at 4.9 bp a side, but a trade costs at least 5.0 bp",
        ),
        (
            {},
            {"has_stale_opens": True, "stale_open_share": 0.94},
            "prices that nobody could have traded at",
            "94 % of the opens",
        ),
        ({}, {"has_averaged_opens": True}, "prices that nobody could have traded at", "Heikin-Ashi"),
        (
            {},
            {"has_copied_bars": True, "copied_share": 0.012},
            "prices that nobody could have traded at",
            "1.2 % of the bars",
        ),
        (
            {},
            {"has_filled_weekends": True, "filled_share": 0.28},
            "prices that nobody could have traded at",
            "28 % of the bars are weekends of a closed market",
        ),
        (
            {"is_in_time_order": False},
            {},
            "No verdict on trading: the folds train on bars that come after",
            "use WalkForward",
        ),
        (
            {"between_bars": BetweenBars(step_share=0.9, step_p=0.001)},
            {},
            "the gain is made between the close of a bar and the open of the next",
            "90 % of the gain is made between adjoining bars",
        ),
        (
            {"stresses": Stresses(locked_share=0.4, locked_return=0.02, locked_p=0.3)},
            {},
            "the gain needs fills at a price limit",
            "40 % of the fills are in bars with hardly any range",
        ),
        (
            {"stresses": Stresses(locked_share=0.4, locked_return=0.05, locked_p=0.01)},
            {},
            "the gain needs fills at a price limit",
            "without these the strategy returns 5.0 % a year, instead of",
        ),
        (
            {"stresses": Stresses(carry_percent=116.0), "tables": ("funding",)},
            {},
            "the gain may be a carry that the costs leave out",
            "A carry of 116 % a year on what is held",
        ),
        (
            {"stresses": Stresses(ended=3, ended_return=0.02, ended_p=0.3)},
            {},
            "the gain needs the last closes of assets that ended",
            "3 long positions were held when the series ended",
        ),
        (
            {"stresses": Stresses(ended=1, ended_return=0.05, ended_p=0.01)},
            {},
            "the gain needs the last closes of assets that ended",
            "if it had been lost, the strategy would return 5.0 % a year, instead of",
        ),
        (
            {"stresses": Stresses(ended=4, is_ended_short=True, ended_return=0.05, ended_p=0.3)},
            {},
            "the gain needs the last closes of assets that ended",
            "if they had been bought back at twice that price, as after a takeover, the strategy would return 5.0 % a year",
        ),
        (
            {"stresses": Stresses(ended=3, before_gaps=1, ended_return=0.02, ended_p=0.3)},
            {},
            "the gain needs the last closes of assets that ended or had long gaps",
            "3 long positions were held when the series ended, or, 1 of them, into a gap so long that the symbol may be another",
        ),
        (
            {"stresses": Stresses(ended=2, before_gaps=2, ended_return=0.02, ended_p=0.3)},
            {},
            "the gain needs the last closes before long gaps",
            "2 long positions were held into a gap so long that the symbol may be another asset's after it",
        ),
        (
            {"stresses": Stresses(capped_share=0.4, capped_return=0.02, capped_p=0.3)},
            {},
            "the gain needs fills after moves that were cut",
            "40 % of the fills follow moves that pile up at one largest size",
        ),
        (
            {"worst_loss": 5.0, "bars_known": 3_000},
            {},
            "the record may lack rare large losses",
            "With one more bar that loses 99.3 %",
        ),
        (
            {"worst_loss": 0.01, "worst_stretches": ((20, 5.0),), "bars_known": 3_000},
            {},
            "the record may lack rare large losses",
            "With one more stretch of 20 bars that loses 99.3 %",
        ),
        (
            {"worst_loss": 0.01, "bars_known": 200},
            {},
            "the record may lack rare large losses",
            "200 bars are too few",
        ),
    ],
)
def test_each_objection_takes_the_claim_of_trading_away_and_leaves_the_forecast(
    planted, conditions, prices, headline, reason
):
    verdict = verdict_under(planted, conditions, **prices)
    assert (verdict.is_forecastable, verdict.pays, verdict.has_edge) == (True, False, False)
    assert headline in verdict.headline and reason in verdict.text


@pytest.mark.parametrize(
    ("rate", "tables", "has_edge"), [(116.0, (), True), (900.0, ("funding",), True), (np.nan, ("funding",), True)]
)
def test_a_carry_is_no_objection_without_tables_above_any_rate_or_where_it_is_charged(planted, rate, tables, has_edge):
    verdict = verdict_under(planted, {"stresses": Stresses(carry_percent=rate), "tables": tables})
    assert verdict.has_edge is has_edge
    assert ("A carry of 116 % a year" in verdict.text) == (rate == 116.0)
    assert "and if holding costs no more than the costs charge" in verdict.premise


def test_forecasts_in_other_units_make_no_claim():
    """Signs times 1,000 are a signal of the same account, and no forecasts of returns."""

    class Signs(LeastSquares):
        def predict(self, x):
            return 1_000.0 * np.sign(super().predict(x))

    candles = synthetic.ar1(2_000, phi=0.3, seed=0, interval="1d").candles
    study = Study(
        model=Sklearn(Signs(), name="signs"),
        features=Features(log_return()),
        rule=FollowDirection(),
        folds=WalkForward(folds=2),
        costs=Costs(fee_bps=1, slippage_bps=0),
        baselines=(),
        seeds=1,
    )
    verdict = study.run(candles, ledger=Ledger.in_memory()).verdict
    assert verdict.headline == "No verdict: the forecasts are not in the units of the target."
    assert "times that of naive" in verdict.text and not verdict.is_forecastable and not verdict.pays


def test_the_premise_of_an_edge_names_the_cost_at_which_it_ends(planted):
    for cost, words in (
        (72.0, "; if trading costs less than 72.0 bp a side; and if"),
        (np.inf, "later bars; and if holding"),
    ):
        verdict = verdict_under(planted, {"break_even_bps": cost})
        assert verdict.has_edge and words in verdict.premise and verdict.premise in verdict.reasons
        assert verdict.premise.startswith(
            "it was found in the candles of one source, and a second one can confirm it (candlecast confirm RUN FILE, or "
            "cc.confirm(result, other)); it holds if"
        )


def test_funding_that_the_costs_leave_out_is_no_edge():
    """The price rises by the funding of the next 8 hours, which is published and which the holder pays."""
    generator, bars = np.random.default_rng(60), 1_200
    signs = np.cumprod(np.where(generator.random(bars) < 1 / 3, -1.0, 1.0))
    rates = 0.002 * signs * generator.uniform(0.5, 1.5, bars)
    walk = synthetic.random_walk(bars, seed=5, volatility=0.007, interval="8h").candles
    growth = np.exp(np.cumsum(rates))
    before = np.concatenate([[1.0], growth[:-1]])
    opened, close = walk.open * before, walk.close * growth
    frame = walk.frame.with_columns(
        open=pl.Series(opened),
        close=pl.Series(close),
        high=pl.Series(np.maximum.reduce([walk.high * before, opened, close])),
        low=pl.Series(np.minimum.reduce([walk.low * before, opened, close])),
    )
    candles = replace(walk, frame=frame)
    table = frame.select(known_at=pl.col("close_time").shift(1), funding=pl.Series(rates)).drop_nulls()
    study = replace(STUDY, features=Features(outside("funding", table)), costs=Costs(fee_bps=2, slippage_bps=1))
    result = study.run(candles, ledger=Ledger.in_memory())
    assert result.backtest.trades["bars"].mean() < 5
    assert result.conditions.tables == ("funding",)
    assert result.verdict.headline == "No edge found: the gain may be a carry that the costs leave out."
    charged = replace(study, costs=replace(study.costs, borrow_percent=0.25)).run(candles, ledger=Ledger.in_memory())
    assert charged.verdict.has_edge, "of a market that charges a fee for borrowing alone"


def test_a_spread_is_no_objection_to_what_does_not_pay_anyway():
    noise = STUDY.run(synthetic.random_walk(2_000, seed=3).candles, ledger=Ledger.in_memory())
    assert verdict_under(noise, {"worst_loss": 5.0}, half_spread_bps=500.0).headline == "No edge found."


def test_prices_that_could_not_be_traded_at_are_no_headline_where_nothing_was_gained():
    noise = STUDY.run(synthetic.random_walk(2_000, seed=3).candles, ledger=Ledger.in_memory())
    verdict = verdict_under(noise, {}, has_stale_opens=True, stale_open_share=0.94)
    assert verdict.headline == "No edge found." and not verdict.pays
    told = [
        next(i for i, reason in enumerate(verdict.reasons) if words in reason) for words in ("Clark-West", "94 % of")
    ]
    assert told == sorted(told)  # the evidence first, then the prices
    assert "No verdict on trading" in verdict_under(noise, {"is_in_time_order": False}).headline


def changed(result, **columns):
    """The row of the studied model in the accuracy table with other figures."""
    values = [pl.lit(value).alias(name) for name, value in columns.items()]
    other = result.accuracy.filter(pl.col("model") == result.model).with_columns(values)
    return replace(result, trial_count=result.counted), pl.concat(
        [other, result.accuracy.filter(pl.col("model") != result.model)]
    )


@pytest.mark.parametrize(
    ("figures", "said"), [({"r2": 0.51}, "an R2 of 51 %"), ({"hit_rate": 0.76}, "a hit rate of 76 %")]
)
def test_figures_that_no_market_gives_stop_the_verdict_with_a_question(planted, figures, said):
    result, accuracy = changed(planted, **figures)
    verdict = judge(accuracy, result.backtest, result.summary(), result.primary_target, model=result.model, trained=2)
    assert not verdict.is_forecastable and not verdict.pays
    assert verdict.headline.endswith("Does a feature, the target or the model see the future?")
    assert f"{said[0].upper()}{said[1:]} out of sample is a sign of leakage" in verdict.text


def test_the_strongest_honest_market_is_not_questioned():
    """An R2 of 25 % and a hit rate of two thirds are far beyond any liquid market, and still within what is believed."""
    strong = replace(STUDY, costs=Costs.free()).run(
        synthetic.ar1(3_000, seed=5, phi=0.5).candles, ledger=Ledger.in_memory()
    )
    assert strong.verdict.has_edge


def test_a_sharpe_ratio_a_year_that_no_market_gives_is_questioned_of_short_bars():
    """What is believed of a bar of a day is far too much of one of an hour; a short record is not sure of it."""
    hours = synthetic.ar1(3_000, seed=5, phi=0.2, interval="1h").candles
    days = synthetic.ar1(3_000, seed=5, phi=0.2, interval="1d").candles
    study = replace(STUDY, costs=Costs.free())
    found, believed, brief = (
        study.run(each, ledger=Ledger.in_memory()).verdict for each in (hours, days, hours[-200:])
    )
    assert found.headline.startswith("No verdict: the result is better than any market gives.")
    assert re.search(r"A Sharpe ratio of [12]\d\.\d a year out of sample", found.text) and believed.has_edge
    assert "better than any market gives" not in brief.headline


def jump(candles, bar, factor):
    """The price is multiplied from one bar on, within that bar."""
    m = np.ones(len(candles))
    m[bar:] = factor
    opened, closed = candles.open * np.r_[1.0, m[:-1]], candles.close * m
    return replace(
        candles,
        frame=candles.frame.with_columns(
            open=pl.Series(opened),
            close=pl.Series(closed),
            high=pl.Series(np.maximum(candles.high * m, np.maximum(opened, closed))),
            low=pl.Series(np.minimum(candles.low * np.r_[1.0, m[:-1]], np.minimum(opened, closed))),
        ),
    )


def test_ruin_ends_the_claim_and_is_dated():
    candles = synthetic.ar1(6_000, seed=5, phi=0.5, volatility=0.05).candles
    falls = np.flatnonzero(np.diff(np.log(candles.close))[4_800:5_000] < -0.05)
    ruined = STUDY.run(jump(candles, int(falls[0]) + 4_802, 2.3), ledger=Ledger.in_memory())
    date = f"{ruined.backtest.ruined_at:%Y-%m-%d}"
    assert ruined.verdict.is_forecastable and not ruined.verdict.pays
    assert ruined.verdict.headline == f"No edge: the account was ruined on {date}."
    assert ruined.verdict.evidence.return_p == 1.0 and ruined.verdict.evidence.deflated_sharpe == 0.0
    alive = ruined.backtest.equity.filter(pl.col("equity") > 0).height
    years = ruined.verdict.evidence.years * ruined.backtest.bars_per_year
    assert years == pytest.approx(alive)  # what comes after dilutes nothing


def test_what_compounds_is_tested_not_the_mean():
    """10 % of volatility a bar: the mean return is above zero, and the account still shrinks."""
    by_sign = replace(STUDY, rule=FollowDirection())
    shrinking = by_sign.run(
        synthetic.ar1(6_000, seed=103, phi=0.05, volatility=0.10).candles, ledger=Ledger.in_memory()
    )
    assert shrinking.backtest.returns.mean() > 0
    assert np.log1p(shrinking.backtest.returns).mean() < 0
    assert shrinking.verdict.evidence.return_p > 0.4 and not shrinking.verdict.has_edge


def split(candles, bar):
    """The candles with a split of 2 for 1 that nobody adjusted."""
    half = pl.when(pl.int_range(pl.len()) >= bar).then(0.5).otherwise(1.0)
    return replace(candles, frame=candles.frame.with_columns(pl.col("open", "high", "low", "close") * half))


def test_no_verdict_across_a_split_that_was_not_adjusted_unless_it_is_declared_a_move():
    candles = split(synthetic.ar1(3_000, seed=11, phi=0.3).candles, 2_000)
    verdict = STUDY.run(candles, ledger=Ledger.in_memory()).verdict
    assert (verdict.is_forecastable, verdict.pays) == (False, False)
    assert verdict.headline == "No verdict: the prices jump as after a split that was not adjusted."
    assert "a split 2 for 1 that was not adjusted" in verdict.text and "--real-jumps" in verdict.text
    assert len(verdict.notices) == 1 and verdict.notices[0].startswith("1 bar as after a split, first")
    declared = STUDY.run(candles.with_real_jumps(), ledger=Ledger.in_memory()).verdict
    assert not declared.headline.startswith("No verdict") and declared.notices == verdict.notices
    assert "The candles were changed before anything was computed: 1 bar accepted (jumps like splits" in declared.text


def test_what_was_mended_is_told_in_the_verdict(planted):
    mended = planted.candles.recorded(Change("dropped", 3, "prices outside low..high"))
    verdict = STUDY.run(mended, ledger=Ledger.in_memory()).verdict
    assert (
        "The candles were changed before anything was computed: 3 bars dropped (prices outside low..high)."
        in verdict.text
    )
    assert verdict.to_dict()["changes"] == ["3 bars dropped (prices outside low..high)"]


def test_a_gain_from_lagging_opens_is_no_edge(planted):
    assert verdict_under(planted, {"middle_bps": 10.1}).has_edge
    verdict = verdict_under(planted, {"middle_bps": 9.9})
    assert verdict.is_forecastable and not verdict.pays
    assert verdict.headline == "No edge found: the gain comes from opens that lag behind the market."
    assert "the break-even cost falls from 40.0 to 9.9 bp a side" in verdict.text


@pytest.mark.parametrize("middle", [np.inf, 500.0])
def test_an_account_that_earns_at_any_cost_does_not_lag(planted, middle):
    verdict = verdict_under(planted, {"break_even_bps": np.inf, "middle_bps": middle})
    assert verdict.has_edge and "The strategy earns at any cost" in verdict.text and "inf" not in verdict.text


GAINED = FillGains(at_fill_bps=9.0, at_fill_p=0.001)


def test_a_gain_at_the_fill_is_no_edge(planted):
    verdict = verdict_under(planted, {"fill_gains": GAINED})
    assert verdict.headline == "No edge found: the gain comes from opens that lag behind the market."
    assert "f the 40.0 bp a side that it earns before costs, about 9.0 bp are made at the fill" in verdict.text
    assert verdict_under(planted, {"fill_gains": replace(GAINED, at_fill_bps=7.9)}).has_edge
    assert verdict_under(planted, {"fill_gains": replace(GAINED, at_fill_p=0.006)}).has_edge
    unlikely = FillGains(at_fill_bps=1.0, at_fill_p=0.2)  # the bars continue from the middle by chance
    assert verdict_under(planted, {"middle_bps": 9.0, "fill_gains": unlikely}).has_edge
    likely = FillGains(at_fill_bps=6.0, at_fill_p=0.02)
    assert not verdict_under(planted, {"middle_bps": 9.0, "fill_gains": likely}).pays


@pytest.mark.parametrize(
    ("conditions", "headline", "reason"),
    [
        (
            {"fill_gains": FillGains(repeated_share=0.4, put_off_return=0.012, put_off_p=0.2)},
            "the gain comes from opens that repeat the close before",
            "with those put off to the next open the strategy returns 1.2 % a year, which is not significant (p-value 0.20)",
        ),
        (
            {"stresses": Stresses(participation=3.0, is_in_units=True, largest_cash=333.3)},
            "the orders are too large for the market",
            "the median order is 3 times the volume of its bar; it would be 10 % with a cash of 333.3",
        ),
        (
            {"stresses": Stresses(unpaid_return=-0.01, unpaid_p=0.7)},
            "the gain is what the costs pay",
            "the strategy returns -1.0 % a year, which is not significant (p-value 0.70)",
        ),
    ],
)
def test_accounts_that_nobody_could_have_had_are_no_edge(planted, conditions, headline, reason):
    verdict = verdict_under(planted, conditions)
    assert verdict.is_forecastable and not verdict.pays
    assert headline in verdict.headline and reason.lower() in verdict.text.lower()


def test_what_an_edge_depends_on_is_said(planted):
    known = {
        "fill_gains": FillGains(repeated_share=0.2, put_off_return=0.08, put_off_p=0.01),
        "stresses": Stresses(unpaid_return=0.1, unpaid_p=0.01, participation=0.05, largest_cash=20_000.0),
        "outside": ("rate",),
    }
    verdict = verdict_under(planted, known)
    assert verdict.has_edge
    for words in (
        "with those put off to the next open the strategy returns 8.0 % a year",
        "is 5.0 % of the volume of its bar, if it is counted in units of the asset or in money",
        "it would be 10 % with a cash of 20,000",
        "(rebates, negative extra costs, funding, interest) the strategy returns 10.0 % a year",
        "The forecast uses data from outside (rate)",
    ):
        assert words in verdict.text
    assert "carry" not in verdict.text  # it trades at each change of direction


def test_a_shifted_volume_stops_the_verdict_with_a_question(planted):
    verdict = verdict_under(planted, {}, has_early_volume=True)
    assert not verdict.is_forecastable and verdict.headline.endswith("Is the column shifted?")
    verdict = verdict_under(planted, {}, has_early_volume=True, early_activity=("taker_volume",))
    assert not verdict.is_forecastable
    assert verdict.headline == "No verdict: volume, taker_volume may be of a later bar. Are columns shifted?"


def test_typical_prices_as_closes_are_no_edge():
    """The mean of high, low and close lags behind the close; whoever buys at it as the next open buys at a price gone by."""
    market = synthetic.random_walk(3_000, seed=1).candles
    close = (market.high + market.low + market.close) / 3
    opened = np.r_[market.open[0], close[:-1]]
    prices = {
        "open": opened,
        "high": np.maximum(market.high, np.maximum(opened, close)),
        "low": np.minimum(market.low, np.minimum(opened, close)),
        "close": close,
    }
    lagging = replace(market, frame=market.frame.with_columns(pl.Series(name, each) for name, each in prices.items()))
    verdict = STUDY.run(lagging, ledger=Ledger.in_memory()).verdict
    assert verdict.is_forecastable and not verdict.has_edge
    assert verdict.evidence.conditions.middle_bps < 0.25 * verdict.evidence.conditions.break_even_bps


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        ({"has_spikes": True, "spike_share": 0.021}, "2.1 % of the bars close far from the bars before and after"),
        ({"has_lines": True, "interpolated_share": 0.05}, "5.0 % of the bars look interpolated"),
        (
            {"has_smoothed_prices": True, "range_ratio": 1.62, "autocorrelation": 0.4},
            "1.6 times in variance, although these moves go on (autocorrelation 0.40)",
        ),
        ({"has_repeats": True, "repeated_share": 0.02}, "2.0 % of the bars repeat a stretch of earlier bars"),
        (
            {"has_block_lines": True, "line_block": "week", "block_excess": 0.62, "block_statistic": 5.23},
            "oves go on within a week and not from one to the next: its variance is 62 % too large for that, 5.2 standard",
        ),
        (
            {"has_block_paths": True, "path_block": "trading day", "path_share": 0.97},
            "f each trading day that ends near its beginning, the order of low and high tells whether it rises, in 97 % of them",
        ),
        ({"has_returning_weekends": True, "weekend_ratio": 0.12}, "of a weekend is 12 % of that of its halves"),
    ],
)
def test_bad_prints_and_interpolated_bars_are_named(planted, prices, words):
    verdict = verdict_under(planted, {}, **prices)
    assert "prices that nobody could have traded at" in verdict.headline and words in verdict.text


def test_a_constant_exposure_is_no_skill():
    """A volatility can be forecast, and being short all the time earns in a falling market: two answers, and no edge."""

    def always_short(forecast):
        return Positions(forecast.averaged().frame.select("time", "symbol", position=pl.lit(-0.5)))

    falling = synthetic.garch(3_000, seed=3, alpha=0.1, beta=0.88, degrees=8)
    fall = np.exp(-0.002 * np.arange(3_000))
    prices = [pl.col(name) * pl.Series(fall) for name in ("open", "high", "low", "close")]
    candles = replace(falling.candles, frame=falling.candles.frame.with_columns(prices))
    short = replace(RANGES, rule=always_short).run(candles, ledger=Ledger.in_memory()).verdict
    assert short.is_forecastable and short.evidence.return_p < 0.05
    assert short.evidence.timing_p > 0.05 and not short.pays


def test_a_constant_leveraged_exposure_is_no_skill():
    """Twice the market earns more than the market: the mean position is held with the same leverage."""

    def always_double(forecast):
        held = forecast.averaged().frame.select("time", "symbol", position=pl.lit(2.0))
        return Positions(held, leverage=2.0)

    rising = synthetic.random_walk(3_000, seed=3, drift=0.002)
    double = replace(STUDY, rule=always_double).run(rising.candles, ledger=Ledger.in_memory()).verdict
    assert double.evidence.return_p < 0.05
    assert double.evidence.timing_p > 0.05


def test_timing_of_volatility_is_judged_at_equal_risk():
    """Where volatility changes and drift does not, holding less before large moves lowers the risk and not the mean return."""
    world = synthetic.regime_volatility(3_000, seed=2, calm=0.005, wild=0.03)
    growth = np.exp(0.002 * np.arange(3_000))
    prices = [pl.col(name) * pl.Series(growth) for name in ("open", "high", "low", "close")]
    candles = replace(world.candles, frame=world.candles.frame.with_columns(prices))
    study = replace(RANGES, rule=InverseVolatility(power=2.0, usual=0.5, band=0.25))
    result = study.run(candles, ledger=Ledger.in_memory())
    account, static = result.backtest, result.verdict.evidence.conditions.static_returns
    assert result.verdict.evidence.conditions.is_at_equal_risk
    assert np.std(static) == pytest.approx(np.std(account.returns), rel=0.01)
    held = account.equity["position"].to_numpy().mean()
    assert np.std(static) < 0.95 * held * np.std(account.benchmark_returns)
    assert result.verdict.evidence.timing_p < 0.05
    assert "(H0: return no higher than that of holding at equal risk)" in result.verdict.text


def test_more_risk_than_the_mean_position_has_is_judged_at_the_mean_position():
    """A rule that holds more before large moves has more risk: the constant position is not raised to it."""

    def more_when_wide(forecast):
        frame = forecast.averaged().frame
        wide = frame["mean"] > np.log(0.02)
        return Positions(frame.select("time", "symbol", position=pl.Series(np.where(wide, 1.0, 0.2))))

    world = synthetic.regime_volatility(3_000, seed=2, calm=0.005, wild=0.03)
    result = replace(RANGES, rule=more_when_wide).run(world.candles, ledger=Ledger.in_memory())
    mean = result.backtest.equity["position"].to_numpy().mean()
    static = result.verdict.evidence.conditions.static_returns
    assert np.std(static) < np.std(result.backtest.returns)
    assert np.std(static) == pytest.approx(mean * np.std(result.backtest.benchmark_returns), rel=0.02)


def test_interest_is_no_skill():
    """Interest on cash is earned by anybody who holds cash."""
    costs = Costs(fee_bps=1, slippage_bps=1, interest_percent=20)
    study = replace(RANGES, rule=Thin(), costs=costs)
    verdict = study.run(synthetic.garch(3_000, seed=1, alpha=0.1, beta=0.88).candles, ledger=Ledger.in_memory()).verdict
    assert verdict.is_forecastable and verdict.evidence.return_p < 0.05
    assert verdict.evidence.timing_p > 0.05 and not verdict.pays


class Thin:
    """One part in a hundred of what the inverse of volatility would hold."""

    def __call__(self, forecast):
        held = InverseVolatility()(forecast)
        return replace(held, frame=held.frame.with_columns(pl.col("position") * 0.01))


@pytest.mark.parametrize(
    ("conditions", "prices", "words"),
    [
        ({"between_bars": BetweenBars(closed_share=0.95)}, {}, "95 % of the gain is made while the market is closed"),
        (
            {},
            {"has_volume": False},
            "the candles have no volume: an index, a rate or any published number cannot be held",
        ),
        ({"stresses": Stresses(locked_share=0.01, locked_return=3.0, locked_p=0.001)}, {}, ""),
        ({"between_bars": BetweenBars(step_share=0.4, step_p=0.001)}, {}, ""),
        ({"between_bars": BetweenBars(step_share=0.9, step_p=0.2)}, {}, ""),
    ],
)
def test_what_is_no_objection_is_a_sentence_or_nothing(planted, conditions, prices, words):
    verdict = verdict_under(planted, conditions, **prices)
    assert verdict.has_edge
    assert words.lower() in verdict.text.lower()
    if not words:
        assert not any(each in verdict.text for each in ("adjoining", "price limit", "market is closed"))
