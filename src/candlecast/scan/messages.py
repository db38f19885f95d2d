"""Tasks and outcomes as bytes, between the process that scans and its workers; never stored.

Recipes may hold functions of a user's, which travel by value where no module holds them.
"""

from __future__ import annotations

import pickle
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from types import ModuleType
from typing import Any

from candlecast.scan.computing import Outcome, Task, compute


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
            is_special = isinstance(obj, ModuleType) and type(obj) is not ModuleType  # those of lazy_loader are
            return (import_module, (obj.__name__,)) if is_special else super().reducer_override(obj)

    message = BytesIO()
    Pickler(message).dump(task)
    return message.getvalue()


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
