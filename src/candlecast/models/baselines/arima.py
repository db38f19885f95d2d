"""`ARIMA`: the classic linear forecast of a series from its own past."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError
from candlecast.models.baselines.naive import Baseline, Predict
from candlecast.models.baselines.series import CONTINUED, has_series, learnt_part, series_of
from candlecast.models.deterministic import deterministic_fit
from candlecast.parameters import require_kinds
from candlecast.targets import Target


@dataclass(frozen=True)
class ARIMA(Baseline):
    """ARIMA(p, 1, q) of the log price, which is ARMA(p, q) of its returns; ARMA(p, q) of a log range.

    x_t = c + phi_1 x_{t-1} + ... + phi_p x_{t-p} + e_t + theta_1 e_{t-1} + ... + theta_q e_{t-q}. Parameters are the
    maximum-likelihood ones of the fold's training part; the Kalman filter then follows bar by bar, and skips gaps.
    Box and Jenkins (1970); compiled, and checked against statsmodels.
    """

    p: int = 1
    q: int = 1
    name: str = field(default="arima", init=False)
    window: int = field(default=1, init=False)
    is_seeded: bool = field(default=False, init=False)
    domain: ClassVar[str] = CONTINUED

    def __post_init__(self) -> None:
        require_kinds(self)
        if min(self.p, self.q) < 0 or self.p + self.q < 1:
            raise ConfigError(
                f"p is {self.p} and q is {self.q}",
                expected="0 or more, and one of them 1 or more",
                remedy="Use ARIMA(p=1, q=1), or Drift() for a constant",
            )

    def fits(self, target: Target) -> bool:
        return has_series(target)

    def learn(self, job: Job) -> Predict:
        from candlecast.models.baselines.arma import fit_arma

        values = learnt_part(job, series_of(job.samples).steps)
        scale = float(np.nanstd(values)) or 1.0  # the optimiser's steps are made for numbers near 1
        with deterministic_fit():
            fitted = fit_arma(values / scale, self.p, self.q)

        def predict(samples: Samples, rows: np.ndarray) -> np.ndarray:
            series = series_of(samples)
            states = fitted.states(series.steps[: rows[-1] + 1] / scale)
            return series.from_steps(rows, scale * fitted.ahead(states[rows], samples.horizon))

        return predict
