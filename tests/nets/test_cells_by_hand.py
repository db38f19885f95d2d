"""Cells, stacks and norms against their equations in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from candlecast.fleet.settings import Fit
from candlecast.models import GRU, LSTM
from candlecast.nets import Causal, GRULayer, LayerNorm, LSTMLayer, Recurrent

PLAIN = Fit(linear=False)  # without the linear part, whose net begins at zero


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def drawn(layer):
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    return layer


def test_an_lstm_remembers_at_first():
    layer = LSTMLayer(2, 3)
    assert layer.b.tolist() == [0.0] * 3 + [1.0] * 3 + [0.0] * 6  # input, forget, candidate, output


def test_a_step_of_an_lstm():
    layer = drawn(LSTMLayer(2, 3))
    w_x, w_h, b = (parameter.detach().numpy() for parameter in layer.weights)
    x, h, c = (np.float32(each) for each in ([0.3, -1.2], [0.1, 0.2, -0.4], [1.0, -0.5, 0.2]))
    i, f, g, o = (x @ w_x + h @ w_h + b).reshape(4, 3)
    cell = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    out, state = layer.stepper()(x, (h, c))
    np.testing.assert_allclose(state[1], cell, rtol=1e-5)
    np.testing.assert_allclose(out, sigmoid(o) * np.tanh(cell), rtol=1e-5)
    whole, _ = layer(torch.tensor(x).view(1, 1, 2), (torch.tensor(h)[None], torch.tensor(c)[None]))
    np.testing.assert_allclose(whole[0, 0].detach().numpy(), out, rtol=1e-5)


def test_a_step_of_a_gru():
    layer = drawn(GRULayer(2, 3))
    w_x, w_h, b_x, b_h = (parameter.detach().numpy() for parameter in layer.weights)
    x, h = np.float32([0.3, -1.2]), np.float32([0.1, 0.2, -0.4])
    (r_x, z_x, n_x), (r_h, z_h, n_h) = (x @ w_x + b_x).reshape(3, 3), (h @ w_h + b_h).reshape(3, 3)
    z, n = sigmoid(z_x + z_h), np.tanh(n_x + sigmoid(r_x + r_h) * n_h)
    out, _ = layer.stepper()(x, (h,))
    np.testing.assert_allclose(out, (1 - z) * n + z * h, rtol=1e-5)
    whole, _ = layer(torch.tensor(x).view(1, 1, 2), (torch.tensor(h)[None],))
    np.testing.assert_allclose(whole[0, 0].detach().numpy(), out, rtol=1e-5)


def test_nothing_is_dropped_when_forecasting():
    torch.manual_seed(1)
    dropping = LSTM(hidden=4, layers=2, dropout=0.5, training=PLAIN).build(2, 1)
    plain = LSTM(hidden=4, layers=2, dropout=0.0, training=PLAIN).build(2, 1)
    plain.load_state_dict(dropping.state_dict())
    x = torch.randn(3, 7, 2)
    assert torch.equal(dropping.eval()(x)[0], plain.eval()(x)[0])
    assert not torch.equal(dropping.train()(x)[0], plain(x)[0])


@pytest.mark.parametrize(
    "recipe", [GRU(hidden=4, layers=3, residual=True), GRU(hidden=4, layers=2, norm=True, residual=True)]
)
def test_bar_by_bar_is_the_sequence_with_what_is_added(recipe):
    net = drawn(recipe.build(2, 1)).eval()
    assert isinstance(net, Recurrent)
    x = torch.randn(1, 6, 2)
    step, state, found = net.stepper(), net.start(), []
    for row in x[0].numpy():
        out, state = step(row, state)
        found.append(out)
    np.testing.assert_allclose(net(x, None, 6)[0][0].detach().numpy(), np.array(found), rtol=1e-4, atol=1e-6)


class Sums(torch.nn.Module):
    """The sum of three bars that follow each other."""

    def forward(self, x):
        return x.unfold(-2, 3, 1).sum(-1)


def test_a_causal_net_remembers_the_bars_that_it_reaches():
    net = Causal(Sums(), reach=3, hidden=1, outputs=1)
    with torch.no_grad():
        net.head.weight.fill_(1.0)
    x = torch.arange(1.0, 7.0).view(1, 6, 1)
    whole, _ = net(x, None, 6)
    assert whole.flatten().tolist() == [1.0, 3.0, 6.0, 9.0, 12.0, 15.0]
    first, state = net(x[:, :4], None, 2)
    assert first.flatten().tolist() == [6.0, 9.0]
    assert net(x[:, 4:], state, 2)[0].flatten().tolist() == [12.0, 15.0]


def test_a_norm_by_bar_is_that_of_the_sequence():
    norm = drawn(LayerNorm(5))
    x = torch.randn(1, 1, 5)
    found = norm.stepper()(x.numpy().ravel())
    np.testing.assert_allclose(found, norm(x).detach().numpy().ravel(), rtol=1e-5, atol=1e-6)
    centred = x.numpy().ravel() - x.numpy().mean()
    expected = centred / np.sqrt(np.mean(centred**2) + 1e-5) * norm.gain.detach().numpy() + norm.bias.detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
