"""Figures of the training: the parts in time, the skill of every training, and the loss curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from candlecast.report.figures import BLUE, GREY, ORANGE, PALE_GREY, Figure, milliseconds, styled
from candlecast.text.cells import percent
from candlecast.text.formatting import count, moment
from candlecast.walkforward.tables import is_in_time_order

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

ROW_PIXELS = 30
FRAME_PIXELS = 100


def timeline(result: StudyResult) -> Figure:
    """What each fold trained on and was tested on."""
    folds = result.folds
    if folds.height < 2:
        only = folds.row(0, named=True)
        words = (
            f"One split: trained from {moment(only['train_first'])} to {moment(only['train_last'])}, tested from "
            f"{moment(only['test_first'])} to {moment(only['test_last'])}. One split is one sample; "
            "WalkForward(folds=5) gives five."
        )
        return Figure("timeline", words)
    labels = _fold_labels(folds["fold"])
    plot = go.Figure()
    for part, colour, outline in (("train", PALE_GREY, GREY), ("test", BLUE, BLUE)):
        start, end = milliseconds(folds[f"{part}_first"]), milliseconds(folds[f"{part}_last"])
        plot.add_bar(
            base=start,
            x=end - start,
            y=labels,
            orientation="h",
            name=part,
            marker={"color": colour, "line": {"color": outline, "width": 1}},
            text=[f"{bars:,}" for bars in folds[f"{part}_bars"]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            hovertext=[
                f"{label}, {part}: {moment(first)} to {moment(last)}"
                for label, first, last in zip(labels, folds[f"{part}_first"], folds[f"{part}_last"], strict=True)
            ],
            hoverinfo="text",
        )
    styled(plot, height=FRAME_PIXELS + ROW_PIXELS * folds.height).update_layout(barmode="overlay", bargap=0.3)
    plot.update_xaxes(type="date").update_yaxes(autorange="reversed", type="category")
    order = (
        "Each training part is before its test part."
        if is_in_time_order(folds)
        else "Training parts have bars before and after their test part."
    )
    purge = count(result.target.horizon, "bar")
    words = (
        f"{folds.height} folds, with the number of bars in each part. {order} At least {purge} between a training part and its "
        "test part are left out, because their outcomes are in the test part (purge)."
    )
    if not result.losses.is_empty() and result.losses["valid"].is_not_nan().any():
        words += " The end of each training part is the validation part for early stopping."
    return Figure("timeline", words, plot)


def skill_by_training(result: StudyResult) -> Figure:
    """R2 and hit rate of every fold and seed."""
    parts = result.accuracy_by_part
    if parts["r2"].drop_nulls().len() < 2:
        return Figure("skill", "One fold with one seed: there are no two trainings to compare.")
    plot = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    labels = _fold_labels(parts["fold"])
    seeds = parts["seed"].to_list()
    for column, (name, zero) in enumerate((("r2", 0.0), ("hit_rate", 50.0)), start=1):
        plot.add_scatter(
            x=100 * parts[name].to_numpy(),
            y=labels,
            mode="markers",
            marker={"color": BLUE, "size": 10, "opacity": 0.75},
            text=[f"{label}, seed {seed}" for label, seed in zip(labels, seeds, strict=True)],
            hovertemplate="%{text}: %{x:.2f} %<extra></extra>",
            showlegend=False,
            row=1,
            col=column,
        )
        plot.add_vline(x=zero, line={"color": ORANGE, "width": 1.6, "dash": "dot"}, row=1, col=column)  # type: ignore[arg-type]
    styled(plot, height=FRAME_PIXELS + ROW_PIXELS * result.folds.height)
    plot.update_xaxes(title="R2, %", nticks=5, col=1).update_xaxes(title="hit rate, %", nticks=5, col=2)
    plot.update_yaxes(autorange="reversed", type="category")
    r2, hits = parts["r2"].drop_nulls().to_numpy(), parts["hit_rate"].drop_nulls().to_numpy()
    better, right = (r2 > 0).sum(), (hits > 0.5).sum()
    words = (
        f"Each dot is one training: a fold and a seed. {better} of {parts.height} have an R2 above zero, better than the naive "
        f"forecast; {right} of {parts.height} have a hit rate above 50 %. R2 ranges from {percent(r2.min(), 2)} to "
        f"{percent(r2.max(), 2)}, so a single training proves nothing."
    )
    return Figure("skill", words, plot)


def losses(result: StudyResult) -> Figure:
    """Training and validation loss of every fold and seed, epoch by epoch, relative to where each began."""
    table = result.losses
    if table.is_empty():
        return Figure("losses", f"{result.model} is not trained in epochs, so it has no loss curves.")
    plot = go.Figure()
    is_validated = table["valid"].is_not_nan().any()
    for name, colour, words in (("train", GREY, "training"), ("valid", BLUE, "validation")):
        if name == "valid" and not is_validated:
            continue
        x, y = _broken_lines(table, name)
        plot.add_scatter(
            x=x,
            y=y,
            name=f"{words} loss",
            mode="lines+markers",
            line={"color": colour, "width": 1},
            marker={"size": 4},
            opacity=0.75,
        )
    styled(plot, height=340)
    epochs = int(table["epoch"].to_numpy().max())
    plot.update_xaxes(title="epoch", dtick=max(1, epochs // 10)).update_yaxes(title="loss, first epoch = 1")
    curves = table.group_by("fold", "seed", maintain_order=True)
    words = f"{count(len(list(curves)), 'training')}, one line each."
    if is_validated:
        best = curves.agg(pl.col("epoch").get(pl.col("valid").arg_min()))["epoch"].to_numpy()
        median = int(np.median(best))
        later = "it was still falling at the last epoch" if median == epochs else "later epochs overfit"
        words += f" Lowest validation loss: at epoch {median} of {epochs} (median); {later}."
    return Figure("losses", words, plot)


def _fold_labels(folds: pl.Series) -> list[str]:
    return [f"Fold {fold}" for fold in folds]


def _broken_lines(table: pl.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """All curves, relative to their first epoch, as one line broken by NaN: one trace, one entry in the legend."""
    curves = [curve for _, curve in table.group_by("fold", "seed", maintain_order=True)]
    x = [np.append(curve["epoch"].cast(pl.Float64).to_numpy(), np.nan) for curve in curves]
    y = [np.append(curve[name].to_numpy() / curve[name][0], np.nan) for curve in curves]
    return np.concatenate(x), np.concatenate(y)
