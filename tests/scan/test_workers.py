"""Where tasks are computed: processes that start, end and never exceed the cores, and a Ray cluster in their place."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

import candlecast
from candlecast.errors import ConfigError, RunError
from candlecast.scan import ray_workers, scanning, workers
from candlecast.scan.messages import packed, unpacked
from candlecast.scan.scanning import compute_cells, open_plan, working
from candlecast.scan.tasks import shares_of, task_of
from small_scans import LINEAR, plan_of, walk


def test_processes_times_threads_never_exceed_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(scanning, "cores", lambda: 8)
    folder, opened = open_plan(plan_of(*(walk(each, 1) for each in "ABCDE"), models=[LINEAR]), runs=tmp_path, seed=0)
    for wanted, processes, threads in ((None, 5, 1), (3, 3, 2), (2, 2, 4), (99, 5, 1)):
        with working(opened, folder, workers=wanted, ray=None) as pool:
            assert (pool.capacity, pool.threads) == (processes, threads)
            assert pool.capacity * pool.threads <= 8
    with working(opened, folder, workers=1, ray=None) as pool:
        assert isinstance(pool, workers.Here)


def test_a_worker_has_its_share_of_the_threads(monkeypatch):
    pool = workers.Processes(1, threads=3)
    started = []
    monkeypatch.setattr(workers.subprocess, "Popen", lambda *_, **given: started.append(given) or sys.exit(0))
    with pytest.raises(SystemExit):
        pool.start(1, b"")
    environment = started[0]["env"]
    assert {environment[name] for name in workers.LIMITS} == {"3"}


def test_processes_that_cannot_start_are_reported(monkeypatch):
    monkeypatch.setattr(workers.sys, "executable", os.devnull if os.name == "nt" else "/bin/false")
    pool = workers.Processes(1, threads=1)
    for number in range(2):
        pool.start(number, b"")
        assert pool.next() == (number, None)
    pool.start(2, b"")
    with pytest.raises(RunError, match="3 processes in succession ended before they were ready"):
        pool.next()
    pool.close()


def test_processes_that_are_killed_as_they_start_are_replaced():
    pool = workers.Processes(1, threads=1)
    for number in range(2 * workers.STARTS):
        pool.start(number, b"")
        pool._busy[number].kill()
        assert pool.next() == (number, None)
    pool.close()


class FakeRay:
    """What a scan uses of Ray, in this process; every third task loses its worker, the first too."""

    def __init__(self):
        self.started = self.tasks = 0
        self.options = {}
        error = type("RayError", (Exception,), {})
        self.exceptions = SimpleNamespace(RayError=error, RayTaskError=type("RayTaskError", (error,), {}))

    def is_initialized(self):
        return False

    def init(self, **given):
        if given["address"] == "nowhere:1":
            raise ConnectionError("no cluster there")
        self.started += 1

    def cluster_resources(self):
        return {"CPU": 4.0}

    def remote(self, **options):
        self.options = options
        return lambda function: SimpleNamespace(remote=lambda message: (self._count(), function, message))

    def _count(self):
        self.tasks += 1
        return self.tasks

    def wait(self, active, num_returns):
        return active[:num_returns], active[num_returns:]

    def get(self, task):
        number, function, message = task
        if number % 3 == 1:
            raise self.exceptions.RayError("its worker died")
        return function(message)

    def cancel(self, task, force):
        pass

    def shutdown(self):
        self.started -= 1


def test_a_cluster_computes_the_same_cells_whatever_it_loses(tmp_path, monkeypatch, plan, scanned):
    ray = FakeRay()
    monkeypatch.setattr(ray_workers, "_imported", lambda: ray)
    folder, opened = open_plan(plan, runs=tmp_path, seed=0)
    with working(opened, folder, workers=2, ray="auto") as pool:
        assert pool.capacity == 2
        assert (ray.options["num_cpus"], ray.options["max_retries"]) == (2, 0)
        assert not compute_cells(opened, opened.cells, folder, pool)
    assert ray.tasks > 2
    assert ray.started == 0
    runs, _ = scanned
    for cell in opened.cells:
        assert folder.read("cells", cell.name) == type(folder)(runs).read("cells", cell.name)
    with pytest.raises(RunError, match="the Ray cluster nowhere:1 cannot be reached"):
        ray_workers.RayWorkers("nowhere:1")


def test_without_ray_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"Ray is not installed.*candlecast\[ray\]"):
        ray_workers.RayWorkers("auto")


def test_a_task_travels_with_functions_of_a_users(tmp_path):
    """A feature that no module holds is sent by value, and gives the bytes that it gives here."""
    import numpy as np

    from candlecast.features import Features, feature, log_return

    @feature(warmup=1)
    def body(candles):
        return np.log(candles.close / candles.open)

    given = plan_of(walk("A", 1), models=[LINEAR], features=Features(log_return(), body))
    folder, opened = open_plan(given, runs=tmp_path, seed=0)
    (share,) = shares_of(opened.cells)
    message = packed(task_of(share, folder, seed=0))
    outcomes = [unpacked(workers.answered(message)).outcome for _ in range(2)]
    assert not outcomes[0].failures
    assert outcomes[0].cells == outcomes[1].cells


def test_a_function_of_the_main_script_travels_with_the_modules_that_it_names(tmp_path):
    """It travels by value, and `cc` among its globals by name: candlecast is a module of a class of its own."""
    names = {"cc": candlecast, "__name__": "__main__"}
    exec("def rule(forecast):\n    return cc.FollowDirection()(forecast)\n", names)
    plan = plan_of(walk("A", 1), models=[LINEAR], rule=names["rule"])
    folder, opened = open_plan(plan, runs=tmp_path, seed=0)
    (share,) = shares_of(opened.cells)
    found = unpacked(workers.answered(packed(task_of(share, folder, seed=0)))).outcome
    assert type(candlecast) is not type(os) and list(found.cells) == [opened.cells[0].name] and not found.failures
