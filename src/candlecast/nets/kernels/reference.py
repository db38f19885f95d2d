"""The recurrent sequence ops in readable torch: their meaning, the float64 path, and the oracle of the tests.

B batch, T time, F feature, H hidden; all arguments may have a leading K: one for each of K models.
"""

import torch
from torch import Tensor


def lstm(x: Tensor, h0: Tensor, c0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    i, f, o = sigmoid(.), g = tanh(.) of x_t W_x + h_{t-1} W_h + b
    c_t = f c_{t-1} + i g,   h_t = o tanh(c_t)
    """
    h, c = h0, c0
    states = []
    for x_t in x.unbind(-2):  # (B, F)
        i, f, g, o = (x_t @ w_x + h @ w_h + b.unsqueeze(-2)).chunk(
            4, dim=-1
        )  # each (B, H): input, forget, candidate, output
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()  # (B, H)
        h = o.sigmoid() * c.tanh()  # (B, H)
        states.append(h)
    return torch.stack(states, dim=-2), c  # (B, T, H), (B, H)


def gru(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor) -> Tensor:
    """Gated recurrent unit (Cho et al. 2014), in the form of torch and cuDNN: the reset gate follows the product.

    r, z = sigmoid(x_t W + b_x + h_{t-1} U + b_h)
    n = tanh(x_t W_n + b_xn + r (h_{t-1} U_n + b_hn)),   h_t = (1 - z) n + z h_{t-1}
    """
    h = h0
    states = []
    for x_t in x.unbind(-2):  # (B, F)
        r_x, z_x, n_x = (x_t @ w_x + b_x.unsqueeze(-2)).chunk(3, dim=-1)  # each (B, H): reset, update, candidate
        r_h, z_h, n_h = (h @ w_h + b_h.unsqueeze(-2)).chunk(3, dim=-1)
        r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
        n = (n_x + r * n_h).tanh()
        h = n + z * (h - n)  # (B, H)
        states.append(h)
    return torch.stack(states, dim=-2)  # (B, T, H)


def rnn(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> Tensor:
    """Simple recurrence (Elman 1990): h_t = tanh(x_t W_x + h_{t-1} W_h + b)."""
    h = h0
    states = []
    for x_t in x.unbind(-2):  # (B, F)
        h = (x_t @ w_x + h @ w_h + b.unsqueeze(-2)).tanh()  # (B, H)
        states.append(h)
    return torch.stack(states, dim=-2)  # (B, T, H)
