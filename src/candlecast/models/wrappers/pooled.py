"""`Pooled`: one net for all assets, with an input that identifies the asset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from candlecast.dataset.folds import Fold
from candlecast.dataset.jobs import Job, Unpickled
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.rows import Rows
from candlecast.dataset.samples import Samples
from candlecast.errors import NotEnoughDataError, listed
from candlecast.events import Listener, ignore
from candlecast.features import Scaling, Unscaled, fit_scaling
from candlecast.models.net import NetModel
from candlecast.models.wrappers.wrapped import Wrapped
from candlecast.parameters import require_parameters
from candlecast.targets import Target, components

if TYPE_CHECKING:
    from candlecast.fleet.fitted import FittedNet
    from candlecast.fleet.net_spec import NetSpec


@dataclass(frozen=True)
class Pooled(Wrapped[NetModel]):
    """The jobs of all assets with one fold and seed are learnt by one net; it has an input that is 1 for each asset's rows.

    Give `walk_forward` or `compare` several assets. A row counts only if its outcome was known before any of the assets is
    tested in that fold, so that no asset leaks another's future; folds that train after their test part lose that part.
    Inputs and outcomes of each asset are scaled by its own rows of that kind; by its own training part where it has none, so
    that no other asset learns from it. Montero-Manso and Hyndman (2021) on global models.
    """

    model: NetModel

    def __post_init__(self) -> None:
        require_parameters(self, {"model": (isinstance(self.model, NetModel), "a recipe of a net, such as LSTM()")})

    @property
    def name(self) -> str:
        """`pooled_` and the name of the net."""
        return f"pooled_{self.model.name}"

    def require_target(self, target: Target) -> None:
        """As its net."""
        self.model.require_target(target)

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[FittedPooled]:
        """Train one net for each fold and seed; each job gets it with the scaling of its own asset."""
        from candlecast.fleet.fitted import FittedNet
        from candlecast.fleet.shrinking import shrunk
        from candlecast.fleet.trainer import train

        spec = replace(self.model.net_spec(jobs[0].samples.target), refit=None)
        reach = self.window + (spec.fit.longest_chunk if spec.fit.sampling == "sequence" else 0)
        groups: dict[tuple[int, int], list[Job]] = {}
        for job in jobs:
            groups.setdefault((job.fold.index, job.seed), []).append(job)
        pools = [Pool(members(group, spec), reach) for group in groups.values()]
        for trained in train(pools, spec, progress=progress):
            members_of_pool = pools[trained.job].members
            nets: list[FittedNet] = []
            for member in members_of_pool:
                inputs, outcomes = member.scalings(trained.outcomes, assets=len(members_of_pool))
                nets.append(
                    FittedNet(member.job, spec, trained.weights, inputs, outcomes, trained.losses, trained.linear)
                )
            if spec.is_shrunk:
                assets = len(members_of_pool)
                nets = shrunk(
                    nets,
                    [
                        (_seen_by(member.job.samples, assets, place), member.valid_rows)
                        for place, member in enumerate(members_of_pool)
                    ],
                )
            for place, net in enumerate(nets):
                own = FittedPooled(net, place)
                yield replace(own, net=self.model.measured(own.net, own.forecast))

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> FittedPooled:
        """What `fit` made of the job, from its `tensors()`."""
        own = {name: value for name, value in tensors.items() if name != "asset"}
        return FittedPooled(self.model.restore(job, own), tensors["asset"].item())


@dataclass(frozen=True, eq=False)
class FittedPooled(Unpickled):
    """A pooled net as one asset sees it; `place` is the asset's among those that trained it."""

    net: FittedNet
    place: int

    @property
    def job(self) -> Job:
        """The asset's own job."""
        return self.net.job

    @property
    def losses(self) -> np.ndarray:
        """Those of the one training."""
        return self.net.losses

    def forecast(self, samples: Samples, rows: np.ndarray) -> Prediction:
        """Forecasts made at the close of `rows` (rising), in the target's units."""
        assets = len(self.net.inputs.shift) - samples.inputs.shape[1]
        return self.net.forecast(_seen_by(samples, assets, self.place), rows)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """All that `Pooled.restore` needs."""
        return {**self.net.tensors(), "asset": np.array([self.place])}


def members(jobs: Sequence[Job], spec: NetSpec) -> list[Member]:
    """The jobs of all assets with one fold and seed, each with the scaling of its rows that were known before any test."""
    moment = min(job.samples.candles.close_time[job.fold.test.first] for job in jobs)
    return [Member.of(job, spec, moment) for job in jobs]


