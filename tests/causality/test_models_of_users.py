"""Models that hold code of a user, as a walk begins: rows read together, and what is kept between fits, are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.signal import savgol_filter
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import candlecast as cc
from candlecast.causality import models as checks
from candlecast.causality.agreement import moved, rounding, spreads
from candlecast.causality.usercode import is_ours, sees_arrays_only
from candlecast.models import Baseline
from candlecast.sources import synthetic

MARKET = synthetic.garch(900, seed=4, interval="1h").candles
FOLDS = cc.WalkForward(folds=2)


def walk(model, features, **options):
    return cc.walk_forward(model, MARKET, features=features, folds=FOLDS, **options)


def transformed(change: Callable[[np.ndarray], np.ndarray]) -> cc.Sklearn:
    return cc.Sklearn(make_pipeline(FunctionTransformer(change), LinearRegression()), name="mine", window=2)


def denoised(x):
    return np.hstack([x, savgol_filter(x, 11, 2, axis=0)])


def centred(x):
    return x - x.mean(axis=0)


def ranked(x):
    return np.argsort(np.argsort(x, axis=0), axis=0) / len(x)


class Net(torch.nn.Module):
    """One layer on the last bar; in evaluation, `read` makes the rows of the batch that it sees."""

    read: Callable[[torch.Tensor], torch.Tensor] = staticmethod(lambda v: v)

    def __init__(self, inputs):
        super().__init__()
        self.layer = torch.nn.Linear(inputs, 1)

    def forward(self, x):
        last = x[:, -1]
        return self.layer(last if self.training else type(self).read(last))


class NextRow(Net):
    read = staticmethod(lambda v: torch.cat([v[1:], v[-1:]]))


class BatchMean(Net):
    read = staticmethod(lambda v: v - v.mean(dim=0, keepdim=True))


def net(kind):
    return cc.Torch(kind, name="mine", window=3, training=cc.Fit(epochs=1))


@pytest.mark.parametrize(
    "model",
    [
        transformed(denoised),
        transformed(centred),
        transformed(ranked),
        cc.Conformal(transformed(denoised)),
        net(NextRow),
        net(BatchMean),
        cc.Pooled(net(NextRow)),
        cc.Conformal(net(NextRow)),
        cc.Search(lambda trial: net(NextRow), trials=1, window=3),
    ],
    ids=lambda model: f"{model.name}",
)
def test_rows_that_are_read_together_are_found_through_any_wrapper(model, features):
    with pytest.raises(
        cc.LookaheadError, match=r"moved its forecast at bar .* only candles after bar [\d,]+ had changed"
    ):
        walk(model, features)


class Rows(Baseline):
    """Forecasts by the last return, and by what `read` takes from the rows that were asked for."""

    name, window, is_seeded = "mine", 1, False

    def __init__(self, read):
        self.read = read

    def learn(self, job):
        return lambda samples, rows: 0.1 * samples.inputs[rows, 0] + self.read(samples, rows)


def test_a_model_that_reads_the_next_row_it_is_asked_for_is_found(features):
    with pytest.raises(cc.LookaheadError, match="Read only bars up to each row's own, also of the rows"):
        walk(Rows(lambda samples, rows: np.append(samples.inputs[rows][1:, 0], 0.0)), features)


def test_a_model_that_counts_the_rows_is_found(features):
    with pytest.raises(cc.LookaheadError, match="only later rows had been left out"):
        walk(Rows(lambda samples, rows: np.linspace(0, 1, len(rows))), features)


class Ahead:
    """A forecaster that goes through the rows it is asked for, and stops for good once its forecasts so far have gained."""

    def get_params(self, deep=True):
        return {}

    def set_params(self):
        return self

    def fit(self, x, y):
        self.side, self.spread = np.sign(np.mean(x[:, 0] * y)) or 1.0, float(np.std(y))
        return self

    def predict(self, x):
        earned = np.cumsum(np.append(0.0, self.side * x[:-1, 0] * x[1:, 0]))
        stopped = np.maximum.accumulate(earned) > 5 * self.spread**2
        return np.where(stopped, 0.0, self.side * x[:, 0])


class Fading(Ahead):
    """A forecaster whose state begins with the first row that it is asked for, and fades."""

    def predict(self, x):
        found, state = np.zeros(len(x)), 0.0
        for row, value in enumerate(x[:, 0]):
            state = 0.5 * state + value
            found[row] = self.side * state
        return found


def test_a_state_that_fades_soon_passes(features):
    assert walk(cc.Sklearn(Fading(), name="fading"), features).frame.height


def test_a_model_that_depends_on_earlier_rows_of_the_same_call_is_found(features):
    with pytest.raises(cc.LookaheadError, match="only earlier rows had been left out"):
        walk(cc.Sklearn(Ahead(), name="ahead"), features)


class ByValue:
    """Least squares, and a table of what came after each return."""

    def get_params(self, deep=True):
        return {}

    def set_params(self):
        return self

    def fit(self, x, y):
        self.weight = float(x[:, 0] @ y / (x[:, 0] @ x[:, 0]))
        self.spread = float(np.std(y))
        return self

    def predict(self, x):
        known = [np.sin(1e6 * value) for value in x[:, 0]]  # as a table by exact values would
        return 0.5 * self.weight * x[:, 0] + self.spread * np.array(known)


def test_a_model_that_finds_its_forecasts_by_value_is_found(features):
    with pytest.raises(cc.LookaheadError, match="it finds its forecasts by price, return or volume"):
        walk(cc.Sklearn(ByValue(), name="table"), features)


LONG, WHOLE = synthetic.garch(3_000, seed=5, interval="1h").candles, cc.WalkForward(folds=1)


@dataclass(frozen=True)
class Along(Baseline):
    """Forecasts by what `read` makes of all bars from the first one that is tested, times what is learnt."""

    read: Callable[[np.ndarray, int], np.ndarray]
    name: str = "mine"
    window: int = 1
    is_seeded: bool = False

    def learn(self, job):
        learnt, first = float(np.mean(job.samples.outcomes[job.fit_rows])), job.fold.test.first
        return lambda samples, rows: learnt * self.read(np.nan_to_num(samples.inputs[:, 0]), first)[rows]


def until_ahead(returns, first):
    """Nothing any more, once forecasts by the sign of the last return would have gained since the test part began."""
    gained = np.append(0.0, returns[:-1] * returns[1:]) / np.std(returns[:500]) ** 2
    gained[:first] = 0.0
    return np.where(np.maximum.accumulate(np.abs(np.cumsum(gained))) > 25.0, 0.0, returns)


def by_number(returns, first):
    return np.sin(np.arange(len(returns)) ** 1.5) * returns


def faded(returns, first):
    """An average that never forgets, and fades."""
    found, mean = np.zeros(len(returns)), 0.0
    for row, value in enumerate(returns):
        mean += 0.05 * (value - mean)
        found[row] = mean
    return found


def expanding(returns, first):
    """The last return against the volatility of all bars so far."""
    counts = np.arange(1, len(returns) + 1)
    return returns / np.sqrt(np.cumsum(returns**2) / counts + 1e-12)


@pytest.mark.parametrize("read", [until_ahead, by_number])
def test_a_model_that_counts_from_the_first_bar_is_found(read, features):
    with pytest.raises(cc.LookaheadError, match=r"are others at the same bars when the candles begin \d+ bars later"):
        cc.walk_forward(Along(read), LONG, features=features, folds=WHOLE)


@pytest.mark.parametrize("read", [faded, expanding])
def test_an_average_over_all_earlier_bars_passes(read, features):
    assert cc.walk_forward(Along(read), LONG, features=features, folds=WHOLE).frame.height


class Store:
    """A forecaster that remembers all that it was ever fitted to."""

    kept: ClassVar[list[tuple[np.ndarray, np.ndarray]]] = []

    def __init__(self, limit: int | None = None):
        self.limit = limit

    def fit(self, x, y):
        Store.kept = [*Store.kept, (x, y)][-(self.limit or 100) :]
        return self

    def predict(self, x):
        known, said = (np.concatenate(parts) for parts in zip(*Store.kept, strict=True))
        nearest = np.abs(known[None, :, 0] - x[:, None, 0]).argsort(axis=1, kind="stable")[:, :3]
        return said[nearest].mean(axis=1)


class Asked:
    """A forecaster whose forecasts depend on how often it was asked."""

    def fit(self, x, y):
        self.times = 0
        return self

    def predict(self, x):
        self.times += 1
        return x[:, 0] + self.times


@pytest.mark.parametrize("limit", [None, 3])
def test_a_store_that_survives_a_fit_is_found_in_every_run(limit, features):
    Store.kept = []
    for _ in range(2):  # of the first run it has kept everything
        with pytest.raises(cc.CandlecastError, match=r"keeps something between fits|gives other forecasts each time"):
            walk(cc.Sklearn(lambda: Store(limit), name="store"), features)


def test_a_store_of_distinct_rows_is_lookahead(features):
    kept: dict[float, float] = {}

    class Distinct:
        def fit(self, x, y):
            kept.update(zip(x[:, 0].tolist(), y.tolist(), strict=True))
            return self

        def predict(self, x):
            known, said = np.array(list(kept)), np.array(list(kept.values()))
            return said[np.abs(known[None] - x[:, :1]).argmin(axis=1)]

    for _ in range(2):
        with pytest.raises(
            cc.LookaheadError, match="when a later job was fitted before: it keeps something between fits"
        ):
            walk(cc.Sklearn(Distinct, name="store"), features)


def test_forecasts_that_change_when_asked_again_are_refused(features):
    with pytest.raises(cc.ConfigError, match="gives other forecasts each time|when it is asked twice"):
        walk(cc.Sklearn(Asked, name="asked"), features)


@dataclass(frozen=True)
class Learns(Baseline):
    """A forecast of one number, which `learns` makes of the job."""

    learns: Callable[[Any], float]
    name: str = "mine"
    window: int = 1
    is_seeded: bool = False

    def learn(self, job):
        learnt = self.learns(job)
        return lambda samples, rows: learnt * samples.inputs[rows, 0]


def all_outcomes(job):
    return float(np.nanmean(job.samples.outcomes))


def past_outcomes(job):
    return float(job.samples.outcomes[job.fit_rows].mean())


def test_a_little_noise_hides_no_lookahead(features):
    generator = np.random.default_rng(0)
    noisy = Learns(lambda job: all_outcomes(job) * (1 + 1e-12 * generator.standard_normal()))
    with pytest.raises(cc.LookaheadError, match="Fit on job.fit_rows, or job.train_rows"):
        walk(noisy, features)
    honest = Learns(lambda job: past_outcomes(job) * (1 + 1e-12 * generator.standard_normal()))
    walk(honest, features)


def test_what_differs_each_time_cannot_be_checked_and_is_refused(features):
    generator = np.random.default_rng(0)
    with pytest.raises(
        cc.ConfigError, match=r"so whether it looks ahead cannot be checked; .* Draw random numbers from"
    ):
        walk(Learns(lambda job: generator.standard_normal()), features)


def test_a_model_that_fails_on_other_prices_cannot_be_checked(features):
    def picky(job):
        if job.samples.candles.close[0] != MARKET.close[0]:
            raise KeyError("price")
        return past_outcomes(job)

    with pytest.raises(cc.ConfigError, match=r"mine fails on other prices \(KeyError: 'price'\)"):
        walk(Learns(picky), features)


def test_a_model_that_needs_many_rows_is_checked_on_all_of_them(features):
    sizes = []

    def needs_many(job):
        sizes.append(len(job.samples))
        if len(job.fit_rows) < 250:
            raise ValueError("too few rows")
        return past_outcomes(job)

    walk(Learns(needs_many), features)
    assert min(sizes) < len(MARKET) == sizes[-1]


class ByRow:
    """Nearest neighbours, row by row."""

    def fit(self, x, y):
        self.inner = KNeighborsRegressor(5).fit(x, y)
        return self

    def predict(self, x):
        return self.inner.predict(x)


def repaired(x):
    """Outlying values replaced by the mean of the rows before and after: one row in 30."""
    z, spread = x[:, -1], 0.01
    near = (np.append(z[1:], 0.0) + np.append(0.0, z[:-1])) / 2
    return np.column_stack([x, np.where(np.abs(z) > 2.2 * spread, near, 0.0)])


def test_a_model_that_reads_the_next_row_at_few_rows_is_found():
    with pytest.raises(cc.LookaheadError, match=r"model mine moved its forecast at bar .* although only"):
        walk(transformed(repaired), cc.Features(cc.log_return()))


@pytest.mark.parametrize(
    "model",
    [
        transformed(np.tanh),
        cc.Sklearn(ByRow, name="mine"),
        cc.Conformal(cc.Sklearn(ByRow, name="mine")),
        net(Net),
        cc.Torch(lambda inputs: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4 * inputs, 1)), window=4),
        cc.Search(lambda trial: net(Net), trials=1, window=3),
        Learns(past_outcomes),
        Rows(lambda samples, rows: 0.0 * rows),
    ],
    ids=lambda model: f"{model.name}",
)
def test_models_that_compute_each_row_by_itself_pass(model, features):
    if isinstance(model, cc.Torch):
        model = replace(model, training=cc.Fit(epochs=2))
    walk(model, features)


def test_constant_forecasts_pass(features):
    walk(cc.Sklearn(lambda: ByRow() and Constant(), name="constant"), features)


class Constant:
    def fit(self, x, y):
        self.mean = y.mean()
        return self

    def predict(self, x):
        return np.full(len(x), self.mean)


def test_code_of_a_user_is_found_wherever_it_is_held():
    ours = [
        cc.LSTM(),
        cc.Conformal(cc.Naive()),
        cc.Pooled(cc.GRU()),
        cc.Sklearn(Ridge()),
        cc.Sklearn(make_pipeline(StandardScaler(), KNeighborsRegressor(3))),
        cc.LSTM(head=cc.Gaussian()),
    ]
    theirs = [
        transformed(np.tanh),
        cc.Conformal(transformed(np.tanh)),
        cc.Sklearn(ByRow),
        cc.Sklearn(Ridge(), sample_weight=lambda outcomes: np.ones(len(outcomes))),
        cc.Pooled(net(Net)),
        Learns(past_outcomes),
        cc.Conformal(Learns(past_outcomes)),
    ]
    assert all(map(is_ours, ours)) and not any(map(is_ours, theirs))
    assert sees_arrays_only(cc.Pooled(net(Net))) and sees_arrays_only(transformed(np.tanh))
    assert not sees_arrays_only(Learns(past_outcomes)) and not sees_arrays_only(cc.Conformal(Learns(past_outcomes)))


def test_each_configuration_of_a_search_is_checked_once(features, monkeypatch):
    checked = []
    monkeypatch.setattr(checks, "_require_causal", lambda model, fitted, inner, seed: checked.append(inner.chosen))

    def space(trial):
        return cc.Sklearn(ByRow, name="mine", window=trial.suggest_int("window", 1, 2))

    walk(cc.Search(space, trials=4, window=2), features)
    assert len(checked) == len(set(checked)) in (1, 2)


def test_differences_count_by_the_spread_of_the_forecasts():
    generator = np.random.default_rng(0)
    values = 1e-9 * generator.standard_normal((1, 300))
    naive = np.full(300, 100.0)
    least = rounding(values, naive)
    assert 1e-10 < spreads(values)[0, 0] < 1e-9 and least[0, 0] < 1e-13
    leak = values + 1e-11 * generator.standard_normal((1, 300))
    assert moved(values, leak, 1e-3 * spreads(values)) is not None
    assert moved(values, values + 1e-14, np.maximum(1e-6 * spreads(values), least)) is None
    outlying = values.copy()
    outlying[0, :3] = 1.0  # a few extremes make no spread behind which the others could move
    assert moved(outlying, outlying + 1e-11, 1e-3 * spreads(outlying)).share > 1e-3
