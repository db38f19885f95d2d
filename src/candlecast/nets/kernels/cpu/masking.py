"""The dropout mask of `kernels.mask` on CPU."""

from typing import Any

import numpy as np

from candlecast.nets.kernels.cpu.rows import first_place
from candlecast.nets.kernels.cpu.vector import LANES, compiled, dropped, load, store

_u32 = np.uint32


@compiled()
def mask(thread: int, first: int, last: int, x: Any, out: Any, keys: Any, threshold: Any, scale: Any) -> None:
    """Rows of items first to last of the K S shards of x (K, N, B) to `out`, masked."""
    batch = x.shape[2]
    shards = -(-batch // LANES)
    row = np.zeros(LANES, np.float32)
    for item in range(first, last):
        model, shard = item // shards, item % shards
        lane, start = shard * LANES, first_place(model, shard, keys)
        width = min(LANES, batch - lane)
        for n in range(x.shape[1]):
            place = _u32(start + _u32(n * batch))
            if width == LANES:
                store(dropped(load(x, (model, n, lane)), place, threshold, scale), out, (model, n, lane))
            else:
                row[:width] = x[model, n, lane:]
                store(dropped(load(row, (0,)), place, threshold, scale), row, (0,))
                out[model, n, lane:] = row[:width]
