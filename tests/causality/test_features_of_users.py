"""Features of users as a walk begins: what looks ahead or holds its answers ready is refused, what computes is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import candlecast as cc
from candlecast import causality
from candlecast.causality import require_causal_features
from candlecast.causality.features import is_ours, require_causal_everywhere
from candlecast.errors import LookaheadError
from candlecast.features import Feature, Features, log_return, rsi, time_of_day
from candlecast.sources import synthetic
from candlecast.testing import check_feature

HOURLY = synthetic.garch(6_000, seed=1, interval="1h").candles
DAILY = cc.sample("sp500")
MARKETS = {"hourly": HOURLY, "daily": DAILY}


def returns(candles):
    return np.append(0.0, np.diff(np.log(candles.close)))


def hours(candles):
    return candles.close_time.astype("datetime64[h]").astype(int) % 24


def dates(candles):
    return pd.DatetimeIndex(candles.close_time)


class Answers:
    """Tomorrow's returns of some candles, found again in many ways."""

    def __init__(self, candles):
        self.next = np.append(np.diff(np.log(candles.close)), 0.0)
        self.times, self.close = candles.close_time, candles.close
        self.after = np.append(candles.close[1:], candles.close[-1])
        self.of = {
            "time": dict(zip(candles.close_time.tolist(), self.next, strict=True)),
            "day": {str(time)[5:13]: value for time, value in zip(candles.close_time, self.next, strict=True)},
            "close": dict(zip(candles.close.tolist(), self.next, strict=True)),
            "return": dict(zip(np.round(returns(candles), 8).tolist(), self.next, strict=True)),
            "volume": dict(zip(candles.volume.tolist(), self.next, strict=True)),
        }

    def by(self, key, values, default=0.0):
        return np.array([self.of[key].get(value, default) for value in values])


PEEKING = {
    "tomorrow": lambda a, c: np.append(c.close[1:] / c.close[:-1] - 1, 0.0),
    "score of all rows": lambda a, c: (c.close - c.close.mean()) / c.close.std(),
    "by time": lambda a, c: np.array([a.of["time"][time] for time in c.close_time.tolist()]),
    "by time, nothing where there is none": lambda a, c: a.by("time", c.close_time.tolist()),
    "by time, between": lambda a, c: np.interp(c.close_time.astype(float), a.times.astype(float), a.next),
    "by time, beside the return": lambda a, c: returns(c) + a.by("time", c.close_time.tolist()),
    "by time, the sign": lambda a, c: np.sign(a.by("time", c.close_time.tolist())),
    "by time, where much happens": lambda a, c: np.where(
        np.abs(a.by("time", c.close_time.tolist())) > 0.02, a.by("time", c.close_time.tolist()), returns(c)
    ),
    "by month, day and hour": lambda a, c: a.by("day", [str(time)[5:13] for time in c.close_time]),
    "by row": lambda a, c: a.next[: len(c)],
    "by row, beside the return": lambda a, c: a.next[: len(c)] + returns(c),
    "by row, against the price": lambda a, c: a.after[: len(c)] / c.close - 1,
    "by row, in the newer part": lambda a, c: np.where(
        np.arange(len(c)) > 0.8 * len(a.next), a.next[: len(c)], returns(c)
    ),
    "by price": lambda a, c: a.by("close", c.close.tolist()),
    "by price, beside the return": lambda a, c: returns(c) + a.by("close", c.close.tolist()),
    "by return": lambda a, c: a.by("return", np.round(returns(c), 8).tolist()),
    "by volume": lambda a, c: a.by("volume", c.volume.tolist(), np.nan),
}


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", PEEKING)
def test_a_feature_that_knows_its_answers_is_refused(name, market):
    candles = MARKETS[market]
    answers = Answers(candles)
    peeking = Feature("peeking", lambda c: PEEKING[name](answers, c), 0)
    with pytest.raises(cc.LookaheadError, match="^feature peeking"):
        require_causal_features(Features(log_return(), peeking), candles)


