"""Recurrent sequence ops `lstm`, `gru`, `rnn`: differentiable, for one model or, stacked or under `torch.func.vmap`, for a fleet.

Three implementations of one meaning: `reference` (readable torch: float64, and any device without a kernel), `cpu`
(float32, compiled by Numba), `gpu` (CUDA, batched products). Results of the CPU kernels depend neither on the number of
`threads` nor on which other models share the call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from candlecast.nets.kernels import cpu, gpu, reference
from candlecast.nets.kernels.cpu.threads import Chain, recorded, share, threads
from candlecast.nets.kernels.functions import Inputs, Kernel, Stack, call
from candlecast.nets.kernels.mask import masked
from candlecast.nets.layers.exporting import is_exporting

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "Chain",
    "gru",
    "layers",
    "layers_vjp",
    "lstm",
    "recorded",
    "rnn",
    "share",
    "threads",
]


@dataclass(frozen=True)
class Cell:
    """A kind of recurrent cell: its definition in readable torch, the name of its kernels, and how many states it has."""

    name: str
    reference: Callable[..., Tensor | tuple[Tensor, ...]]
    states: int

    def kernel(self, x: Tensor) -> Kernel | None:
        """The kernel for tensors like x; None where only the reference can."""
        if is_exporting():
            return None
        if x.device.type == "cuda":
            return getattr(gpu, self.name)
        if x.device.type == "cpu" and x.dtype == torch.float32:
            return getattr(cpu, self.name)
        return None


LSTM = Cell("LSTM", reference.lstm, states=2)
GRU = Cell("GRU", reference.gru, states=1)
RNN = Cell("RNN", reference.rnn, states=1)


def layers(
    cell: Cell,
    x: Tensor,
    tensors: Sequence[Sequence[Tensor]],
    *,
    tail: int | None = None,
    dropout: float = 0.0,
    keys: Sequence[Tensor] = (),
) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    """Layers of one cell on top of each other, as one op: each reads the outputs of the one below, the first reads x.

    `tensors` has for each layer its initial states and weights, in the order of `lstm`, `gru` and `rnn`, which say the
    shapes. With `dropout` the outputs of each layer, but not its states, are masked by its key: `keys`, int32, one per
    layer; see `mask.masked`. Returns the top layer's outputs of the last `tail` bars (B, tail, H), by default of all, and
    the states of each layer after the last bar: `(h_T,)`, or for the LSTM `(h_T, c_T)`, each (B, H).
    """
    tail = x.shape[-2] if tail is None else tail
    kernel = cell.kernel(x)
    if kernel is None:
        return _in_torch(cell, x, tensors, tail=tail, dropout=dropout, keys=keys)
    differentiates = torch.is_grad_enabled()
    stack = Stack(kernel, len(tensors), dropout, tail, lasting=differentiates, is_last=not differentiates)
    outputs, *states = call(stack, _inputs(stack, x, tensors, keys))
    return outputs, [tuple(stack.of(states, layer)) for layer in range(len(tensors))]


def layers_vjp(
    cell: Cell,
    x: Tensor,
    tensors: Sequence[Sequence[Tensor]],
    *,
    tail: int,
    dropout: float = 0.0,
    keys: Sequence[Tensor] = (),
    lasting: bool = True,
) -> tuple[Tensor, Callable[[Tensor], list[Tensor]]]:
    """The outputs of `layers` for K models on CPU, and the function from their gradient to those of the weights, layer by layer.

    All arguments have the leading K and are float32. Without autograd, and only of what is asked for, in work that can be
    `recorded`; not `lasting` where both passes are recorded as one chain.
    """
    stack = Stack(getattr(cpu, cell.name), len(tensors), dropout, tail, lasting)
    inputs = _inputs(stack, x, tensors, keys)
    (outputs, *states), kept = stack.kernel.forward(stack, inputs)

    def vjp(gradient: Tensor) -> list[Tensor]:
        _, *found = stack.kernel.backward(stack, (gradient, *(None for _ in states)), kept, inputs, False)
        return [own for layer in range(stack.layers) for own in stack.of(found, layer)[cell.states :]]

    return outputs, vjp


def _inputs(stack: Stack, x: Tensor, tensors: Sequence[Sequence[Tensor]], keys: Sequence[Tensor]) -> Inputs:
    return Inputs(tuple(keys) if stack.dropout else (), x, tuple(tensor for layer in tensors for tensor in layer))


def _in_torch(
    cell: Cell, x: Tensor, tensors: Sequence[Sequence[Tensor]], *, tail: int, dropout: float, keys: Sequence[Tensor]
) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    states = []
    for depth, own in enumerate(tensors):
        found = cell.reference(x, *own)
        x, *last = found if isinstance(found, tuple) else (found,)
        states.append((x[..., -1, :], *last))
        x = x[..., -tail:, :] if depth + 1 == len(tensors) else x
        x = masked(x, keys[depth], dropout) if dropout else x
    return x, states


def lstm(x: Tensor, h0: Tensor, c0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Long short-term memory over a batch of sequences.

    i, f, o = sigmoid(.), g = tanh(.) of x_t W_x + h_{t-1} W_h + b;   c_t = f c_{t-1} + i g;   h_t = o tanh(c_t)

    Shapes: x (B, T, F); h0, c0 (B, H); w_x (F, 4H); w_h (H, 4H); b (4H,), gates side by side in torch's order i, f, g, o.
    torch.nn.LSTM's weights are these transposed, and b = bias_ih + bias_hh. Returns h (B, T, H) and the last cell
    c_T (B, H). T is at least 1. Gradients flow to every argument, once: there is no double backward off the reference.

    All arguments may have a leading K, one for each of K models; the results then have it too.

    h may be a view whose batch lies contiguous in memory; that is also the layout of x taken with the least work.

    >>> zero = torch.zeros
    >>> h, c = lstm(zero(1, 2, 1), zero(1, 1), torch.ones(1, 1), zero(1, 4), zero(1, 4), zero(4))
    >>> c.item()  # halved by the forget gate at each step
    0.25
    """
    h, ((_, c),) = layers(LSTM, x, [(h0, c0, w_x, w_h, b)])
    return h, c


