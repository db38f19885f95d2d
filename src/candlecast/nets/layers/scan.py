"""The linear recurrence h_t = a_t h_{t-1} + b_t over a batch of sequences, for one model or K of them: all bars at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from candlecast.nets.kernels import share
from candlecast.nets.kernels.functions import signed
from candlecast.process.compiling import compiled


def scan(a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """h_t = a_t h_{t-1} + b_t for t = 1 ... T, unit by unit: a, b (..., T, H) and h0 (..., H) -> h (..., T, H).

    Differentiable once. Two steps one after the other are a step of the same kind, so the steps are composed in pairs, the
    pairs in pairs, and so on (Hillis and Steele 1986): log2 T rounds over all bars. In float32 on CPU, where all bars at
    once are no faster than one after the other, a compiled loop runs over each row. Results do not depend on the threads.

    >>> half = torch.full((3, 1), 0.5)
    >>> scan(half, torch.tensor([[1.0], [0.0], [0.0]]), torch.tensor([2.0])).flatten().tolist()
    [2.0, 1.0, 0.5]
    """
    return _Scan.apply(a, b, h0)  # type: ignore[return-value]


@signed
class _Scan(Function):
    @staticmethod
    def forward(a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
        return _run(a, b, h0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        a, _, h0 = inputs
        ctx.save_for_backward(a, h0, output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient of h_t is what comes in there plus a_{t+1} times that of h_{t+1}: the same recurrence, backwards."""
        a, h0, h = ctx.saved_tensors
        (incoming,) = gradients
        following = torch.cat([a[..., 1:, :], torch.zeros_like(a[..., :1, :])], -2)
        gradient = _run(following.flip(-2), incoming.flip(-2), torch.zeros_like(h0)).flip(-2)  # (..., T, H)
        before = torch.cat([h0.unsqueeze(-2), h[..., :-1, :]], -2)
        return gradient * before, gradient, gradient[..., 0, :] * a[..., 0, :]


def _run(a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    if a.device.type == "cpu" and a.dtype == torch.float32:
        h = torch.empty_like(b, memory_format=torch.contiguous_format)
        rows = [
            tensor.detach().contiguous().flatten(0, -3).numpy() for tensor in (a.unsqueeze(0), b.unsqueeze(0))
        ]  # (N, T, H)
        start = h0.detach().contiguous().reshape(-1, h0.shape[-1]).numpy()  # (N, H)
        share(_compiled(), len(start), *rows, start, h.view(-1, *h.shape[-2:]).numpy())
        return h
    h = torch.cat([b[..., :1, :] + a[..., :1, :] * h0.unsqueeze(-2), b[..., 1:, :]], -2)
    reach = 1
    while reach < h.shape[-2]:  # each h_t is composed of the last `reach` steps
        h = torch.cat([h[..., :reach, :], h[..., reach:, :] + a[..., reach:, :] * h[..., :-reach, :]], -2)
        a = torch.cat([a[..., :reach, :], a[..., reach:, :] * a[..., :-reach, :]], -2)
        reach *= 2
    return h


@cache
def _compiled() -> Callable[..., None]:
    @compiled()
    def run(thread: int, first: int, last: int, a: Any, b: Any, h0: Any, h: Any) -> None:
        for n in range(first, last):
            for unit in range(h.shape[2]):
                h[n, 0, unit] = a[n, 0, unit] * h0[n, unit] + b[n, 0, unit]
            for t in range(1, h.shape[1]):
                for unit in range(h.shape[2]):
                    h[n, t, unit] = a[n, t, unit] * h[n, t - 1, unit] + b[n, t, unit]

    return run
