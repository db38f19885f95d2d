"""Other processes: what is said in one that was forked from work, and what can be sent to one."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.models import LSTM, Conformal, Drift, Pooled, Search
from candlecast.walkforward import plan_jobs

WAYS = ("read", "frame", "make", "walk", "forecast", "store")
FORK = """
import os, warnings
warnings.simplefilter("ignore")  # Python itself warns of forks where there are threads
import candlecast as cc
from candlecast.sources import synthetic
from candlecast.models import LinearRegression
from candlecast.walkforward import plan_jobs, walk_forward

store = cc.Store("store")
made = {{}}

def fitted():
    model = cc.LSTM(hidden=2, window=4, training=cc.Fit(epochs=1, batch=64))
    (job,) = plan_jobs(model, made["candles"], folds=cc.WalkForward(folds=1))
    (net,) = model.fit([job])
    return net

def work():
    made["candles"] = cc.read_csv("candles.csv", interval="1d")
    made["frame"] = made["candles"].frame
    made["net"] = fitted()
    return made["net"].forecast(made["net"].job.samples, made["net"].job.test_rows).mean.tobytes().hex()[:40]

ways = {{
    "read": lambda: cc.read_csv("candles.csv", interval="1d"),
    "frame": lambda: cc.Candles.from_frame(made["frame"]),
    "make": lambda: synthetic.random_walk(100, seed=1),
    "walk": lambda: walk_forward(LinearRegression(), made["candles"]),
    "forecast": lambda: made["net"].forecast(made["net"].job.samples, made["net"].job.test_rows),
    "store": lambda: store.symbols(),
}}
if {has_worked}:
    print(work(), flush=True)
child = os.fork()
if child == 0:
    for name, way in ways.items() if {has_worked} else [("work", lambda: print(work(), flush=True))]:
        try:
            way()
        except Exception as error:
            print(name, type(error).__name__, str(error), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(work(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize("has_worked", [True, False])
def test_a_process_forked_from_work_says_so_instead_of_hanging(has_worked, tmp_path, market):
    market.frame.drop("close_time").write_csv(tmp_path / "candles.csv")
    code = FORK.format(has_worked=has_worked).replace('interval="1d"', 'interval="1h"')
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    first, *said, last = done.stdout.splitlines()
    assert first == last
    assert [line.split()[0] for line in said] == (list(WAYS) if has_worked else [])
    for line in said:
        assert line.split()[1] == "ConfigError"
        assert "was forked from one in which candlecast had worked; expected a new process" in line
        assert 'Use multiprocessing.get_context("spawn")' in line


QUICK = Fit(epochs=1, batch=64)
FITTED = [
    LSTM(hidden=4, window=6, training=QUICK),
    Pooled(LSTM(hidden=4, window=6, training=QUICK)),
    Conformal(Drift()),
    Drift(),
    Search(lambda trial: Drift(), trials=1),
]


@pytest.mark.parametrize("model", FITTED, ids=lambda model: model.name)
def test_what_was_fitted_is_sent_as_its_tensors(model, market):
    features, folds = Features(log_return(), log_range()), WalkForward(folds=1)
    (first,) = model.fit(plan_jobs(model, market, features=features, folds=folds))
    message = (
        r"of AR\(1\), fold 0, seed 0 cannot be pickled; expected its tensors, which are NumPy arrays, to be sent or stored "
        r"instead\. Send fitted\.tensors\(\), plan the same jobs there, and call model\.restore\(job, tensors\)"
    )
    with pytest.raises(ConfigError, match=message):
        pickle.dumps(first)
    tensors = pickle.loads(pickle.dumps(dict(first.tensors())))
    (job,) = plan_jobs(model, market, features=features, folds=folds)
    again = model.restore(job, tensors)
    rows = job.test_rows
    assert np.array_equal(again.forecast(job.samples, rows).mean, first.forecast(first.job.samples, rows).mean)
