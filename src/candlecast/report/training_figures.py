"""Figures of the training: the parts in time, the skill of every training, and the loss curves."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.report import svg
from candlecast.report.date_axis import date_ticks, decimal_years
from candlecast.report.figures import Figure
from candlecast.text.cells import percent
from candlecast.text.formatting import close_moment, count
from candlecast.walkforward.tables import is_in_time_order, untested

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

ROW_PIXELS = 24
LABEL_PIXELS = 62


def timeline(result: StudyResult) -> Figure:
    """What each fold trained on and was tested on."""
    folds, title, yearly = result.folds, "Folds", result.backtest.bars_per_year
    if folds.height < 2:
        only = folds.row(0, named=True)
        train, test = (_span_words(only, part, yearly) for part in ("train", "test"))
        words = (
            f"One split: trained from {train}, tested from {test}. One split is one sample; "
            "WalkForward(folds=5) gives five."
        )
        return Figure("timeline", title, words)
    spans = {name: decimal_years(folds[name].dt.replace_time_zone(None).to_numpy()) for name in _ENDS}
    axes = svg.Axes(
        x=svg.span(*spans.values(), margin=0.01),
        y=(float(folds.height), 0.0),
        height=svg.TOP + svg.BOTTOM + ROW_PIXELS * folds.height,
        left=LABEL_PIXELS,
    )
    parts = []
    for row, fold in enumerate(folds.iter_rows(named=True)):
        parts.append(
            f'<text x="{LABEL_PIXELS - 6}" y="{axes.down(row + 0.62):.0f}" class="end">Fold {fold["fold"]}</text>'
        )
        for part, kind in (("train", "grey"), ("test", "blue")):
            left, right = (axes.across(spans[f"{part}_{end}"][row]) for end in ("first", "last"))
            words = f"Fold {fold['fold']}, {part}: {_span_words(fold, part, yearly)}, {fold[f'{part}_bars']:,} bars"
            parts.append(
                f'<g class="bars {kind}"><rect x="{left:.1f}" y="{axes.down(row + 0.15):.1f}" width="{max(right - left, 1):.1f}" '
                f'height="{0.7 * ROW_PIXELS:.0f}"><title>{escape(words)}</title></rect></g>'
            )
    bottom = axes.height - svg.BOTTOM
    labels = "".join(
        f'<text x="{axes.across(year):.0f}" y="{bottom + 16}" class="middle">{words}</text>'
        f'<path class="grid" d="M{axes.across(year):.1f} {svg.TOP}V{bottom}"/>'
        for year, words in date_ticks(*axes.x).items()
    )
    drawing = svg.drawing(axes, title, labels, *parts)
    order = (
        "Each training part is before its test part."
        if is_in_time_order(folds)
        else "Training parts have bars before and after their test part."
    )
    purge = count(result.target.horizon, "bar")
    words = (
        f"{folds.height} folds. {order} At least {purge} between a training part and its test part are left out, because their "
        "outcomes are in the test part (purge)."
    )
    missed, every = untested(folds)
    if missed:
        words += f" {missed:,} of {count(every, 'bar')} from the first tested one on are in no test part."
    if not result.losses.is_empty() and result.losses["valid"].is_not_nan().any():
        words += " The end of each training part is the validation part for early stopping."
    legend = (("grey bar", "training part"), ("blue bar", "test part"))
    return Figure("timeline", title, words, drawing, legend=legend, data=folds)


_ENDS = ("train_first", "train_last", "test_first", "test_last")


def _span_words(fold: Mapping[str, Any], part: str, bars_per_year: float) -> str:
    """The closes of the first and the last bar of a part of a fold."""
    first, last = (close_moment(fold[f"{part}_{end}"], bars_per_year) for end in ("first", "last"))
    return f"{first} to {last}"


def skill_by_training(result: StudyResult) -> Figure:
    """R2 of every fold and seed, as a table of colours."""
    parts, title = result.accuracy_by_part, "Skill by fold and seed"
    if parts["r2"].drop_nulls().len() < 2:
        return Figure("skill", title, "One fold with one seed: there are no two trainings to compare.")
    folds, seeds = sorted(set(parts["fold"])), sorted(set(parts["seed"]))
    height = svg.TOP + svg.BOTTOM + ROW_PIXELS * len(folds)
    width = (svg.WIDTH - LABEL_PIXELS - svg.RIGHT) / len(seeds)
    strongest = max(float(parts["r2"].abs().max()), 1e-12)  # type: ignore[arg-type]
    cells = []
    for row in parts.drop_nulls("r2").iter_rows(named=True):
        x, y = LABEL_PIXELS + width * seeds.index(row["seed"]), svg.TOP + ROW_PIXELS * folds.index(row["fold"])
        kind = "blue" if row["r2"] > 0 else "orange"
        words = (
            f"Fold {row['fold']}, seed {row['seed']}: R2 {percent(row['r2'], 2)}, hit rate {percent(row['hit_rate'])}"
        )
        text = f'<text x="{x + width / 2:.1f}" y="{y + 16}" class="middle cell">{escape(percent(row["r2"], 2))}</text>'
        cells.append(
            f'<g class="cells {kind}"><rect x="{x + 1:.1f}" y="{y + 1}" width="{width - 2:.1f}" height="{ROW_PIXELS - 2}" '
            f'fill-opacity="{0.08 + 0.5 * abs(row["r2"]) / strongest:.2f}"><title>{escape(words)}</title></rect>'
            f"{text if width > 44 else ''}</g>"
        )
    heads = "".join(
        f'<text x="{LABEL_PIXELS - 6}" y="{svg.TOP + ROW_PIXELS * row + 16}" class="end">Fold {fold}</text>'
        for row, fold in enumerate(folds)
    )
    heads += "".join(
        f'<text x="{LABEL_PIXELS + width * (column + 0.5):.1f}" y="{height - 24}" class="middle">Seed {seed}</text>'
        for column, seed in enumerate(seeds)
        if width > 30 or not column
    )
    axes = svg.Axes(x=(0.0, 1.0), y=(0.0, 1.0), height=height)
    r2, hits = parts["r2"].drop_nulls().to_numpy(), parts["hit_rate"].drop_nulls().to_numpy()
    better, right = (r2 > 0).sum(), (hits > 0.5).sum()
    words = (
        f"Out-of-sample R2 against naive of each training. {better} of {parts.height} have an R2 above zero, better than the "
        f"naive forecast; {right} of {parts.height} have a hit rate above 50 %. R2 ranges from {percent(r2.min(), 2)} to "
        f"{percent(r2.max(), 2)}{', so a single training proves nothing' if r2.min() <= 0 < r2.max() else ''}."
    )
    by_fold = parts.drop_nulls("r2").group_by("fold")
    alike = sum(int(part["r2"].n_unique() < part.height) for _, part in by_fold)
    if alike and not result.losses.is_empty():
        words += (
            f" In {count(alike, 'fold')} some seeds have the same forecast: what these nets added to their linear part was "
            "shrunk to zero."
        )
    legend = (("blue bar", "better than naive"), ("orange bar", "worse"))
    data = parts.select("fold", "seed", "r2", "hit_rate")
    return Figure("skill", title, words, svg.drawing(axes, title, heads, *cells), legend=legend, data=data)


def losses(result: StudyResult) -> Figure:
    """Training and validation loss, epoch by epoch, relative to where each training began: the median, and a band of all."""
    table, title = result.losses, "Loss curves"
    if table.is_empty():
        return Figure("losses", title, f"{result.model} is not trained in epochs, so it has no loss curves.")
    is_validated = bool(table["valid"].is_not_nan().any())
    names = ("train", "valid") if is_validated else ("train",)
    bands = {name: loss_band(table, name) for name in names}
    epochs = bands["train"]["epoch"].to_numpy().astype(float)
    inner = [bands[name][edge].to_numpy() for name in names for edge in ("low", "high")]
    axes = svg.Axes(x=svg.span(epochs, margin=0.0), y=svg.span(*inner))
    parts = []
    for name in names:
        kind = "blue" if name == "valid" else "grey"
        low, median, high = (bands[name][edge].to_numpy() for edge in ("low", "median", "high"))
        parts += [svg.band(axes, epochs, low, high, kind), svg.line(axes, epochs, median, kind)]
    drawing = svg.drawing(
        axes, title, svg.frame(axes, x_title="epoch", y_title="loss, first epoch = 1", x_words=svg.whole), *parts
    )
    curves = table.group_by("fold", "seed", maintain_order=True)
    words = f"{count(len(list(curves)), 'training')}: the line is the median, the band holds 90 % of them."
    if is_validated:
        best = curves.agg(pl.col("epoch").get(pl.col("valid").arg_min()))["epoch"].to_numpy()
        last, median = int(epochs[-1]), int(np.median(best))
        later = "it was still falling at the last epoch" if median == last else "later epochs overfit"
        words += f" Lowest validation loss: at epoch {median} of {last} (median); {later}."
    legend = tuple(
        (f"{kind}", f"{words} loss")
        for name, kind, words in (("train", "grey", "training"), ("valid", "blue", "validation"))
        if name in names
    )
    data = pl.concat([bands[name].with_columns(loss=pl.lit(name)) for name in names])
    return Figure("losses", title, words, drawing, legend=legend, data=data)


def loss_band(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """`epoch`, and the 5 %, 50 % and 95 % quantiles over the trainings of a loss relative to its first epoch.

    A training that stopped early keeps its last value, so that later epochs are not those of the others alone.
    """
    curves = [curve.sort("epoch") for _, curve in table.group_by("fold", "seed", maintain_order=True)]
    length = max(curve.height for curve in curves)
    levels = np.empty((len(curves), length))
    for row, curve in enumerate(curves):
        relative = curve[name].to_numpy() / curve[name][0]
        levels[row, : len(relative)], levels[row, len(relative) :] = relative, relative[-1]
    low, median, high = np.quantile(levels, [0.05, 0.5, 0.95], axis=0)
    return pl.DataFrame({"epoch": np.arange(1, length + 1), "low": low, "median": median, "high": high})
