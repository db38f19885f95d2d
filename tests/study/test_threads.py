"""Studies in many threads of one process: the same bytes as one after the other, and the process is left as it was."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from sklearn.ensemble import RandomForestRegressor
from threadpoolctl import ThreadpoolController, threadpool_limits
from torch import nn

from candlecast import Study
from candlecast.dataset.folds import WalkForward
from candlecast.fleet.one_thread import one_thread
from candlecast.fleet.settings import Fit
from candlecast.models import (
    ARIMA,
    ETS,
    GRU,
    LSTM,
    RNN,
    TCN,
    AttentionLSTM,
    DLinear,
    EncoderDecoder,
    Keras,
    LinearRegression,
    MinGRU,
    MinLSTM,
    NLinear,
    PatchTST,
    Policy,
    Search,
    Sklearn,
    Torch,
    Transformer,
)
from candlecast.models.deterministic import deterministic_fit
from candlecast.nets import Dense
from candlecast.nets.layers.weights import globally_seeded, locally_seeded
from candlecast.process.shared import Shared, ignoring
from candlecast.targets import NextReturn
from candlecast.walkforward import walk_forward

THREADS = 8
USUAL = 3  # threads of torch in these tests; other tests have one
QUICK = Fit(epochs=2, batch=32)


@pytest.fixture(autouse=True, scope="module")
def several_threads():
    """Torch and linear algebra have more than one thread each, which blocks can take away and give back."""
    count = torch.get_num_threads()
    torch.set_num_threads(USUAL)
    with threadpool_limits(USUAL, user_api="blas"):
        yield
    torch.set_num_threads(count)


class Drawing(nn.Module):
    """A user's net that draws its weights and its noise from torch's global generator, and that vmap cannot stack."""

    def __init__(self, inputs):
        super().__init__()
        self.lstm, self.ours, self.last = nn.LSTM(inputs, 4, batch_first=True), Dense(4, 4), nn.Linear(4, 1)

    def forward(self, x):
        h = nn.functional.dropout(self.lstm(x)[0][:, -1], 0.3, self.training)
        return self.last(self.ours(h))[:, 0]


def stacked(inputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(6 * inputs, 4), nn.Dropout(0.3), nn.Linear(4, 1))


def keras(inputs):
    from keras import Sequential, layers

    return Sequential([layers.Input((6, inputs)), layers.LSTM(3, recurrent_dropout=0.2), layers.Dense(1)])


def space(trial):
    return LSTM(hidden=trial.suggest_categorical("hidden", [3, 5]), window=6, training=QUICK)


MODELS = {
    "lstm": LSTM(hidden=4, layers=2, dropout=0.3, window=6, training=QUICK),
    "gru": GRU(hidden=5, window=6, norm=True, layers=2, training=QUICK),
    "transformer": Transformer(hidden=8, heads=2, dropout=0.2, window=6, training=QUICK),
    "drawing": Torch(Drawing, window=6, training=QUICK),
    "stacked": Torch(stacked, window=6, training=QUICK),
    "keras": Keras(keras, window=6, training=QUICK),
    "search": Search(space, trials=2, window=6),
    "forest": Sklearn(RandomForestRegressor(8, max_depth=3)),
    "arima": ARIMA(),
    "ets": ETS(),
    "linear": LinearRegression(window=3),
}


def walk(model, market, features):
    folds = WalkForward(folds=2)
    forecast = walk_forward(model, market, features=features, target=NextReturn(), folds=folds, seeds=[3])
    return forecast.frame["mean"].to_numpy().tobytes()


def state():
    """What the process and the running thread have in common with nobody, and are to be given back."""
    libraries = {library.filepath: library.num_threads for library in ThreadpoolController().lib_controllers}
    return {
        "torch's threads": torch.get_num_threads(),
        "libraries' threads": libraries,
        "torch's generator": torch.random.get_rng_state().numpy().tobytes(),
        "NumPy's generator": str(np.random.get_state()),  # noqa: NPY002
        "Python's generator": random.getstate(),
        "Optuna's verbosity": optuna.logging.get_verbosity(),
        "environment": dict(os.environ),
        "NumPy's errors": np.geterr(),
    }


def of_a_new_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def in_threads(tasks):
    """Each task in a thread of its own, begun at one moment; the results."""
    barrier = threading.Barrier(len(tasks))

    def run(task):
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result() for future in [pool.submit(run, task) for task in tasks]]


GROUPS = [
    ["lstm", "gru", "transformer", "drawing"],
    ["stacked", "search", "forest", "arima", "ets", "linear", "drawing", "keras"],
]


@pytest.mark.parametrize("names", GROUPS, ids=" ".join)
def test_studies_in_threads_are_those_of_one_after_the_other(names, market, features):
    alone = {name: walk(MODELS[name], market, features) for name in names}
    before, usual = state(), of_a_new_thread(torch.get_num_threads)

    def task(name):
        found = walk(MODELS[name], market, features)
        return name, found, torch.get_num_threads()

    for name, found, threads in in_threads([lambda name=name: task(name) for name in (names * THREADS)[:THREADS]]):
        assert found == alone[name], f"{name} forecasts otherwise beside others"
        assert threads == usual
    after = state()
    assert {name for name in before if before[name] != after[name]} == set()
    assert of_a_new_thread(torch.get_num_threads) == usual


def test_a_study_beside_a_study_has_its_own_verdict(market, features):
    study = Study(
        model=MODELS["lstm"], features=features, folds=WalkForward(folds=2), baselines=(LinearRegression(),), seeds=2
    )
    alone = study.run(market)
    for result in in_threads([lambda: study.run(market)] * 3):
        assert result.forecast.frame.equals(alone.forecast.frame)
        assert str(result.verdict) == str(alone.verdict)


OWN = [
    LSTM(hidden=4, layers=2, norm=True),
    GRU(hidden=4, dense=(3,)),
    RNN(hidden=4),
    MinGRU(hidden=4),
    MinLSTM(hidden=4),
    TCN(hidden=4),
    Transformer(hidden=4, heads=2),
    PatchTST(hidden=4),
    DLinear(),
    NLinear(),
    AttentionLSTM(hidden=4),
    EncoderDecoder(hidden=4),
    Policy(hidden=4),
    Policy(layers=0),
]


@pytest.mark.parametrize("recipe", OWN, ids=lambda recipe: recipe.name)
def test_own_nets_draw_their_weights_apart(recipe):
    """The same as torch's global generator would give, which is not touched."""
    assert type(recipe).uses_local_rng
    with globally_seeded(5):
        globally = recipe.build(3, 2).state_dict()
    before = torch.random.get_rng_state()
    with locally_seeded(5):
        apart = recipe.build(3, 2).state_dict()
        assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(globally[name], apart[name]) for name in globally)


