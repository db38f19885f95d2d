"""Long-run variance: how much the mean of dependent values varies, and the precision of that estimate."""

from __future__ import annotations

import math

import numpy as np

from candlecast.errors import ConfigError
from candlecast.stats.samples import aligned


def long_run_variance(values: np.ndarray, *, cosines: int) -> float:
    """Long-run variance of a series by equal-weighted cosines: its mean over n observations has about this variance / n.

    (1 / m) sum_{j=1..m} L_j^2, L_j = sqrt(2 / n) sum_t cos(pi j (t - 1/2) / n) x_t: the mean square of the m slowest waves
    in the series, other than its mean. Never negative, in the squared unit of the values. With few cosines, mean(x) over
    its error is Student's t with m degrees of freedom, which allows for an estimated variance. At most n - 1 of them
    count; fewer than 2 values give NaN. Raises ConfigError for fewer cosines than 1.
    Lazarus, Lewis, Stock and Watson (2018), HAR Inference: Recommendations for Practice.

    >>> round(long_run_variance(np.array([1.0, -1.0, 1.0, -1.0]), cosines=3), 4)      # all waves: sum (x - mean)^2 / (n - 1)
    1.3333
    """
    (values,) = aligned(values=values)
    if cosines < 1:
        raise ConfigError(f"cosines is {cosines}", expected="1 or more", remedy="Use cosine_count(len(values))")
    if len(values) < 2:
        return math.nan
    from scipy.fft import dct

    waves = np.asarray(dct(values - values.mean(), norm="ortho"))[1 : cosines + 1]
    return float(np.mean(np.square(waves)))


def cosine_count(observations: int, *, horizon: int = 1) -> int:
    """How many cosines to use: min(0.4 n^(2/3), n / 2h), at least 1.

    The first is the rule of Lazarus et al. (2018). The second keeps to waves longer than 4 horizons: values whose outcomes
    overlap over h bars look smooth, and their variance too small, in any shorter wave.

    >>> cosine_count(1_000), cosine_count(1_000, horizon=24)
    (40, 20)
    """
    return max(1, min(math.floor(0.4 * observations ** (2 / 3) + 1e-9), observations // (2 * horizon)))
