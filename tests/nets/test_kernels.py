"""Recurrent ops: every implementation equals the readable reference, and a fleet equals its models one by one."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad_and_value, vmap

from candlecast.errors import ConfigError
from candlecast.nets import kernels
from candlecast.nets.kernels import gpu, reference
from candlecast.nets.kernels.functions import Inputs, Stack, call
from candlecast.nets.kernels.mask import masked_reference

CELLS = ["lstm", "gru", "rnn"]
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
SHAPES = [  # (batch, time, features, hidden)
    (1, 1, 1, 1),
    (1, 7, 3, 5),
    (3, 5, 1, 16),
    (16, 4, 8, 8),
    (17, 1, 2, 9),
    (33, 6, 5, 13),
    (8, 3, 20, 33),
    (5, 200, 2, 4),
    (32, 10, 50, 50),
]


@pytest.fixture(autouse=True)
def _threads():
    """Kernels share their work among two threads; tests that set another number leave it as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def make_inputs(cell, shape, models=(), seed=0, dtype=torch.float32):
    """Random inputs of an op in its order, weights scaled so that gradients neither vanish nor explode."""
    batch, time, features, hidden = shape
    generator = torch.Generator().manual_seed(seed)

    def draw(*size, scale=1.0):
        return (torch.randn(*models, *size, generator=generator, dtype=torch.float64) * scale).to(dtype)

    width = GATES[cell] * hidden
    states = [draw(batch, hidden) for _ in range(2 if cell == "lstm" else 1)]
    biases = [draw(width, scale=0.3) for _ in range(2 if cell == "gru" else 1)]
    weights = [draw(features, width, scale=features**-0.5), draw(hidden, width, scale=0.7 * hidden**-0.5)]
    return draw(batch, time, features), *states, *weights, *biases


def outputs(op, inputs):
    out = op(*inputs)
    return out if isinstance(out, tuple) else (out,)


def weighted(out):
    """A scalar that depends on every output entry with a different weight."""
    return sum((a * torch.cos(torch.arange(a.numel(), dtype=a.dtype)).reshape(a.shape)).sum() for a in out)


def values_and_gradients(op, inputs):
    leaves = [a.detach().requires_grad_() for a in inputs]
    out = outputs(op, leaves)
    return [a.detach() for a in out], torch.autograd.grad(weighted(out), leaves)


def assert_close(got, expected, factor=64, floor=1e-3):
    """Equal to float32 rounding, measured against the largest entry or `floor`."""
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        error = (a.double() - b.double()).abs().max()
        assert error <= factor * torch.finfo(torch.float32).eps * b.abs().max().clamp_min(floor), error


def assert_same(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert torch.equal(a, b)


def on_gpu_room(cell):
    """The CUDA path, on tensors of any device."""

    def op(*inputs):
        x, *tensors = inputs
        h, _, *last = call(
            Stack(getattr(gpu, cell.upper()), layers=1, dropout=0.0, tail=x.shape[-2]), Inputs((), x, tensors)
        )
        return h, *last

    return op


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("room", ["cpu", "gpu"])
def test_kernel_equals_reference(room, cell, shape):
    inputs = make_inputs(cell, shape)
    op = getattr(kernels, cell) if room == "cpu" else on_gpu_room(cell)
    got = values_and_gradients(op, inputs)
    expected = values_and_gradients(getattr(reference, cell), [a.double() for a in inputs])
    assert_close(got[0], expected[0])
    assert_close(got[1], expected[1])


@pytest.mark.parametrize("cell", CELLS)
def test_equals_torch_module(cell):
    module = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell](3, 10, batch_first=True)
    inputs = make_inputs(cell, (19, 12, 3, 10))
    states, (w_x, w_h, *biases) = inputs[1 : 3 if cell == "lstm" else 2], inputs[3 if cell == "lstm" else 2 :]
    with torch.no_grad():
        module.weight_ih_l0.copy_(w_x.T)
        module.weight_hh_l0.copy_(w_h.T)
        module.bias_ih_l0.copy_(biases[0])
        module.bias_hh_l0.copy_(biases[1] if cell == "gru" else torch.zeros_like(biases[0]))
    first = [a.unsqueeze(0).requires_grad_() for a in states]
    x = inputs[0].clone().requires_grad_()
    h, last = module(x, tuple(first) if cell == "lstm" else first[0])
    out = (h, last[1][0]) if cell == "lstm" else (h,)
    parameters = [module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, module.bias_hh_l0]
    dx, *rest = torch.autograd.grad(weighted(out), [x, *first, *parameters])
    d_states, (dw_x, dw_h, *d_biases) = rest[: len(first)], rest[len(first) :]
    expected = [dx, *(a.squeeze(0) for a in d_states), dw_x.T, dw_h.T, *d_biases[: len(biases)]]
    got = values_and_gradients(getattr(kernels, cell), inputs)
    assert_close(got[0], out)
    assert_close(got[1], expected)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("is_shared", [False, True], ids=["own x", "shared x"])
