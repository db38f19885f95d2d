"""Which columns of computed features are undefined, and how often."""

from __future__ import annotations

import numpy as np

from candlecast.features.feature import Features
from candlecast.text.formatting import count, percent


def undefined_shares(features: Features, values: np.ndarray) -> dict[str, float]:
    """Share of the rows after the warm-up in which a column is undefined, for each column that has any, the largest first.

    `values` are those of `features.compute`, shape (time, column).

    >>> from candlecast.features import feature
    >>> @feature(warmup=1)
    ... def inverse_change(candles):
    ...     return 1 / np.diff(candles.close, prepend=np.nan)
    >>> undefined_shares(Features(inverse_change), np.array([[np.nan], [2.0], [np.nan], [0.5], [np.nan]]))
    {'inverse_change': 0.5}
    """
    settled = values[features.warmup :]
    shares = np.isnan(settled).mean(axis=0) if len(settled) else np.zeros(values.shape[1])
    found = {name: float(share) for name, share in zip(features.columns, shares, strict=True) if share}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def undefined_words(features: Features, values: np.ndarray, *, most: int = 3) -> str:
    """The columns that are undefined most often and their shares, for a message; empty when all are defined.

    >>> from candlecast.features import log_return
    >>> undefined_words(Features(log_return()), np.array([[np.nan], [0.1], [np.nan], [0.2], [0.1]]))
    'log_return_1 is undefined in 25.0 % of the rows'
    """
    shares = undefined_shares(features, values)
    named = [
        f"{name} is undefined in {percent(max(share, 0.001))} of the rows"
        for name, share in list(shares.items())[:most]
    ]
    more = f" and {count(len(shares) - most, 'other column')} in fewer" if len(shares) > most else ""
    return ", ".join(named) + more
