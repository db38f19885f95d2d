"""Transformer: causal self-attention over the last bars, with positions as distances (Vaswani et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from candlecast.fleet.settings import Fit
from candlecast.heads import Head
from candlecast.models.net import NetModel
from candlecast.nets import Causal, LayerNorm, Linear
from candlecast.nets.layers.dropout import Dropout
from candlecast.nets.layers.linear import LINE
from candlecast.parameters import is_whole


@dataclass(frozen=True)
class Transformer(NetModel, uses_local_rng=True):
    """Encoder of a Transformer in which each bar attends to itself and to bars before it (Vaswani et al. 2017).

    Each layer: x <- x + drop W_o attention(norm(x));  x <- x + drop W_2 relu(W_1 norm(x)), the norm in front (Xiong et al.
    2020); attention_t = sum_j a_tj v_j, a_t = softmax_j (q_t k_j / sqrt(d) - m_h (t - j)) over t - span < j <= t, for each
    head h of d = hidden / heads units. The slope m_h = 2^(-8 h / heads) makes of the distance in bars what a net knows of
    time (ALiBi: Press, Smith and Lewis 2022), so that windows and sequences agree. The spans of all layers together reach
    over the window: span = (window - 1) // layers + 1 bars each.

    hidden: units of each bar; heads: how many they are divided among; layers: how many; the inner width is 2 hidden;
    dropout: share of what each half layer adds that is zeroed in training.
    """

    hidden: int = 32
    heads: int = 4
    layers: int = 1
    dropout: float = 0.0
    window: int = 16
    training: Fit = Fit()
    head: Head | None = None
    name: str = field(default="transformer", init=False)

    def __post_init__(self) -> None:
        is_divided = is_whole(self.hidden) and is_whole(self.heads) and self.hidden % self.heads == 0
        self.require(
            {
                "heads": (is_divided, f"a whole number that divides hidden={self.hidden}"),
            }
        )

    def build(self, inputs: int, outputs: int) -> nn.Module:
        span = (self.window - 1) // self.layers + 1
        blocks = [_Block(self.hidden, self.heads, span, self.dropout) for _ in range(self.layers)]
        net = nn.Sequential(Linear(inputs, self.hidden), *blocks, LayerNorm(self.hidden))
        return Causal(net, reach=1 + self.layers * (span - 1), hidden=self.hidden, outputs=outputs)


class _Block(nn.Module):
    """One layer: x (B, n, D) -> (B, n - span + 1, D), for the bars whose span is whole."""

    def __init__(self, hidden: int, heads: int, span: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.span = heads, span
        self.attention_norm, self.query, self.memory = (
            LayerNorm(hidden),
            Linear(hidden, hidden),
            Linear(hidden, 2 * hidden),
        )
        self.mix, self.attention_dropout = Linear(hidden, hidden), Dropout(dropout)
        self.inner_norm, self.up, self.down = LayerNorm(hidden), Linear(hidden, 2 * hidden), Linear(2 * hidden, hidden)
        self.inner_dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x[..., self.span - 1 :, :] + self.attention_dropout(self.mix(self._attended(self.attention_norm(x))))
        return x + self.inner_dropout(self.down(torch.relu(self.up(self.inner_norm(x)))))  # (B, m, D), m = n - span + 1

    def _attended(self, x: Tensor) -> Tensor:
        q = self._divided(self.query(x[..., self.span - 1 :, :]))  # (P, m, d)
        k, v = (self._divided(part) for part in self.memory(x).chunk(2, -1))  # each (P, n, d)
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (P, m, n)
        scores = scores.unflatten(-3, (-1, self.heads)) + self._bias(x)  # (P / heads, heads, m, n)
        attended = (scores.softmax(-1).flatten(-4, -3) @ v).unflatten(-3, (-1, self.heads))  # (P / heads, heads, m, d)
        return attended.transpose(-3, -2).flatten(-2)[..., : x.shape[-3], :, :]  # (B, m, D)

    def _divided(self, x: Tensor) -> Tensor:
        """(B, n, D) -> (P, n, d): P is B heads; with several models B is padded to a multiple of 16, so that each model's
        matrices begin on a cache line: how they are multiplied, and so the rounding, depends on that.
        """
        x = x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)  # (B, heads, n, d)
        spare = -x.shape[-4] % LINE if x.dim() == 5 else 0
        return nn.functional.pad(x, (0, 0, 0, 0, 0, 0, 0, spare)).flatten(-4, -3)

    def _bias(self, x: Tensor) -> Tensor:
        """-m_h (t - j) inside the span and -inf outside: (heads, m, n)."""
        bars = torch.arange(x.shape[-2], device=x.device)
        distance = bars[self.span - 1 :, None] - bars  # (m, n)
        slopes = 2.0 ** (-8.0 * torch.arange(1, self.heads + 1, device=x.device, dtype=x.dtype) / self.heads)
        is_outside = (distance < 0) | (distance >= self.span)
        return (-slopes[:, None, None] * distance).masked_fill(is_outside, -torch.inf)
