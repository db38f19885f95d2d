"""The models, each in a file of its own; those of `nets` import torch."""

from .arima import ARIMA as ARIMA
from .baselines import (
    Baseline as Baseline,
    Drift as Drift,
    LinearRegression as LinearRegression,
    Naive as Naive,
)
from .model import (
    Fitted as Fitted,
    Model as Model,
    learns_position as learns_position,
)
from .net import NetModel as NetModel
from .nets.dlinear import (
    DLinear as DLinear,
    NLinear as NLinear,
)
from .nets.policy import Policy as Policy
from .recurrent import (
    GRU as GRU,
    LSTM as LSTM,
    RNN as RNN,
    RecurrentModel as RecurrentModel,
)
from .regression import (
    LightGBM as LightGBM,
    Ridge as Ridge,
)
from .smoothing import (
    ETS as ETS,
    EWMA as EWMA,
    SeasonalNaive as SeasonalNaive,
)
from .user import Torch as Torch
from .volatility import (
    GARCH as GARCH,
    HAR as HAR,
)

__all__: list[str]