def test_a_recipe_derived_from_one_of_ours_may_draw_as_it_likes(market, features):
    class Foreign(LSTM):
        def build(self, inputs, outputs):
            net = super().build(inputs, outputs)
            net.head[0].weight = nn.Parameter(torch.randn_like(net.head[0].weight))
            return net

    model = Foreign(hidden=3, window=6, training=QUICK)
    assert not model.uses_local_rng
    before = torch.random.get_rng_state()
    assert walk(model, market, features) == walk(model, market, features)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_numbers_that_others_draw_meanwhile_are_theirs(market, features):
    def draws():
        return [float(torch.rand(())) for _ in range(4_000)]

    with globally_seeded(1):
        alone = draws()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        beside, *_ = in_threads([draws, *[lambda: walk(MODELS["transformer"], market, features)] * 2])
    assert beside == alone


def test_seeded_blocks_wait_for_each_other():
    """A second thread draws only when the first is done, also where the first has a block inside its own."""

    def draw(seed):
        with globally_seeded(seed):
            first = torch.rand(3)
            with globally_seeded(99):
                torch.rand(50)
            return [*first.tolist(), *torch.rand(300).tolist()]

    alone = [draw(seed) for seed in range(THREADS)]
    assert in_threads([lambda seed=seed: draw(seed) for seed in range(THREADS)]) == alone


def crossing(block, look):
    """What two threads see of blocks that cross: the first begins before the other and ends before it."""
    both, out = threading.Barrier(2), threading.Event()

    def first():
        with block():
            both.wait()
            inside = look()
        out.set()
        return inside, look()

    def second():
        with block():
            both.wait()
            inside = look()
            out.wait()
            still = look()
        return inside, still, look()

    return in_threads([first, second])


