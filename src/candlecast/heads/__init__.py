"""Heads: the losses of nets, and the forecasts that their outputs stand for. Importable without torch."""

from candlecast.heads.classes import Bernoulli, Chance as Chance, Labels
from candlecast.heads.head import Elementwise, Head
from candlecast.heads.normal import Gaussian, StudentT
from candlecast.heads.point import AbsoluteError, Huber, SquaredError
from candlecast.heads.quantiles import Quantiles
from candlecast.heads.usual import usual_head

__all__ = [
    "AbsoluteError",
    "Bernoulli",
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
