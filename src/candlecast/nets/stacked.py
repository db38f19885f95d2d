"""Nets that run many models at once without `torch.func.vmap`, whose bookkeeping costs more than a small net's arithmetic."""

from __future__ import annotations

from torch import nn


class Stacked(nn.Module):
    """A net written for ONE model that also takes K of them: parameters, buffers and inputs then have one leading K.

    Its operations leave leading dimensions alone, so `torch.func.functional_call` with the stacked parameters gives the
    outputs of all models, each with the same bits as alone.
    """
