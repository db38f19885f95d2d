"""ARMA(p, q) by exact maximum likelihood, compiled: the Kalman filter of its innovations form, and the parameters that fit best.

    x_t - c = phi_1 (x_{t-1} - c) + ... + phi_p (x_{t-p} - c) + e_t + theta_1 e_{t-1} + ... + theta_q e_{t-q}

The state has r = max(p, q + 1) parts: x_t = c + a_t[0], a_{t+1} = T a_t + R e_{t+1}, with (T a)[i] = phi_{i+1} a[0] + a[i + 1]
and R = (1, theta_1, ...). It starts from its stationary distribution. The variance of e is concentrated out. An undefined value
corrects nothing. Harvey (1989), 3.4; Monahan (1984) for parameters that are stationary and invertible; the starting values are
those of Hannan and Rissanen (1982). `tests/models/test_arma.py` checks all of it against statsmodels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from candlecast.process.compiling import compiled, internal

STEP = 1e-5  # of a parameter, for the slope of the likelihood
MOST_STEPS = 200
SMALLEST = 1e-300  # variance of a series that stands still
DOUBLINGS = 64
STEADY = (
    1e-16  # change of the covariance in a bar, from which on it is that of all later bars, up to an undefined value
)


@dataclass(frozen=True)
class Arma:
    """Parameters: mean, autoregressive (p,) and moving-average (q,) ones, and the log-likelihood that they reach."""

    mean: float
    phi: np.ndarray
    theta: np.ndarray
    log_likelihood: float

    def states(self, values: np.ndarray) -> np.ndarray:
        """The state at each bar, given all values up to it, (time, r)."""
        return _followed(values, self.mean, self.phi, self.theta)[0]

    def ahead(self, states: np.ndarray, horizon: int) -> np.ndarray:
        """Forecasts of the next `horizon` values from states, (rows, horizon)."""
        path = np.empty((len(states), horizon))
        for k in range(horizon):
            first = states[:, :1]
            states = np.column_stack([states[:, 1:], np.zeros(len(states))])
            states[:, : len(self.phi)] += first * self.phi
            path[:, k] = self.mean + states[:, 0]
        return path


def fit_arma(values: np.ndarray, p: int, q: int) -> Arma:
    """The maximum-likelihood parameters of values, (time,), which may be NaN. They should be near 1 in size."""
    from scipy import optimize

    known = values[np.isfinite(values)]
    phi, theta = _start(known - known.mean(), p, q)
    start = np.concatenate([[known.mean()], _unconstrained(phi), _unconstrained(-theta)])
    found = optimize.minimize(
        lambda x: _loss_and_slope(x, values, p),
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MOST_STEPS, "maxcor": 12, "ftol": 1e2 * np.finfo(float).eps, "gtol": 1e-8},
    )
    phi, theta = _constrained(found.x, p)
    return Arma(float(found.x[0]), phi, theta, -float(found.fun) * len(values))


def log_likelihood(values: np.ndarray, mean: float, phi: np.ndarray, theta: np.ndarray) -> float:
    """The exact log-likelihood of values, (time,), with the variance that makes it largest."""
    return float(_log_likelihood(*_followed(values, mean, phi, theta)[1]))


def _start(values: np.ndarray, p: int, q: int) -> tuple[np.ndarray, np.ndarray]:
    """Parameters by least squares on lagged values and on residuals of a longer autoregression; zeros where they are none."""
    long = 2 * q
    first = max(long + q, p)
    if len(values) <= first + p + q:
        return np.zeros(p), np.zeros(q)
    lagged = [values[first - lag : len(values) - lag] for lag in range(1, p + 1)]
    if q:
        past = np.column_stack([values[long - lag : len(values) - lag] for lag in range(1, long + 1)])
        residuals = values[long:] - past @ np.linalg.lstsq(past, values[long:], rcond=None)[0]
        lagged += [residuals[first - long - lag : len(residuals) - lag] for lag in range(1, q + 1)]
    found = np.linalg.lstsq(np.column_stack(lagged), values[first:], rcond=None)[0]
    phi, theta = found[:p], found[p:]
    return (phi if _is_stable(phi) else np.zeros(p)), (theta if _is_stable(-theta) else np.zeros(q))


def _is_stable(parameters: np.ndarray) -> bool:
    """Whether x_t = sum_i parameters_i x_{t-i} dies away."""
    return not len(parameters) or bool(np.all(np.abs(np.roots(np.concatenate([[1.0], -parameters]))) < 1.0))


def _unconstrained(parameters: np.ndarray) -> np.ndarray:
    """The numbers of which `_stable` makes these."""
    table = np.zeros((len(parameters), len(parameters)))
    table[-1:] = -parameters
    for k in range(len(parameters) - 1, 0, -1):
        for i in range(k):
            table[k - 1, i] = (table[k, i] - table[k, k] * table[k, k - i - 1]) / (1.0 - table[k, k] ** 2)
    partial = table.diagonal()
    return partial / np.sqrt(1.0 - partial**2)


@internal
def _stable(free: np.ndarray) -> np.ndarray:
    """Parameters of an autoregression that dies away, from any numbers; by its partial autocorrelations."""
    order = len(free)
    found = np.zeros(order)
    before = np.zeros(order)
    for k in range(order):
        partial = free[k] / np.sqrt(1.0 + free[k] ** 2)
        for i in range(k):
            found[i] = before[i] + partial * before[k - i - 1]
        found[k] = partial
        before[: k + 1] = found[: k + 1]
    return -found


@compiled()
def _constrained(free: np.ndarray, p: int) -> tuple[np.ndarray, np.ndarray]:
    """phi and theta of the numbers that are searched, the first of which is the mean."""
    return _stable(free[1 : 1 + p]), -_stable(free[1 + p :])


@internal
def _stationary(phi: np.ndarray, driven: np.ndarray) -> np.ndarray:
    """The covariance of the state, the solution of P = T P T' + R R', by doubling; `driven` is R."""
    size = len(driven)
    step = np.zeros((size, size))
    for i in range(size - 1):
        step[i, i + 1] = 1.0
    for i in range(len(phi)):
        step[i, 0] += phi[i]
    covariance = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            covariance[i, j] = driven[i] * driven[j]
    for _ in range(DOUBLINGS):
        more = _product(_product(step, covariance), step.T)
        covariance += more
        step = _product(step, step)
        if not np.max(np.abs(more)) > 1e-17 * np.max(np.abs(covariance)):
            break
    return covariance


@internal
def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b, summed in order."""
    found = np.zeros((a.shape[0], b.shape[1]))
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                found[i, j] += a[i, k] * b[k, j]
    return found


