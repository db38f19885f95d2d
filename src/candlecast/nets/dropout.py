"""Dropout whose mask is a function of a key, so that a model's masks are its own, however many train beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

KEY_STRIDE = -1640531527  # 2^32 / golden ratio as int32: neighbouring keys land far apart


class Dropout(nn.Module):
    """Zero each value with probability `p` in training, and divide the others by 1 - p (Srivastava et al. 2014).

    The mask is a hash (Wellons' lowbias32) of `key`, an int32 buffer, and the value's place: equal keys give equal masks on any
    device. Whoever trains sets a new key before each step.
    """

    key: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.zeros((), dtype=torch.int32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        batch_last = (*x.shape[1:], x.shape[0])  # the batch lies contiguous in the recurrent nets
        place = torch.arange(x.numel(), dtype=torch.int32, device=x.device).view(batch_last)
        bits = _hash(place + self.key * KEY_STRIDE) & 0x7FFFFFFF
        keep = (bits >= round(self.p * 2**31)).to(x.dtype) / (1 - self.p)
        return x * keep.movedim(-1, 0)


def seeded(net: nn.Module) -> nn.Module:
    """The net with every `torch.nn.Dropout` in it exchanged for `Dropout`."""
    for name, child in net.named_children():
        if type(child) is nn.Dropout:
            setattr(net, name, Dropout(child.p))
        else:
            seeded(child)
    return net


def _hash(x: Tensor) -> Tensor:
    """A bijective mixing of int32 in which every input bit moves every output bit (lowbias32 of Wellons, 2018)."""
    x = (x ^ ((x >> 16) & 0xFFFF)) * 0x7FEB352D
    x = (x ^ ((x >> 15) & 0x1FFFF)) * -2073254261
    return x ^ ((x >> 16) & 0xFFFF)
