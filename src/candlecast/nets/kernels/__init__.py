"""Recurrent sequence ops: one model's `lstm`, `gru`, `rnn`, differentiable, and under `torch.func.vmap` one call for a fleet.

Three implementations of one meaning: `reference` (readable torch: float64, and any device without a kernel), `cpu`
(float32, compiled by Numba), `gpu` (CUDA, batched products). Results of the CPU kernels depend neither on the number of
`threads` nor on which other models share the call.
"""

from types import ModuleType

import torch
from torch import Tensor

from candlecast.nets.kernels import cpu, gpu, reference
from candlecast.nets.kernels.cpu.threads import threads
from candlecast.nets.kernels.functions import call

__all__ = ["gru", "lstm", "rnn", "threads"]


def lstm(x: Tensor, h0: Tensor, c0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Long short-term memory over a batch of sequences.

    i, f, o = sigmoid(.), g = tanh(.) of x_t W_x + h_{t-1} W_h + b;   c_t = f c_{t-1} + i g;   h_t = o tanh(c_t)

    Shapes: x (B, T, F); h0, c0 (B, H); w_x (F, 4H); w_h (H, 4H); b (4H,), gates side by side in torch's order i, f, g, o.
    torch.nn.LSTM's weights are these transposed, and b = bias_ih + bias_hh. Returns h (B, T, H) and the last cell
    c_T (B, H). T is at least 1. Gradients flow to every argument, once: there is no double backward off the reference.

    h may be a view whose batch lies contiguous in memory; that is also the layout of x taken with the least work.

    >>> zero = torch.zeros
    >>> h, c = lstm(zero(1, 2, 1), zero(1, 1), torch.ones(1, 1), zero(1, 4), zero(1, 4), zero(4))
    >>> c.item()  # halved by the forget gate at each step
    0.25
    """
    if room := _room(x):
        h, c = call(room.LSTM, x, h0, c0, w_x, w_h, b)
        return h, c
    return reference.lstm(x, h0, c0, w_x, w_h, b)


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
    if room := _room(x):
        (h,) = call(room.GRU, x, h0, w_x, w_h, b_x, b_h)
        return h
    return reference.gru(x, h0, w_x, w_h, b_x, b_h)


def rnn(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> Tensor:
    """Simple recurrence over a batch of sequences: h_t = tanh(x_t W_x + h_{t-1} W_h + b).

    Shapes: x (B, T, F); h0 (B, H); w_x (F, H); w_h (H, H); b (H,). Returns h (B, T, H). The rest as `lstm`.

    >>> zero = torch.zeros
    >>> rnn(zero(1, 2, 1), zero(1, 1), zero(1, 1), zero(1, 1), zero(1)).flatten().tolist()
    [0.0, 0.0]
    """
    if room := _room(x):
        (h,) = call(room.RNN, x, h0, w_x, w_h, b)
        return h
    return reference.rnn(x, h0, w_x, w_h, b)


def _room(x: Tensor) -> ModuleType | None:
    """The room whose LSTM, GRU and RNN are kernels for such a tensor."""
    if x.device.type == "cuda":
        return gpu
    if x.device.type == "cpu" and x.dtype == torch.float32:
        return cpu
    return None
