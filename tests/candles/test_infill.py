"""Bars filled in by interpolation, however they were rounded or converted, and real bars that look like them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.interpolate import CubicSpline, PchipInterpolator

from candlecast.candles import Candles
from candlecast.candles.infill import is_interpolated
from candlecast.evaluation.tradability import tradability
from candlecast.sources import synthetic

MARKET = synthetic.random_walk(2_000, seed=3, interval="1h").candles


def filled(method: str, form: str = "", missing: float = 0.3) -> tuple[Candles, np.ndarray]:
    """The market with a share of its bars drawn between the others, and which they are."""
    rows = np.arange(len(MARKET))
    kept = np.random.default_rng(5).random(len(MARKET)) > missing
    kept[[0, -1]] = True
    known = rows[kept], MARKET.close[kept]
    curves = {
        "linear": lambda at: np.interp(at, *known),
        "cubic": CubicSpline(*known),
        "pchip": PchipInterpolator(*known),
    }
    close = np.asarray(curves[method](rows))
    opened = np.append(MARKET.open[0], close[:-1])
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    high = np.where(kept, np.maximum(MARKET.high, top), top)
    low = np.where(kept, np.minimum(MARKET.low, bottom), bottom)
    prices = [opened, high, low, close]
    if form == "rounded":
        prices = [np.round(each, 1) for each in prices]
    if form == "converted":
        steps = 0.0005 / np.sqrt(2) * np.random.default_rng(7).standard_normal(2 * len(MARKET))
        first, last = np.exp(np.cumsum(steps)).reshape(-1, 2).T
        prices = [opened * first, high * np.maximum(first, last), low * np.minimum(first, last), close * last]
    named = zip(("open", "high", "low", "close"), prices, strict=True)
    return replace(MARKET, frame=MARKET.frame.with_columns(pl.Series(name, each) for name, each in named)), ~kept


@pytest.mark.parametrize(
    ("method", "form"),
    [("linear", ""), ("linear", "rounded"), ("linear", "converted"), ("pchip", ""), ("cubic", "")],
)
def test_interpolated_bars_are_found_in_every_form(method, form):
    candles, is_filled = filled(method, form)
    found = is_interpolated(candles)
    assert found[is_filled].mean() > 0.5 and found[~is_filled].mean() < 0.2
    assert tradability(candles).has_lines
    assert "interpolated" in candles.check().issues["kind"].to_list()


@pytest.mark.parametrize("phi", [-0.3, 0.0, 0.25, 0.5])
def test_bars_without_wicks_that_continue_no_more_than_others_are_real(phi):
    """A tenth of these bars have no price beyond open and close; in a market with momentum all bars go on."""
    for seed in range(3):
        candles = synthetic.ar1(3_000, seed=seed, phi=phi).candles
        assert not is_interpolated(candles).any() and not tradability(candles).has_lines


def test_bars_on_a_coarse_grid_are_real():
    coarse = replace(MARKET, frame=MARKET.frame.with_columns(pl.col("open", "high", "low", "close").round(0)))
    assert not is_interpolated(coarse).any()
