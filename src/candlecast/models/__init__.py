"""Models: recipes that are fitted fold by fold. Baselines are models too."""

from candlecast.models.baselines import Drift, LinearRegression, Naive
from candlecast.models.model import Fitted, Model
from candlecast.models.recurrent import GRU, LSTM, RNN, RecurrentModel
from candlecast.models.user import Torch

__all__ = ["GRU", "LSTM", "RNN", "Drift", "Fitted", "LinearRegression", "Model", "Naive", "RecurrentModel", "Torch"]