def test_fleet_equals_one_by_one(cell, is_shared):
    """The same bytes, for values and gradients, whatever other models share the call; also with a shared, unmapped x."""
    models, op = 5, getattr(kernels, cell)
    inputs = list(make_inputs(cell, (21, 9, 3, 12), models=(models,)))
    dims = [0] * len(inputs)
    if is_shared:
        inputs[0], dims[0] = inputs[0][0], None
    places = tuple(range(len(inputs)))

    def loss(*leaves):
        return weighted(outputs(op, leaves))

    got = vmap(grad_and_value(loss, places), in_dims=tuple(dims))(*inputs)
    for k in range(models):
        alone = [a if dim is None else a[k] for a, dim in zip(inputs, dims, strict=True)]
        out, gradients = values_and_gradients(op, alone)
        assert torch.allclose(got[1][k], weighted(out), rtol=1e-5)  # torch's own sum may round elsewhere under vmap
        assert_same([g[k] for g in got[0]], gradients)
    values = vmap(op, in_dims=tuple(dims))(*inputs)
    values = values if isinstance(values, tuple) else (values,)
    assert_same(
        [v[2] for v in values], outputs(op, [a if d is None else a[2] for a, d in zip(inputs, dims, strict=True)])
    )


@pytest.mark.parametrize("cell", CELLS)
def test_backward_through_vmap_equals_vmap_of_backward(cell):
    inputs = make_inputs(cell, (6, 5, 2, 7), models=(3,))
    op = getattr(kernels, cell)

    def loss(*leaves):
        return weighted(outputs(op, leaves))

    inside, _ = vmap(grad_and_value(loss, tuple(range(len(inputs)))))(*inputs)
    leaves = [a.clone().requires_grad_() for a in inputs]
    assert_same(torch.autograd.grad(vmap(loss)(*leaves).sum(), leaves), inside)


def test_nested_vmap_equals_one_by_one():
    inputs = make_inputs("gru", (3, 4, 2, 5), models=(2, 3))
    got = vmap(vmap(kernels.gru))(*inputs)
    assert_same([got[1, 2]], [kernels.gru(*(a[1, 2] for a in inputs))])


@pytest.mark.parametrize("cell", CELLS)
def test_threads_do_not_change_a_byte(cell):
    op = getattr(kernels, cell)
    for models in (1, 3):
        inputs = make_inputs(cell, (50, 12, 4, 10), models=(models,))

        def gradients(inputs=inputs):
            leaves = [a.clone().requires_grad_() for a in inputs]
            values = vmap(op)(*leaves)
            out = values if isinstance(values, tuple) else (values,)
            weights = [torch.cos(torch.arange(a.numel())).reshape(a.shape) for a in out]
            return [*out, *torch.autograd.grad(out, leaves, weights)]

        torch.set_num_threads(1)
        alone = gradients()
        torch.set_num_threads(3)
        assert_same(gradients(), alone)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 16), (2, 33), (20, 70)], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_one_sequence_has_the_bits_that_it_has_in_a_batch(cell, shape):
    """Without a backward pass its lanes are the units; the values are the same, for one model and for several, in any part."""
    features, hidden = shape
    kind = kernels.Cell(cell.upper(), getattr(reference, cell), states=2 if cell == "lstm" else 1)
    for models in ((), (3,)):
        lower, upper = make_inputs(cell, (1, 9, features, hidden), models), make_inputs(cell, (1, 9, hidden, 6), models)
        tensors = [lower[1:], upper[1:]]
        outputs, states = kernels.layers(kind, lower[0], tensors)
        with torch.no_grad():
            alone, last = kernels.layers(kind, lower[0].mT.contiguous().mT, tensors, tail=4)
            _, between = kernels.layers(kind, lower[0][..., :3, :], tensors)
            tensors = [(*state, *own[kind.states :]) for state, own in zip(between, tensors, strict=True)]
            rest, last_of_rest = kernels.layers(kind, lower[0][..., 3:, :], tensors)
        assert_same([alone, rest], [outputs[..., 5:, :], outputs[..., 3:, :]])
        for own, expected in ((last, states), (last_of_rest, states)):
            for a, b in zip(own, expected, strict=True):
                assert_same(a, b)


