"""How many jobs may train together, and how many sequences be judged together, in the memory there is."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import nn

SHARE = 0.5  # of the free memory
MOST_JOBS = {"cpu": 16, "cuda": 1_024}  # more fill no core that is not full already
JUDGED = 1_024  # sequences judged at once, over all jobs: full speed, bounded memory
COPIES = 5  # of a job's weights: parameters, gradients, two means of Adam, the best so far
STATES = 14  # floats that a recurrent kernel keeps per unit and bar: gates, cells and outputs, and their gradients


@dataclass(frozen=True)
class Plan:
    """`jobs` train together; `judged` sequences of each are validated together."""

    jobs: int
    judged: int


def plan(net: nn.Module, *, jobs: int, batch: int, length: int, columns: int, device: torch.device) -> Plan:
    """The largest group whose weights, batch and activations fit in half of the free memory; at least one job.

    `net` is one job's; a sequence of `length` bars and `columns` is assumed to need `STATES` floats per bar and unit, the
    units counted as the widest parameter of each kind.
    """
    weights = sum(parameter.numel() for parameter in net.parameters())
    units = sum(max(parameter.shape) for parameter in net.parameters() if parameter.dim() > 1)
    sequence = 4 * length * (columns + STATES * units / 4)  # a gated layer's widest parameter is 4 hidden
    job = 4 * COPIES * weights + sequence * max(batch, JUDGED // MOST_JOBS["cpu"])
    fitting = int(SHARE * free_memory(device) / job)
    together = max(1, min(jobs, fitting, MOST_JOBS[device.type]))
    return Plan(together, max(1, JUDGED // together))


def free_memory(device: torch.device) -> int:
    """Bytes that may be taken now, on the host or on the GPU."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as file:
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in file}
        return 1_024 * kilobytes["MemAvailable"]
    except (OSError, KeyError):  # no Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
