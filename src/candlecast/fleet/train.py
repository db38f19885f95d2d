"""The one training loop: the jobs of a group step together, each with its own data, seed, clock and end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from candlecast.errors import ConfigError
from candlecast.events import Listener, Progress, ignore
from candlecast.features import Scaling, fit_scaling
from candlecast.fleet import adam
from candlecast.fleet.batches import Sampler
from candlecast.fleet.blueprint import Blueprint
from candlecast.fleet.clock import Clock
from candlecast.fleet.company import Company
from candlecast.fleet.fitted import FittedNet
from candlecast.fleet.layout import Layout, Stack
from candlecast.fleet.memory import JUDGED, group_size
from candlecast.fleet.threads import one_thread
from candlecast.heads import Head
from candlecast.jobs import Job, job_generator
from candlecast.nets.dropout import Dropout
from candlecast.targets import parts

FEWEST = 1e-6  # weight of a batch in which no outcome counts


def train(jobs: Sequence[Job], blueprint: Blueprint, *, progress: Listener = ignore) -> Iterator[FittedNet]:
    """Train one net per job, in groups that step together; the nets of a group are given out when it is done.

    A job's result depends on the job alone, not on its group. Raises ConfigError for a target that the head cannot learn and
    for a loss that is not finite.
    """
    blueprint.head.require(jobs[0].samples.target)
    fit = blueprint.fit
    jobs = sorted(jobs, key=lambda job: -len(job.train_rows))  # jobs of one size end their epochs together
    total = len(jobs) * fit.epochs
    device = choose_device(fit.device)
    columns = jobs[0].samples.inputs.shape[1]
    length = blueprint.window + (fit.chunk - 1 if fit.sampling == "sequence" else 0)
    net = _build(blueprint, jobs[0])
    size = group_size(net, jobs=len(jobs), batch=fit.batch, length=length, columns=columns, device=device)
    for first in range(0, len(jobs), size):
        group = jobs[first : first + size]
        with one_thread():
            fleet = _Fleet(group, blueprint, device=device)
            _require_own_weights(net, fleet.template)
            while fleet.active:
                if fleet.step():
                    done = first * fit.epochs + fleet.epochs_done
                    progress(Progress("train", done, total, f"{len(jobs)} jobs, loss {fleet.loss:.4f}"))
        yield from fleet.fitted()


class _Fleet:
    """A group of jobs that step together. All tensors have the active jobs in front: K."""

    def __init__(self, jobs: Sequence[Job], blueprint: Blueprint, *, device: torch.device) -> None:
        self.jobs, self.blueprint, self.fit, self.head = jobs, blueprint, blueprint.fit, blueprint.head
        self.device, self.judged = device, JUDGED[device.type]
        self.scalings = [scalings(job, self.head) for job in jobs]
        self.clocks = [
            Clock(Sampler(job, blueprint, *scaling), self.fit if job.lr is None else replace(self.fit, lr=job.lr))
            for job, scaling in zip(jobs, self.scalings, strict=True)
        ]
        self.active = list(range(len(jobs)))
        self.columns = jobs[0].samples.inputs.shape[1]
        nets = [_build(blueprint, job) for job in jobs]
        self.template = nets[0].train()
        self.company = Company(self.template)
        self.dropouts = [f"{name}.key" for name, module in nets[0].named_modules() if isinstance(module, Dropout)]
        self.layout = Layout.of(nets[0])
        self._learn(self.layout.rows(nets).to(device))
        self.buffers: Stack = {
            name: torch.stack([net.get_buffer(name) for net in nets]).to(device) for name, _ in nets[0].named_buffers()
        }
        self.optimizer = adam.start(self.weights)
        self.keys = np.array([job_generator(job, purpose=2).integers(2**31) for job in jobs])
        self.steps = 0
        self.best: dict[int, dict[str, Tensor]] = {}
        self.batch = self._empty_batch(len(jobs), self.fit.batch)

    @property
    def epochs_done(self) -> int:
        """Epochs finished by all jobs; those of jobs that stopped early count as if finished."""
        return sum(clock.epoch if job in self.active else self.fit.epochs for job, clock in enumerate(self.clocks))

    @property
    def loss(self) -> float:
        """Mean over the jobs of the newest loss: validation where there is one, training otherwise."""
        newest = [clock.losses[-1] for clock in self.clocks if clock.losses]
        return float(np.mean([train if math.isnan(valid) else valid for train, valid in newest]))

    def step(self) -> bool:
        """One optimiser step of every active job; whether some job finished an epoch with it."""
        x, y, weight = self.batch
        lr = np.array([self.clocks[job].lr for job in self.active])
        for clock, *arrays in zip(
            (self.clocks[job] for job in self.active), x.numpy(), y.numpy(), weight.numpy(), strict=True
        ):
            clock.sampler.fill_training(clock.next_batch(), *arrays)
        self._set_keys()
        batch = self._placed(x, y, weight)
        losses = self.company(self._loss, self._draws(), self.params, self.buffers, *batch)  # (K,)
        if not losses.requires_grad:
            raise ConfigError(
                "the loss does not depend on the net's parameters",
                expected="a forward that computes its outputs from them",
                remedy="Leave detach(), torch.no_grad() and NumPy out of it",
            )
        # a model's loss depends on its own parameters only, so the gradient of the sum is each one's own
        gradients = torch.autograd.grad(losses.sum(), list(self.params.values()), allow_unused=True)
        for place, gradient in zip(self.gradients.values(), gradients, strict=True):
            if gradient is None:
                place.zero_()
            else:
                place.copy_(gradient)
        self.optimizer = adam.step(
            self.weights, self.gradient, self.optimizer, lr=lr, weight_decay=self.fit.weight_decay, clip=self.fit.clip
        )
        self.steps += 1
        ended = [place for place, loss in enumerate(losses.tolist()) if self._note(place, loss)]
        if ended:
            self._end_epochs(ended)
        return bool(ended)

    def fitted(self) -> Iterator[FittedNet]:
        """The results, in the order of the jobs."""
        for number, (job, clock, scaling) in enumerate(zip(self.jobs, self.clocks, self.scalings, strict=True)):
            yield FittedNet(job, self.blueprint, self.best[number], *scaling, np.array(clock.losses))

    def _note(self, place: int, loss: float) -> bool:
        if not math.isfinite(loss):
            raise self._not_finite(place, "loss", loss)
        return self.clocks[self.active[place]].add_loss(loss)

    def _not_finite(self, place: int, name: str, loss: float) -> ConfigError:
        return ConfigError(
            f"the {name} of {self.jobs[self.active[place]].key} is {loss} after {self.steps} steps",
            expected="a finite loss",
            remedy="Lower Fit(lr=...), set Fit(clip=1.0), or look for extreme values in the features",
        )

    def _end_epochs(self, ended: list[int]) -> None:
        """Judge the jobs at these places on their validation rows, keep their best weights, and let finished ones go."""
        validation = self._validate(ended)
        finished = set()
        for place, loss in zip(ended, validation, strict=True):
            if math.isinf(loss) or (math.isnan(loss) and len(self.jobs[self.active[place]].valid_rows)):
                raise self._not_finite(place, "validation loss", loss)
            is_best, is_last = self.clocks[self.active[place]].end_epoch(loss)
            if is_best:
                self.best[self.active[place]] = self._learnt(place)
            if is_last:
                finished.add(place)
        if finished:
            left = [place for place in range(len(self.active)) if place not in finished]
            kept = torch.tensor(left, dtype=torch.long, device=self.device)
            self._learn(self.weights[kept])
            self.optimizer = adam.keep(self.optimizer, left)
            self.buffers, self.keys = _select(self.buffers, kept), self.keys[left]
            self.active = [self.active[place] for place in left]
            self.batch = self._empty_batch(len(self.active), self.fit.batch)

    def _learn(self, weights: Tensor) -> None:
        """Train these weights (K, P) from now on."""
        self.weights, self.gradient = weights, torch.zeros_like(weights)
        self.params = {name: value.requires_grad_() for name, value in self.layout.stack(weights).items()}
        self.gradients = self.layout.stack(self.gradient)

    def _learnt(self, place: int) -> dict[str, Tensor]:
        """Parameters of the job at this place, and what its net noted by itself, such as running means."""
        kept = self.template.state_dict().keys() & self.buffers.keys()
        noted = {name: self.buffers[name][place].clone().cpu() for name in sorted(kept)}
        return self.layout.net(self.weights[place].cpu()) | noted

    def _validate(self, places: list[int]) -> list[float]:
        """Mean validation loss of the jobs at these places; NaN for a job without validation rows."""
        samplers = [self.clocks[self.active[place]].sampler for place in places]
        ends = [sampler.validation() for sampler in samplers]
        if not any(map(len, ends)):
            return [math.nan] * len(places)
        chosen = torch.tensor(places, device=self.device)
        params, buffers = self.layout.stack(self.weights[chosen]), _select(self.buffers, chosen)
        total, count = 0.0, torch.zeros(len(places), 1, dtype=torch.float64)
        for first in range(0, max(map(len, ends)), self.judged):
            x, y, weight = self._empty_batch(len(places), self.judged)
            for sampler, rows, *arrays in zip(samplers, ends, x.numpy(), y.numpy(), weight.numpy(), strict=True):
                if first < len(rows):
                    sampler.fill_validation(rows[first : first + self.judged], *arrays)
            self.template.eval()
            with torch.no_grad():
                x, y, placed = self._placed(x, y, weight)
                terms = self.company(self._terms, places, params, buffers, x, y)
            self.template.train()
            share = placed.movedim(-1, 1).unsqueeze(2)  # (K, N, 1, B, tail)
            total = total + (terms.double() * share).sum((-2, -1)).cpu()  # (K, N, S)
            count = count + weight.double().sum((1, 2))  # (K, N)
        return self.head.loss(total / count.unsqueeze(-1)).mean(-1).tolist()

    def _loss(self, params: Stack, buffers: Stack, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Loss of a model on the outcomes that count: x (B, T, F), y and weight (B, tail, N), or all with a leading K."""
        terms = self._terms(params, buffers, x, y)
        share = weight.movedim(-1, -3)  # (N, B, tail)
        total = (terms * share.unsqueeze(-3)).sum((-2, -1))  # (N, S)
        count = share.sum((-2, -1)).clamp(min=FEWEST)  # (N,)
        return self.head.loss(total / count.unsqueeze(-1)).mean(-1)

    def _terms(self, params: Stack, buffers: Stack, x: Tensor, y: Tensor) -> Tensor:
        """What the head averages, of each outcome: (N, S, B, tail)."""
        *_, tail, targets = y.shape
        outputs = self.company.outputs(self.layout.everywhere(params), buffers, x, tail)  # (B, tail, N O)
        terms = self.head.terms(outputs.unflatten(-1, (targets, self.head.outputs)), y)  # (B, tail, N, S)
        return terms.movedim((-2, -1), (-4, -3))

    def _empty_batch(self, jobs: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Zeros for x (K, T, F, B), y and weight (K, B, tail, N)."""
        sampler, targets = self.clocks[0].sampler, self.jobs[0].samples.lessons.shape[1]
        x = torch.zeros(jobs, sampler.length, self.columns, size)
        shape = jobs, size, sampler.tail, targets
        return x, torch.zeros(shape), torch.zeros(shape)

    def _placed(self, x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A batch on the device, x as (K, B, T, F)."""
        return x.to(self.device).permute(0, 3, 1, 2), y.to(self.device), weight.to(self.device)

    def _set_keys(self) -> None:
        """New keys for all dropout layers: a function of the job, its step and the layer."""
        for layer, name in enumerate(self.dropouts):
            self.buffers[name] = torch.from_numpy(self._mixed(layer).astype(np.int32)).to(self.device)

    def _draws(self) -> list[int]:
        """Seeds for what a net draws by itself in this step: a function of the job and the step."""
        return self._mixed(len(self.dropouts)).tolist()

    def _mixed(self, layer: int) -> np.ndarray:
        return (self.keys + self.steps * 0x9E3779B1 + layer * 0x85EBCA6B) & 0x7FFFFFFF  # (K,)


def _select(stack: Stack, models: Tensor) -> Stack:
    """The values of some models only."""
    return {name: value[models] for name, value in stack.items()}


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA when there is one. Raises ConfigError for one that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cpu" and not (name.startswith("cuda") and torch.cuda.is_available()):
        raise ConfigError(f"there is no device {name!r} here", expected="cpu, or cuda", remedy='Use Fit(device="auto")')
    return torch.device(name)


def _build(blueprint: Blueprint, job: Job) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(job_generator(job, purpose=0).integers(2**31)))
        net = blueprint.build(job.samples.inputs.shape[1])
    types = {name: parameter.dtype for name, parameter in net.named_parameters()}
    if not types:
        raise ConfigError(
            "the net has no parameters",
            expected="at least one to train",
            remedy="Keep layers as attributes of the module",
        )
    for name, dtype in types.items():
        if dtype != torch.float32:
            raise ConfigError(
                f"the net's parameter {name} is {str(dtype).removeprefix('torch.')}",
                expected="float32, in which fleets train",
                remedy="Leave .double(), .half() and other types out of the factory",
            )
    return net


def _require_own_weights(net: nn.Module, other: nn.Module) -> None:
    """Raise ConfigError when two nets, made one after the other, share a parameter."""
    own = {id(parameter) for parameter in net.parameters()}
    shared = [name for name, parameter in other.named_parameters() if id(parameter) in own]
    if shared:
        raise ConfigError(
            f"the factory gave two nets with the same parameter {shared[0]}",
            expected="a fresh net at each call, since every training has weights of its own",
            remedy="Make all modules inside the factory",
        )


def scalings(job: Job, head: Head) -> tuple[Scaling, Scaling]:
    """Scaling of inputs and outcomes, measured on the training rows of this job only."""
    samples = job.samples
    inputs = fit_scaling(samples.scalers, samples.inputs[job.fold.train.array])
    scalers = [head.scaling or target.scaling for target in parts(samples.target)]
    return inputs, fit_scaling(scalers, samples.lessons[job.train_rows])