@pytest.mark.parametrize("cell", CELLS)
def test_strided_inputs(cell):
    """Any stride gives the bytes of the contiguous tensor."""
    inputs = make_inputs(cell, (18, 6, 4, 6))
    op = getattr(kernels, cell)
    expected = values_and_gradients(op, inputs)

    def strided(a):
        wide = torch.full((*a.shape, 3), torch.nan)
        wide[..., 1] = a
        return wide[..., 1].mT.contiguous().mT if a.ndim > 2 else wide[..., 1]

    got = values_and_gradients(op, [strided(a) for a in inputs])
    assert_same(got[0], expected[0])
    assert_same(got[1], expected[1])
    expanded = inputs[0][:1].expand(18, -1, -1)
    assert_same(outputs(op, (expanded, *inputs[1:])), outputs(op, (expanded.contiguous(), *inputs[1:])))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("batch", [3, 32])
def test_two_layers_pass_states_without_a_copy(cell, batch):
    first = make_inputs(cell, (batch, 5, 3, 6))
    second = make_inputs(cell, (batch, 5, 6, 6), seed=1)

    def stack(op):
        def two(*leaves):
            below = outputs(op, leaves[: len(first)])[0]
            return op(below, *leaves[len(first) :])

        return two

    inputs = [*first, *second[1:]]
    got = values_and_gradients(stack(getattr(kernels, cell)), inputs)
    expected = values_and_gradients(stack(getattr(reference, cell)), [a.double() for a in inputs])
    assert_close(got[0], expected[0])
    assert_close(got[1], expected[1])
    assert outputs(getattr(kernels, cell), first)[0].stride(0) == 1


@pytest.mark.parametrize("tail", [1, 3, 5])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("cell", CELLS)
def test_layers_equal_one_after_the_other(cell, dropout, tail):
    """Values and gradients of the last outputs and of every layer's states, for one model, for stacked models and under vmap."""
    models, kind = 3, getattr(kernels, cell.upper())
    below, above = (
        make_inputs(cell, (18, 5, width, 6), models=(models,), seed=seed) for seed, width in ((0, 3), (1, 6))
    )
    top = make_inputs(cell, (18, 5, 6, 6), models=(models,), seed=2)
    inputs = [*below, *above[1:], *top[1:]]
    keys = torch.tensor([[5, 6, 1], [7, 8, 2], [9, 10, 3]], dtype=torch.int32)
    count = len(below) - 1

    def together(keys, x, *rest):
        parts = [rest[:count], rest[count : 2 * count], rest[2 * count :]]
        top, states = kernels.layers(kind, x, parts, tail=tail, dropout=dropout, keys=list(keys.unbind(-1)))
        return top, *(a for layer in states for a in layer)

    def one_by_one(keys, x, *rest):
        results = []
        for layer in range(3):
            x, *last = outputs(getattr(reference, cell), (x, *rest[layer * count : (layer + 1) * count]))
            results += x[:, -1], *last
            x = x if layer < 2 else x[:, -tail:]
            x = masked_reference(x[None], keys[layer].view(1), dropout)[0] if dropout else x
        return x, *results

    stacked = values_and_gradients(lambda *leaves: together(keys, *leaves), inputs)
    for model in range(models):
        own = [a[model] for a in inputs]
        alone = values_and_gradients(lambda *leaves, m=model: together(keys[m], *leaves), own)
        expected = values_and_gradients(
            lambda *leaves, m=model: one_by_one(keys[m], *leaves), [a.double() for a in own]
        )
        assert_close(alone[0], expected[0])
        assert_close(alone[1], expected[1])
        assert_same([a[model] for a in stacked[0]], alone[0])
    mapped = vmap(together)(keys, *inputs)
    assert_same(mapped, stacked[0])
    double = vmap(together)(keys, *(a.double() for a in inputs))
    assert_close(mapped, double)