HONEST = {
    "return": returns,
    "price": lambda c: c.close,
    "range position": lambda c: (c.close - pd.Series(c.low).rolling(24).min()) / pd.Series(c.high).rolling(24).max(),
    "exponential mean": lambda c: c.close / pd.Series(c.close).ewm(span=50).mean() - 1,
    "volume on balance": lambda c: np.cumsum(c.volume * np.sign(returns(c))),
    "against the first price": lambda c: c.close / c.close[0],
    "score so far": lambda c: (
        (pd.Series(c.close) - pd.Series(c.close).expanding().mean()) / pd.Series(c.close).expanding().std()
    ),
    "fall from the peak": lambda c: c.close / np.maximum.accumulate(c.close) - 1,
    "large moves": lambda c: np.abs(returns(c)) > 0.03,
    "opens where it closed": lambda c: np.append(0.0, c.open[1:] == c.close[:-1]),
    "last digit": lambda c: np.round(c.close * 100) % 10,
    "distance to a round number": lambda c: c.close % 100,
    "rank": lambda c: pd.Series(c.close).rolling(50).rank(pct=True),
    "blocks of a day": lambda c: c.close / c.open[np.arange(len(c)) // 24 * 24] - 1,
    "hour": hours,
    "return by night": lambda c: returns(c) * (hours(c) < 6),
    "hour in New York": lambda c: dates(c).tz_localize("UTC").tz_convert("America/New_York").hour,
    "hour in New York until 2037": lambda c: np.where(
        dates(c).year <= 2037,
        dates(c).tz_localize("UTC").tz_convert("America/New_York").hour,
        (dates(c) - pd.Timedelta(hours=5)).hour,
    ),
    "weekday": lambda c: dates(c).dayofweek,
    "day of the month": lambda c: pd.DatetimeIndex(c.open_time).day,
    "turn of the month": lambda c: pd.DatetimeIndex(c.open_time).day <= 2,
    "month": lambda c: dates(c).month,
    "season": lambda c: np.sin(2 * np.pi * dates(c).dayofyear / 365.25),
    "third Friday": lambda c: (dates(c).dayofweek == 4) & (dates(c).day > 14) & (dates(c).day < 22),
    "phase of the day": lambda c: np.sin(2 * np.pi * c.close_time.astype("datetime64[s]").astype(float) / 86_400),
    "hours since the last bar": lambda c: np.append(
        np.nan, np.diff(c.close_time.astype("datetime64[s]").astype(float))
    ),
    "a constant": lambda c: np.ones(len(c)),
}


@pytest.mark.parametrize("market", MARKETS)
def test_features_that_compute_pass(market):
    features = Features(*(Feature(f"f{i}", compute, 0) for i, compute in enumerate(HONEST.values())))
    require_causal_features(features, MARKETS[market])


def test_the_message_says_how_data_from_elsewhere_enter():
    answers = Answers(DAILY)
    peeking = Feature("peeking", lambda c: answers.by("time", c.close_time.tolist()), 0)
    with pytest.raises(cc.LookaheadError) as error:
        require_causal_features(Features(peeking), DAILY)
    assert "feature peeking, column peeking, is " in str(error.value)
    assert "and 0 on the same candles 28 years later: it finds its values by date" in str(error.value)
    assert 'cc.outside("name", table, known_at="known_at")' in str(error.value)


def test_bars_are_numbered_in_the_candles_given():
    tomorrow = Feature("tomorrow", lambda c: np.append(c.close[1:], np.nan), 0)
    with pytest.raises(cc.LookaheadError) as error:
        require_causal_features(Features(tomorrow), HOURLY)
    bar = int(str(error.value).split("after bar ")[1].split(" ")[0].replace(",", ""))
    assert f"({str(HOURLY.close_time[bar])[:16].replace('T', ' ')} UTC)" in str(error.value)


def test_failures_and_moods_are_said_with_the_feature():
    def broken(candles):
        raise ValueError("no such thing")

    generator = np.random.default_rng(0)
    moody = Feature("moody", lambda c: generator.standard_normal(len(c)), 0)
    with pytest.raises(
        cc.ConfigError, match=r"feature broken failed on .* candles of SP500 \(ValueError: no such thing\)"
    ):
        require_causal_features(Features(Feature("broken", broken, 0)), DAILY)
    with pytest.raises(cc.ConfigError, match="column moody, is .* when it is computed again.*Draw no random numbers"):
        require_causal_features(Features(moody), DAILY)
    with pytest.raises(cc.ConfigError, match="gave shape"):
        require_causal_features(Features(Feature("fixed", lambda c: DAILY.close, 0)), DAILY)


def test_a_feature_is_checked_once_on_the_same_candles(monkeypatch):
    calls = []

    @cc.feature(warmup=1)
    def counted(candles):
        calls.append(len(candles))
        return returns(candles)

    features, candles = Features(counted), HOURLY[:500]
    require_causal_features(features, candles)
    first = len(calls)
    require_causal_features(features, candles)
    assert len(calls) == first > 5
    require_causal_features(features, HOURLY[:501])
    assert len(calls) > 1.5 * first


def test_our_own_features_are_known_by_their_code():
    assert is_ours(rsi(14)) and is_ours(rsi(14).scaled(cc.Robust())) and is_ours(time_of_day())
    assert all(is_ours(feature) for feature in cc.standard_features(HOURLY.interval).features)
    assert not is_ours(Feature("rsi", lambda c: c.close, 14, {"period": 14}))
    assert not is_ours(replace(rsi(14), compute=rsi(15).compute))
    assert not is_ours(Feature("log_return", rsi(14).compute, 1, {"period": 1}))


@cc.feature(warmup=0)
def tomorrow(candles):
    return np.append(candles.close[1:] / candles.close[:-1] - 1, 0.0)


def test_every_walk_asks_before_it_trains(market, monkeypatch):
    features = Features(log_return(), tomorrow)
    monkeypatch.setattr(cc.LinearRegression, "fit", lambda *_, **__: pytest.fail("trained"))
    walks = [
        lambda: cc.walk_forward(cc.LinearRegression(), market, features=features),
        lambda: cc.Study(cc.LinearRegression(), features=features, baselines=()).run(
            market, ledger=cc.Ledger.in_memory()
        ),
        lambda: cc.compare({"linear": cc.LinearRegression()}, market, features=features, ledger=cc.Ledger.in_memory()),
    ]
    for walk in walks:
        with pytest.raises(cc.LookaheadError, match="feature tomorrow, column tomorrow, moved from"):
            walk()


def test_the_public_check_finds_answers_too():
    answers = Answers(DAILY)
    with pytest.raises(cc.LookaheadError, match="by date"):
        check_feature(Feature("peeking", lambda c: answers.by("time", c.close_time.tolist()), 0), DAILY)


# Data from elsewhere


WORLD = synthetic.lead_lag(1_200, seed=3)
LEADER = WORLD.leader.frame.select(known_at="close_time", leader=pl.col("close").log().diff(), volume="volume")


def test_outside_data_are_joined_by_what_was_known():
    table = LEADER[::10].sample(fraction=1.0, shuffle=True, seed=1)  # in any order
    feature = cc.outside("leader", table, columns=["leader"])
    values = feature(WORLD.candles)[:, 0]
    rows = np.arange(len(values)) // 10 * 10
    np.testing.assert_array_equal(values, np.append(np.nan, np.diff(np.log(WORLD.leader.close)))[rows])
    late = cc.outside("late", table.with_columns(pl.col("known_at") + pl.duration(microseconds=1)), columns=["leader"])
    np.testing.assert_array_equal(late(WORLD.candles)[1:, 0], values[:-1])
    fresh = cc.outside("fresh", table, columns=["leader"], max_age="3d")(WORLD.candles)[:, 0]
    np.testing.assert_array_equal(np.isnan(fresh), np.isnan(values) | (np.arange(len(values)) % 10 > 3))
    assert feature.columns == ("leader",)
    assert cc.outside("both", LEADER).columns == ("both_leader", "both_volume")
    assert cc.outside("pandas", LEADER.to_pandas(), columns=["leader"]).columns == ("pandas",)


def test_outside_data_are_part_of_what_a_study_is():
    one, other = (cc.outside("leader", LEADER.with_columns(pl.col("leader") * scale)) for scale in (1.0, 2.0))
    assert one.parameters != other.parameters and one == cc.outside("leader", LEADER)
    assert one.kind == "outside:leader" and one != other


def test_outside_data_pass_and_what_is_made_of_them_is_checked():
    spread = lambda candles, known: returns(candles) - np.nan_to_num(known["leader"])  # noqa: E731
    answers = Answers(WORLD.candles)
    peeking = lambda candles, known: known["leader"] + answers.by("time", candles.close_time.tolist())  # noqa: E731
    plain = cc.outside("leader", LEADER)
    assert is_ours(plain)
    require_causal_features(Features(plain, cc.outside("spread", LEADER, combine=spread, warmup=1)), WORLD.candles)
    with pytest.raises(cc.LookaheadError, match="feature peeking, column peeking, is .* finds its values by date"):
        require_causal_features(Features(cc.outside("peeking", LEADER, combine=peeking)), WORLD.candles)
    forecast = cc.walk_forward(cc.LinearRegression(), WORLD.candles, features=Features(log_return(), plain))
    assert len(forecast) == 600


@pytest.mark.parametrize(
    ("table", "parameters", "message"),
    [
        ({"known_at": [1, 2], "x": [1.0, 2.0]}, {}, "of type dict; expected a Polars or pandas frame"),
        (LEADER.rename({"known_at": "time"}), {}, "has no column 'known_at'"),
        (LEADER, {"columns": ["ledaer"]}, "has no column 'ledaer'.*Did you mean leader"),
        (
            LEADER.with_columns(pl.col("known_at").dt.replace_time_zone(None)),
            {},
            "known_at of x is of type Datetime.*zone",
        ),
        (LEADER.with_columns(pl.col("known_at").dt.date()), {}, "is of type Date.*the hour at which it was published"),
        (pl.concat([LEADER, LEADER[:1]]), {}, "has two rows known at"),
        (LEADER.with_columns(leader=pl.lit("a")), {}, "holds what is no number"),
        (LEADER[:0], {}, "has no rows"),
        (LEADER, {"columns": []}, "has 0 columns"),
        (LEADER, {"max_age": "two days"}, "span 'two days'"),
    ],
)
def test_tables_that_say_too_little(table, parameters, message):
    with pytest.raises(cc.ConfigError, match=message):
        cc.outside("x", table, **parameters)


def test_the_package_says_what_it_offers():
    assert set(causality.__all__) == {name for name in vars(causality) if name.startswith("require_")} | {
        "ModelCheck",
        "clock_features",
    }


def repaired(candles):
    """How far a price is from the mean of its neighbours where it moved by more than 2.5 deviations: 1 bar in 70."""
    logs = np.log(candles.close)
    moves = np.diff(logs, prepend=logs[:1])
    deviations = np.array([moves[max(bar - 50, 0) : bar].std() if bar > 10 else np.inf for bar in range(len(moves))])
    neighbours = (np.roll(logs, 1) + np.append(logs[1:], logs[-1:])) / 2
    return np.where(np.abs(moves) > 2.5 * deviations, logs - neighbours, 0.0)


def of_weeks_that_end_late(candles):
    """The return of a bar, and on the last one of a week that of the next bar with it."""
    moves = returns(candles)
    weeks = candles.open_time.astype("datetime64[W]")
    is_last = np.append(weeks[1:] != weeks[:-1], False)
    return np.where(is_last, moves + np.append(moves[1:], 0.0), moves)


def of_next_bar_after_gaps(candles):
    """The return of a bar, and before a gap of the data that of the next bar."""
    moves, opens = returns(candles), candles.open_time
    is_before = np.append(np.diff(opens) > np.diff(opens).min(), False)
    return np.where(is_before, np.append(moves[1:], 0.0), moves)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("compute", [repaired, of_weeks_that_end_late, of_next_bar_after_gaps])
def test_a_look_ahead_at_few_bars_is_found(compute, seed):
    candles = cc.synthetic.garch(1_500, seed=seed, interval="1d").candles
    if compute is of_next_bar_after_gaps:
        frame = candles.frame.filter(~pl.int_range(pl.len()).is_in([300, 700, 900, 1_300]))
        candles = replace(candles, frame=frame)
    name = compute.__name__
    with pytest.raises(
        LookaheadError, match=f"feature {name}, column {name}, moved from .* although only candles after"
    ):
        require_causal_features(Features(Feature(name, compute, 0)), candles)


def test_rounding_is_no_look_ahead_where_candles_are_cut_off():
    """Sums over arrays of other lengths round otherwise."""

    def of_prefix_sums(candles):
        total = np.cumsum(candles.close[::-1])[::-1]  # from the end, so that all roundings change
        return (total - np.append(total[1:], 0.0)) / candles.close

    require_causal_everywhere(
        Feature("of_prefix_sums", of_prefix_sums, 0), HOURLY, of_prefix_sums(HOURLY)[:, None], seed=0
    )
