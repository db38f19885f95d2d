"""How much of what trained nets add is kept: what their validation rows bear out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from candlecast.dataset.samples import Samples
from candlecast.fleet.fitted import FittedNet
from candlecast.fleet.linear_part import shrinkage

DOUBT = 2.0  # more than 1, since the epoch was chosen on the same rows; see `shrinkage`


def shrunk(nets: Sequence[FittedNet], parts: Sequence[tuple[Samples, np.ndarray]]) -> list[FittedNet]:
    """The nets of one training with the share of what they add that is kept, (N,), the same for all of them.

    It is the `shrinkage` of what they add to their linear part on validation rows. Nothing is shrunk where there are none.

    Args:
        nets: one for each asset that the training learnt from.
        parts: samples and validation rows of each.
    """
    pairs = [net.added(samples, rows) for net, (samples, rows) in zip(nets, parts, strict=True) if len(rows)]
    if not pairs:
        return list(nets)
    forecast, left = (np.concatenate(each) for each in zip(*pairs, strict=True))
    products, squares = (forecast * left).sum(axis=0), (forecast**2).sum(axis=0)
    noise = np.var(left - forecast, axis=0) * nets[0].job.samples.horizon
    kept = [shrinkage(*map(float, each), doubt=DOUBT) for each in zip(products, squares, noise, strict=True)]
    return [net.keeping(np.array(kept)) for net in nets]
