"""Dense layers equal torch's, and a fleet of them its models one by one, to the byte."""

import itertools

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from candlecast.nets.layers.dense import Dense, DenseLayers

WIDTHS = [[1, 1], [5, 3], [50, 25, 1], [33, 17, 9, 2]]


def make_head(widths, seed=0):
    torch.manual_seed(seed)
    head = DenseLayers(Dense(a, b) for a, b in itertools.pairwise(widths))
    for layer in head:
        nn.init.normal_(layer.bias)
    return head


@pytest.mark.parametrize("shape", [(1,), (17,), (32, 1), (5, 16), (2, 3, 4)])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_a_head_equals_torchs_layers(widths, shape):
    head = make_head(widths)
    x = torch.randn(*shape, widths[0], requires_grad=True)
    exact = [tensor.detach().double().requires_grad_() for tensor in (x, *head.parameters())]
    y = exact[0]
    for weight, bias in zip(exact[1::2], exact[2::2], strict=True):
        y = y @ weight + bias
    out = head(x)
    assert out.shape == (*shape, widths[-1])
    torch.testing.assert_close(out.double(), y, rtol=1e-5, atol=1e-5)
    weight = torch.randn(out.shape)
    found = torch.autograd.grad((out * weight).sum(), [x, *head.parameters()])
    expected = torch.autograd.grad((y * weight).sum(), exact)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tail", [1, 3])
def test_a_fleet_of_heads_gives_each_models_own_bytes(tail):
    heads = [make_head([50, 25, 1], seed) for seed in range(3)]
    x = torch.randn(3, 32, tail, 50)
    stacked = {
        name: torch.stack([head.get_parameter(name) for head in heads]) for name, _ in heads[0].named_parameters()
    }
    together = functional_call(heads[0], stacked, (x,))
    mapped = vmap(lambda own, one: functional_call(heads[0], own, (one,)))(stacked, x)
    alone = torch.stack([head(one) for head, one in zip(heads, x, strict=True)])
    assert torch.equal(together, alone)
    assert torch.equal(mapped, alone)


def test_a_head_without_layers_is_the_identity():
    x = torch.randn(4, 7)
    assert DenseLayers()(x) is x


def test_a_batch_that_lies_contiguous_gives_the_same_bytes():
    head = make_head([6, 4])
    x = torch.randn(2, 6, 32).permute(2, 0, 1)  # (B, T, I), as the kernels leave it
    assert torch.equal(head(x), head(x.contiguous()))


def test_one_sequence_has_the_bits_that_it_has_bar_by_bar():
    generator = torch.Generator().manual_seed(0)
    layers = DenseLayers([Dense(7, 5), Dense(5, 2)])
    x = torch.randn(1, 40, 7, generator=generator)
    with torch.no_grad():
        alone = layers(x)
        assert torch.equal(alone, torch.cat([layers(x[:, t : t + 1]) for t in range(40)], dim=1))
    assert torch.equal(alone, layers(x))
