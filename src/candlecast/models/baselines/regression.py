"""Ridge regression and boosted trees on the study's features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError
from candlecast.models.baselines.naive import Baseline, Predict, regressors
from candlecast.models.deterministic import deterministic_fit
from candlecast.parameters import is_whole, require_kinds, require_parameters
from candlecast.targets import Target
from candlecast.targets.sides import sides_of


@dataclass(frozen=True)
class Ridge(Baseline):
    """Least squares with a penalty on large weights: min sum (y - w x)^2 + alpha n |w|^2 on scaled features, n the rows.

    With alpha = 0.1, each of several unrelated features loses about a tenth of its weight; correlated features share theirs.
    Hoerl and Kennard (1970).
    """

    alpha: float = 0.1
    window: int = 1
    name: str = field(default="ridge", init=False)
    is_seeded: bool = field(default=False, init=False)
    domain: ClassVar[str] = "values and labels"

    def __post_init__(self) -> None:
        require_kinds(self)
        if not (self.alpha > 0 and self.window >= 1):
            raise ConfigError(
                f"alpha is {self.alpha} and window is {self.window}",
                expected="alpha above 0 and a window of 1 bar or more",
                remedy="Use Ridge(alpha=0.1)",
            )

    def fits(self, target: Target) -> bool:
        return target.kind != "probability"

    def learn(self, job: Job) -> Predict:
        from sklearn import linear_model

        inputs, rows = regressors(job, self.window), job.fit_rows
        regression = linear_model.Ridge(alpha=self.alpha * len(rows))
        with deterministic_fit():
            regression.fit(inputs(job.samples, rows), (job.samples.outcomes - job.samples.naive)[rows])
        return lambda samples, rows: samples.naive[rows] + regression.predict(inputs(samples, rows))


@dataclass(frozen=True)
class LightGBM(Baseline):
    """Boosted trees (Ke et al. 2017) on the same features, of the last `window` bars; needs `pip install candlecast[lightgbm]`.

    `trees` of at most `leaves` leaves, each of `leaf_rows` training rows or more, added at `lr`: small ones, since
    markets are mostly noise. The outcome is learnt as its difference to naive. Deterministic, on one thread.
    """

    trees: int = 100
    leaves: int = 7
    leaf_rows: int = 50
    lr: float = 0.03
    window: int = 1
    name: str = field(default="lightgbm", init=False)
    is_seeded: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(
            self,
            {
                "trees": (is_whole(self.trees), "a whole number, 1 or more"),
                "leaves": (is_whole(self.leaves, 2), "a whole number, 2 or more"),
                "leaf_rows": (is_whole(self.leaf_rows), "a whole number, 1 or more"),
                "lr": (0 < self.lr <= 1, "a number in (0, 1]"),
                "window": (is_whole(self.window), "a whole number of bars, 1 or more"),
            },
        )

    def learn(self, job: Job) -> Predict:
        lightgbm = _lightgbm()
        samples, rows, inputs = job.samples, job.fit_rows, regressors(job, self.window)
        is_chance = samples.target.kind == "probability"
        sides = sides_of(samples.outcomes[rows], samples.naive[rows]) if is_chance else None
        if sides is not None and not sides.has_both:
            return lambda samples, rows: sides.forecast(np.full(len(rows), sides.only), samples.naive[rows])
        outcomes = samples.outcomes[rows] - samples.naive[rows] if sides is None else sides.classes
        fitted = rows if sides is None else rows[sides.teaches]
        settings = {
            "objective": "binary" if is_chance else "regression",
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.leaf_rows,
            "learning_rate": self.lr,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "seed": 0,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(inputs(samples, fitted), label=outcomes)
        booster = lightgbm.train(settings, data, num_boost_round=self.trees)

        def predict(samples: Samples, rows: np.ndarray) -> np.ndarray:
            learnt = np.asarray(booster.predict(inputs(samples, rows), num_threads=1), dtype=np.float64)
            return samples.naive[rows] + learnt if sides is None else sides.forecast(learnt, samples.naive[rows])

        return predict


def _lightgbm():  # noqa: ANN202 - the library is an extra, and so are its types
    try:
        import lightgbm
    except ImportError as error:
        raise ConfigError(
            "LightGBM is not installed",
            expected="the extra lightgbm",
            remedy="Install it with: pip install 'candlecast[lightgbm]'",
        ) from error
    return lightgbm
