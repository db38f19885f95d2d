"""The check of a net: shapes, gradients, memory, fleets, and whether it learns what is there to learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from candlecast.dataset.folds import WalkForward
from candlecast.dataset.jobs import Job
from candlecast.errors import ConfigError, LookaheadError
from candlecast.features import Features, log_return
from candlecast.models import NetModel, Torch
from candlecast.sources import synthetic
from candlecast.targets import NextReturn, Target, components
from candlecast.walkforward import plan_jobs

if TYPE_CHECKING:
    from torch import Tensor, nn

COLUMNS, BATCH = 3, 5
STEPS = 40  # in which the loss must fall by MIN_FALL of itself
MIN_FALL = 1e-3
BARS = 700
ROUNDING = 1e-4  # of the outputs' size, between ways to compute the same in float32


@dataclass(frozen=True)
class NetCheck:
    """What a sound net is like: how many `parameters` it has, and whether it `is_stacked` in fleets or the `reason` why not."""

    parameters: int
    is_stacked: bool
    reason: str | None = None

    def __str__(self) -> str:
        how = "in fleets" if self.is_stacked else f"one by one, as torch.func.vmap cannot stack it: {self.reason}"
        return f"{self.parameters:,} parameters; trains {how}"


def check_net(
    recipe: NetModel | Callable[[int], Any], *, window: int = 8, target: Target | None = None, seed: int = 0
) -> NetCheck:
    """Raise unless a net can be trained here; say how it trains. Takes a recipe, or a factory of torch modules as `Torch`.

    Shapes: x (batch, `window`, column) gives the numbers that the head needs. Seeds: two nets made with one seed are the
    same. Gradients: every parameter has a finite one, and moves a forecast. Rows: a window's output does not depend on the
    others of its batch, and is the same each time it is asked for. Memory, of a net that has one: no output moves when later
    bars change, and a sequence read in two parts gives what it gives at once. Independence: an epoch of training is the
    same to the last bit alone and with others. Learning: on returns with injected momentum the training loss falls
    within 40 steps.

    `window` is that of a factory; a recipe has its own. `target` is the next return when not given.

    Raises LookaheadError for an output that later bars move, ConfigError for the rest.

    >>> import candlecast as cc
    >>> print(check_net(cc.LSTM(hidden=4, window=8)))
    133 parameters; trains in fleets
    >>> from torch import nn
    >>> check_net(lambda inputs: nn.Linear(inputs, 1))
    Traceback (most recent call last):
    candlecast.errors.ConfigError: the net maps windows (5, 8, 3) to (5, 8, 1); expected one number per window: (5, 1). ...
    """
    from candlecast.fleet.building import seeded
    from candlecast.nets.layers.weights import globally_seeded

    model = recipe if isinstance(recipe, NetModel) else Torch(recipe, window=window)
    target = target or NextReturn()
    spec = model.net_spec(target)
    spec.head.require(target)
    outputs = spec.head.outputs * len(components(target))
    net, twin = (seeded(spec, COLUMNS, seed) for _ in range(2))
    _require_same_start(net, twin)
    x = _windows(model.window, seed)
    with globally_seeded(seed):
        _require_shapes(net, x, outputs)
        _require_gradients(net, x)
        net.eval()
        _require_own_rows(net, x)
        if model.has_memory:
            _require_memory(net, x)
        reason = _why_not_stacked(net.train(), twin.train(), x)
    _require_independence(model, target, seed)
    _require_learning(model, target, seed)
    return NetCheck(sum(parameter.numel() for parameter in net.parameters()), reason is None, reason)


def _windows(window: int, seed: int) -> Tensor:
    import torch

    return torch.from_numpy(np.random.default_rng(seed).standard_normal((BATCH, window, COLUMNS)).astype(np.float32))


def _require_same_start(net: nn.Module, twin: nn.Module) -> None:
    for (name, one), (_, other) in zip(net.named_parameters(), twin.named_parameters(), strict=True):
        if one is other:
            raise ConfigError(
                f"the factory gave two nets with the same parameter {name}",
                expected="a fresh net at each call, since every training has weights of its own",
                remedy="Make all modules inside the factory",
            )
        if not np.array_equal(one.detach().numpy(), other.detach().numpy()):
            raise ConfigError(
                f"two nets made with one seed differ in {name}",
                expected="weights drawn from torch's generator, which is seeded by the job",
                remedy="Use torch.randn and torch.nn.init, and no generator of another library",
            )


def _require_shapes(net: nn.Module, x: Tensor, outputs: int) -> None:
    for batch in (x, x[:2]):
        found = net(batch)[0]
        if tuple(found.shape) != (len(batch), 1, outputs):
            raise ConfigError(
                f"the net maps windows {tuple(batch.shape)} to {tuple(found.shape)}",
                expected=f"(batch, tail, outputs): ({len(batch)}, 1, {outputs})",
                remedy="Give the last `tail` bars' outputs, as nets.PerWindow does",
            )


def _require_gradients(net: nn.Module, x: Tensor) -> None:
    import torch

    net.train()
    loss = (net(x)[0] * torch.linspace(1.0, 2.0, BATCH)[:, None, None]).square().sum()
    named = dict(net.named_parameters())
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    for name, gradient in zip(named, gradients, strict=True):
        if gradient is None:
            raise ConfigError(
                f"the parameter {name} does not move any forecast",
                expected="a gradient for every parameter",
                remedy="Use it in forward, or leave it out",
            )
        if not bool(gradient.isfinite().all()):
            raise ConfigError(
                f"the gradient of {name} is not finite on windows of standard normal numbers",
                expected="finite gradients",
                remedy="Look for a square root, a logarithm or a division at zero",
            )


def _require_own_rows(net: nn.Module, x: Tensor) -> None:
    import torch

    with torch.no_grad():
        whole, again, part = net(x)[0], net(x)[0], net(x[2:])[0]
    if not torch.equal(whole, again):
        raise ConfigError(
            f"the net gives other outputs for the same windows, {float((whole - again).abs().max()):.3g} apart",
            expected="the same each time, when it does not train",
            remedy="Draw random numbers only `if self.training`, and keep no state from call to call",
        )
    if not torch.allclose(whole[2:], part, rtol=ROUNDING, atol=ROUNDING * float(whole.abs().max())):
        raise ConfigError(
            f"the output for a window moves by {float((whole[2:] - part).abs().max()):.3g} with the others of its batch",
            expected="outputs that depend on their own window alone, when the net does not train",
            remedy="Keep means over the batch out of forward, except in training",
        )


def _require_memory(net: nn.Module, x: Tensor) -> None:
    import torch

    bars = x.shape[1]
    with torch.no_grad():
        whole, _ = net(x, None, bars)
        for bar in range(0, bars - 1, max(bars // 4, 1)):
            later = x.clone()
            later[:, bar + 1 :] = -later[:, bar + 1 :] + 1.0
            moved = float((net(later, None, bars)[0][:, : bar + 1] - whole[:, : bar + 1]).abs().max())
            if moved > ROUNDING * float(whole.abs().max()):
                raise LookaheadError(
                    f"the output at or before bar {bar} moved by {moved:.3g} when only later bars of its sequence had changed",
                    expected="outputs of each bar from the bars up to it",
                    remedy="Mask later bars, as in causal attention and causal convolutions",
                )
        if bars > 1:
            half = bars // 2
            first, state = net(x[:, :half], None, half)
            second, _ = net(x[:, half:], state, bars - half)
            apart = float((torch.cat([first, second], 1) - whole).abs().max())
            if apart > ROUNDING * float(whole.abs().max()):
                raise ConfigError(
                    f"a sequence read in two parts gives outputs {apart:.3g} apart from those of the whole",
                    expected="a state that carries all that the net remembers",
                    remedy="Return the whole state, or let has_memory be False",
                )


def _why_not_stacked(net: nn.Module, twin: nn.Module, x: Tensor) -> str | None:
    import torch
    from torch.func import functional_call

    from candlecast.fleet.executor import Executor
    from candlecast.fleet.parameter_layout import ParameterLayout

    layout, executor = ParameterLayout.of(net), Executor(net)
    buffers = {name: torch.stack([value, twin.get_buffer(name)]) for name, value in net.named_buffers()}

    def outputs(params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(net, (layout.with_tied(params), buffers), (x,), tie_weights=False)[0]

    executor(outputs, [0, 1], layout.views(layout.rows([net, twin])), buffers, torch.stack([x, x]))
    return executor.reason


def _require_independence(model: NetModel, target: Target, seed: int) -> None:
    """Raise ConfigError for a net whose training differs between one alone and several together."""
    short = _shortened(model, epochs=1)
    jobs = _jobs(short, target, bars=240, seed=seed)
    together = {fitted.job.key: fitted.tensors() for fitted in short.fit(jobs)}
    (alone,) = short.fit(jobs[:1])
    for name, value in alone.tensors().items():
        if not np.array_equal(value, together[jobs[0].key][name]):
            apart = np.abs(value - together[jobs[0].key][name]).max()
            raise ConfigError(
                f"{name} comes out {apart:.3g} apart when the net is trained alone and with others",
                expected="the same bits, which depend on the job alone",
                remedy="Keep nothing between nets; leave out biases before a batch norm, and use nets.Dense for Linear",
            )


def _require_learning(model: NetModel, target: Target, seed: int) -> None:
    """Steps on all training rows at once, so that nothing but learning changes the loss, and dropout."""
    (job, *_) = _jobs(model, target, bars=BARS, seed=seed)
    rows = len(job.train_rows)
    batch = rows // model.training.chunk_of(rows) + 2 if model.training.sampling == "sequence" else rows
    (fitted,) = _shortened(model, epochs=STEPS, batch=batch).fit([job])
    first, best = fitted.losses[0, 0], fitted.losses[1:, 0].min()
    if not best < first - MIN_FALL * abs(first):
        raise ConfigError(
            f"the training loss went from {first:.4g} to {best:.4g} at best in {STEPS} steps on injected momentum",
            expected="a loss that falls",
            remedy="Look for a forecast that does not read the last bar, or change Fit(lr=...)",
        )


def _shortened(model: NetModel, *, epochs: int, batch: int | None = None) -> Any:
    training = replace(model.training, epochs=epochs, batch=batch or model.training.batch, patience=None, device="cpu")
    return replace(model, training=training)  # type: ignore[type-var]


def _jobs(model: NetModel, target: Target, *, bars: int, seed: int) -> list[Job]:
    candles = synthetic.ar1(max(bars, 6 * model.window), seed=seed, phi=0.5, interval="1h").candles
    features = Features(log_return(), log_return(2), log_return(3))
    return plan_jobs(
        model, candles, features=features, target=target, folds=WalkForward(folds=2), seeds=range(seed, seed + 2)
    )