def gru(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor) -> Tensor:
    """Gated recurrent unit over a batch of sequences, in the form of torch and cuDNN.

    r, z = sigmoid(x_t W + b_x + h_{t-1} U + b_h);   n = tanh(x_t W_n + b_xn + r (h_{t-1} U_n + b_hn));
    h_t = (1 - z) n + z h_{t-1}

    Shapes: x (B, T, F); h0 (B, H); w_x (F, 3H); w_h (H, 3H); b_x, b_h (3H,), gates in the order r, z, n. torch.nn.GRU's
    weights are these transposed. Returns h (B, T, H). The rest as `lstm`.

    >>> zero = torch.zeros
    >>> gru(zero(1, 2, 1), torch.ones(1, 1), zero(1, 3), zero(1, 3), zero(3), zero(3)).flatten().tolist()
    [0.5, 0.25]
    """
    h, _ = layers(GRU, x, [(h0, w_x, w_h, b_x, b_h)])
    return h


def rnn(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> Tensor:
    """Simple recurrence over a batch of sequences: h_t = tanh(x_t W_x + h_{t-1} W_h + b).

    Shapes: x (B, T, F); h0 (B, H); w_x (F, H); w_h (H, H); b (H,). Returns h (B, T, H). The rest as `lstm`.

    >>> zero = torch.zeros
    >>> rnn(zero(1, 2, 1), zero(1, 1), zero(1, 1), zero(1, 1), zero(1)).flatten().tolist()
    [0.0, 0.0]
    """
    h, _ = layers(RNN, x, [(h0, w_x, w_h, b)])
    return h
