"""`Fit`: how nets are trained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from candlecast.errors import CandlecastError
from candlecast.interval import span_seconds
from candlecast.parameters import is_whole, require_kinds, require_parameters

NEVER = "never"
LARGEST_BATCH = 1_000_000  # sequences; more than any training part has
CHUNKS, STEPS = (16, 32, 64), 512  # bars; steps of an epoch beyond which the next longer chunk is usual


@dataclass(frozen=True)
class Fit:
    """How nets are trained: AdamW (Adam when `weight_decay` is 0), batch by batch, until the validation loss stops falling.

    epochs: passes over the training rows, at most.
    batch: sequences per step.
    lr: step size of Adam (Kingma and Ba 2015); `weight_decay` is decoupled (Loshchilov and Hutter 2019).
    patience: epochs without a better validation loss before a job stops and keeps its best weights; None trains to the
        end and keeps the last. Needs folds with a validation part.
    clip: largest norm of a step's gradient per job, None for no limit.
    sampling: "sequence" reads chunks of bars after a burn-in of the model's window, learns from each of their bars,
        and forecasts by carrying the memory on. "windows" starts every window of the model's length from an empty memory,
        and learns from its last bar: 4 to 8 times the work. A target that can be learnt well, such as volatility, needs
        lr=3e-3 in sequence for the same accuracy (`bench/README.md`). None: in sequence where the net carries memory from
        bar to bar, else by windows.
    chunk: bars of a sequence that are learnt from. None: 16, but 32 or 64 where an epoch would have more than 512 steps: the
        burn-in, which is read again for each chunk, is then most of the work.
    schedule: "constant", or "cosine" that lowers lr to zero over the epochs.
    linear: the net learns what a linear regression on the features of the last bar leaves over, and the forecast is the sum of
        both. The penalty of the regression, and how much of it is kept, are cross-validated on the training part: nothing,
        where it has found nothing (`fleet.linear_part`). Its output begins at zero.
    shrink: what the net adds is multiplied by its slope on the validation part, at most 1, less its uncertainty: it says
        nothing where it has learnt nothing. Without a validation part, nothing is shrunk.
        Both are for heads of values; None: on for the nets of candlecast, off for a net of yours and for `Policy`.
    refit: the linear part is fitted anew every such span ("1d", or a bar where that is longer) of a test part, by all outcomes
        known by then, while the net stays as trained (`fleet.refitting`); "never": it stays as trained. None: "1d" for
        volatility, else "never". Folds that learn from bars after their test part, and `Pooled`, never refit.
    device: "auto" takes a CUDA device when there is one.
    """

    epochs: int = 20
    batch: int = 16
    lr: float = 1e-3
    patience: int | None = 5
    weight_decay: float = 0.0
    clip: float | None = 1.0
    sampling: Literal["windows", "sequence"] | None = None
    chunk: int | None = None
    schedule: Literal["constant", "cosine"] = "constant"
    linear: bool | None = None
    shrink: bool | None = None
    refit: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        require_kinds(self)
        require_parameters(
            self,
            {
                "epochs": (is_whole(self.epochs), "a whole number, 1 or more"),
                "batch": (
                    is_whole(self.batch) and self.batch <= LARGEST_BATCH,
                    f"a whole number, 1 to {LARGEST_BATCH:,}",
                ),
                "lr": (0 < self.lr < float("inf"), "a number above 0"),
                "patience": (self.patience is None or is_whole(self.patience), "a whole number, 1 or more, or None"),
                "weight_decay": (0 <= self.weight_decay < float("inf"), "0 or more"),
                "clip": (self.clip is None or self.clip > 0, "a number above 0, or None"),
                "sampling": (self.sampling in ("windows", "sequence", None), '"windows", "sequence" or None'),
                "chunk": (self.chunk is None or is_whole(self.chunk), "a whole number of bars, 1 or more, or None"),
                "schedule": (self.schedule in ("constant", "cosine"), '"constant" or "cosine"'),
                "linear": (self.linear in (True, False, None), "True, False or None"),
                "shrink": (self.shrink in (True, False, None), "True, False or None"),
                "refit": (_is_span(self.refit), 'a span such as "1d", "never" or None'),
                "device": (_names_device(self.device), '"auto", "cpu", "cuda" or one such as "cuda:1"'),
            },
        )

    def chunk_of(self, rows: int) -> int:
        """Bars of a sequence that are learnt from, of a training part of so many rows.

        >>> Fit().chunk_of(10_000), Fit().chunk_of(1_000_000), Fit(chunk=8).chunk_of(1_000_000)
        (16, 64, 8)
        """
        if self.chunk is not None:
            return self.chunk
        return next((chunk for chunk in CHUNKS if rows <= STEPS * self.batch * chunk), CHUNKS[-1])

    @property
    def longest_chunk(self) -> int:
        """The most bars that `chunk_of` gives."""
        return CHUNKS[-1] if self.chunk is None else self.chunk


def _is_span(refit: str | None) -> bool:
    if refit in (None, NEVER):
        return True
    try:
        return span_seconds(refit) > 0
    except CandlecastError:
        return False


def _names_device(device: str) -> bool:
    return re.fullmatch(r"auto|cpu|cuda(:\d+)?", device) is not None
