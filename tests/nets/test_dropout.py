"""Dropout by key: right share, right scale, the same alone, stacked and in the readable form."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, vmap

from candlecast.nets.kernels.mask import masked_reference
from candlecast.nets.layers.dropout import Dropout, with_keyed_dropout


def with_key(key, x, p=0.3):
    dropout = Dropout(p).train()
    return functional_call(dropout, {"key": torch.tensor(key, dtype=torch.int32)}, (x,))


@pytest.mark.parametrize("shape", [(4, 7, 5), (33, 3), (1, 1, 1), (8, 50, 20)])
@pytest.mark.parametrize("key", [0, 1, -5, 2**31 - 1])
def test_kernel_equals_the_readable_mask(shape, key):
    x = torch.randn(shape)
    expected = masked_reference(x[None], torch.tensor([key], dtype=torch.int32), 0.3)[0]
    torch.testing.assert_close(with_key(key, x), expected, rtol=0, atol=0)


def test_stacked_is_one_by_one():
    x = torch.randn(5, 4, 6, 3)
    keys = torch.arange(5, dtype=torch.int32)
    dropout = Dropout(0.4).train()
    stacked = vmap(lambda key, x: functional_call(dropout, {"key": key}, (x,)))(keys, x)
    shared = vmap(lambda key: functional_call(dropout, {"key": key}, (x[0],)))(keys)
    for model in range(5):
        assert torch.equal(stacked[model], with_key(model, x[model], 0.4))
        assert torch.equal(shared[model], with_key(model, x[0], 0.4))


def test_gradient_is_masked_alike():
    x = torch.randn(6, 4, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad((2.0 * with_key(3, x)).sum(), x)
    assert torch.equal(gradient != 0, with_key(3, x) != 0)
    assert gradient.unique().tolist() == pytest.approx([0.0, 2 / 0.7])


def test_share_scale_and_independence():
    ones = torch.ones(100, 50, 20)
    masks = torch.stack([with_key(key, ones) for key in range(4)])
    assert masks.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert (masks == 0).float().mean().item() == pytest.approx(0.3, abs=0.003)  # 6 standard errors
    dropped = (masks == 0).double().flatten(1)
    assert torch.corrcoef(dropped).fill_diagonal_(0).abs().max() < 0.015
    neighbours = torch.stack([dropped[:, :-1].flatten(), dropped[:, 1:].flatten()])
    assert torch.corrcoef(neighbours)[0, 1].abs() < 0.01


def test_nothing_is_dropped_outside_of_training():
    x = torch.randn(3, 4)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)


def test_foreign_dropout_is_exchanged_everywhere():
    net = with_keyed_dropout(torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Sequential(torch.nn.Dropout(0.7))))
    assert [type(module) for module in net.modules() if isinstance(module, (Dropout, torch.nn.Dropout))] == [
        Dropout
    ] * 2
    assert net[1][0].p == 0.7
