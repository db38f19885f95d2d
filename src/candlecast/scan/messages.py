"""Tasks and outcomes as bytes, between the process that scans and its workers; never stored.

Recipes may hold functions of a user's, which travel by value where no module holds them. Features of candlecast's own are made
again from their parameters, so that they are candlecast's own in a worker, too, and not checked as code of a user.
"""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from io import BytesIO
from types import ModuleType
from typing import Any

from candlecast import features
from candlecast.causality.features import is_ours
from candlecast.features import Feature, Known
from candlecast.scan.computing import Outcome, Task, compute

CHOSEN = ("warmup", "outputs", "scaling", "label")  # of a feature, beside what its kind and parameters give


@dataclass(frozen=True)
class Measured:
    """An outcome, and what it took: seconds of time, of processors, and the most memory of the process so far, in bytes."""

    outcome: Outcome
    seconds: float
    processor_seconds: float
    memory: int


def packed(task: Task) -> bytes:
    """A task as a message. Modules that its functions name, such as candlecast itself, travel by their names."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, ModuleType) and type(obj) is not ModuleType:  # those of lazy_loader
                return import_module, (obj.__name__,)
            if isinstance(obj, Feature) and not isinstance(obj.compute, Known) and is_ours(obj):
                return _made_again, (obj.kind, obj.parameters, {name: getattr(obj, name) for name in CHOSEN})
            return super().reducer_override(obj)

    message = BytesIO()
    Pickler(message).dump(task)
    return message.getvalue()


def _made_again(kind: str, parameters: Mapping[str, Any], chosen: Mapping[str, Any]) -> Feature:
    return replace(getattr(features, kind)(**parameters), **chosen)


def answered(message: bytes) -> bytes:
    """The outcome of the task of a message, as a message."""
    return pickle.dumps(measured(pickle.loads(message)))  # noqa: S301 - from the process that started this one


def measured(task: Task) -> Measured:
    """A task computed and measured."""
    began, worked = time.perf_counter(), time.process_time()
    outcome = compute(task)
    return Measured(outcome, time.perf_counter() - began, time.process_time() - worked, peak_memory())


def unpacked(message: bytes) -> Measured:
    """The outcome of a message of a worker."""
    return pickle.loads(message)  # noqa: S301 - from a process that this one started


def peak_memory() -> int:
    """The most memory that this process has held, in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest
