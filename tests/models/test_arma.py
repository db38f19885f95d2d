"""The compiled likelihood of ARMA is that of statsmodels, its maximum no lower, and its forecasts the same."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.tsa.arima import model as reference

from candlecast.models.baselines.arma import Arma, fit_arma, log_likelihood
from candlecast.models.deterministic import deterministic_fit

ORDERS = [(1, 1), (2, 0), (0, 2), (3, 2)]


def series(bars: int = 400, *, gaps: int = 0, seed: int = 0) -> np.ndarray:
    """ARMA(1, 1) with mean 0.3, some values of which are not known, the first and the last among them."""
    generator = np.random.default_rng(seed)
    shocks, values = generator.standard_normal(bars + 1), np.empty(bars)
    before = 0.0
    for t in range(bars):
        before = values[t] = 0.6 * before + shocks[t + 1] - 0.3 * shocks[t]
    values += 0.3
    if gaps:
        values[generator.choice(bars, gaps, replace=False)] = np.nan
        values[[0, 1, -1]] = np.nan
    return values


def model(values: np.ndarray, p: int, q: int):
    return reference.ARIMA(values, order=(p, 0, q), trend="c", concentrate_scale=True)


@pytest.mark.parametrize(("p", "q"), ORDERS)
@pytest.mark.parametrize("gaps", [0, 40])
def test_the_likelihood_is_that_of_statsmodels(p, q, gaps):
    values = series(gaps=gaps)
    phi, theta = np.array([0.5, -0.2, 0.1])[:p], np.array([-0.4, 0.3])[:q]
    with deterministic_fit():
        expected = model(values, p, q).loglike([0.2, *phi, *theta])
    assert log_likelihood(values, 0.2, phi, theta) == pytest.approx(expected, abs=1e-6)


def test_the_likelihood_near_a_unit_root_is_that_of_statsmodels():
    values = np.cumsum(series())
    for phi, theta in (([0.9999], [0.2]), ([1.9, -0.9001], [-0.9999])):
        with deterministic_fit():
            expected = model(values, len(phi), 1).loglike([0.2, *phi, *theta])
        assert log_likelihood(values, 0.2, np.array(phi), np.array(theta)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("p", "q"), ORDERS)
@pytest.mark.parametrize("gaps", [0, 40])
def test_no_parameters_of_statsmodels_are_more_likely(p, q, gaps):
    values = series(gaps=gaps)
    with deterministic_fit():
        found = model(values, p, q).fit(cov_type="none")
        own = fit_arma(values, p, q)
    assert own.log_likelihood >= found.llf - 1e-6
    assert own.log_likelihood == pytest.approx(log_likelihood(values, own.mean, own.phi, own.theta), abs=1e-9)
    if (p, q) != (3, 2):  # of more parameters than the series has, many are as likely
        assert [own.mean, *own.phi, *own.theta] == pytest.approx(found.params, abs=2e-3)


def test_forecasts_are_those_of_statsmodels():
    values = series(gaps=40)
    own = Arma(0.2, np.array([0.5, -0.2]), np.array([-0.4]), 0.0)
    with deterministic_fit():
        expected = model(values, 2, 1).filter([0.2, 0.5, -0.2, -0.4]).forecast(5)
    assert own.ahead(own.states(values)[-1:], 5)[0] == pytest.approx(expected, abs=1e-9)


def test_states_do_not_depend_on_later_values():
    values = series(gaps=40)
    own = Arma(0.2, np.array([0.5]), np.array([-0.4]), 0.0)
    assert np.array_equal(own.states(values)[:200], own.states(values[:200]))


def test_short_and_still_series_have_parameters():
    with deterministic_fit():
        few, still = fit_arma(series(6), 1, 1), fit_arma(np.zeros(50), 1, 1)
    for own in (few, still):
        assert np.isfinite([own.mean, *own.phi, *own.theta]).all()
    assert still.ahead(still.states(np.zeros(50))[-1:], 3).tolist() == [[0.0, 0.0, 0.0]]
