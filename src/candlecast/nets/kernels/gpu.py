"""The recurrent ops for K stacked models in batched torch products: one `baddbmm` per time step for all models.

K model, B batch, T time, F feature, H hidden. Plain torch on any device, without a synchronisation or a shape that depends
on data, so a training step can be captured as a CUDA graph. Weight gradients are one large product over all time steps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from candlecast.nets.kernels.layered import Layered


def _lstm_forward(
    x: Tensor, h0: Tensor, c0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """h (K, B, T, H), last cell (K, B, H), and the tape (K, T, B, 5H): gates i, f, g, o and cell of every step."""
    hidden = h0.shape[-1]
    projected = _project(x, w_x, b)  # (K, T, B, 4H)
    tape = projected.new_empty(*projected.shape[:3], 5 * hidden)
    states = projected.new_empty(*projected.shape[:3], hidden)
    h, c = h0, c0
    for t in range(projected.shape[1]):
        z = torch.baddbmm(projected[:, t], h, w_h)  # (K, B, 4H)
        i, f, g, o = z.chunk(4, dim=-1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = torch.addcmul(i * g, f, c)
        h = o * c.tanh()
        torch.cat((i, f, g, o, c), dim=-1, out=tape[:, t])
        states[:, t] = h
    return states.transpose(1, 2), c, tape


def _lstm_backward(
    grads: Sequence[Tensor | None], tape: Tensor, h: Tensor, inputs: Sequence[Tensor], needs_x: bool
) -> tuple[Tensor, ...]:
    """Gradients of x, h0, c0, w_x, w_h, b, from those of the last h, of h_T and of c_T."""
    grad_h, grad_last, grad_c = grads
    x, h0, c0, w_x, w_h, _ = inputs
    i, f, g, o, c = tape.chunk(5, dim=-1)  # each (K, T, B, H)
    delta = tape.new_empty(*tape.shape[:3], 4 * h0.shape[-1])  # gradient before the activations
    dh = torch.zeros_like(h0) if grad_last is None else grad_last
    dc = torch.zeros_like(c0) if grad_c is None else grad_c
    silent = tape.shape[1] - (0 if grad_h is None else grad_h.shape[2])
    for t in reversed(range(tape.shape[1])):
        if grad_h is not None and t >= silent:
            dh = dh + grad_h[:, :, t - silent]
        i_t, f_t, g_t, o_t = i[:, t], f[:, t], g[:, t], o[:, t]
        tanh_c = c[:, t].tanh()
        dc = dc + dh * o_t * (1 - tanh_c * tanh_c)
        before = c[:, t - 1] if t else c0
        parts = (
            dc * g_t * i_t * (1 - i_t),
            dc * before * f_t * (1 - f_t),
            dc * i_t * (1 - g_t * g_t),
            dh * tanh_c * o_t * (1 - o_t),
        )
        torch.cat(parts, dim=-1, out=delta[:, t])
        dh = torch.bmm(delta[:, t], w_h.mT)
        dc = dc * f_t
    return (
        _input_gradient(delta, w_x) if needs_x else x.new_empty(x.shape[0], 0),
        dh,
        dc,
        _weight_gradient(x.transpose(1, 2), delta),
        _weight_gradient(_shifted(h0, h), delta),
        delta.sum(dim=(1, 2)),
    )


def _gru_forward(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor) -> tuple[Tensor, Tensor]:
    """h (K, B, T, H) and the tape (K, T, B, 4H): r, z, n and h_{t-1} U_n + b_hn of every step."""
    projected = _project(x, w_x, b_x)  # (K, T, B, 3H)
    hidden = h0.shape[-1]
    tape = projected.new_empty(*projected.shape[:3], 4 * hidden)
    states = projected.new_empty(*projected.shape[:3], hidden)
    bias = b_h.unsqueeze(1)  # (K, 1, 3H)
    h = h0
    for t in range(projected.shape[1]):
        r_x, z_x, n_x = projected[:, t].chunk(3, dim=-1)
        r_h, z_h, n_h = torch.baddbmm(bias, h, w_h).chunk(3, dim=-1)
        r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
        n = torch.addcmul(n_x, r, n_h).tanh()
        h = torch.addcmul(n, z, h - n)
        torch.cat((r, z, n, n_h), dim=-1, out=tape[:, t])
        states[:, t] = h
    return states.transpose(1, 2), tape


def _gru_backward(
    grads: Sequence[Tensor | None], tape: Tensor, h: Tensor, inputs: Sequence[Tensor], needs_x: bool
) -> tuple[Tensor, ...]:
    """Gradients of x, h0, w_x, w_h, b_x, b_h, from those of the last h and of h_T."""
    grad_h, grad_last = grads
    x, h0, w_x, w_h, _, _ = inputs
    r, z, n, n_h = tape.chunk(4, dim=-1)  # each (K, T, B, H)
    delta_x = tape.new_empty(*tape.shape[:3], 3 * h0.shape[-1])  # gradient of x_t W + b_x
    delta_h = torch.empty_like(delta_x)  # gradient of h_{t-1} U + b_h
    dh = torch.zeros_like(h0) if grad_last is None else grad_last
    silent = tape.shape[1] - (0 if grad_h is None else grad_h.shape[2])
    for t in reversed(range(tape.shape[1])):
        if grad_h is not None and t >= silent:
            dh = dh + grad_h[:, :, t - silent]
        r_t, z_t, n_t = r[:, t], z[:, t], n[:, t]
        before = h[:, :, t - 1] if t else h0
        dn = dh * (1 - z_t) * (1 - n_t * n_t)
        dr = dn * n_h[:, t] * r_t * (1 - r_t)
        dz = dh * (before - n_t) * z_t * (1 - z_t)
        torch.cat((dr, dz, dn), dim=-1, out=delta_x[:, t])
        torch.cat((dr, dz, dn * r_t), dim=-1, out=delta_h[:, t])
        dh = torch.baddbmm(dh * z_t, delta_h[:, t], w_h.mT)
    return (
        _input_gradient(delta_x, w_x) if needs_x else x.new_empty(x.shape[0], 0),
        dh,
        _weight_gradient(x.transpose(1, 2), delta_x),
        _weight_gradient(_shifted(h0, h), delta_h),
        delta_x.sum(dim=(1, 2)),
        delta_h.sum(dim=(1, 2)),
    )


def _rnn_forward(x: Tensor, h0: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """h (K, B, T, H), and an empty tape: h is what backward reads."""
    states = _project(x, w_x, b)  # (K, T, B, H)
    h = h0
    for t in range(states.shape[1]):
        h = torch.baddbmm(states[:, t], h, w_h).tanh_()
        states[:, t] = h
    return states.transpose(1, 2), states.new_empty(x.shape[0], 0)


def _rnn_backward(
    grads: Sequence[Tensor | None], _: Tensor, h: Tensor, inputs: Sequence[Tensor], needs_x: bool
) -> tuple[Tensor, ...]:
    """Gradients of x, h0, w_x, w_h, b, from those of the last h and of h_T."""
    grad_h, grad_last = grads
    x, h0, w_x, w_h, _ = inputs
    delta = torch.empty_like(h.transpose(1, 2))  # (K, T, B, H)
    dh = torch.zeros_like(h0) if grad_last is None else grad_last
    silent = delta.shape[1] - (0 if grad_h is None else grad_h.shape[2])
    for t in reversed(range(delta.shape[1])):
        if grad_h is not None and t >= silent:
            dh = dh + grad_h[:, :, t - silent]
        delta[:, t] = dh * (1 - h[:, :, t] * h[:, :, t])
        dh = torch.bmm(delta[:, t], w_h.mT)
    return (
        _input_gradient(delta, w_x) if needs_x else x.new_empty(x.shape[0], 0),
        dh,
        _weight_gradient(x.transpose(1, 2), delta),
        _weight_gradient(_shifted(h0, h), delta),
        delta.sum(dim=(1, 2)),
    )


def _project(x: Tensor, w_x: Tensor, b: Tensor) -> Tensor:
    """x W_x + b of all time steps at once: (K, B, T, F) to (K, T, B, gates)."""
    rows = x.transpose(1, 2).flatten(1, 2)  # (K, T * B, F)
    return torch.baddbmm(b.unsqueeze(1), rows, w_x).unflatten(1, (x.shape[2], x.shape[1]))


def _input_gradient(delta: Tensor, w_x: Tensor) -> Tensor:
    """(K, T, B, gates) to (K, B, T, F)."""
    return torch.bmm(delta.flatten(1, 2), w_x.mT).unflatten(1, delta.shape[1:3]).transpose(1, 2)


def _weight_gradient(rows: Tensor, delta: Tensor) -> Tensor:
    """Sum over t and b of rows' delta: (K, T, B, N) and (K, T, B, gates) to (K, N, gates)."""
    return torch.bmm(rows.flatten(1, 2).mT, delta.flatten(1, 2))


def _shifted(h0: Tensor, h: Tensor) -> Tensor:
    """h_{t-1} of every step, (K, T, B, H)."""
    return torch.cat((h0.unsqueeze(1), h.transpose(1, 2)[:, :-1]), dim=1)


LSTM = Layered(_lstm_forward, _lstm_backward, states=2)
GRU = Layered(_gru_forward, _gru_backward, states=1)
RNN = Layered(_rnn_forward, _rnn_backward, states=1)
