"""Where a fleet trains, and how many jobs train together in the memory there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import nn

from candlecast.errors import ConfigError, said

T = TypeVar("T")

SHARE = 0.5  # of the free memory
MAX_JOBS = {"cpu": 16, "cuda": 1_024}  # a larger group uses no more of the cores
VALIDATION_BATCH = {"cpu": 64, "cuda": 512}  # sequences of a job that are validated together
COPIES = 5  # of a job's weights: parameters, gradients, two moments of Adam, the best so far
STATES = 14  # floats that a recurrent kernel keeps per unit and bar: gates, cells and outputs, and their gradients


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one. Raises ConfigError for a device that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cpu" and not (name.startswith("cuda") and torch.cuda.is_available()):
        raise ConfigError(f"there is no device {name!r} here", expected="cpu, or cuda", remedy='Use Fit(device="auto")')
    return torch.device(name)


def group_size(net: nn.Module, *, jobs: int, batch: int, length: int, columns: int, device: torch.device) -> int:
    """How many of the jobs train together: as many as fit in half of the free memory, and at least one.

    An upper estimate of a job's memory: a sequence of `length` bars and `columns` needs `STATES` floats per bar and unit,
    and the units are a quarter of the widest side of each matrix, as in a layer of four gates. Recurrent nets on CPU need
    less, since they keep these floats only for the sequences that threads are working on.
    """
    weights = sum(parameter.numel() for parameter in net.parameters())
    units = sum(max(parameter.shape) for parameter in net.parameters() if parameter.dim() > 1) / 4
    sequence = length * (columns + STATES * units)
    job = 4 * (COPIES * weights + sequence * max(batch, VALIDATION_BATCH[device.type]))
    return max(1, min(jobs, int(SHARE * free_memory(device) / job), MAX_JOBS[device.type]))


def enough_memory(name: str, trained: Iterator[T]) -> Iterator[T]:
    """What `trained` gives. Raises ConfigError, in place of what torch and NumPy raise, where the memory does not suffice."""
    while True:
        try:
            each = next(trained)
        except StopIteration:
            return
        except (MemoryError, RuntimeError) as error:
            is_memory = isinstance(error, MemoryError) or re.search(r"allocate memory|out of memory", str(error))
            if not is_memory:
                raise
            raise ConfigError(
                f"there is too little memory to train {name} ({said(error)[:200]})",
                expected="a net and batches that fit",
                remedy="Use fewer units, a shorter window, or a smaller Fit(batch=...)",
            ) from error
        yield each


def free_memory(device: torch.device) -> int:
    """Bytes that are free now, on the host or on the GPU."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as file:
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in file}
        return 1_024 * kilobytes["MemAvailable"]
    except (OSError, KeyError):  # not Linux: assume little
        return 2 * 1_024**3
