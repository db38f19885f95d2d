"""The one training loop: the jobs of a group step together, each with its own data, seed, clock and end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from candlecast.dataset.jobs import Job, job_generator
from candlecast.errors import ConfigError
from candlecast.events import Listener, Progress, ignore
from candlecast.features import Scaling, fit_scaling
from candlecast.fleet import optimizer
from candlecast.fleet.batching import Batch, Sampler
from candlecast.fleet.building import build, require_own_weights
from candlecast.fleet.fitted import FittedNet
from candlecast.fleet.job_progress import Clock
from candlecast.fleet.layout import Layout, Stack
from candlecast.fleet.learner import Judge, Learner, learner
from candlecast.fleet.memory import JUDGED, group_size
from candlecast.fleet.net_spec import Blueprint
from candlecast.fleet.threads import one_thread
from candlecast.heads import Head
from candlecast.nets.layers.dropout import Dropout
from candlecast.process.forking import require_threads
from candlecast.targets import components


def train(jobs: Sequence[Job], blueprint: Blueprint, *, progress: Listener = ignore) -> Iterator[FittedNet]:
    """Train one net per job, in groups that step together; the nets of a group are given out when it is done.

    A job's result depends on the job alone, not on its group. Raises ConfigError for a target that the head cannot learn and
    for a loss that is not finite.
    """
    require_threads()
    blueprint.head.require(jobs[0].samples.target)
    fit = blueprint.fit
    jobs = sorted(jobs, key=lambda job: -len(job.train_rows))  # jobs of one size end their epochs together
    total = len(jobs) * fit.epochs
    device = choose_device(fit.device)
    columns = jobs[0].samples.inputs.shape[1]
    length = blueprint.window + (fit.chunk - 1 if fit.sampling == "sequence" else 0)
    net = build(blueprint, jobs[0], columns)
    size = group_size(net, jobs=len(jobs), batch=fit.batch, length=length, columns=columns, device=device)
    for first in range(0, len(jobs), size):
        group = jobs[first : first + size]
        with one_thread():
            fleet = _Fleet(group, blueprint, device=device)
            require_own_weights(net, fleet.template)
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
        nets = [build(blueprint, job, job.samples.inputs.shape[1]) for job in jobs]
        self.template, self.layout = nets[0], Layout.of(nets[0])
        self.judge = Judge(self.template, self.head, self.layout)
        self.dropouts = [f"{name}.key" for name, module in nets[0].named_modules() if isinstance(module, Dropout)]
        buffers: Stack = {
            name: torch.stack([net.get_buffer(name) for net in nets]).to(device) for name, _ in nets[0].named_buffers()
        }
        weights = self.layout.rows(nets).to(device)
        self._take(weights, optimizer.start(weights), buffers)
        self.keys = np.array([job_generator(job, purpose=2).integers(2**31) for job in jobs])
        self.steps = 0
        self.best: dict[int, dict[str, Tensor]] = {}

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
        clocks = [self.clocks[job] for job in self.active]
        lr = np.array([clock.lr for clock in clocks])
        for clock, arrays in zip(clocks, self.batch.arrays, strict=True):
            clock.sampler.fill_training(clock.next_batch(), *arrays)
        self.batch.send()
        self._set_keys()
        if self.learner is None:
            self.learner = learner(self.judge, self.params, self.buffers, self.batch, self.gradients)
        losses = self.learner.learn(self._draws())
        optimizer.step(
            self.weights, self.gradient, self.moments, lr=lr, weight_decay=self.fit.weight_decay, clip=self.fit.clip
        )
        self.steps += 1
        ended = [place for place, loss in enumerate(losses) if self._note(place, loss)]
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
        self.learner = None  # gives its memory back for a while
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
            self.active, self.keys = [self.active[place] for place in left], self.keys[left]
            self._take(self.weights[kept], optimizer.keep(self.moments, left), _select(self.buffers, kept))

    def _take(self, weights: Tensor, moments: optimizer.AdamState, buffers: Stack) -> None:
        """Train these models from now on: weights (K, P), which stay in their place, and what else belongs to them."""
        self.weights, self.gradient, self.moments, self.buffers = weights, torch.zeros_like(weights), moments, buffers
        self.params = {name: value.requires_grad_() for name, value in self.layout.stack(weights).items()}
        self.gradients = self.layout.stack(self.gradient)
        self.batch = Batch(len(weights), self.clocks[0].sampler, self.fit.batch, self.device)
        self.learner: Learner | None = None

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
            batch = Batch(len(places), samplers[0], self.judged, self.device)
            for sampler, rows, arrays in zip(samplers, ends, batch.arrays, strict=True):
                if first < len(rows):
                    sampler.fill_validation(rows[first : first + self.judged], *arrays)
            batch.send()
            terms = self.judge.terms(places, params, buffers, batch)
            share = batch.weight.movedim(-1, 1).unsqueeze(2)  # (K, N, 1, B, tail)
            total = total + (terms.double() * share).sum((-2, -1)).cpu()  # (K, N, S)
            count = count + batch.weight.double().sum((1, 2)).cpu()  # (K, N)
        return self.head.loss(total / count.unsqueeze(-1)).mean(-1).tolist()

    def _set_keys(self) -> None:
        """New keys for all dropout layers: a function of the job, its step and the layer."""
        for layer, name in enumerate(self.dropouts):
            self.buffers[name].copy_(torch.from_numpy(self._mixed(layer)))

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


def scalings(job: Job, head: Head) -> tuple[Scaling, Scaling]:
    """Scaling of inputs and outcomes, measured on the training rows of this job only."""
    samples = job.samples
    inputs = fit_scaling(samples.scalers, samples.inputs[job.fold.train.array])
    scalers = [head.scaling or target.scaling for target in components(samples.target)]
    return inputs, fit_scaling(scalers, samples.y[job.train_rows])
