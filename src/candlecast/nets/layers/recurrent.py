"""The recurrent stack: layers of one cell type, dropout in between, and a head that reads the state."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.nets import kernels
from candlecast.nets.layers.dense import Dense, DenseLayers
from candlecast.nets.layers.dropout import Dropout
from candlecast.nets.layers.layer import Layer, RecurrentLayer, Stepper
from candlecast.nets.layers.norm import LayerNorm
from candlecast.nets.layers.stacked import Stacked

State = tuple[tuple[Tensor, ...], ...]  # per layer its tensors, each (B, H)


class Recurrent(Stacked):
    """A stack of recurrent layers for ONE model, with dropout after each of them in training, and linear layers of `widths`
    units after the last.

    `norm`: what a layer reads from the one below is normed (Ba, Kiros and Hinton 2016). `residual`: from the second layer
    on, y = x + layer(x) (He et al. 2016). `from_zero`: the untrained net gives zeros, the middle of a standard scale.

    `forward(x, state, tail)`: x (B, T, F) -> outputs of the last `tail` bars (B, tail, O), and the state after bar T.
    Without `state` the sequence starts from zero.
    """

    def __init__(
        self,
        layer: Callable[[int, int], Layer],
        *,
        inputs: int,
        hidden: int,
        layers: int,
        dropout: float,
        widths: Sequence[int],
        norm: bool = False,
        residual: bool = False,
        from_zero: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.layers = nn.ModuleList(layer(inputs if depth == 0 else hidden, hidden) for depth in range(layers))
        self.norms = nn.ModuleList(LayerNorm(hidden) for _ in range(layers - 1) if norm)
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in range(layers))
        self.head = DenseLayers(Dense(a, b) for a, b in itertools.pairwise([hidden, *widths]))
        if from_zero:
            nn.init.zeros_(cast("Dense", self.head[-1]).weight)

    def forward(self, x: Tensor, state: State | None = None, tail: int = 1) -> tuple[Tensor, State]:
        layers = [cast("Layer", module) for module in self.layers]
        states = [layer.start(x) for layer in layers] if state is None else state
        top, states = self._fused(x, states, tail) if self.is_fused else self._one_by_one(x, states, tail)
        return self.head(top), states  # (B, tail, O)

    @cached_property
    def is_fused(self) -> bool:
        """Whether all layers are one op, so that `vjp` works."""
        return isinstance(self.layers[0], RecurrentLayer) and not self.norms and not self.residual

    def vjp(
        self, tensors: Mapping[str, Tensor], x: Tensor, tail: int, *, lasting: bool = True
    ) -> tuple[Tensor, Callable[[Tensor], dict[str, Tensor]]]:
        """For K models on CPU, from their parameters and buffers by name and x (K, B, T, F), float32: the outputs
        (K, B, tail, O), and the function from their gradient to those of the parameters.

        Without autograd, and in work that can be `kernels.recorded`; not `lasting` where both passes are recorded as one
        chain. Only where `is_fused`.
        """
        layers = [cast("RecurrentLayer", module) for module in self.layers]
        weights, head = self._names
        top, layers_vjp = kernels.layers_vjp(
            layers[0].cell,
            x,
            [(*layer.start(x), *(tensors[n] for n in own)) for layer, own in zip(layers, weights, strict=True)],
            tail=tail,
            dropout=self._dropout,
            keys=[tensors[f"dropouts.{depth}.key"] for depth in range(len(layers))],
            lasting=lasting,
        )
        outputs, head_vjp = self.head.vjp(top, [tensors[name] for name in head])

        def vjp(gradient: Tensor) -> dict[str, Tensor]:
            gradient, *own = head_vjp(gradient)
            return dict(zip(itertools.chain(*weights, head), (*layers_vjp(gradient), *own), strict=True))

        return outputs, vjp

    @property
    def _dropout(self) -> float:
        return cast("Dropout", self.dropouts[0]).p if self.training else 0.0

    @cached_property
    def _names(self) -> tuple[list[list[str]], list[str]]:
        """Names of the weights of each layer, and of those of the head."""
        names = {id(parameter): name for name, parameter in self.named_parameters()}
        layers = [[names[id(weight)] for weight in cast("RecurrentLayer", layer).weights] for layer in self.layers]
        return layers, [names[id(parameter)] for parameter in self.head.parameters()]

    def _fused(self, x: Tensor, states: Sequence[tuple[Tensor, ...]], tail: int) -> tuple[Tensor, State]:
        """All layers as one op."""
        layers = [cast("RecurrentLayer", module) for module in self.layers]
        dropouts = [cast("Dropout", module) for module in self.dropouts]
        top, states = kernels.layers(
            layers[0].cell,
            x,
            [(*state, *layer.weights) for state, layer in zip(states, layers, strict=True)],
            tail=tail,
            dropout=self._dropout,
            keys=[dropout.key for dropout in dropouts],
        )
        return top, tuple(states)  # top (B, tail, H)

    def _one_by_one(self, x: Tensor, states: Sequence[tuple[Tensor, ...]], tail: int) -> tuple[Tensor, State]:
        """Layer by layer, with what may lie between them."""
        ends = []
        for depth, (layer, dropout, state) in enumerate(zip(self.layers, self.dropouts, states, strict=True)):
            h, last = layer(self.norms[depth - 1](x) if depth and self.norms else x, state)
            if depth + 1 == len(self.layers):
                h, x = h[..., -tail:, :], x[..., -tail:, :]  # (B, tail, H)
            h = dropout(h)
            x = x + h if depth and self.residual else h
            ends.append(last)
        return x, tuple(ends)

    def stepper(self) -> Stepper:
        """The net for one bar of one series: x (F,) and the states of all layers in one tuple -> outputs (O,) and states."""
        layers = [cast("Layer", module) for module in self.layers]
        steps = [layer.stepper() for layer in layers]
        norms = [cast("LayerNorm", module).stepper() for module in self.norms]
        dense = [cast("Dense", module) for module in self.head]
        head = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in dense]

        def step(x: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
            states, first = (), 0
            for depth, (layer, own) in enumerate(zip(steps, layers, strict=True)):
                below = norms[depth - 1](x) if depth and norms else x
                h, last = layer(below, state[first : first + own.states])
                x = x + h if depth and self.residual else h
                states, first = states + last, first + own.states
            for weight, bias in head:
                x = x @ weight + bias
            return x, states

        return step

    def start(self) -> tuple[np.ndarray, ...]:
        """The state that `stepper` begins with: zeros."""
        one = torch.zeros(1, 1, 1)
        return tuple(tensor[0].numpy() for layer in self.layers for tensor in cast("Layer", layer).start(one))


def forward_together(
    nets: Sequence[Recurrent], x: Sequence[Tensor], states: Sequence[State | None], tail: int
) -> tuple[Tensor, list[State]]:
    """What each of K fused nets of one shape gives for its own x (B, T, F), to the last bit: the outputs (K, B, tail, O), and
    the state of each. Without autograd.
    """
    first = nets[0]
    begun = [
        tuple(tuple(cast("Layer", layer).start(own)) for layer in net.layers) if state is None else state
        for net, own, state in zip(nets, x, states, strict=True)
    ]
    tensors = [
        [
            *(torch.stack(parts) for parts in zip(*(state[depth] for state in begun), strict=True)),
            *(
                torch.stack(parts)
                for parts in zip(*(cast("RecurrentLayer", net.layers[depth]).weights for net in nets), strict=True)
            ),
        ]
        for depth in range(len(first.layers))
    ]
    cell = cast("RecurrentLayer", first.layers[0]).cell
    top, ends = kernels.layers(cell, torch.stack(tuple(x)), tensors, tail=tail)
    head = [torch.stack(parts) for parts in zip(*(net.head.parameters() for net in nets), strict=True)]
    outputs, _ = first.head.vjp(top, head)
    own = [tuple(tuple(tensor[place] for tensor in end) for end in ends) for place in range(len(nets))]
    return outputs, own
