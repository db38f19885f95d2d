"""One account along bars, by each of its paths: compiled loops, the same in plain Python, and bar by bar with `step`."""

from __future__ import annotations

import numpy as np

from candlecast.backtesting import Bar, CarryEvents, start, step
from candlecast.backtesting.engine import compiled
from candlecast.backtesting.orders import book_of

BARS, CASH = 40, 1_000.0


def wild_prices(seed, volumes):
    """Bars that gap: open, high, low, close, volume."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.05, BARS)))
    opened = close * np.exp(rng.normal(0, 0.03, BARS))
    high = np.maximum(opened, close) * (1 + rng.exponential(0.03, BARS))
    low = np.minimum(opened, close) * (1 - rng.uniform(0, 0.1, BARS))
    return compiled.BarArrays(opened, high, low, close, rng.choice(volumes, BARS))


def bar_at(bars, row):
    events = None if bars.events is None else CarryEvents(*bars.events[row].tolist())
    return Bar(*(float(column[row]) for column in bars[:5]), events, bars.ends and row == BARS - 1)


def walk_targets(run, targets, bars, conditions):
    """Cash and units at each close, executions, and the last account."""
    written = compiled.Written(np.empty((BARS, 2)), np.empty((4 * BARS, compiled.FILL_COLUMNS)))
    account, count = run(bars, targets, conditions, CASH, written)
    return written.held, written.fills[:count], account


def walk_orders(run, by_bar, bars, conditions):
    rows = book_of([order for orders in by_bar for order in orders])
    first = np.concatenate([[0], np.cumsum([len(orders) for orders in by_bar])])
    written = compiled.Written(np.zeros((BARS, 2)), np.empty((4 * len(rows) + 4, compiled.FILL_COLUMNS)))
    account, count, _, refused = run(bars, compiled.Decided(rows, first), conditions, CASH, written)
    assert refused == 0
    return written.held, written.fills[:count], account


def walk_stepping(by_bar, bars, conditions):
    state, held, fills = start(CASH), [(CASH, 0.0)], []
    for row in range(1, BARS):
        state, info = step(state, bar_at(bars, row), by_bar[row - 1], conditions=conditions)
        held.append(state.account[:2])
        fills += [
            (row, at_open, state.account.target, *fill) for fill, at_open in zip(info.fills, info.at_open, strict=True)
        ]
    return np.array(held), np.array(fills, dtype=float).reshape(-1, compiled.FILL_COLUMNS), state.account


def assert_same(one, other):
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(np.array(first), np.array(second))
