"""`latest_fold`: a fold that trains on everything known by the last bar, and forecasts that bar."""

from __future__ import annotations

import numpy as np

from candlecast.dataset.folds import Fold, Folds, check_folds


def latest_fold(folds: Folds, last: Fold, *, times: np.ndarray, usable: range, horizon: int, index: int) -> Fold:
    """A fold after the last one: its test part is the last bar, and all labels that it trains on are known before.

    The validation part is as large a share as that of `last`. Where the folds roll (`expanding=False`), as many rows train;
    otherwise all usable ones do.

    Args:
        folds: those of the study.
        last: the last of its folds.
        times: closes of all bars, datetime64[us] (time,).
        usable: rows that can be divided.
        horizon: bars until a label is known.
        index: the number of the new fold.

    Raises:
        NotEnoughDataError: when nothing would be left to learn from.

    >>> from candlecast.dataset.folds import Holdout
    >>> last = Fold(4, range(0, 70), range(71, 89), range(90, 100))
    >>> times = np.arange(120).astype("datetime64[us]")
    >>> latest_fold(Holdout(0.8), last, times=times, usable=range(120), horizon=1, index=5)
    Fold(index=5, train=Rows(range(0, 93)), valid=Rows(range(94, 118)), test=Rows(range(119, 120)))
    """
    test = usable.stop - 1
    stop = test - horizon
    is_rolling = getattr(folds, "expanding", True) is False
    learnt = last.fit.last + 1 - last.fit.first
    first = max(usable.start, stop - learnt) if is_rolling else usable.start
    share = len(last.valid) / learnt
    held = round((stop - first) * share)
    train = range(first, stop - held - (horizon if held else 0))
    fold = Fold(index, train, range(stop - held, stop), range(test, test + 1))
    return check_folds((fold,), times, horizon=horizon)[0]
