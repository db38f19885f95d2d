"""Dropout masks as a function of a key, so that a model's masks do not depend on which others train with it."""

from __future__ import annotations

import torch
from torch import Tensor

from candlecast.nets.kernels.cpu.memory import empty
from candlecast.nets.kernels.cpu.threads import share
from candlecast.nets.kernels.hashing import FIRST, KEY_STRIDE, SECOND, cut


def masked(x: Tensor, keys: Tensor, p: float) -> Tensor:
    """x (K, B, ...) with each value zeroed with probability `p` and the others divided by 1 - p, for keys (K,), int32.

    One model's x (B, ...) goes with a single key ().

    A value's fate is a hash of its model's key and of its place: equal keys give equal masks on any device.
    """
    if not keys.dim():
        return masked(x.unsqueeze(0), keys.view(1), p).squeeze(0)
    if x.device.type == "cpu" and x.dtype == torch.float32:
        return _masked_cpu(x, keys, p)
    return masked_reference(x, keys, p)


def masked_reference(x: Tensor, keys: Tensor, p: float) -> Tensor:
    """The same in torch."""
    batch_last = (len(keys), *x.shape[2:], x.shape[1])  # the batch lies contiguous in the recurrent nets
    place = torch.arange(x[0].numel(), device=x.device).view(1, *batch_last[1:])
    bits = (place + keys.long().view(-1, *[1] * (x.dim() - 1)) * KEY_STRIDE) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 16)) * FIRST) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 15)) * SECOND) & 0xFFFFFFFF
    keep = ((bits ^ (bits >> 16)) >= round(p * 2**32)).to(x.dtype) / (1 - p)
    return x * keep.movedim(-1, 1)


def _masked_cpu(x: Tensor, keys: Tensor, p: float) -> Tensor:
    from candlecast.nets.kernels.cpu.masking import mask
    from candlecast.nets.kernels.cpu.vector import LANES

    batch_last = x.movedim(1, -1).contiguous()  # (K, ..., B)
    out = empty(*batch_last.shape)
    rows = (a.view(len(a), -1, a.shape[-1]).numpy() for a in (batch_last, out))  # (K, N, B)
    shards = -(-x.shape[1] // LANES)
    share(mask, len(keys) * shards, *rows, keys.contiguous().numpy(), *cut(p))
    return out.movedim(-1, 1)
