"""One step, many paths: compiled loops, plain Python, orders and bar-by-bar stepping give the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from account_paths import BARS, assert_same, bar_at, walk_orders, walk_stepping, walk_targets, wild_prices
from candlecast.backtesting import Conditions, Costs, Filters, Order, start, step, target
from candlecast.backtesting.engine import compiled
from candlecast.backtesting.orders import bracket, cancel, limit, market, stop, stop_limit, trailing

examples = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10_000)
terms = st.builds(
    lambda fee, slippage, impact, maintenance, filters: Costs(
        fee_bps=fee, slippage_bps=slippage, impact_bps=impact, maintenance_percent=maintenance
    ).terms(filters),
    st.integers(0, 300),
    st.integers(0, 300),
    st.sampled_from([0, 200]),
    st.sampled_from([0, 5]),
    st.sampled_from([Filters(), Filters(tick=0.05, lot=0.1, minimum=20.0, cent=0.01)]),
)


def prices(seed: int, events: np.ndarray | None = None, *, ends: bool = False) -> compiled.BarArrays:
    return wild_prices(seed, [0.0, 5.0, 500.0])._replace(events=events, ends=ends)


def carried(seed: int) -> np.ndarray:
    """Carry events of each bar."""
    rng = np.random.default_rng(seed)
    split = rng.choice([1.0, 1.0, 1.0, 2.0, 0.5], BARS)
    return np.column_stack([split, *(rng.choice([0.0, 0.01], BARS) for _ in range(5))])


def decided(seed: int) -> list[list[Order]]:
    """Orders of every kind, by the bar on which they are decided."""
    rng = np.random.default_rng(seed)
    close = prices(seed)[3]
    by_bar: list[list[Order]] = []
    for group, price in enumerate(close, start=1):
        units, life = float(rng.choice([-1, 1]) * rng.uniform(1, 30)), float(rng.choice([2, 5, np.inf]))
        near, far = price * (1 + rng.uniform(-0.1, 0.1)), price * (1 + rng.uniform(-0.2, 0.2))
        choices = [
            [],
            [market(units)],
            [limit(units, near, bars=life)],
            [stop(units, near, bars=life, reduces=bool(rng.integers(2)))],
            [stop_limit(units, near, far, bars=life)],
            [trailing(units, 0.05, bars=life)],
            bracket(limit(units, near, bars=life), stop=price - units, take_profit=price + units, group=group),
            bracket(market(units), trail=0.04, take_profit=price + units, group=group),
            [target(float(rng.choice([-1, 0, 0.5, 1])))],
            [
                *bracket(market(units), stop=price - units, take_profit=price + units, group=group),
                *bracket(limit(2 * units, near, bars=life), trail=0.06, group=group + BARS),
            ],
            [market(-units), cancel(group=float(rng.integers(1, group + 1)))],
            [cancel(id=float(rng.integers(1, group + 1))), limit(units, price, bars=life, id=group)],
        ]
        by_bar.append(choices[int(rng.integers(len(choices)))])
    return by_bar


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@examples
@given(seed=seeds, asked=terms, has_events=st.booleans(), pessimism=st.sampled_from([1.0, -1.0]), ends=st.booleans())
def test_orders_compiled_interpreted_and_stepped(seed, asked, has_events, pessimism, ends):
    by_bar, bars = decided(seed), prices(seed, carried(seed) if has_events else None, ends=ends)
    conditions = Conditions(asked, None, pessimism)
    stepped = walk_stepping(by_bar, bars, conditions)
    for run in (compiled.run_orders, compiled.run_orders.py_func):
        assert_same(walk_orders(run, by_bar, bars, conditions), stepped)
    assert len(stepped[1]) > 0 or all(not orders for orders in by_bar[:-1]) or asked.minimum > 0


@examples
@given(seed=seeds, asked=terms, has_events=st.booleans(), ends=st.booleans())
def test_targets_and_orders_of_targets(seed, asked, has_events, ends):
    """Positions through the fast loop, and the same as orders through the book and the paper account."""
    rng = np.random.default_rng(seed)
    targets = rng.choice([-1.0, 0.0, 0.3, 1.0, np.nan], BARS)
    bars = prices(seed, carried(seed) if has_events else None, ends=ends)
    conditions = Conditions(asked)
    by_bar = [[] if np.isnan(value) else [target(float(value))] for value in targets]
    stepped = walk_stepping(by_bar, bars, conditions)
    for run in (compiled.run_targets, compiled.run_targets.py_func):
        held, fills, account = walk_targets(run, targets, bars, conditions)
        np.testing.assert_array_equal(held, stepped[0])
        np.testing.assert_array_equal(fills[:, 3:], stepped[1][:, 3:])
        assert account == stepped[2]
    walked = walk_orders(compiled.run_orders, by_bar, bars, conditions)
    np.testing.assert_array_equal(walked[0], stepped[0])


@examples
@given(seed=seeds, asked=terms, has_events=st.booleans(), in_units=st.booleans(), ends=st.booleans())
def test_sums_are_those_of_the_ledger(seed, asked, has_events, in_units, ends):
    rng = np.random.default_rng(seed)
    targets = rng.choice([0.0, 0.3, 1.0, np.nan], BARS)
    bars = prices(seed, carried(seed) if has_events else None, ends=ends)
    conditions = Conditions(asked, in_units=in_units)
    held, fills, _ = walk_targets(compiled.run_targets, targets, bars, conditions)
    count, sums = len(fills), np.empty(compiled.SUMS)
    compiled.run_summaries(bars, targets, conditions, 1_000.0, sums)
    equity = held[:, 0] + held[:, 1] * bars[3]
    returns = equity[1:] / equity[:-1] - 1
    expected = [
        equity[-1],
        returns.sum(),
        (returns**2).sum(),
        (np.minimum(returns, 0) ** 2).sum(),
        (1 - equity / np.maximum.accumulate(equity)).max(),
        np.abs(held[1:, 1] * bars[3][1:] / equity[1:]).sum(),
        np.abs(fills[:count, 3] * fills[:count, 4]).sum(),
        count,
        fills[:count, 5:7].sum(),
        -1,
        equity.sum(),
    ]
    np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-12)


@examples
@given(seed=seeds, asked=terms)
def test_the_future_moves_no_order_before_it(seed, asked):
    by_bar, bars = decided(seed), prices(seed)
    cut = BARS // 2
    pairs = zip(bars[:5], prices(seed + 1)[:5], strict=True)
    other = compiled.BarArrays(*(np.concatenate([was[:cut], now[cut:]]) for was, now in pairs))
    one = walk_orders(compiled.run_orders, by_bar, bars, Conditions(asked))
    two = walk_orders(compiled.run_orders, by_bar, other, Conditions(asked))
    np.testing.assert_array_equal(one[0][:cut], two[0][:cut])


@examples
@given(seed=seeds, asked=terms)
def test_the_pessimist_ends_each_bar_with_no_more(seed, asked):
    """From the same state, the path taken is the worse of the two."""
    by_bar, bars = decided(seed), prices(seed)
    state = start(1_000.0)
    for bar in range(1, BARS):
        seen = bar_at(bars, bar)
        low, info = step(state, seen, by_bar[bar - 1], conditions=Conditions(asked, None, 1.0))
        high, _ = step(state, seen, by_bar[bar - 1], conditions=Conditions(asked, None, -1.0))
        assert low.equity(seen.close) <= high.equity(seen.close)
        assert info.is_ambiguous == (low.equity(seen.close) < high.equity(seen.close))
        state = low


@examples
@given(seed=seeds, asked=terms)
def test_money_is_conserved_through_orders(seed, asked):
    """Final equity is cash - what was paid for units, fees included, + units at the close, to a part in 10^9."""
    by_bar, bars = decided(seed), prices(seed)
    _, fills, account = walk_orders(compiled.run_orders, by_bar, bars, Conditions(asked))
    spent = (fills[:, 3] * fills[:, 4] + fills[:, 5]).sum()
    scale = 1_000.0 + np.abs(fills[:, 3] * fills[:, 4]).sum()
    if account.cash == 0.0 and account.units == 0.0:
        return  # ruined: the broker bears the rest
    assert account.cash == pytest.approx(1_000.0 - spent, abs=1e-9 * scale)
    assert account.units == pytest.approx(fills[:, 3].sum(), abs=1e-9 * max(np.abs(fills[:, 3]).sum(), 1.0))


@examples
@given(seed=seeds, more=st.integers(1, 300))
def test_higher_costs_never_help_at_fixed_fills(seed, more):
    """Orders in units, as long as the same ones are filled: costs can decide a path, or a ruin."""
    by_bar = [[order for order in orders if order.kind != 1.0] for orders in decided(seed)]
    bars = prices(seed)
    walked = [
        walk_orders(compiled.run_orders, by_bar, bars, Conditions(Costs(fee, 0).terms())) for fee in (5, 5 + more)
    ]
    (cheap, few, _), (dear, many, _) = walked
    same = min(len(few), len(many))
    differ = np.flatnonzero((few[:same, :4] != many[:same, :4]).any(axis=1))
    end = (
        int(min(each[differ[0], 0] for each in (few, many)))
        if len(differ)
        else BARS
        if len(few) == len(many)
        else int(few[same - 1, 0])
    )
    wealth, left = (held[:end, 0] + held[:end, 1] * bars[3][:end] for held in (cheap, dear))
    assert (left <= wealth * (1 + 1e-12)).all()
    assert end < 2 or not len(few) or (left[:end] < wealth[:end]).any() or few[0, 0] >= end
