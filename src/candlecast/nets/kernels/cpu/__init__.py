"""The recurrent ops for K stacked models on CPU, float32, compiled by Numba on first use and cached on disk.

A *shard* is as many rows of one model's batch as a vector has lanes; the last one is filled up with zeros. A (model, shard)
pair is one piece of work and runs on one thread with its state in registers and cache: all arrays inside are rows of
lanes, so every product is a register tile of rows times broadcast weights, and gates need no pass of their own. Shards
never depend on the number of threads and their weight gradients are summed in order: results are the same bytes for
any number of `threads` and independent of which models share the call.

Each shard has one block of rows for all layers, kept from the forward pass for the backward one: of every step its z =
(x, 1, h), which the weights are multiplied with, and what else the cell needs to be differentiated. So h is written
once, to where the next step and the weight gradient read it. Where nothing outlasts a chain of works, the blocks are
those of its threads, and stay in their caches.

    stack            all layers of a shard, one piece of work after the other
    cell             what a cell brings to a stack
    lstm, gru, rnn   the cells: a time loop each way
    single           one sequence of a model, with units in the lanes
    dense            what reads the last outputs, by the same tiles
    rows             reading, writing and masking rows
    products         packing weights; the tiles
    vector           lanes as a Numba value
    threads, memory  sharing the work, and lending buffers
"""

from importlib import import_module

from candlecast.nets.kernels.functions import Kernel

LSTM: Kernel
GRU: Kernel
RNN: Kernel


def __getattr__(name: str) -> Kernel:
    """Each cell's kernel from its module, imported (and so compiled) when first asked for."""
    if name not in ("LSTM", "GRU", "RNN"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name.lower()}").KERNEL
