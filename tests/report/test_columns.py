"""Columns of the page come back as they were put in: exact where decimals are few, to seven figures elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.report.columns import Columns


def back(values, column_values, **options):
    columns = Columns()
    columns.add("first", np.arange(3.0))
    columns.add("x", np.asarray(values, dtype=float), **options)
    return columns.entries["x"], column_values(columns.entries, columns.payload)["x"]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [np.nan, np.nan],
        [64123.45, 64123.4, 0.01],
        [1.0, np.nan, -3.0, np.nan],
        [1.7e9 + 60 * row for row in range(5)],  # seconds since 1970
        [4.1e9 + 86_400 * row for row in range(5)],
        [0.0, 0.0],
    ],
)
def test_few_decimals_come_back_exact(values, column_values):
    _, (offset, found) = back(values, column_values, offset=7)
    assert offset == 7
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e6])
def test_other_numbers_keep_their_figures(scale, column_values):
    values = scale * (1 + np.random.default_rng(0).random(500))
    entry, (_, found) = back(values, column_values)
    assert "decimals" in entry
    np.testing.assert_allclose(found, values, rtol=1e-6)


def test_what_does_not_fit_is_kept_whole(column_values):
    values = np.array([1e-9, 1e12, np.nan, -1e300])
    entry, (_, found) = back(values, column_values)
    np.testing.assert_allclose(found, values, rtol=1e-6, atol=1e-3 * 1e300 if "decimals" in entry else 0)


def test_the_same_columns_give_the_same_text():
    one, two = Columns(), Columns()
    for each in (one, two):
        each.add("x", np.linspace(0, 1, 100))
    assert (one.header, one.payload) == (two.header, two.payload)


def test_prices_on_a_grid_take_two_bytes_or_less():
    columns = Columns()
    columns.add("x", 100 + 0.01 * np.cumsum(np.random.default_rng(0).integers(-9, 10, 100_000)))
    assert len(columns.payload) < 2 * 100_000