def mkl():
    """The number of threads of torch's MKL in this thread; 1 where torch has none."""
    found = re.search(r"mkl_get_max_threads\(\) : (\d+)", torch.__config__.parallel_info())
    return int(found[1]) if found else 1


def require_torch_to_come_back(usual):
    """Of a process in which threads have so many of torch's threads: they have as many after blocks that cross."""
    assert torch.get_num_threads() == of_a_new_thread(torch.get_num_threads) == usual
    assert crossing(one_thread, torch.get_num_threads) == [(1, usual), (1, 1, usual)]
    assert crossing(one_thread, mkl)[1][:2] == (1, 1)
    with one_thread():
        assert of_a_new_thread(torch.get_num_threads) == usual, "a thread that begins meanwhile has what is usual"
        with one_thread():
            assert torch.get_num_threads() == mkl() == 1
        assert torch.get_num_threads() == mkl() == 1
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / 0
    assert (torch.get_num_threads(), of_a_new_thread(torch.get_num_threads)) == (usual, usual)


def test_torch_comes_back_to_the_threads_that_somebody_chose():
    require_torch_to_come_back(USUAL)


def test_torch_that_was_left_as_it_is_comes_back_to_all_its_threads():
    """In a process of its own, since a number once chosen remains."""
    code = f"import test_threads; test_threads.require_torch_to_come_back({USUAL})"
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    threads = {
        "OMP_NUM_THREADS": str(USUAL),
        "MKL_NUM_THREADS": str(USUAL),
        "MKL_DYNAMIC": "FALSE",
    }  # or MKL takes fewer
    environment = os.environ | threads | {"PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_thread_that_comes_to_torch_is_left_with_one():
    """A few hundred begin while others go in and out of blocks."""
    usual, is_over = of_a_new_thread(torch.get_num_threads), threading.Event()

    def in_and_out():
        while not is_over.is_set():
            with one_thread():
                torch.zeros(1)

    def begin():
        try:
            return {of_a_new_thread(torch.get_num_threads) for _ in range(300)}
        finally:
            is_over.set()

    found, *_ = in_threads([begin, in_and_out, in_and_out])
    assert found == {usual}


def algebra():
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return {library.num_threads for library in found}


def test_linear_algebra_comes_back_to_all_its_threads_however_blocks_cross():
    before = state()["libraries' threads"]
    with threadpool_limits(2, user_api="blas"):
        set_by_user = algebra()
        (one, _), (_, still, left) = crossing(deterministic_fit, algebra)
        assert one == still == {1}
        assert left == algebra() == set_by_user
        with pytest.raises(ZeroDivisionError), deterministic_fit():
            _ = 1 / 0
        with deterministic_fit(), deterministic_fit():
            assert algebra() == {1}
        assert algebra() == set_by_user
    assert state()["libraries' threads"] == before


def test_warnings_are_ignored_in_one_thread_alone():
    def hears(category=UserWarning):
        try:
            warnings.warn("heard", category, stacklevel=1)
        except category:
            return True
        return False

    before = list(warnings.filters)
    assert crossing(lambda: ignoring(UserWarning), hears) == [(False, True), (False, False, True)]
    with ignoring(DeprecationWarning):
        assert of_a_new_thread(hears) and hears() and not hears(DeprecationWarning)
        with ignoring(UserWarning):
            assert not hears() and not hears(DeprecationWarning) and of_a_new_thread(hears)
        assert hears() and not hears(DeprecationWarning)
    assert warnings.filters == before


def test_a_shared_change_is_made_once_and_undone_once():
    class Counted(Shared):
        is_made, undone = False, 0

        def make(self):
            self.is_made = True

        def undo(self):
            self.is_made, self.undone = False, self.undone + 1

    counted = Counted()
    assert crossing(counted.block, lambda: counted.is_made) == [(True, True), (True, True, False)]
    assert counted.undone == 1
    with counted.block(), pytest.raises(ZeroDivisionError), counted.block():
        _ = 1 / 0
    assert counted.undone == 2 and not counted.is_made
