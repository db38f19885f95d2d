"""What the parts of `bench/models.py` share: the nets by name, and tasks spread over processes."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any


def nets() -> dict[str, Any]:
    """Names and classes of all nets that commands know, so that a new one is among them by itself."""
    from candlecast import models
    from candlecast.cli.model_registry import MODELS

    classes = {name: getattr(models, cls) for name, cls in MODELS.items()}
    return {name: cls for name, cls in classes.items() if issubclass(cls, models.NetModel)}


def spread(work, tasks, processes):
    """Results of `work` for every task, in the order of the tasks; each process keeps one core busy."""
    began, results = time.perf_counter(), {}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(work, task): place for place, task in enumerate(tasks)}
        for done, future in enumerate(as_completed(futures), start=1):
            place = futures[future]
            results[place] = future.result()
            elapsed = time.perf_counter() - began
            left = elapsed / done * (len(tasks) - done)
            tell(f"{done}/{len(tasks)} {tasks[place]}; {elapsed:.0f} s gone, about {left:.0f} s left")
    return [results[place] for place in range(len(tasks))]


def tell(line):
    """Progress, beside the results."""
    print(line, file=sys.stderr, flush=True)
