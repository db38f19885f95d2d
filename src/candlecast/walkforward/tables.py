"""What a finished walk tells besides its forecasts: its folds, losses and searches, and the bars that were lost."""

from __future__ import annotations

import numpy as np
import polars as pl

from candlecast.dataset.coverage import left_out
from candlecast.dataset.training_parts import train_by_place
from candlecast.ledger import Searched
from candlecast.models import Fitted, FittedSearch
from candlecast.models.wrappers.conformal import FittedConformal
from candlecast.walkforward.walk import FoldForecast


def searches(parts: list[FoldForecast]) -> tuple[Searched, ...]:
    """What was chosen for each asset and fold, once for all seeds."""
    found = [each for part in parts for each in _chosen(part.fitted)]
    return tuple({(each.symbol, each.fold): each for each in found}.values())


def _chosen(fitted: Fitted) -> tuple[Searched, ...]:
    """What was chosen for one job, within an interval around the model too."""
    if isinstance(fitted, FittedConformal):
        return _chosen(fitted.fitted)
    return (fitted.chosen,) if isinstance(fitted, FittedSearch) else ()


def lost(parts: list[FoldForecast]) -> dict[str, int]:
    """Bars that could not be learnt from, by cause; of what folds keep out around their test parts, the most of any fold."""
    purged = []
    for part in parts:
        samples, fold = part.job.samples, part.job.fold
        used = np.concatenate([fold.train.array, fold.valid.array, fold.test.array])
        is_between = samples.is_complete & samples.is_known
        is_between[: used.min()] = is_between[used.max() :] = False
        is_between[used] = False
        purged.append(int(is_between.sum()))
    return {**parts[0].job.samples.dropped_rows, "purge and embargo, in a fold": max(purged)}


def fold_table(parts: list[FoldForecast], *, is_whole: bool = False) -> pl.DataFrame:
    """One row for each fold: `fold`, closes of its first and last bars, and how many of them train and are tested.

    `left_out` counts the bars after its own that no fold tests (`dataset.coverage`); none of folds that are known to be whole.
    `by_place`: the training parts of all folds follow from their place alone (`dataset.training_parts`).
    """
    folds = {part.job.fold.index: part.job for part in parts}
    samples = parts[0].job.samples
    tests = [folds[index].fold.test for index in sorted(folds)]
    missed = left_out(tests, samples.is_complete, horizon=samples.horizon) * (not is_whole)
    by_place = train_by_place([job.fold for job in folds.values()])
    rows = []
    for (index, job), after in zip(sorted(folds.items()), missed, strict=True):
        closes = job.samples.candles.frame["close_time"]
        fold = job.fold
        rows.append(
            {
                "fold": index,
                "train_first": closes[fold.train.first],
                "train_last": closes[fold.fit.last],
                "test_first": closes[fold.test.first],
                "test_last": closes[fold.test.last],
                "train_bars": len(job.fit_rows),
                "test_bars": len(job.test_rows),
                "left_out": int(after),
                "by_place": by_place,
            }
        )
    return pl.DataFrame(rows)


def is_in_time_order(folds: pl.DataFrame) -> bool:
    """Whether in every fold of a `fold_table` all bars that train lie before the first that is tested.

    Only then could the forecasts have been made at the time, and what trading by them earned is a record. Those of
    `PurgedKFold` and `CombinatorialPurged` were made by models that knew what came after.
    """
    return bool((folds["train_last"] < folds["test_first"]).all())


def trains_by_place(folds: pl.DataFrame) -> bool:
    """Whether the training parts of a `fold_table` follow from their place alone; true where it does not say."""
    return bool(folds["by_place"].all()) if "by_place" in folds.columns else True


def untested(folds: pl.DataFrame) -> tuple[int, int]:
    """Of a `fold_table`: the bars that no fold tests, and all bars from the first tested one on; none where it does not say.

    >>> untested(pl.DataFrame({"test_bars": [100, 50], "left_out": [30, 0]}))
    (30, 180)
    """
    missed = int(folds["left_out"].sum()) if "left_out" in folds.columns else 0
    return missed, missed + int(folds["test_bars"].sum())


def loss_table(parts: list[FoldForecast]) -> pl.DataFrame:
    """One row for each fold, seed and epoch: `fold`, `seed`, `epoch`, `train`, `valid`."""
    schema = {"fold": pl.Int32, "seed": pl.Int32, "epoch": pl.Int32, "train": pl.Float64, "valid": pl.Float64}
    rows = [
        (part.job.fold.index, part.job.seed, epoch, train, valid)
        for part in parts
        for epoch, (train, valid) in enumerate(part.fitted.losses, start=1)
    ]
    return pl.DataFrame(rows, schema=schema, orient="row").sort("fold", "seed", "epoch")
