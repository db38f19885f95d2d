"""The portfolio's step as plain Python against ledgers worked on paper: financing in gaps, squeezes, bands."""

from __future__ import annotations

import math

import numpy as np
import pytest

from candlecast.backtesting import Conditions, Terms
from candlecast.backtesting.engine.account import LIQUIDATION
from candlecast.backtesting.engine.portfolio_step import Asked, Prices, Sizing, Written, run

NAN = math.nan
FREE = Terms()
DEEP = 1e30  # of volume: no order moves the price


def walk(
    bars,
    targets,
    *,
    terms=FREE,
    cash=1_000.0,
    interest=0.0,
    loan=0.0,
    in_units=True,
    band=math.inf,
    volumes=None,
    split=1.0,
):
    """Rows of the sums, the fills and the shortfall. `bars`: for each time, (open, high, low, close) or None for A and B."""
    rows = np.array([[each or (NAN,) * 4 for each in pair] for pair in bars], dtype=float)  # (time, asset, 4)
    depth = np.where(np.isnan(rows[:, :, 0]), 0.0, DEEP) if volumes is None else np.array(volumes, dtype=float)
    events = np.zeros((len(bars), 2, 6))
    events[:, :, 0] = 1.0
    events[1, 0, 0] = split
    events[1:, 0, 4], events[1:, 0, 5] = interest, loan  # none before the first bar
    sums, held = np.empty((len(bars), 5)), np.empty((len(bars), 2))
    fills = np.empty((50, 9))
    asked = Asked(Conditions(terms), Sizing(np.array([in_units] * 2), np.array([band] * 2)))
    prices = Prices(*(np.ascontiguousarray(rows[:, :, place]) for place in range(4)), depth, events)
    shortfall, count = run(prices, np.array(targets, dtype=float), asked, cash, Written(held, sums, fills))
    return sums, fills[:count], shortfall


STILL = (100.0, 100.0, 100.0, 100.0)


def test_proceeds_of_a_short_earn_nothing_even_where_it_has_no_bar():
    """B is sold short for 1,000 and has no bar on the third day: interest is for the other 1,000, and 1,010 after it."""
    sums, *_ = walk(
        [(STILL, STILL), (STILL, STILL), (STILL, None)], [[NAN, -10.0], [NAN] * 2, [NAN] * 2], interest=0.01
    )
    assert sums[:, 1] == pytest.approx([2_000.0, 2_010.0, 2_020.1])
    assert sums[:, 3] == pytest.approx([0.0, -10.0, -10.1])


def test_cash_that_is_owed_costs_the_rate_of_loans():
    sums, *_ = walk([(STILL, STILL)] * 2, [[20.0, NAN], [NAN] * 2], interest=0.01, loan=0.02)
    assert sums[:, 1] == pytest.approx([-1_000.0, -1_020.0])


def test_all_assets_are_counted_in_what_a_fraction_is_of():
    """5 of each at 100; B doubles: a fifth of 1,500 is 3 of A."""
    double = (200.0,) * 4
    sums, fills, _ = walk([(STILL, STILL), (STILL, double)], [[0.5, 0.5], [0.2, NAN]], in_units=False)
    assert fills[-1, 4] == pytest.approx(-2.0)
    assert sums[-1, 0] == pytest.approx(1_500.0)


def test_a_fraction_is_traded_back_beyond_its_band_only():
    """A rises by a tenth or by a half: 550 of 1,050 differ by 25, 750 of 1,250 by 125; the band is a twentieth."""
    up, far = (110.0,) * 4, (150.0,) * 4
    for second, trades in ((up, 1), (far, 2)):
        _, fills, _ = walk([(STILL, None), (second, None)], [[0.5, NAN], [0.5, NAN]], in_units=False, band=0.05)
        assert len(fills) == trades


SQUEEZED = (100.0, 250.0, 50.0, 100.0)


def test_a_short_is_squeezed_while_the_rest_gains():
    """A long of 5, B short of 10, cash of 1,500: B alone at its high leaves 1,500 + 500 - 2,500. Nothing is left at 200."""
    a = (100.0, 400.0, 100.0, 100.0)
    sums, fills, shortfall = walk([(STILL, STILL), (a, SQUEEZED)], [[5.0, -10.0], [NAN] * 2])
    closed = fills[fills[:, 8] == LIQUIDATION]
    assert closed[:, [1, 4, 5]].tolist() == [[0.0, -5.0, 100.0], [1.0, 10.0, pytest.approx(200.0)]]
    assert (sums[-1, 0], shortfall) == (pytest.approx(0.0, abs=1e-9), pytest.approx(0.0, abs=1e-9))


def test_what_must_be_kept_brings_the_squeeze_forward():
    """A tenth must be kept: 1,500 + 450 - 1,100 = 850 at the open, and 850 - 11 (h - 100) < 0 from h = 177.3 on."""
    for high, is_closed in ((176.0, False), (180.0, True)):
        bars = [(STILL, STILL), ((100.0, 300.0, 100.0, 100.0), (100.0, high, 50.0, 100.0))]
        _, fills, _ = walk(bars, [[5.0, -10.0], [NAN] * 2], terms=Terms(maintenance=0.1))
        assert (fills[:, 8] == LIQUIDATION).sum() == 2 * is_closed


def test_a_squeeze_moves_the_prices():
    """A quarter of the volume moves a price by 0.1 sqrt(1/4): A is sold at 95, B bought at 210, and 125 are missing."""
    a = (100.0, 400.0, 100.0, 100.0)
    volumes = [[DEEP, DEEP], [20.0, 40.0]]
    sums, fills, shortfall = walk(
        [(STILL, STILL), (a, SQUEEZED)], [[5.0, -10.0], [NAN] * 2], terms=Terms(impact=0.1), volumes=volumes
    )
    assert fills[-2:, 5] == pytest.approx([95.0, 210.0])
    assert (sums[-1, 0], shortfall) == (0.0, pytest.approx(125.0))


def test_a_band_is_of_fractions_and_not_of_units():
    """5 units become 10 by a split: a target in units is not traded back to 5, whatever the band."""
    half = (50.0,) * 4
    _, fills, _ = walk([(STILL, None), (half, None)], [[5.0, NAN], [5.0, NAN]], in_units=True, band=0.05, split=2.0)
    assert len(fills) == 1 and fills[0, 4] == 5.0