@internal
def _predict(covariance: np.ndarray, corrected: np.ndarray, full: np.ndarray, driven: np.ndarray) -> float:
    """Write T P T' + R R' to `covariance`, P the corrected one; gives the largest change."""
    size, change = len(driven), 0.0
    for i in range(size):
        for j in range(size):
            total = driven[i] * driven[j] + full[i] * full[j] * corrected[0, 0]
            if j + 1 < size:
                total += full[i] * corrected[0, j + 1]
            if i + 1 < size:
                total += full[j] * corrected[i + 1, 0]
                if j + 1 < size:
                    total += corrected[i + 1, j + 1]
            change = max(change, abs(total - covariance[i, j]))
            covariance[i, j] = total
    return change


@compiled()
def _followed(
    values: np.ndarray, mean: float, phi: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, tuple[int, float, float]]:
    """States given the values up to each, (time, r); and the count, sum of log F and sum of v^2 / F of the innovations v."""
    size = max(len(phi), len(theta) + 1)
    driven = np.zeros(size)
    driven[0] = 1.0
    driven[1 : len(theta) + 1] = theta
    full = np.zeros(size)
    full[: len(phi)] = phi
    covariance = _stationary(phi, driven)
    corrected = np.empty((size, size))  # by the value of a bar
    state, gain = np.zeros(size), np.empty(size)
    states = np.empty((len(values), size))
    count, logs, squares = 0, 0.0, 0.0
    is_steady, variance, log_variance = False, 1.0, 0.0
    for t in range(len(values)):
        error = values[t] - mean - state[0]
        if np.isnan(error):
            is_steady = False
        else:
            if not is_steady:
                variance = covariance[0, 0]
                log_variance = np.log(variance)
                for i in range(size):
                    gain[i] = covariance[i, 0] / variance
                for i in range(size):
                    for j in range(size):
                        corrected[i, j] = covariance[i, j] - gain[i] * gain[j] * variance
            count += 1
            logs += log_variance
            squares += error * error / variance
            for i in range(size):
                state[i] += gain[i] * error
        states[t] = state
        first = state[0]
        for i in range(size - 1):
            state[i] = full[i] * first + state[i + 1]
        state[size - 1] = full[size - 1] * first
        if not is_steady:
            if np.isnan(error):
                corrected[:, :] = covariance
            change = _predict(covariance, corrected, full, driven)
            is_steady = not np.isnan(error) and change <= STEADY * variance
    return states, (count, logs, squares)


@compiled()
def _log_likelihood(count: int, logs: float, squares: float) -> float:
    """Of innovations whose common variance makes it largest."""
    variance = max(squares / max(count, 1), SMALLEST)
    return -0.5 * (count * (np.log(2.0 * np.pi * variance) + 1.0) + logs)


@compiled()
def _loss(free: np.ndarray, values: np.ndarray, p: int) -> float:
    """Minus the mean log-likelihood of numbers that `_constrained` makes parameters of."""
    phi, theta = _constrained(free, p)
    _, (count, logs, squares) = _followed(values, free[0], phi, theta)
    return -_log_likelihood(count, logs, squares) / len(values)


@compiled()
def _loss_and_slope(free: np.ndarray, values: np.ndarray, p: int) -> tuple[float, np.ndarray]:
    """The loss and its slope by central differences."""
    slope, moved = np.empty(len(free)), free.copy()
    for i in range(len(free)):
        moved[i] = free[i] + STEP
        above = _loss(moved, values, p)
        moved[i] = free[i] - STEP
        slope[i] = (above - _loss(moved, values, p)) / (2.0 * STEP)
        moved[i] = free[i]
    return _loss(free, values, p), slope
