"""`Blueprint`: how the nets of a fleet are made, read and trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from candlecast.fleet.settings import Fit
from candlecast.heads import Head

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Blueprint:
    """`build(columns)` makes a fresh net that reads `window` bars of that many columns per forecast.

    It gives `head.outputs` numbers for each target. It may draw its weights from torch's global generators, which are seeded
    by the job for that moment and given back untouched; if it `draws_apart`, from `nets.weights` alone, they are not needed.
    """

    build: Callable[[int], nn.Module]
    head: Head
    window: int
    fit: Fit
    draws_apart: bool = False
