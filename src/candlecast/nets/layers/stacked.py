"""Nets that run many models at once without `torch.func.vmap`, whose bookkeeping costs more than a small net's arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from torch import Tensor, nn


class Stacked(nn.Module):
    """A net written for ONE model that also takes K of them: parameters, buffers and inputs then have one leading K.

    Its operations leave leading dimensions alone, so `torch.func.functional_call` with the stacked parameters gives the
    outputs of all models, each with the same bits as alone.
    """

    def call(self, tensors: Mapping[str, Tensor], *arguments: Any) -> Any:
        """What `functional_call` gives, without its checks of every name: `tensors` has all parameters and buffers."""
        slots = self._slots
        own = [slot[name] for slot, name, _ in slots]
        try:
            for slot, name, path in slots:
                slot[name] = tensors[path]
            return self(*arguments)
        finally:
            for (slot, name, _), tensor in zip(slots, own, strict=True):
                slot[name] = tensor

    @cached_property
    def _slots(self) -> list[tuple[dict[str, Any], str, str]]:
        """Where each parameter and buffer is kept: the dictionary of its module, its name there, and its path."""
        return [
            (slot, name, f"{path}.{name}" if path else name)
            for path, module in self.named_modules()
            for slot in (module._parameters, module._buffers)
            for name in slot
        ]