@pytest.mark.parametrize("cell", CELLS)
def test_module_under_vmap(cell):
    """A plain module for one model trains as a fleet: gradients by name, frozen parts and no_grad included."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            _, *rest = make_inputs(cell, (4, 6, 2, 5))
            self.states = rest[: 2 if cell == "lstm" else 1]
            self.weights = nn.ParameterList(rest[2 if cell == "lstm" else 1 :])

        def forward(self, x):
            return outputs(getattr(kernels, cell), (x, *self.states, *self.weights))[0][:, -1].sum(-1)

    net = Net()
    weights = {name: torch.stack([a.detach(), 0.5 * a.detach()]) for name, a in net.named_parameters()}
    x = torch.randn(4, 6, 2)
    losses = vmap(grad_and_value(lambda p, x: functional_call(net, p, (x,)).square().mean()), in_dims=(0, None))
    gradients, value = losses(weights, x)
    net(x).square().mean().backward()
    for name, a in net.named_parameters():
        assert torch.allclose(gradients[name][0], a.grad, rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(net(x).square().mean(), value[0])


@pytest.mark.parametrize("cell", CELLS)
def test_extreme_inputs_saturate(cell):
    inputs = list(make_inputs(cell, (20, 8, 3, 6)))
    inputs[0] = 1e4 * inputs[0]
    got = values_and_gradients(getattr(kernels, cell), inputs)
    expected = values_and_gradients(getattr(reference, cell), [a.double() for a in inputs])
    assert all(torch.isfinite(a).all() for part in got for a in part)
    assert_close(got[0], expected[0])
    assert_close(got[1], expected[1], factor=2**13, floor=10.0)  # sums near 1e4 are rounded to 1e-3


@pytest.mark.parametrize("cell", CELLS)
def test_nan_stays_with_its_sequence(cell):
    """A NaN in one row of the batch shows in that row's output and in no other."""
    inputs = list(make_inputs(cell, (5, 4, 2, 3)))
    inputs[0][2, 1, 0] = torch.nan
    h = outputs(getattr(kernels, cell), inputs)[0]
    assert h[2, 1:].isnan().all()
    assert not h[[0, 1, 3, 4]].isnan().any()
    assert not h[2, 0].isnan().any()


@pytest.mark.parametrize("cell", CELLS)
def test_gradient_through_one_output_only(cell):
    inputs = make_inputs(cell, (4, 5, 2, 3))

    def only(room, place):
        return lambda *leaves: outputs(getattr(room, cell), leaves)[place]

    for place in range(2 if cell == "lstm" else 1):
        got = values_and_gradients(only(kernels, place), inputs)
        assert_close(got[1], values_and_gradients(only(reference, place), inputs)[1])


@pytest.mark.parametrize("cell", CELLS)
def test_float64_is_exact(cell):
    """Double precision takes the reference, whose gradients agree with differences."""
    inputs = [a.requires_grad_() for a in make_inputs(cell, (2, 3, 2, 3), dtype=torch.float64)]
    assert torch.autograd.gradcheck(getattr(kernels, cell), inputs)


def test_second_derivative_is_refused():
    inputs = [a.requires_grad_() for a in make_inputs("rnn", (2, 3, 2, 3))]
    (first,) = torch.autograd.grad(kernels.rnn(*inputs).sum(), inputs[0], create_graph=True)
    with pytest.raises(ConfigError, match="Pass float64 tensors"):
        first.sum().backward()


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_activations_round_to_float32(function):
    """Within 3 units in the last place, from the smallest arguments to saturation."""
    from numba import njit

    from candlecast.nets.kernels.cpu import vector

    load, store, activation, lanes = vector.load, vector.store, getattr(vector, function), vector.LANES

    @njit
    def apply(values, out):
        for n in range(0, values.size, lanes):
            store(activation(load(values, (n,))), out, (n,))

    near = torch.linspace(-80, 80, 40000)
    x = torch.cat((near, near / 80, torch.tensor([0.0, 1e-20, -1e-20, 1e4 if function == "tanh" else 80.0]).repeat(4)))
    out = torch.empty_like(x)
    apply(x.numpy(), out.numpy())
    exact = getattr(torch, function)(x.double())
    spacing = torch.nextafter(exact.float().abs(), torch.tensor(torch.inf)) - exact.float().abs()
    assert ((out.double() - exact).abs() / spacing).max() < 3


