"""The one training loop: `init`, `step` and `finish` of a group of jobs that train together.

A step goes one way, from rows to weights:

    sampler.fill       rows of the jobs -> batch
    learner.learn      batch, params -> losses, gradient
    optimizer.step     gradient, moments -> weights
    job_progress.step  losses -> progress of each job

Where an epoch of a job ends, its model is validated, its best weights are kept, and a job that stops leaves the group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from candlecast.dataset.jobs import TrainingJob, job_generator
from candlecast.errors import ConfigError
from candlecast.events import Listener, Progress, ignore
from candlecast.features import Scaling
from candlecast.fleet import job_progress, optimizer
from candlecast.fleet.batching import Batch, Filling, Sampler, linear_part, scalings
from candlecast.fleet.building import build, require_own_weights
from candlecast.fleet.criterion import Criterion
from candlecast.fleet.device import choose_device, group_size
from candlecast.fleet.job_progress import JobProgress
from candlecast.fleet.learner import OnDemand
from candlecast.fleet.linear_part import LinearPart
from candlecast.fleet.net_spec import NetSpec
from candlecast.fleet.one_thread import one_thread
from candlecast.fleet.optimizer import Adam, AdamState
from candlecast.fleet.recorded_passes import Ends
from candlecast.fleet.settings import Fit
from candlecast.fleet.validation import validation_losses
from candlecast.fleet.workspace import Workspace, select, workspace
from candlecast.nets.layers.dropout import Dropout
from candlecast.process.forking import require_threads


def train(jobs: Sequence[TrainingJob], spec: NetSpec, *, progress: Listener = ignore) -> Iterator[Trained]:
    """Train one net per job, in groups that step together; yields the results of a group when all of its jobs have stopped.

    A job's result depends on the job alone, not on which jobs train together.

    Args:
        jobs: trainings with the same features and target.
        spec: how the nets are built and trained.
        progress: receives an event at the end of each epoch.

    Raises:
        ConfigError: the head cannot learn the target, a net is not fit for training, or a loss is not finite.
    """
    require_threads()
    spec.head.require(jobs[0].samples.target)
    order = sorted(range(len(jobs)), key=lambda job: -len(jobs[job].train_rows))  # jobs of one size end epochs together
    jobs = [jobs[job] for job in order]
    epochs, device, net = spec.fit.epochs, choose_device(spec.fit.device), _build(spec, jobs[0])
    for first, last in _groups(net, jobs, spec, device):
        with one_thread():
            fleet = Fleet.of(jobs[first:last], spec, net, device=device)
            state = init(fleet)
            while state.active:
                state, has_ended = step(fleet, state)
                if has_ended:
                    done = first * epochs + epochs_done(fleet, state)
                    message = f"{len(jobs)} jobs, training loss {mean_loss(state):.4f}"
                    progress(Progress("train", done, len(jobs) * epochs, message))
        for trained in finish(fleet, state):
            yield trained._replace(job=order[first + trained.job])


@dataclass(frozen=True, eq=False)
class Fleet:
    """A group of jobs that train together: what stays the same while they do.

    `samplers`, `scalings` (of inputs and outcomes) and `linear_parts` have one entry for each job. `criterion` has a net of its
    own, which lends its layers to all models. `dropout_keys` are the names of the nets' buffers that seed dropout.
    """

    jobs: Sequence[TrainingJob]
    spec: NetSpec
    device: torch.device
    criterion: Criterion
    samplers: Sequence[Sampler]
    scalings: Sequence[tuple[Scaling, Scaling]]
    linear_parts: Sequence[LinearPart | None]
    dropout_keys: Sequence[str]

    @classmethod
    def of(cls, jobs: Sequence[TrainingJob], spec: NetSpec, net: torch.nn.Module, *, device: torch.device) -> Fleet:
        """The fleet of these jobs, which share features and target. `net`: one like theirs, which is not trained."""
        samplers, measured, linear = zip(*_learnt_before(jobs, spec), strict=True)
        return cls(
            jobs=jobs,
            spec=spec,
            device=device,
            criterion=Criterion(net, spec.head),
            samplers=samplers,
            scalings=measured,
            linear_parts=linear,
            dropout_keys=[f"{name}.key" for name, module in net.named_modules() if isinstance(module, Dropout)],
        )

    def fit(self, job: int) -> Fit:
        """How that job trains: as the spec says, with a step size of its own if it has one."""
        lr = self.jobs[job].lr
        return self.spec.fit if lr is None else replace(self.spec.fit, lr=lr)


def _learnt_before(
    jobs: Sequence[TrainingJob], spec: NetSpec
) -> Iterator[tuple[Sampler, tuple[Scaling, Scaling], LinearPart | None]]:
    """The sampler, scalings and linear part of each job: computed once for all seeds of the same samples and fold."""
    known: list[tuple[object, object, Sampler, tuple[Scaling, Scaling], LinearPart | None]] = []
    for job in jobs:
        samples, fold = job.samples, job.fold
        same = next((each for each in known if each[0] is samples and each[1] is fold), None)
        if same is not None:
            _, _, sampler, pair, linear = same
            yield sampler.again(job), pair, linear
            continue
        pair = scalings(job, spec.head)
        linear = linear_part(job, spec, *pair)
        sampler = Sampler(job, spec, *pair, linear)
        known.append((samples, fold, sampler, pair, linear))
        yield sampler, pair, linear


class Trained(NamedTuple):
    """The result of one job.

    job: its number among the jobs.
    weights: parameters and stored buffers of its net by name.
    inputs, outcomes: the scalings that it was trained with.
    linear: the linear part that it adds to; None where it forecasts alone.
    losses: training and validation loss of each epoch (epoch, 2); the latter NaN without validation.
    """

    job: int
    weights: dict[str, Tensor]
    inputs: Scaling
    outcomes: Scaling
    linear: LinearPart | None
    losses: np.ndarray


class Learnt(NamedTuple):
    """What one job has learnt so far: its best weights by name, and the losses of its epochs; see `JobProgress`."""

    weights: dict[str, Tensor]
    losses: Sequence[tuple[float, float]]


class FleetState(NamedTuple):
    """A fleet part way through training. K jobs still train; sequences and tensors have these in front, in one order.

    active: numbers of these jobs in the fleet.
    fits: how each of them trains.
    seeds: of their dropout and other random numbers in training, int64 (K,).
    workspace: their weights, gradients, buffers and batch. A step writes to it in place.
    filling: writes the sequences of a step to the workspace.
    adam: updates the weights. A step writes to its moments in place.
    learner: makes the steps.
    progress: how far each of them is.
    steps: steps made so far, the same for all of them.
    learnt: results by job number, those of stopped jobs included.
    """

    active: tuple[int, ...]
    fits: tuple[Fit, ...]
    seeds: np.ndarray
    workspace: Workspace
    filling: Filling
    adam: Adam
    learner: OnDemand
    progress: tuple[JobProgress, ...]
    steps: int
    learnt: Mapping[int, Learnt]


def init(fleet: Fleet) -> FleetState:
    """The state before the first step: each net with the initial weights of its own job."""
    nets = [_build(fleet.spec, job) for job in fleet.jobs]
    require_own_weights(fleet.criterion.net, nets[0])
    buffers = {
        name: torch.stack([net.get_buffer(name) for net in nets]).to(fleet.device)
        for name, _ in nets[0].named_buffers()
    }
    weights = fleet.criterion.layout.rows(nets).to(fleet.device)
    active = tuple(range(len(fleet.jobs)))
    memory, filling, adam, learner = _machinery(fleet, active, weights, buffers, optimizer.start(weights))
    return FleetState(
        active=active,
        fits=tuple(fleet.fit(job) for job in active),
        seeds=np.array([job_generator(job, purpose=2).integers(2**31) for job in fleet.jobs]),
        workspace=memory,
        filling=filling,
        adam=adam,
        learner=learner,
        progress=tuple(job_progress.start(sampler.epoch()) for sampler in fleet.samplers),
        steps=0,
        learnt={},
    )


def step(fleet: Fleet, state: FleetState) -> tuple[FleetState, bool]:
    """One optimiser step of every active job: the new state, and whether an epoch of some job ended.

    The memory of the old state becomes that of the new one. Raises ConfigError for a loss that is not finite.
    """
    lr = np.array([job_progress.step_size(*each) for each in zip(state.progress, state.fits, strict=True)])  # (K,)
    state.filling.rows = [progress.rows for progress in state.progress]
    state.adam.begin(lr)
    for layer, name in enumerate(fleet.dropout_keys):
        state.workspace.buffers[name].copy_(torch.from_numpy(_step_seeds(state, layer)))
    losses = state.learner.learn(_step_seeds(state, len(fleet.dropout_keys)).tolist())
    state = state._replace(progress=tuple(map(job_progress.step, state.progress, losses)), steps=state.steps + 1)
    if not all(map(math.isfinite, losses)):
        place, loss = next((place, loss) for place, loss in enumerate(losses) if not math.isfinite(loss))
        raise _not_finite(fleet, state, place, "loss", loss)
    ended = [place for place, progress in enumerate(state.progress) if progress.is_epoch_over]
    return (_end_epochs(fleet, state, ended), True) if ended else (state, False)


def finish(fleet: Fleet, state: FleetState) -> Iterator[Trained]:
    """The results, in the order of the jobs. All of them must have stopped."""
    for job, (inputs, outcomes) in enumerate(fleet.scalings):
        weights, losses = state.learnt[job]
        yield Trained(job, weights, inputs, outcomes, fleet.linear_parts[job], np.array(losses))


def epochs_done(fleet: Fleet, state: FleetState) -> int:
    """Epochs finished by all jobs; a job that stopped early counts with all of its epochs."""
    running = sum(len(progress.losses) for progress in state.progress)
    return running + (len(fleet.jobs) - len(state.active)) * fleet.spec.fit.epochs


def mean_loss(state: FleetState) -> float:
    """Mean over the jobs of the newest loss: validation where there is one, training otherwise."""
    newest = [learnt.losses[-1] for learnt in state.learnt.values()]
    return float(np.mean([train if math.isnan(valid) else valid for train, valid in newest]))


def _groups(
    net: torch.nn.Module, jobs: Sequence[TrainingJob], spec: NetSpec, device: torch.device
) -> Iterator[tuple[int, int]]:
    """First and last of the jobs that train together: those with sequences of one length, as many as the memory holds."""

    def length_of(job: TrainingJob) -> int:
        return spec.window + (spec.fit.chunk_of(len(job.train_rows)) - 1 if spec.fit.sampling == "sequence" else 0)

    columns, first = jobs[0].samples.inputs.shape[1], 0
    for length, same in groupby(jobs, key=length_of):
        last = first + len(list(same))
        size = group_size(net, jobs=last - first, batch=spec.fit.batch, length=length, columns=columns, device=device)
        yield from ((start, min(start + size, last)) for start in range(first, last, size))
        first = last


def _build(spec: NetSpec, job: TrainingJob) -> torch.nn.Module:
    return build(spec, job, job.samples.inputs.shape[1])


def _machinery(
    fleet: Fleet, active: Sequence[int], weights: Tensor, buffers: dict[str, Tensor], moments: AdamState
) -> tuple[Workspace, Filling, Adam, OnDemand]:
    """The memory of these jobs, and what reads and writes it in a step."""
    fit = fleet.spec.fit
    batch = Batch(len(weights), fleet.samplers[0].shape, fit.batch, fleet.device)
    memory = workspace(fleet.criterion.layout, weights, buffers, batch)
    filling = Filling([fleet.samplers[job] for job in active], batch)
    adam = Adam(weights, memory.gradient, moments, weight_decay=fit.weight_decay, clip=fit.clip)
    return memory, filling, adam, OnDemand(fleet.criterion, memory, Ends(filling, adam))


def _end_epochs(fleet: Fleet, state: FleetState, ended: Sequence[int]) -> FleetState:
    """Validate the models at these places, keep the best weights, begin the next epochs, and let jobs that stop go."""
    state.learner.release()
    samplers = [fleet.samplers[state.active[place]] for place in ended]
    validation = validation_losses(fleet.criterion, state.workspace, ended, samplers)
    progress, learnt, stopped = list(state.progress), dict(state.learnt), set[int]()
    for place, sampler, loss in zip(ended, samplers, validation, strict=True):
        job = state.active[place]
        if math.isinf(loss) or (math.isnan(loss) and len(fleet.jobs[job].valid_rows)):
            raise _not_finite(fleet, state, place, "validation loss", loss)
        progress[place], epoch = job_progress.end_epoch(progress[place], loss, state.fits[place])
        weights = _weights(fleet, state, place) if epoch.is_best else learnt[job].weights
        learnt[job] = Learnt(weights, progress[place].losses)
        if epoch.is_last:
            stopped.add(place)
        else:
            progress[place] = job_progress.next_epoch(progress[place], sampler.epoch())
    state = state._replace(progress=tuple(progress), learnt=learnt)
    return _without(fleet, state, stopped) if stopped else state


def _without(fleet: Fleet, state: FleetState, stopped: set[int]) -> FleetState:
    """The state of the other models only, in memory of its own."""
    left = [place for place in range(len(state.active)) if place not in stopped]
    kept = torch.tensor(left, dtype=torch.long, device=fleet.device)
    active = tuple(state.active[place] for place in left)
    weights, buffers = state.workspace.weights[kept], select(state.workspace.buffers, kept)
    memory, filling, adam, learner = _machinery(
        fleet, active, weights, buffers, optimizer.keep(state.adam.moments, left)
    )
    return state._replace(
        active=active,
        fits=tuple(state.fits[place] for place in left),
        seeds=state.seeds[left],
        workspace=memory,
        filling=filling,
        adam=adam,
        learner=learner,
        progress=tuple(state.progress[place] for place in left),
    )


def _weights(fleet: Fleet, state: FleetState, place: int) -> dict[str, Tensor]:
    """Copies of a model's parameters, and of those buffers that its net stores, such as running means."""
    stored = fleet.criterion.net.state_dict().keys() & state.workspace.buffers.keys()
    buffers = {name: state.workspace.buffers[name][place].clone().cpu() for name in sorted(stored)}
    return fleet.criterion.layout.net(state.workspace.weights[place].cpu()) | buffers


def _step_seeds(state: FleetState, source: int) -> np.ndarray:
    """Seeds (K,) of one source of random numbers in the coming step: a function of the job, the step, and the source."""
    return (state.seeds + state.steps * 0x9E3779B1 + source * 0x85EBCA6B) & 0x7FFFFFFF


def _not_finite(fleet: Fleet, state: FleetState, place: int, name: str, loss: float) -> ConfigError:
    return ConfigError(
        f"the {name} of {fleet.jobs[state.active[place]].words} is {loss} after {state.steps} steps",
        expected="a finite loss",
        remedy="Lower Fit(lr=...), set Fit(clip=1.0), or look for extreme values in the features",
    )
