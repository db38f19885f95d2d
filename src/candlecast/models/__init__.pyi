"""The models, each in a file of its own; those of `nets` import torch."""

from .architectures.alstm import AttentionLSTM as AttentionLSTM
from .architectures.dlinear import (
    DLinear as DLinear,
    NLinear as NLinear,
)
from .architectures.encoder_decoder import EncoderDecoder as EncoderDecoder
from .architectures.keras import Keras as Keras
from .architectures.mingru import (
    MinGRU as MinGRU,
    MinLSTM as MinLSTM,
)
from .architectures.patchtst import PatchTST as PatchTST
from .architectures.policy import Policy as Policy
from .architectures.tcn import TCN as TCN
from .architectures.transformer import Transformer as Transformer
from .baselines.arima import ARIMA as ARIMA
from .baselines.har import (
    CalendarHAR as CalendarHAR,
    ThresholdHAR as ThresholdHAR,
)
from .baselines.naive import (
    Baseline as Baseline,
    Drift as Drift,
    LinearRegression as LinearRegression,
    Naive as Naive,
)
from .baselines.regression import (
    LightGBM as LightGBM,
    Ridge as Ridge,
)
from .baselines.smoothing import (
    ETS as ETS,
    EWMA as EWMA,
    SeasonalNaive as SeasonalNaive,
)
from .baselines.volatility import (
    GARCH as GARCH,
    HAR as HAR,
)
from .model import (
    Fitted as Fitted,
    Model as Model,
)
from .net import NetModel as NetModel
from .recurrent import (
    GRU as GRU,
    LSTM as LSTM,
    RNN as RNN,
    RecurrentModel as RecurrentModel,
)
from .wrappers.conformal import Conformal as Conformal
from .wrappers.estimator import Sklearn as Sklearn
from .wrappers.memory_probe import (
    MemoryProbe as MemoryProbe,
    probe_memory as probe_memory,
)
from .wrappers.pooled import Pooled as Pooled
from .wrappers.search import (
    FittedSearch as FittedSearch,
    Search as Search,
)
from .wrappers.torch_module import Torch as Torch
from .wrappers.zero_shot import (
    Forecaster as Forecaster,
    ZeroShot as ZeroShot,
)

__all__: list[str]
