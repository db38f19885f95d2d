"""Networks: torch modules written for ONE model. They know tensors, no candles; a fleet stacks them.

Every net maps x (B, T, F) to (outputs (B, tail, O), state); see `recurrent.Recurrent`.
"""

from candlecast.nets.causal import Causal
from candlecast.nets.dense import Dense
from candlecast.nets.gru import GRULayer
from candlecast.nets.layer import Layer, RecurrentLayer
from candlecast.nets.linear import Linear
from candlecast.nets.lstm import LSTMLayer
from candlecast.nets.norm import LayerNorm
from candlecast.nets.recurrent import Recurrent
from candlecast.nets.rnn import RNNLayer
from candlecast.nets.stacked import Stacked
from candlecast.nets.window import PerWindow

__all__ = [
    "Causal",
    "Dense",
    "GRULayer",
    "LSTMLayer",
    "Layer",
    "LayerNorm",
    "Linear",
    "PerWindow",
    "RNNLayer",
    "Recurrent",
    "RecurrentLayer",
    "Stacked",
]
