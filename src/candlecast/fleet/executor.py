"""How a function of one model runs for K models: at once where the net can be stacked, one by one where it cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from candlecast.errors import CandlecastError, ConfigError
from candlecast.fleet.parameter_layout import ModelTensors
from candlecast.nets import Stacked
from candlecast.nets.layers.weights import globally_seeded

logger = logging.getLogger(__name__)

Argument = ModelTensors | Tensor  # with K models in front: (K, ...)


class Executor:
    """Runs functions of one model for K of them. `reason` says why they run one by one; None while they run at once."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.reason: str | None = None

    def __call__(self, function: Callable[..., Tensor], seeds: Sequence[int], *arguments: Argument) -> Tensor:
        """`function` of each model's arguments, the results stacked (K, ...).

        A net that draws random numbers cannot be stacked, and draws them from its model's seed. Raises ConfigError when the
        net fails on a single model.
        """
        if isinstance(self.net, Stacked):
            return function(*arguments)
        if self.reason is None:
            try:
                return _at_once(function, len(seeds), arguments)
            except CandlecastError:
                raise
            except Exception as error:  # of any type: a user's net may still run by itself
                self.reason = first_line(error)
                logger.warning("nets train one by one, as torch.func.vmap cannot stack them: %s", self.reason)
        return _one_by_one(function, seeds, arguments)

    def outputs(self, params: ModelTensors, buffers: ModelTensors, x: Tensor, tail: int) -> Tensor:
        """Outputs of the net for the last `tail` bars of x; parameters and buffers under all of their names in it."""
        if isinstance(self.net, Stacked):
            outputs, _ = self.net.call(params | buffers, x, None, tail)
        else:
            outputs, _ = functional_call(self.net, (params, buffers), (x, None, tail), tie_weights=False)
        return outputs


def _at_once(function: Callable[..., Tensor], count: int, arguments: Sequence[Argument]) -> Tensor:
    """Torch multiplies one matrix by another routine than several. A single model is doubled, so that its result does not
    depend on how many train with it. Buffers that a net changes in place are copies, and are copied back on success.
    """
    copies = [_each(part, lambda value: torch.cat([value] * 2) if count == 1 else value.clone()) for part in arguments]
    results = vmap(function)(*copies)[:count]
    for part, copy in zip(arguments, copies, strict=True):
        if isinstance(part, dict) and isinstance(copy, dict):
            for name, value in part.items():
                if not value.requires_grad:
                    value.copy_(copy[name][:count])
    return results


def _one_by_one(function: Callable[..., Tensor], seeds: Sequence[int], arguments: Sequence[Argument]) -> Tensor:
    results = []
    for place, seed in enumerate(seeds):
        own = [_each(part, lambda value, place=place: value[place]) for part in arguments]
        try:
            with globally_seeded(seed):
                results.append(function(*own))
        except CandlecastError:
            raise
        except Exception as error:  # of any type: it is the user's code
            raise ConfigError(
                f"the net fails on a batch of windows ({first_line(error)})",
                expected="a module that maps windows (batch, time, column) to forecasts (batch,) or (batch, 1)",
                remedy="Call it on torch.zeros(32, window, columns) and correct what torch reports",
            ) from error
    return torch.stack(results)


def _each(part: Argument, change: Callable[[Tensor], Tensor]) -> Argument:
    return {name: change(value) for name, value in part.items()} if isinstance(part, dict) else change(part)


def first_line(error: Exception) -> str:
    """An error in one line: its type, and the first line of its text that has content."""
    lines = [
        line.strip() for line in str(error).replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines() if line.strip()
    ]
    said = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
