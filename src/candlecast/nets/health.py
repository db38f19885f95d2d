"""Whether the compiled kernels compute what their definitions say, and which devices torch finds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from candlecast.nets.kernels import GRU, LSTM, RNN, Cell, layers
from candlecast.process.compiling import CacheState, cache_state

BATCH, BARS, COLUMNS, HIDDEN = 3, 5, 2, 4  # of the check, which is no multiple of a vector


@dataclass(frozen=True)
class KernelHealth:
    """A compiled cell on this machine.

    Attributes:
        name: LSTM, GRU or RNN.
        difference: the largest one between its outputs and those of the readable definition in float64.
        cache: where its compiled code is kept, and whether it came from there.
    """

    name: str
    difference: float
    cache: CacheState

    @property
    def is_right(self) -> bool:
        """Whether the outputs, which lie within -1 and 1, agree to float32's precision."""
        return self.difference < 1e-5


def kernels() -> list[KernelHealth]:
    """Each cell, compiled if it was not, on a small input.

    >>> [(each.name, each.is_right) for each in kernels()]
    [('LSTM', True), ('GRU', True), ('RNN', True)]
    """
    from candlecast.nets.kernels.cpu import gru, lstm, rnn

    compiled = {"LSTM": lstm, "GRU": gru, "RNN": rnn}
    return [
        KernelHealth(cell.name, _difference(cell), cache_state(compiled[cell.name]._forward))
        for cell in (LSTM, GRU, RNN)
    ]


def gpus() -> list[str]:
    """Name and memory of each CUDA device; empty without one."""
    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [f"{each.name}, {each.total_memory / 1024**3:.0f} GiB" for each in found]


def torch_threads() -> int:
    """How many threads torch computes with on CPU."""
    return torch.get_num_threads()


def _difference(cell: Cell) -> float:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[cell.name]
    biases = 2 if cell.name == "GRU" else 1
    shapes = [(BATCH, HIDDEN)] * cell.states
    shapes += [(COLUMNS, gates * HIDDEN), (HIDDEN, gates * HIDDEN), *[(gates * HIDDEN,)] * biases]
    with torch.inference_mode():
        fast, right = (
            layers(cell, _waves((BATCH, BARS, COLUMNS), kind), [[_waves(shape, kind) for shape in shapes]])[0]
            for kind in (torch.float32, torch.float64)
        )
        return float((fast.double() - right).abs().max())


def _waves(shape: tuple[int, ...], kind: torch.dtype) -> Tensor:
    """Numbers from -0.5 to 0.5 that are the same in each type."""
    count = torch.Size(shape).numel()
    return (torch.sin(torch.arange(count, dtype=torch.float64) * 1.7) / 2).float().to(kind).reshape(shape)
