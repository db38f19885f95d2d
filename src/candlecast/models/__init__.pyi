"""The models, each in a file of its own; those of `nets` import torch."""

from .arima import ARIMA as ARIMA
from .baselines import (
    Baseline as Baseline,
    Drift as Drift,
    LinearRegression as LinearRegression,
    Naive as Naive,
)
from .conformal import Conformal as Conformal
from .estimator import Sklearn as Sklearn
from .model import (
    Fitted as Fitted,
    Model as Model,
)
from .net import NetModel as NetModel
from .nets.alstm import AttentionLSTM as AttentionLSTM
from .nets.dlinear import (
    DLinear as DLinear,
    NLinear as NLinear,
)
from .nets.encoder_decoder import EncoderDecoder as EncoderDecoder
from .nets.keras import Keras as Keras
from .nets.mingru import (
    MinGRU as MinGRU,
    MinLSTM as MinLSTM,
)
from .nets.patchtst import PatchTST as PatchTST
from .nets.policy import Policy as Policy
from .nets.tcn import TCN as TCN
from .nets.transformer import Transformer as Transformer
from .pooled import Pooled as Pooled
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
from .search import (
    FittedSearch as FittedSearch,
    Search as Search,
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
