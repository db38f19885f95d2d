"""Recurrent PPO trades the account: an agent of Stable-Baselines3, walked forward, backtested and judged like any other model.

    pip install "candlecast[rl]"
    python examples/recurrent_ppo.py          # the S&P 500 by day; about five minutes on one core

The agent (Schulman et al. 2017, with an LSTM) sees the study's features and what it holds, decides at the close of each bar, and
is paid the logarithmic growth of its equity after costs. It is trained in `TradingEnv` on each fold's training part. `Agent`
is all that a study needs to know of it: a recipe with `name`, `window`, `is_seeded`, `fit` and `restore`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from sb3_contrib import RecurrentPPO

import candlecast as cc
from candlecast.adapters.gymnasium import TradingEnv
from candlecast.dataset.jobs import Job
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples
from candlecast.events import Listener, Progress, ignore
from candlecast.heads.policy import slope


@dataclass(frozen=True)
class Agent:
    """`steps` bars of training per job, in episodes of `bars`; an LSTM of `hidden` cells, warmed up by `window` bars."""

    steps: int = 20_000
    bars: int = 250
    hidden: int = 32
    window: int = 32
    costs: cc.Costs = cc.Costs()
    learns_position: ClassVar[bool] = True  # so that the study trades by HoldPosition
    name: str = field(default="recurrent-ppo", init=False)

    @property
    def is_seeded(self) -> bool:
        """Another seed, another agent."""
        return True

    def fit(self, jobs: Sequence[Job], *, progress: Listener = ignore) -> Iterator[Trained]:
        """Train one agent per job, one after the other."""
        for done, job in enumerate(jobs):
            agent = self.untrained(job)
            with one_thread():
                agent.learn(self.steps)
            trained = Trained(self, job, agent, slope=0.0)
            held = trained.positions(job.samples, job.fit_rows)
            yield Trained(self, job, agent, slope(held, job.samples.outcomes[job.fit_rows]))
            progress(Progress("train", done + 1, len(jobs), job.key))

    def restore(self, job: Job, tensors: Mapping[str, np.ndarray]) -> Trained:
        """The agent that `tensors` were taken from."""
        agent = self.untrained(job)
        weights = {name[4:]: torch.from_numpy(value) for name, value in tensors.items() if name.startswith("net.")}
        agent.policy.load_state_dict(weights)
        return Trained(self, job, agent, float(tensors["slope"][0]))

    def untrained(self, job: Job) -> RecurrentPPO:
        """A fresh agent in front of the rows that the job may learn from. Seeds the global generators, as the library does."""
        env = TradingEnv(job.samples, job.fold.fit.array, bars=self.bars, costs=self.costs)
        return RecurrentPPO(
            "MlpLstmPolicy",
            env,
            n_steps=self.bars,
            batch_size=self.bars,
            gamma=0.9,  # what a position earns comes soon
            seed=job.seed,
            device="cpu",
            policy_kwargs={"lstm_hidden_size": self.hidden, "net_arch": []},
        )


@dataclass(frozen=True, eq=False)
class Trained:
    """What one job learnt: an agent, and the return per unit of its position in training."""

    recipe: Agent
    job: Job
    agent: RecurrentPPO
    slope: float

    @property
    def losses(self) -> np.ndarray:
        """None by epochs."""
        return np.empty((0, 2))

    def forecast(self, samples: Samples, rows: np.ndarray) -> Prediction:
        """Positions decided at the close of `rows`, and the returns that they imply."""
        held = self.positions(samples, rows)
        return Prediction(self.slope * held, {"position": held})

    def tensors(self) -> dict[str, np.ndarray]:
        """Weights by name, and the slope."""
        weights = {f"net.{name}": value.cpu().numpy() for name, value in self.agent.policy.state_dict().items()}
        return weights | {"slope": np.array([self.slope])}

    def positions(self, samples: Samples, rows: np.ndarray) -> np.ndarray:
        """Walk the account over each unbroken stretch of rows, from `window` bars before it; 0 behind ruin."""
        found = np.zeros(len(samples))
        with one_thread():
            for stretch in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
                if len(stretch):
                    bars = np.arange(max(int(stretch[0]) - self.recipe.window, 0), stretch[-1] + 1)
                    self._walk(samples, bars, found)
        return found[rows]

    def _walk(self, samples: Samples, bars: np.ndarray, found: np.ndarray) -> None:
        """Write the positions that are decided on these bars into `found`."""
        vectorised: Any = self.agent.get_env()
        scaling = vectorised.envs[0].unwrapped.scaling  # of the rows that were trained on
        env = TradingEnv(samples, bars, scaling=scaling, costs=self.recipe.costs)
        observation, info = env.reset()
        memory, is_first, is_over, is_ruined = None, True, False, False
        while not is_ruined:
            action, memory = self.agent.predict(observation, memory, np.array([is_first]), deterministic=True)
            found[info["row"]] = action[0]
            if is_over:
                return
            observation, _, is_ruined, is_over, info = env.step(action)
            is_first = False


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: faster for a net of this size, and sums that do not depend on how many threads there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def main() -> None:
    """Two folds and one seed; the verdict, and the agent beside naive, drift and holding."""
    study = cc.Study(model=Agent(), folds=cc.WalkForward(folds=2), baselines=(), seeds=1)
    result = study.run(cc.sample("sp500"))
    print(result.verdict)
    print(result.accuracy)
    print(result.summary())


if __name__ == "__main__":
    main()
