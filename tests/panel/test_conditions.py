"""Panels whose gain nobody could have had: each was an edge by its tests alone, and is refused for its prices and fills."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import candlecast as cc
from candlecast.evaluation.asset_prices import AssetPrices
from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.figure_objections import _implausible
from candlecast.ledger import Ledger
from candlecast.panel.dating import misdated
from candlecast.panel.panel import Panel
from candlecast.panel.rare_losses import worst_losses
from candlecast.panel.verdict import judge_panel
from candlecast.sources import synthetic

BARS, ASSETS = 700, 9
STUDY = cc.PanelStudy(
    model=cc.LinearRegression(window=3),
    features=cc.Features(cc.log_return(), cc.cross_relative(cc.log_return())),
    target=cc.RelativeReturn(),
    rule=cc.TopBottom(3),
    folds=cc.WalkForward(folds=1),
    baselines=(),
    seeds=1,
    costs=cc.Costs(fee_bps=0.1, slippage_bps=0),
)


def named(made):
    return [replace(each, symbol=f"A{number:02d}") for number, each in enumerate(made)]


def bounced():
    """Prices at the bid or the ask: what reverts is the spread."""
    return named(synthetic.bid_ask_bounce(BARS, seed=seed).candles for seed in range(ASSETS))


def stale():
    """Opens that repeat a close that is old."""
    return named(synthetic.stale_index(BARS, seed=seed).candles for seed in range(ASSETS))


def limited():
    """Runs of three bars at a daily limit, of which the second and the third have no other side."""
    made = []
    for seed in range(ASSETS):
        candles = synthetic.random_walk(BARS, seed=seed).candles
        generator = np.random.default_rng(seed)
        close, frame = [100.0], candles.frame
        opened, high, low = [100.0], [100.0], [100.0]
        run, side = 0, 1.0
        for _ in range(1, BARS):
            last = close[-1]
            if run == 0 and generator.random() < 0.04:
                run, side = 3, generator.choice([-1.0, 1.0])
                opened.append(last)
                close.append(last * (1 + 0.05 * side))
            elif run:
                opened.append(last * (1 + 0.05 * side))
                close.append(opened[-1])
            else:
                opened.append(last)
                close.append(last * np.exp(0.01 * generator.standard_normal()))
            is_flat = run in (1, 2)
            noise = 0.0 if is_flat else 0.004
            high.append(max(opened[-1], close[-1]) * (1 + noise * generator.random()))
            low.append(min(opened[-1], close[-1]) * (1 - noise * generator.random()))
            run = max(run - 1, 0)
        made.append(
            replace(
                candles,
                frame=frame.with_columns(
                    open=pl.Series(opened), high=pl.Series(high), low=pl.Series(low), close=pl.Series(close)
                ),
            )
        )
    return [each.with_real_jumps() for each in named(made)]


def ending(step):
    """Shares whose price moves by `step` a bar in the last 15 bars, and whose candles end then; the next begin where they end."""
    made, generator = [], np.random.default_rng(1)
    for _ in range(ASSETS):
        first = 0
        while first < BARS - 80:
            bars = min(60 + int(generator.integers(60)), BARS - first)
            whole = synthetic.random_walk(BARS, seed=len(made)).candles[first : first + bars]
            path = np.exp(np.cumsum(np.where(np.arange(bars) >= bars - 15, step, 0.0)))
            before = np.append(1.0, path[:-1])
            frame = whole.frame.with_columns(
                open=pl.col("open") * before,
                high=pl.col("high") * np.maximum(before, path),
                low=pl.col("low") * np.minimum(before, path),
                close=pl.col("close") * path,
            )
            made.append(replace(whole, frame=frame))
            first += bars
    return named(made)


def bankrupt():
    """Shares that rise before they go bankrupt: a chance of losing all is what the rise pays for. The last trade is before it."""
    return ending(0.03)


def taken_over():
    """Shares that fall before a bid for them, which is what the fall pays for. The last trade is before it."""
    return ending(-0.03)


def crashing():
    """Assets with wide ranges rise a little, those with narrow ones fall, and one moment of training takes all of it back."""
    generator, made = np.random.default_rng(3), []
    crash, market = 100, 0.005 * generator.standard_normal(BARS)
    for seed in range(ASSETS):
        candles = synthetic.random_walk(BARS, seed=seed).candles
        state = np.repeat(generator.choice([-1.0, 1.0], BARS // 70), 70)
        log = market + 0.0025 * state
        log[crash] += np.log1p(-0.6 * state[crash])
        move = np.exp(np.cumsum(log))
        before = np.concatenate([[1.0], move[:-1]])
        opened, close = candles.open * before, candles.close * move
        width = np.exp(0.004 * (state + 1) * generator.uniform(0.5, 1.0, BARS))
        high, low = np.maximum(opened, close) * width, np.minimum(opened, close) / width
        frame = candles.frame.with_columns(
            open=pl.Series(opened), high=pl.Series(high), low=pl.Series(low), close=pl.Series(close)
        )
        made.append(replace(candles, frame=frame).with_real_jumps())
    return named(made)


def without_fills(result):
    """The verdict by the tests alone."""
    found = result.conditions
    return verdict_with(
        result, Conditions(break_even_bps=found.break_even_bps, static_returns=found.static_returns, jumps=found.jumps)
    )


def verdict_with(result, conditions):
    return judge_panel(
        result.own_ranking,
        result.backtest,
        result.summary(),
        result.target,
        model=result.model,
        trained=1,
        trial_count=result.counted,
        conditions=conditions,
    )


@pytest.mark.parametrize(
    ("make", "headline"),
    [
        (bounced, "No verdict: the result is better than any market gives."),
        (stale, "No edge found: orders were filled at prices that nobody could have traded at."),
        (limited, "No edge found: the gain needs fills at a price limit."),
        (bankrupt, "No edge found: the gain needs the last closes of assets that ended."),
        (taken_over, "No edge found: the gain needs the last closes of assets that ended."),
    ],
)
def test_a_gain_that_nobody_could_have_had_is_no_edge(make, headline):
    result = STUDY.run(make(), ledger=Ledger.in_memory())
    assert without_fills(result).has_edge or "better than any market" in headline
    assert result.verdict.headline.startswith(headline)
    assert not result.verdict.pays


def falling():
    """Assets that move half as much as a falling market, or nearly twice as much, for 60 bars at a time: the latter fall more."""
    generator, bars = np.random.default_rng(1), 2 * BARS
    market, made = generator.normal(-0.003, 0.012, bars), []
    for seed in range(2 * ASSETS):
        candles = synthetic.random_walk(bars, seed=seed, volatility=0.008).candles
        beta = np.repeat(generator.choice([0.5, 1.8], -(-bars // 60)), 60)[:bars]
        logs = beta * (market + np.diff(np.log(candles.close), prepend=np.log(candles.open[0])))
        close = 100 * np.exp(np.cumsum(logs))
        opened = np.concatenate([[100.0], close[:-1]])
        width = np.exp(0.5 * np.abs(generator.normal(0, 0.012, (2, bars))) * beta)
        high, low = np.maximum(opened, close) * width[0], np.minimum(opened, close) / width[1]
        prices = {"open": opened, "high": high, "low": low, "close": close}
        made.append(
            replace(candles, frame=candles.frame.with_columns(**{name: pl.Series(v) for name, v in prices.items()}))
        )
    return named(made)


def test_weights_that_are_short_of_what_moves_most_need_more_than_the_fall_of_the_market():
    study = replace(STUDY, features=cc.Features(cc.cross_rank(cc.realized_volatility(10))), rule=cc.RankWeights())
    result = study.run(falling(), ledger=Ledger.in_memory())
    unknown = verdict_with(result, replace(result.conditions, market_returns=np.empty(0))).evidence
    known = result.verdict.evidence
    assert unknown.return_p_adjusted < 0.05 and unknown.timing_p_adjusted < 0.05
    assert known.timing_p_adjusted > 0.05 and not result.verdict.pays


def test_a_crash_of_all_assets_that_the_tested_part_lacks_is_not_earned():
    study = replace(
        STUDY,
        features=cc.Features(cc.cross_rank(cc.log_range(5))),
        model=cc.LinearRegression(window=1),
        target=cc.AboveMedian(),
    )
    result = study.run(crashing(), ledger=Ledger.in_memory())
    assert without_fills(result).has_edge
    assert result.verdict.headline == "No edge found: the record may lack rare large losses."
    assert "With one more bar that loses " in result.verdict.text
    calm = replace(result.conditions, worst_loss=0.01, worst_stretches=())
    assert verdict_with(result, calm).has_edge


def test_the_worst_losses_of_weights_by_hand():
    """Long and short half of the account: the worst moment has the lowest return of the long and the highest of the short."""
    closes = np.full((3, 60), 100.0)
    closes[:, 30:] *= np.array([[0.5], [1.5], [1.0]])
    made = [synthetic.random_walk(60, seed=seed).candles for seed in range(3)]
    made = [
        replace(
            each, frame=each.frame.with_columns(**{name: pl.Series(own) for name in ("open", "high", "low", "close")})
        )
        for each, own in zip(named(made), closes, strict=True)
    ]
    panel = Panel.of(made)
    weights = np.tile([0.5, -0.5, 0.0], (20, 1))
    found = dict(worst_losses(panel, weights))
    assert list(found) == [1, 2]
    assert found[1] == pytest.approx(-np.log(0.5)), "0.5 x 50 % of each side; a usual moment loses nothing"
    turning = np.tile([[0.5, -0.5, 0.0], [-0.5, 0.5, 0.0]], (10, 1))
    assert dict(worst_losses(panel, turning))[2] == 0.0
    assert dict(worst_losses(panel, 3 * weights))[1] == np.inf


def test_a_gain_that_could_be_had_stays_an_edge_with_some_bad_prices():
    """Two of nine assets have bars that are copies; without them the portfolio still earns most of its gain."""
    world = cc.synthetic_panel(ASSETS, BARS, seed=3, ic=0.2)
    assert STUDY.run(world.assets, ledger=Ledger.in_memory()).verdict.has_edge
    assets = list(world.assets)
    for place in (0, 1):
        rows = np.arange(BARS)
        rows[50::50] -= 1  # every fiftieth bar is the one before once more
        frame = assets[place].frame
        columns = [frame[name].gather(rows) for name in ("open", "high", "low", "close", "volume")]
        assets[place] = replace(assets[place], frame=frame.with_columns(columns))
    result = STUDY.run(assets, ledger=Ledger.in_memory())
    found = result.conditions.assets
    assert found.faults == ("A000: copied bars", "A001: copied bars")
    assert 0 < found.traded_share < 0.5 and found.rest_p < 0.05
    assert result.verdict.has_edge
    assert result.conditions.to_dict()["assets"]["traded_share"] == pytest.approx(found.traded_share)


def test_orders_as_large_as_the_market_are_too_large():
    assets = [
        replace(each, frame=each.frame.with_columns(volume=pl.lit(1.0e-9)))
        for each in cc.synthetic_panel(ASSETS, BARS, seed=3, ic=0.2).assets
    ]
    result = STUDY.run(assets, ledger=Ledger.in_memory())
    assert result.verdict.headline == "No edge found: the orders are too large for the market."


def test_early_volume_of_many_assets_gives_no_verdict(result):
    for share, is_early in ((0.05, False), (1.0, True)):
        given = replace(result.conditions, assets=AssetPrices(early=("A000", "A001"), early_share=share))
        found = verdict_with(result, given)
        assert ("the volume of many assets may be of a later bar" in found.headline) == is_early
        assert not (is_early and found.is_forecastable)


def test_a_losing_portfolio_is_not_looked_into(world, study):
    result = replace(study, costs=cc.Costs(fee_bps=200)).run(world.assets, ledger=Ledger.in_memory())
    assert result.conditions.assets is None and not result.verdict.pays


def dated(early):
    """Random walks with a common factor; `early` ones are dated a moment early."""
    generator = np.random.default_rng(4)
    common, made = 0.012 * generator.standard_normal(BARS + 1), []
    for place in range(ASSETS):
        candles = synthetic.random_walk(BARS, seed=place).candles
        moves = common[1:] if place in early else common[:-1]
        path = np.exp(np.cumsum(moves + 0.012 * generator.standard_normal(BARS)))
        frame = candles.frame.with_columns(
            open=pl.Series(np.append(1.0, path[:-1])),
            high=pl.Series(np.maximum(np.append(1.0, path[:-1]), path) * 1.004),
            low=pl.Series(np.minimum(np.append(1.0, path[:-1]), path) / 1.004),
            close=pl.Series(path),
        )
        made.append(replace(candles, frame=frame))
    return named(made)


def test_assets_that_are_dated_a_moment_apart_are_found():
    for early in ((), (3,), (0, 2, 4, 6)):
        closes = np.column_stack([each.close for each in dated(early)])
        closes[200:240, 1] = np.nan
        found = misdated(np.diff(np.log(closes), axis=0))
        assert found.ahead == early
        assert found.behind == (tuple(sorted({*range(ASSETS)} - {*early})) if early else ())
    assert misdated(np.zeros((500, 3))) == misdated(np.zeros((20, 3))) == ((), ())


@pytest.mark.parametrize("season", [400, 750, 1_100])
def test_assets_that_are_dated_a_moment_early_in_some_seasons_are_found(season):
    """As with clocks of which half keep daylight saving time: over the whole record both moments agree as much."""
    generator = np.random.default_rng(2)
    common = generator.standard_normal(4_001)
    is_early = np.arange(4_000) // season % 2 == 1
    moves = np.column_stack([common[:-1], np.where(is_early, common[1:], common[:-1])])[:, [0, 1, 0, 1, 0, 1]]
    found = misdated(0.01 * (moves + generator.standard_normal((4_000, 6))))
    assert found == ((1, 3, 5), (0, 2, 4))


def test_assets_that_rarely_trade_follow_the_others_and_are_dated_alike():
    """A part of their move comes a moment late: they agree more with the same moment."""
    generator = np.random.default_rng(1)
    moves = generator.standard_normal((2_001, 6)) + generator.standard_normal((2_001, 1))
    late = np.concatenate([moves[1:, :3], 0.6 * moves[1:, 3:] + 0.4 * moves[:-1, 3:]], axis=1)
    assert misdated(0.01 * late) == ((), ())


def test_assets_that_are_dated_a_moment_apart_give_no_verdict(result):
    given = replace(result.conditions, assets=AssetPrices(ahead=("A000", "A002"), behind=("A001",)))
    found = verdict_with(result, given)
    assert found.headline.startswith("No verdict: assets are dated moments apart.")
    assert not found.is_forecastable and not found.pays


@pytest.mark.parametrize("target", [cc.RelativeReturn(), cc.NextReturn()])
def test_a_sharpe_ratio_that_no_market_gives_is_questioned_of_a_panel_too(target):
    unknown = {"r2": None, "hit_rate": None, "observations": 600}
    for drift, is_believed in ((0.0, True), (0.05, False)):
        candles = synthetic.random_walk(600, seed=1, drift=drift, volatility=0.01).candles
        found = _implausible(unknown, cc.backtest(candles, np.ones(600), costs=cc.Costs.free()), target)
        assert (found is None) == is_believed