def test_large_memory_is_lent_again_only_when_its_tensor_is_gone(monkeypatch):
    from candlecast.nets.kernels.cpu import memory

    monkeypatch.setattr(memory, "_buffers", memory._Buffers())  # without what other tests gave back
    empty = memory.empty
    first = empty(700, 100)
    place, part = first.data_ptr(), first[3]
    assert place % 64 == 0
    del first
    second = empty(700, 100)
    assert second.data_ptr() != place
    del part
    assert empty(700, 100).data_ptr() == place
    assert empty(3, 5).shape == (3, 5)


def test_an_error_in_a_thread_is_raised_by_the_caller():
    from candlecast.nets.kernels.cpu.threads import share

    seen = []

    def work(thread, first, last):
        seen.extend(range(first, last))
        if 7 in range(first, last):
            raise ValueError("item 7")

    with kernels.threads(3), pytest.raises(ValueError, match="item 7"):
        share(work, 20)
    assert sorted(seen) == list(range(20))


def test_chained_works_follow_each_other_on_every_item():
    from candlecast.nets.kernels.cpu.threads import chained, share

    seen = []

    def work(thread, first, last, name):
        seen.extend((item, name) for item in range(first, last))

    def interrupted():
        with chained():
            share(work, 8, "never")
            raise ValueError("inside")

    with kernels.threads(2):
        with chained():
            share(work, 8, "first")
            share(work, 2, "sum")
            share(work, 8, "second")
            assert not seen
        assert [name for _, name in seen[-2:]] == ["sum", "sum"]
        for item in range(8):
            assert [name for place, name in seen[:-2] if place == item] == ["first", "second"]
        with pytest.raises(ValueError, match="inside"):
            interrupted()
        share(work, 1, "at once")
    assert len(seen) == 19


