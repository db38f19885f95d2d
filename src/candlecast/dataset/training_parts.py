"""Whether training parts follow from their place alone: others may have been picked by what the test part holds."""

from __future__ import annotations

from collections.abc import Sequence

from candlecast.dataset.folds import Fold

TOLERANCE = 0.1  # of the length of a training part: calendar spans differ by a few percent
GAP = 0.05  # the same between a training part and its test part
VALID = 0.1  # by how much the share of rows that early stopping watches may differ


def train_by_place(folds: Sequence[Fold]) -> bool:
    """Whether each fold trains on one stretch that ends just before its test part, and all stretches follow one rule.

    Each begins with the first of them (expanding), or is as long as the longest (rolling), or, while the record is short, the
    first of both. Validation rows are at the end of the stretch, and the same share of it. Not so are training parts that are
    picked, such as earlier phases of the market like the one that is tested, and those of folds that train on later rows.

    >>> rolling = [Fold(0, range(0, 50), range(0), range(51, 60)), Fold(1, range(9, 59), range(0), range(60, 70))]
    >>> picked = Fold(1, range(20, 40), range(0), range(60, 70))
    >>> train_by_place(rolling), train_by_place([rolling[0], picked])
    (True, False)
    """
    if not all(fold.is_in_time_order and _is_one_stretch(fold) for fold in folds):
        return False
    spans = [(fold.train.first, fold.fit.last + 1) for fold in folds]
    first, longest = min(start for start, _ in spans), max(end - start for start, end in spans)
    gaps = [fold.test.first - end for fold, (_, end) in zip(folds, spans, strict=True)]
    shares = [len(fold.valid) / len(fold.fit) for fold in folds]
    return (
        all(
            start - first <= TOLERANCE * longest or longest - (end - start) <= TOLERANCE * longest
            for start, end in spans
        )
        and max(gaps) - min(gaps) <= GAP * longest
        and max(shares) - min(shares) <= VALID
    )


def _is_one_stretch(fold: Fold) -> bool:
    """Whether the rows that train are one stretch, and those that early stopping watches its end."""
    is_last = not len(fold.valid) or fold.valid.first > fold.train.last
    return len(fold.fit.parts) == 1 and is_last
