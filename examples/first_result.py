"""The picture of the README: what `make run` finds, as an SVG without any drawing library.

    python examples/first_result.py          # writes docs/first_result.svg; under a minute on two cores

Left: the account of the LSTM after costs, and buy-and-hold, on the bars that were tested. Right: the skill of every model,
R2 out of sample against "the price stays", with its 95 % CI.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

import candlecast as cc

PAGE = Path(__file__).parents[1] / "docs" / "first_result.svg"
WIDTH, HEIGHT = 900, 330
TOP, BOTTOM = 56, 296  # of both panels
LEFT = (52, 520)  # from and to, of the equity
RIGHT = (640, 880)  # of the skill
POINTS = 250  # of a line: more cannot be told apart at this width
BLUE, ORANGE, GREY = "#1f77c4", "#c75b12", "#666666"  # as in the report: blue is the model


def picture(result: cc.StudyResult) -> str:
    """The SVG of one result."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT[0], 22, f"{result.candles.symbol}: {result.verdict.headline}", size=16),
        *_equity(result),
        *_skill(result),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _equity(result: cc.StudyResult) -> Iterable[str]:
    """Both accounts as multiples of their beginning, on a logarithmic axis."""
    backtest = result.backtest
    times = backtest.equity["time"]
    ours, held = ((table["equity"] / table["equity"][0]).to_numpy() for table in (backtest.equity, backtest.benchmark))
    rows = np.unique(np.linspace(0, len(ours) - 1, POINTS).astype(int))
    lines = {
        f"{result.model.upper()} after {result.costs.per_side_bps:g} bp a side": (ours, BLUE),
        "buy-and-hold": (held, ORANGE),
    }
    low, high = math.log(min(ours.min(), held.min())), math.log(max(ours.max(), held.max()))
    xs = _scaled(rows, (0, len(ours) - 1), LEFT)
    yield _text(LEFT[0], 44, "Account out of sample, as a multiple of its start (log scale)", fill=GREY)
    for level in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0):
        if low <= math.log(level) <= high:
            y = _scaled([math.log(level)], (low, high), (BOTTOM, TOP))[0]
            yield _line(LEFT[0], y, LEFT[1], y)
            yield _text(LEFT[0] - 6, y + 4, f"{level:g}", anchor="end", fill=GREY)
    for year in range(times[0].year + 1, times[-1].year + 1, 2):
        row = int((times.dt.year() < year).sum())
        x = _scaled([row], (0, len(ours) - 1), LEFT)[0]
        yield _text(x, BOTTOM + 18, f"{year}", anchor="middle", fill=GREY)
    for number, (name, (values, colour)) in enumerate(lines.items()):
        ys = _scaled(np.log(values[rows]), (low, high), (BOTTOM, TOP))
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in zip(xs, ys, strict=True))
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        yield _line(LEFT[0] + 8, TOP + 8 + 18 * number, LEFT[0] + 28, TOP + 8 + 18 * number, colour=colour, width=2)
        yield _text(LEFT[0] + 34, TOP + 12 + 18 * number, name, fill=colour)


def _skill(result: cc.StudyResult) -> Iterable[str]:
    """R2 of each model with its interval; a model far below the others is left to the report."""
    rows = [row for row in result.accuracy.iter_rows(named=True) if row["model"] != "naive"]
    near = [row for row in rows if row["r2"] > -0.1 or row["model"] == result.model]
    low = min(row["r2_low"] for row in near)
    high = max([0.0, *(row["r2_high"] for row in near)])
    room = 0.05 * (high - low)
    axis = (low - room, high + room)
    yield _text(RIGHT[0] - 68, 44, "R2 out of sample against naive, 95 % CI", fill=GREY)
    zero = _scaled([0.0], axis, RIGHT)[0]
    yield _line(zero, TOP, zero, BOTTOM)
    yield _text(zero, BOTTOM + 18, "0 %", anchor="middle", fill=GREY)
    first = math.ceil(100 * axis[0])
    if first < 0:
        x = _scaled([first / 100], axis, RIGHT)[0]
        yield _line(x, TOP, x, BOTTOM)
        yield _text(x, BOTTOM + 18, f"{first} %", anchor="middle", fill=GREY)
    ys = np.linspace(TOP + 14, BOTTOM - 14, len(near))
    for y, row in zip(ys, near, strict=True):
        colour = BLUE if row["model"] == result.model else GREY
        start, middle, end = _scaled([row["r2_low"], row["r2"], row["r2_high"]], axis, RIGHT)
        yield _text(RIGHT[0] - 8, y + 4, row["model"], anchor="end", fill=colour)
        yield _line(start, y, end, y, colour=colour, width=2)
        yield f'<circle cx="{middle:.0f}" cy="{y:.0f}" r="4" fill="{colour}"/>'


def _scaled(values: Sequence[float] | np.ndarray, source: tuple[float, float], goal: tuple[float, float]) -> np.ndarray:
    """Values of one range as points of another."""
    share = (np.asarray(values, dtype=float) - source[0]) / (source[1] - source[0])
    return goal[0] + share * (goal[1] - goal[0])


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", fill: str = "#222222") -> str:
    safe = text.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}">{safe}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, *, colour: str = "#dddddd", width: int = 1) -> str:
    ends = f'x1="{x:.0f}" y1="{y:.0f}" x2="{to_x:.0f}" y2="{to_y:.0f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def main() -> None:
    """Run the study of `make run` and draw it."""
    result = cc.Study(model=cc.LSTM()).run(cc.sample("sp500"), ledger=cc.Ledger.in_memory())
    PAGE.write_text(picture(result), encoding="utf-8")
    print(f"{result.verdict}\n{PAGE}")


if __name__ == "__main__":
    main()
