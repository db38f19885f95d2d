"""`Keras`: a user's Keras 3 model on its torch backend, trained by the loop of all other nets."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.errors import ConfigError, calling
from candlecast.fleet.settings import Fit
from candlecast.heads import Head
from candlecast.models.net import BY_WINDOW, NetModel
from candlecast.nets import PerWindow, kernels
from candlecast.nets.layers.dropout import Dropout
from candlecast.process.shared import Shared, drop_filters


@dataclass(frozen=True)
class Keras(NetModel):
    """Any Keras 3 model that maps windows (batch, time, column) to (batch, outputs): one number for most heads.

    `factory(inputs)` makes a fresh model for that many columns, and needs `pip install candlecast[keras]`. It is trained as
    `training` says: settings of `compile` and callbacks are not used. For a probability the model ends in
    `Dense(1)` without a sigmoid, since the head reads its logit; for labels in `Dense(3)` without a softmax.

    Keras must run on torch: set KERAS_BACKEND=torch before importing it, or import it inside the factory. Its LSTM, GRU,
    SimpleRNN and Dropout in their usual form run on candlecast's kernels, in fleets; a model with another layer that
    torch.func.vmap cannot stack trains one by one, as a log message says. Raises ConfigError for another backend, for
    windows or outputs of another shape, for regularizers, stateful layers and weights that are not float32.
    """

    factory: Callable[[int], Any]
    name: str = "keras"
    window: int = 32
    training: Fit = BY_WINDOW
    head: Head | None = None
    has_memory: ClassVar[bool] = False
    is_supported: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.require({"factory": (callable(self.factory), "a function of the number of columns that makes a model")})

    def build(self, inputs: int, outputs: int) -> nn.Module:
        """A fresh model with the interface of the fleet's nets, its weights drawn from torch's generator."""
        keras = keras_on_torch()
        with _seeded(keras), keras.device("cpu"):
            with calling(f"factory({inputs}) of {self.name}", expected="a Keras model", remedy="Correct the factory"):
                model = self.factory(inputs)
            _require_model(keras, model, inputs=inputs, window=self.window)
            if isinstance(model, keras.Sequential) and not model.built:
                model.build((None, self.window, inputs))  # else the batch it sees first would be the only one it takes
            found = model(torch.zeros(2, self.window, inputs), training=False)  # creates weights that wait for data
        _require_trainable(model, found, outputs)
        return PerWindow(_KerasNet(keras, model), outputs)


class _KerasNet(nn.Module):
    """A Keras model as a function of its variables, which are this module's parameters and buffers: x (B, T, F) -> (B, O)."""

    def __init__(self, keras: Any, model: Any) -> None:
        super().__init__()
        self.device, self.parts = keras.device, [model]  # in a list: the variables are no parameters themselves
        self.weights, self.noted = nn.ParameterList(), []
        for variable in model.trainable_variables:
            self.weights.append(nn.Parameter(variable.value.detach().clone()))
        for place, variable in enumerate(model.non_trainable_variables):
            is_seed = "seed_generator" in variable.path
            self.noted.append(f"noted_{place}")
            self.register_buffer(self.noted[-1], variable.value.detach().clone(), persistent=not is_seed)
        self.dropouts = nn.ModuleList()
        for layer in model._flatten_layers(include_self=False):
            if type(layer) is keras.layers.Dropout and layer.noise_shape is None and layer.seed is None:
                self.dropouts.append(Dropout(layer.rate))
                object.__setattr__(layer, "call", _masked(self.dropouts[-1]))
            elif (run := _on_kernels(keras, layer)) is not None:
                object.__setattr__(layer, "call", run)

    def forward(self, x: Tensor) -> Tensor:
        buffers = [self.get_buffer(name) for name in self.noted]
        with self.device(str(x.device)):
            outputs, noted = self.parts[0].stateless_call(list(self.weights), buffers, x, training=self.training)
        if self.training:
            for buffer, value in zip(buffers, noted, strict=True):
                if value is not buffer:
                    buffer.copy_(value.detach())
        return outputs


def _masked(dropout: nn.Module) -> Callable[..., Tensor]:
    """The call of a dropout layer, its mask from a key of the job's own instead of torch's generator."""

    def call(inputs: Tensor, training: bool = False) -> Tensor:
        return dropout(inputs) if training else inputs

    return call


def _on_kernels(keras: Any, layer: Any) -> Callable[..., Tensor] | None:
    """The call of a recurrent layer on our kernels; None for one that does more than its cell's equations."""
    kinds = {keras.layers.LSTM: _lstm, keras.layers.GRU: _gru, keras.layers.SimpleRNN: _rnn}
    run = kinds.get(type(layer))
    if run is None:
        return None
    gates = {} if run is _rnn else {"recurrent_activation": keras.activations.sigmoid}
    usual = {"activation": keras.activations.tanh, "use_bias": True, "dropout": 0.0, "recurrent_dropout": 0.0, **gates}
    usual |= {"go_backwards": False, "return_state": False, **({"reset_after": True} if run is _gru else {})}
    if any(getattr(layer, name) != value for name, value in usual.items()):
        return None
    plain = layer.call

    def call(sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool = False) -> Tensor:
        if initial_state is not None or mask is not None:
            return plain(sequences, initial_state=initial_state, mask=mask, training=training)
        cell = layer.cell
        zero = sequences.new_zeros(sequences.shape[0], layer.units)
        h = run(sequences, zero, *(variable.value for variable in (cell.kernel, cell.recurrent_kernel, cell.bias)))
        return h if layer.return_sequences else h[:, -1]

    return call


