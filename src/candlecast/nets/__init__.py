"""Networks: torch modules written for ONE model. They know tensors, no candles; a fleet stacks them.

Every net maps x (B, T, F) to (outputs (B, tail, O), state); see `recurrent.Recurrent`.
"""

from candlecast.nets.layers.causal import Causal
from candlecast.nets.layers.dense import Dense
from candlecast.nets.layers.gru import GRULayer
from candlecast.nets.layers.layer import Layer, RecurrentLayer
from candlecast.nets.layers.linear import Linear
from candlecast.nets.layers.lstm import LSTMLayer
from candlecast.nets.layers.norm import LayerNorm
from candlecast.nets.layers.recurrent import Recurrent
from candlecast.nets.layers.rnn import RNNLayer
from candlecast.nets.layers.stacked import Stacked
from candlecast.nets.layers.window import PerWindow

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
