"""The default head of a target."""

from __future__ import annotations

from candlecast.heads.classes import Bernoulli, Labels
from candlecast.heads.head import Head
from candlecast.heads.point import SquaredError
from candlecast.targets import Target


def usual_head(target: Target) -> Head:
    """Squared error for a value, cross-entropy for a probability and for labels."""
    return {"value": SquaredError, "probability": Bernoulli, "label": Labels}[target.kind]()