def _lstm(x: Tensor, zero: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> Tensor:
    return kernels.lstm(x, zero, zero, w_x, w_h, b)[0]


def _gru(x: Tensor, zero: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> Tensor:
    b_x, b_h = b.unbind(0)
    return kernels.gru(x, zero, *(_reset_first(w) for w in (w_x, w_h, b_x, b_h)))


def _rnn(x: Tensor, zero: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> Tensor:
    return kernels.rnn(x, zero, w_x, w_h, b)


def _reset_first(weight: Tensor) -> Tensor:
    """Keras has the gates of a GRU in the order z, r, n; the kernels as r, z, n."""
    z, r, n = weight.chunk(3, dim=-1)
    return torch.cat([r, z, n], dim=-1)


def keras_on_torch() -> Any:
    """Keras, on its torch backend. Raises ConfigError where it is missing, or was imported with another backend."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"
    try:
        import keras
    except ImportError as error:
        raise ConfigError(
            "Keras is not installed" if error.name == "keras" else f"Keras cannot be imported ({error})",
            expected="the extra keras",
            remedy="Install it with: pip install 'candlecast[keras]'",
        ) from error
    version, backend = getattr(keras, "__version__", "0"), getattr(keras, "backend", None)
    name = backend.backend() if backend is not None else "unknown"
    if int(version.split(".")[0]) < 3 or name != "torch":
        raise ConfigError(
            f"Keras {version} was imported with the backend {name}",
            expected="Keras 3 or newer on torch",
            remedy='Set os.environ["KERAS_BACKEND"] = "torch" before the first import of keras, or import it in the factory',
        )
    return keras


class _Unsaid(Shared):
    """Keras's warning about the tutorials' way to say the shape, which works: once for each job it would bury what matters."""

    message = "Do not pass an `input_shape`"

    def make(self) -> None:
        warnings.filterwarnings("ignore", message=self.message)

    def undo(self) -> None:
        drop_filters(lambda entry: getattr(entry[1], "pattern", None) == self.message)


_unsaid = _Unsaid()


@contextmanager
def _seeded(keras: Any) -> Iterator[None]:
    """All generators that Keras draws from, seeded from torch's and given back as they were; torch's is the caller's, who
    has it in a block of `nets.weights.globally_seeded`, so that no two threads are in this one.
    """
    seed = int(torch.randint(2**31, ()))
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global ones are what Keras sets
    try:
        keras.utils.set_random_seed(seed)
        with _unsaid.block():
            yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002


def _require_model(keras: Any, model: Any, *, inputs: int, window: int) -> None:
    if not isinstance(model, keras.Model):
        raise ConfigError(
            f"the factory gave a {type(model).__name__}",
            expected="a keras.Model, such as keras.Sequential([...])",
            remedy="Return the model from the factory; fit and compile are not needed",
        )
    shape = getattr(model, "input_shape", None) if model.built else None
    if isinstance(shape, tuple) and (
        len(shape) != 3 or any(size not in (None, own) for size, own in zip(shape[1:], (window, inputs), strict=True))
    ):
        raise ConfigError(
            f"the Keras model reads {shape[1:]}, and the windows are ({window}, {inputs})",
            expected=f"windows of {window} bars of {inputs} columns",
            remedy="Use Keras(window=...) and as many features, or the factory's argument: input_shape=(window, inputs)",
        )


def _require_trainable(model: Any, found: Any, outputs: int) -> None:
    """Raise ConfigError for a model whose training here would not be what its maker meant."""
    if tuple(getattr(found, "shape", ())) not in ({(2, 1), (2,)} if outputs == 1 else {(2, outputs)}):
        given = tuple(found.shape)[1:] if isinstance(found, Tensor) else type(found).__name__
        raise ConfigError(
            f"the Keras model gives {given} per window",
            expected="one number" if outputs == 1 else f"{outputs} numbers",
            remedy=f"End it with Dense({outputs}), and use return_sequences=False in the last recurrent layer",
        )
    layers = list(model._flatten_layers())
    stateful = [layer.name for layer in layers if getattr(layer, "stateful", False)]
    if stateful:
        raise ConfigError(
            f"the layer {stateful[0]} is stateful, and windows come in random order",
            expected="a fresh state for each window",
            remedy="Leave stateful=True out",
        )
    if model.losses:
        raise ConfigError(
            "the Keras model has losses of its own (regularizers or add_loss)",
            expected="a model whose loss depends on its forecasts alone",
            remedy="Use Fit(weight_decay=...) in place of regularizers",
        )
