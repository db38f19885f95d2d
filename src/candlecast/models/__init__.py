"""Models: recipes that are fitted fold by fold. Baselines are models too."""

from candlecast.models.arima import ARIMA
from candlecast.models.baselines import Baseline, Drift, LinearRegression, Naive
from candlecast.models.model import Fitted, Model
from candlecast.models.recurrent import GRU, LSTM, RNN, RecurrentModel
from candlecast.models.regression import LightGBM, Ridge
from candlecast.models.smoothing import ETS, EWMA, SeasonalNaive
from candlecast.models.user import Torch
from candlecast.models.volatility import GARCH, HAR

__all__ = [
    "ARIMA",
    "ETS",
    "EWMA",
    "GARCH",
    "GRU",
    "HAR",
    "LSTM",
    "RNN",
    "Baseline",
    "Drift",
    "Fitted",
    "LightGBM",
    "LinearRegression",
    "Model",
    "Naive",
    "RecurrentModel",
    "Ridge",
    "SeasonalNaive",
    "Torch",
]
