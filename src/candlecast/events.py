"""Progress events of long work, for listeners. The library itself prints nothing; `ProgressLines` is a listener that does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from candlecast.text.redaction import shown

LONGEST_DETAIL = 60  # characters beside a stage; longer ones are results, which are shown by themselves


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a stage are finished; `detail` says what is being worked on.

    The stage "resume" comes when earlier work is continued; `detail` is the sentence that says what of it is reused.
    """

    stage: str
    done: float
    total: float
    detail: str = ""


Listener = Callable[[Progress], None]


def ignore(event: Progress) -> None:
    """A listener that does nothing."""


class ProgressLines:
    """A listener that writes plain lines, for logs, pipes and notebooks: how far each stage is, and how long it may take.

        result = study.run(candles, progress=cc.ProgressLines())

    The first and the last step of a stage are always written, those between when `seconds` or a tenth of the stage have
    passed since the last line. The rate is the mean since the stage began, and the time left is that of the rest at this rate.

    Args:
        stream: where lines are written; standard error, as it is then, when not given.
        seconds: between two lines of a stage, unless a tenth of it is done earlier.
        clock: seconds that rise.

    >>> lines = ProgressLines(sys.stdout, clock=iter([0.0, 60.0, 61.0, 240.0]).__next__)
    >>> for done in (0, 1, 1.2, 4):
    ...     lines(Progress("train", done, 4, "loss 0.98"))
    train: 1 of 4 (25 %), 1/min, about 3 min left; loss 0.98
    train: 4 of 4 (100 %) in 4 min; loss 0.98
    """

    def __init__(
        self, stream: TextIO | None = None, *, seconds: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._seconds, self._clock = stream, seconds, clock
        self._stages: dict[str, _Stage] = {}

    def __call__(self, event: Progress) -> None:
        """Write a line about an event, if it is time for one."""
        now = self._clock()
        stage = self._stages.get(event.stage)
        if stage is None or event.done < stage.done:  # the next of several, such as of another asset
            stage = self._stages[event.stage] = _Stage(now, event.done)
        is_over = event.done >= event.total
        is_due = stage.written is None or (
            now - stage.written >= self._seconds or event.done - stage.written_done >= 0.1 * event.total
        )
        is_new = event.done > stage.done or stage.written is None
        stage.done = event.done
        if event.done > 0 and is_new and (is_over or is_due):
            stage.written, stage.written_done = now, event.done
            self._write(_line(event, now - stage.began, event.done - stage.first))

    def _write(self, line: str) -> None:
        stream = sys.stderr if self._stream is None else self._stream
        stream.write(shown(line) + "\n")
        stream.flush()


@dataclass
class _Stage:
    """What is remembered of a stage: when it began, with how much done, how much is done, and the last line."""

    began: float
    first: float
    done: float = 0.0
    written: float | None = None
    written_done: float = 0.0


def _line(event: Progress, elapsed: float, worked: float) -> str:
    if event.stage == "resume":
        return event.detail
    share = event.done / event.total if event.total > 0 else 1.0
    line = f"{event.stage}: {event.done:,.4g} of {event.total:,.4g} ({100 * share:.0f} %)"
    if event.done >= event.total:
        line += f" in {duration(elapsed)}" if worked > 0 else ""
    elif worked > 0:
        line += f", {rate(worked / elapsed)}" if elapsed > 0 else ""
        line += f", about {duration(elapsed * (event.total - event.done) / worked)} left"
    return f"{line}; {event.detail}" if 0 < len(event.detail) <= LONGEST_DETAIL else line


def duration(seconds: float) -> str:
    """A length of time in its largest unit, no more exact than it need be.

    >>> duration(0.2), duration(42.4), duration(200.0), duration(8_000.0), duration(200_000.0)
    ('0 s', '42 s', '3 min', '2.2 h', '2.3 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 129_600 else f"{seconds / 86_400:.1f} days"


def rate(per_second: float | None) -> str:
    """Units a second, a minute or an hour: the shortest span in which there is at least one; empty when unknown.

    >>> rate(250.0), rate(2.5), rate(0.05), rate(0.001), rate(None)
    ('250/s', '2.5/s', '3/min', '3.6/h', '')
    """
    if not per_second:
        return ""
    for seconds, name in ((1, "s"), (60, "min")):
        if (count := per_second * seconds) >= 1:
            return f"{count:,.0f}/{name}" if count >= 1_000 else f"{count:.3g}/{name}"
    return f"{per_second * 3_600:.2g}/h"
