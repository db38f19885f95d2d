"""Heads: what a net says of an outcome, and what it is charged for it. Importable without torch."""

from candlecast.heads.classes import Chance, Labels
from candlecast.heads.head import Elementwise, Head
from candlecast.heads.normal import Gaussian, StudentT
from candlecast.heads.point import AbsoluteError, Huber, SquaredError
from candlecast.heads.quantiles import Quantiles
from candlecast.heads.usual import usual_head

__all__ = [
    "AbsoluteError",
    "Chance",
    "Elementwise",
    "Gaussian",
    "Head",
    "Huber",
    "Labels",
    "Quantiles",
    "SquaredError",
    "StudentT",
    "usual_head",
]
