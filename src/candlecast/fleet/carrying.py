"""`carry_all`: nets that carry a memory along bars of their own, those of one shape in one call of the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from candlecast.dataset.prediction import Prediction
from candlecast.fleet.fitted import FORECAST_BATCH, FittedNet
from candlecast.fleet.gather import windows_tensor
from candlecast.nets.layers.recurrent import Recurrent, forward_together
from candlecast.process.forking import require_threads

Carried = tuple[Any, Prediction]


@dataclass(frozen=True, eq=False)
class Carry:
    """What `FittedNet.carry` is asked: a net, its memory (None before its first bar), rows of its feature array, and the
    forecasts of a linear part that is refitted.
    """

    fitted: FittedNet
    memory: Any
    inputs: np.ndarray
    linear: np.ndarray | None = None


def carry_all(asked: Sequence[Carry]) -> list[Carried]:
    """What `FittedNet.carry` gives for each, to the last bit; see there."""
    groups: dict[object, list[int]] = {}
    for place, each in enumerate(asked):
        groups.setdefault(_shape(each, place), []).append(place)
    found: list[Carried | None] = [None] * len(asked)
    for places in groups.values():
        own = [asked[place] for place in places]
        answers = (
            _together(own)
            if len(own) > 1
            else [own[0].fitted.carry(own[0].memory, own[0].inputs, linear=own[0].linear)]
        )
        for place, answer in zip(places, answers, strict=True):
            found[place] = answer
    return [each for each in found if each is not None]


def _shape(asked: Carry, place: int) -> object:
    """Equal for what can be one call; `place` for what cannot."""
    fitted = asked.fitted
    if not (fitted.spec.uses_local_rng and isinstance(fitted.net, Recurrent) and fitted.net.is_fused):
        return place
    cell = type(fitted.net.layers[0])
    return cell, asked.inputs.shape, tuple(sorted((name, tuple(value.shape)) for name, value in fitted.weights.items()))


def _together(asked: Sequence[Carry]) -> list[Carried]:
    require_threads()
    nets: list[Recurrent] = [each.fitted.net for each in asked]
    memories, length, found = [each.memory for each in asked], len(asked[0].inputs), []
    with torch.no_grad():
        for first in range(0, length, FORECAST_BATCH):
            parts = [each.inputs[first : first + FORECAST_BATCH] for each in asked]
            count = len(parts[0])
            x = [
                windows_tensor(part, np.array([count - 1]), count, each.fitted.inputs)
                for part, each in zip(parts, asked, strict=True)
            ]
            outputs, memories = forward_together(nets, x, memories, count)  # (K, 1, T, N O)
            found.append(outputs[:, 0])
    outputs = torch.cat(found, dim=1).double().numpy()
    return [
        (memory, each.fitted.in_units(own, each.inputs, each.linear))
        for memory, each, own in zip(memories, asked, outputs, strict=True)
    ]
