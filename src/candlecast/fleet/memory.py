"""How many jobs may train together in the memory there is."""

from __future__ import annotations

import torch
from torch import nn

SHARE = 0.5  # of the free memory
MAX_JOBS = {"cpu": 16, "cuda": 1_024}  # more fill no core that is not full already
JUDGED = {"cpu": 64, "cuda": 512}  # sequences of a job that are validated together
COPIES = 5  # of a job's weights: parameters, gradients, two means of Adam, the best so far
STATES = 14  # floats that a recurrent kernel keeps per unit and bar: gates, cells and outputs, and their gradients


def group_size(net: nn.Module, *, jobs: int, batch: int, length: int, columns: int, device: torch.device) -> int:
    """How many jobs train together: as many as fit in half of the free memory, and at least one.

    `net` is one job's; a sequence of `length` bars and `columns` is taken to need `STATES` floats per bar and unit, its
    units to be a quarter of the widest side of each matrix, as in a layer of four gates. Too much rather than too little:
    recurrent nets on CPU keep that for the sequences that threads are at work on alone.
    """
    weights = sum(parameter.numel() for parameter in net.parameters())
    units = sum(max(parameter.shape) for parameter in net.parameters() if parameter.dim() > 1) / 4
    sequence = length * (columns + STATES * units)
    job = 4 * (COPIES * weights + sequence * max(batch, JUDGED[device.type]))
    return max(1, min(jobs, int(SHARE * free_memory(device) / job), MAX_JOBS[device.type]))


def free_memory(device: torch.device) -> int:
    """Bytes that may be taken now, on the host or on the GPU."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as file:
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in file}
        return 1_024 * kilobytes["MemAvailable"]
    except (OSError, KeyError):  # no Linux: assume little
        return 2 * 1_024**3