@dataclass(frozen=True, eq=False)
class Member:
    """One asset of a pool: its job, its rows whose outcome was known before any asset is tested, and their scaling."""

    job: Job
    train_rows: np.ndarray
    valid_rows: np.ndarray
    inputs: Scaling
    outcomes: Scaling

    @classmethod
    def of(cls, job: Job, spec: NetSpec, moment: np.datetime64) -> Member:
        samples = job.samples
        times = samples.candles.close_time

        def known(rows: np.ndarray) -> np.ndarray:
            return rows[times[rows + samples.horizon] < moment]

        rows, seen = known(job.train_rows), job.fold.train.array
        if len(rows):  # others learn from it: its scaling knows no more than they may
            learnt, seen = rows, seen[times[seen] < moment]
        else:
            learnt = job.train_rows
        inputs = fit_scaling(samples.scalers, samples.inputs[seen])
        scalers = [spec.head.scaling or target.scaling for target in components(samples.target)]
        return cls(job, rows, known(job.valid_rows), inputs, fit_scaling(scalers, samples.y[learnt]))

    def scalings(self, outcomes: Scaling, *, assets: int) -> tuple[Scaling, Scaling]:
        """Scalings of the pool's net for this asset: of its inputs, with a mark for each of the assets, and of its outcomes.

        `outcomes`: how the pool scaled outcomes that were already scaled by asset.
        """
        shift, scale = np.zeros(assets), np.ones(assets)
        inputs = Scaling(np.concatenate([self.inputs.shift, shift]), np.concatenate([self.inputs.scale, scale]))
        return inputs, outcomes.within(self.outcomes)


class Pool:
    """A training of one net on the rows of all members, one after the other, with `reach` undefined bars in between.

    A `TrainingJob`.
    """

    def __init__(self, members: Sequence[Member], reach: int) -> None:
        self.members, self.reach = members, reach
        self.seed, self.lr = members[0].job.seed, members[0].job.lr
        self.symbol = "+".join(member.job.symbol for member in members)
        index, end = members[0].job.fold.index, sum(len(member.job.samples) + reach for member in members)
        self.key = f"{self.symbol}/fold-{index}/seed-{self.seed}"
        self.words = f"{listed(member.job.symbol for member in members)}, fold {index}, seed {self.seed}"
        self.samples = self._joined_samples()
        # the same division of the joined rows; the test part comes after them all
        self.fold = Fold(index, Rows.of(self.train_rows), Rows.of(self.valid_rows), range(end, end + 1))

    @cached_property
    def train_rows(self) -> np.ndarray:
        """Rows to learn from, int64, rising. Raises NotEnoughDataError when there is none."""
        rows = self._rows([member.train_rows for member in self.members])
        if not len(rows):
            raise NotEnoughDataError(
                f"{self.words} has no row whose outcome was known before the first of its assets is tested",
                expected="at least one",
                remedy="Use WalkForward, and assets whose candles begin at about the same time",
            )
        return rows

    @cached_property
    def valid_rows(self) -> np.ndarray:
        """Rows for early stopping; may be empty."""
        return self._rows([member.valid_rows for member in self.members])

    def _joined_samples(self) -> PooledSamples:
        """Inputs and outcomes of all members, each scaled by its own."""
        inputs, y, sample_weight, naive = [], [], [], []
        for place, member in enumerate(self.members):
            samples = member.job.samples
            inputs.append(_marked(member.inputs.apply(samples.inputs), len(self.members), place))
            y.append(member.outcomes.apply(samples.y))
            sample_weight.append(samples.sample_weight)
            naive.append((samples.naive[:, None] - member.outcomes.shift[0]) / member.outcomes.scale[0])
        joined = (self._joined(arrays) for arrays in (inputs, y, sample_weight))
        return PooledSamples(*joined, naive=self._joined(naive)[:, 0], target=self.members[0].job.samples.target)

    def _rows(self, of_members: Sequence[np.ndarray]) -> np.ndarray:
        offset, found = 0, []
        for member, rows in zip(self.members, of_members, strict=True):
            found.append(rows + offset)
            offset += len(member.job.samples) + self.reach
        return np.concatenate(found)

    def _joined(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        between = np.full((self.reach, arrays[0].shape[1]), np.nan)
        return np.concatenate([part for array in arrays for part in (array, between)])


@dataclass(frozen=True, eq=False)
class PooledSamples:
    """What training reads of samples; `inputs` (time, column), `y` (time, N) and `naive` (time,) are scaled already."""

    inputs: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray
    naive: np.ndarray
    target: Target

    @property
    def outcomes(self) -> np.ndarray:
        """What is forecast: float64 (time,)."""
        return self.y[:, 0]

    @property
    def scalers(self) -> list[Unscaled]:
        """None for any column."""
        return [Unscaled()] * self.inputs.shape[1]


def _seen_by(samples: Samples, assets: int, place: int) -> Samples:
    """The samples with the marks of the asset at `place`, as its net reads them."""
    return replace(samples, inputs=_marked(samples.inputs, assets, place))


def _marked(inputs: np.ndarray, assets: int, place: int) -> np.ndarray:
    """Inputs (time, column) with a further column for each asset: 1 for that at `place`, else 0."""
    marks = np.zeros((len(inputs), assets))
    marks[:, place] = 1.0
    return np.concatenate([inputs, marks], axis=1)
