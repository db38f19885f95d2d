"""How the models of a group compute side by side: at once where their net can be stacked, one by one where it cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from candlecast.errors import CandlecastError, ConfigError
from candlecast.fleet.layout import Stack
from candlecast.nets import Stacked
from candlecast.nets.layers.weights import globally_seeded

logger = logging.getLogger(__name__)

Part = Stack | Tensor  # each with the models in front: (K, ...)


class Company:
    """Runs functions of one model for all of them. `reason` says why they go one by one; None while they need not."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.reason: str | None = None

    def __call__(self, function: Callable[..., Tensor], keys: Sequence[int], *parts: Part) -> Tensor:
        """`function` of every model's parts, its results stacked (K, ...).

        A net that draws random numbers itself draws them from its model's key; it cannot be stacked. Raises ConfigError
        when the net fails on one model alone.
        """
        if isinstance(self.net, Stacked):
            return function(*parts)
        if self.reason is None:
            try:
                return _at_once(function, len(keys), parts)
            except CandlecastError:
                raise
            except Exception as error:  # of any type: what a user's net does alone is found out below
                self.reason = first_line(error)
                logger.warning("nets train one by one, as torch.func.vmap cannot stack them: %s", self.reason)
        return _one_by_one(function, keys, parts)

    def outputs(self, params: Stack, buffers: Stack, x: Tensor, tail: int) -> Tensor:
        """What the net gives for the last `tail` bars of x; parameters and buffers under every name that they have in it."""
        if isinstance(self.net, Stacked):
            outputs, _ = self.net.call(params | buffers, x, None, tail)
        else:
            outputs, _ = functional_call(self.net, (params, buffers), (x, None, tail), tie_weights=False)
        return outputs


def _at_once(function: Callable[..., Tensor], count: int, parts: Sequence[Part]) -> Tensor:
    """Torch multiplies a single matrix by another routine than several. So that a net's result does not depend on its
    company, one that is alone has a copy of itself beside it. What a net changes in place is a copy; its buffers take the
    place of the old ones once it has come through.
    """
    copies = [_each(part, lambda value: torch.cat([value] * 2) if count == 1 else value.clone()) for part in parts]
    results = vmap(function)(*copies)[:count]
    for part, copy in zip(parts, copies, strict=True):
        if isinstance(part, dict) and isinstance(copy, dict):
            for name, value in part.items():
                if not value.requires_grad:
                    value.copy_(copy[name][:count])
    return results


def _one_by_one(function: Callable[..., Tensor], keys: Sequence[int], parts: Sequence[Part]) -> Tensor:
    results = []
    for place, key in enumerate(keys):
        own = [_each(part, lambda value, place=place: value[place]) for part in parts]
        try:
            with globally_seeded(key):
                results.append(function(*own))
        except CandlecastError:
            raise
        except Exception as error:  # of any type: it is the user's code
            raise ConfigError(
                f"the net fails on a batch of windows ({first_line(error)})",
                expected="a module that maps windows (batch, time, column) to forecasts (batch,) or (batch, 1)",
                remedy="Call it on torch.zeros(32, window, columns) and mend what torch says",
            ) from error
    return torch.stack(results)


def _each(part: Part, change: Callable[[Tensor], Tensor]) -> Part:
    return {name: change(value) for name, value in part.items()} if isinstance(part, dict) else change(part)


def first_line(error: Exception) -> str:
    """An error in one line: its type and the first line that says something."""
    lines = [
        line.strip() for line in str(error).replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines() if line.strip()
    ]
    said = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