def test_a_recorded_chain_does_its_works_again_and_again():
    from candlecast.nets.kernels.cpu.threads import chained, recorded, share

    seen = []

    def work(thread, first, last, name):
        seen.extend((item, name) for item in range(first, last))

    with kernels.threads(2):
        with recorded() as chain:
            share(work, 9, "first")
            with chained():
                share(work, 9, "second")
        with recorded() as rest:
            share(work, 9, "third")
            share(work, 2, "sum")
        assert not seen
    for _ in range(2):
        seen.clear()
        chain.then(rest).run()
        assert [name for _, name in seen[-2:]] == ["sum", "sum"]
        for item in range(9):
            assert [name for place, name in seen[:-2] if place == item] == ["first", "second", "third"]
    seen.clear()
    chain.run()
    assert len(seen) == 18


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("cell", CELLS)
def test_passes_recorded_as_one_chain_equal_autograd(cell, dropout, count):
    """On whatever the tensors hold when it runs, with room for what the threads are at work on alone."""
    models, kind, tail = 5, getattr(kernels, cell.upper()), 3
    below, above = (
        make_inputs(cell, (37, 5, width, 6), models=(models,), seed=seed) for seed, width in ((0, 3), (1, 6))
    )
    x, *below = [a.detach() for a in below]
    layers = [below, [a.detach() for a in above[1:]]]
    keys = [torch.arange(models, dtype=torch.int32), torch.arange(models, dtype=torch.int32) + 9]
    slope = torch.randn(models, 37, tail, 6)
    with kernels.threads(count):
        with kernels.recorded() as forward:
            found, vjp = kernels.layers_vjp(kind, x, layers, tail=tail, dropout=dropout, keys=keys, lasting=False)
        with kernels.recorded() as backward:
            gradients = vjp(slope)
    chain = forward.then(backward)
    for turn in range(2):
        for tensor in (x, slope, *layers[0], *layers[1]):
            tensor.copy_(torch.randn(tensor.shape))
        keys[0].fill_(turn)
        chain.run()
        leaves = [[a.clone().requires_grad_() for a in layer] for layer in layers]
        outputs, _ = kernels.layers(kind, x, leaves, tail=tail, dropout=dropout, keys=keys)
        weights = [a for layer in leaves for a in layer[kind.states :]]
        assert_same([found], [outputs.detach()])
        assert_same(gradients, torch.autograd.grad(outputs, weights, slope))
        with torch.no_grad():
            assert_same([kernels.layers(kind, x, leaves, tail=tail, dropout=dropout, keys=keys)[0]], [found])


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("models", [1, 2, 3, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_vmap_without_gradients(cell, models, count):
    """Nothing is kept for a way back, however many models and threads there are."""
    inputs = make_inputs(cell, (20, 4, 2, 5), models=(models,))
    op = getattr(kernels, cell)
    with kernels.threads(count), torch.no_grad():
        found = outputs(vmap(op), inputs)
    for model in range(models):
        assert_same([a[model] for a in found], [a.detach() for a in outputs(op, [a[model] for a in inputs])])


def test_nothing_to_share():
    from candlecast.nets.kernels.cpu.threads import share

    seen = []
    with kernels.threads(2):
        share(lambda thread, first, last: seen.extend(range(first, last)), 0)
    assert not seen


def test_a_chain_keeps_its_threads():
    """Its works have room for so many, whatever the number is when it runs, or said inside."""
    from candlecast.nets.kernels.cpu.threads import recorded, share, threads_for

    seen = set()
    with kernels.threads(2), recorded() as chain:
        with kernels.threads(7):
            assert threads_for(100) == 2
        share(lambda thread, first, last: seen.add(thread), 100)
    with kernels.threads(9):
        chain.run()
        with recorded() as other:
            pass
    assert seen <= {0, 1}
    with pytest.raises(ValueError, match="2 threads and for 9"):
        chain.then(other)


def test_threads_are_those_of_the_block_else_of_torch():
    from candlecast.nets.kernels.cpu.threads import threads_for

    torch.set_num_threads(2)
    with kernels.threads(5):
        assert (threads_for(100), threads_for(3), threads_for(0)) == (5, 3, 1)
    assert threads_for(100) == 2


def test_a_forked_child_starts_threads_of_its_own():
    code = """
import os, torch
from candlecast.nets import kernels
inputs = torch.randn(64, 3, 2), torch.zeros(64, 4), torch.randn(2, 4), torch.randn(4, 4), torch.zeros(4)
with kernels.threads(2):
    h = kernels.rnn(*inputs)
    child = os.fork()
    if child == 0:
        os._exit(0 if torch.equal(kernels.rnn(*inputs), h) else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_kernels_compile_without_a_folder_for_their_cache(monkeypatch):
    from numba.core import dispatcher

    from candlecast.nets.kernels.cpu.vector import compiled

    def refuse(*_):
        raise RuntimeError("cannot cache function: no locator available for file")

    monkeypatch.setattr(dispatcher, "FunctionCache", refuse)

    def twice(a):
        return 2 * a

    assert compiled("i8(i8)")(twice)(4) == 8


def test_importing_the_room_imports_no_compiler():
    code = "import sys, candlecast.nets.kernels; assert not {'numba', 'scipy', 'llvmlite'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("cell", CELLS)
def test_cuda_equals_reference(cell):
    inputs = make_inputs(cell, (33, 20, 5, 24), models=(3,))
    leaves = [a.cuda().requires_grad_() for a in inputs]
    values = vmap(getattr(kernels, cell))(*leaves)
    out = values if isinstance(values, tuple) else (values,)
    got = torch.autograd.grad(sum(a.sum() for a in out), leaves)
    exact = [a.double().requires_grad_() for a in inputs]
    values = vmap(getattr(reference, cell))(*exact)
    expected = values if isinstance(values, tuple) else (values,)
    assert_close([a.cpu() for a in out], expected, factor=2**16)  # products may run in TF32
    assert_close([a.cpu() for a in got], torch.autograd.grad(sum(a.sum() for a in expected), exact), factor=2**16)
