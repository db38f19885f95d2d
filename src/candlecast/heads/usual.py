"""The head that a target has when none is named."""

from __future__ import annotations

from candlecast.heads.classes import Chance, Labels
from candlecast.heads.head import Head
from candlecast.heads.point import SquaredError
from candlecast.targets import Target


def usual_head(target: Target) -> Head:
    """Squared error for a value, cross-entropy for a chance and for labels."""
    return {"value": SquaredError, "probability": Chance, "label": Labels}[target.kind]()
