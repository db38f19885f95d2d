"""When and how long to wait before a source is asked again: one policy for everything that goes over a network."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from candlecast.errors import SourceError

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
LEAST_RATE = 4_096  # bytes a second, below which an answer is a trickle and not a slow network
SILENCE_SECONDS = 5.0  # of waiting, from which on a person wants to know why nothing happens


class TransientError(Exception):
    """A failure that may pass: what to raise when it does not, and for how many seconds the source asked to be left alone."""

    def __init__(self, error: SourceError, after_seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_seconds = after_seconds


class SlowError(Exception):
    """An answer that did not come whole in its time."""

    def __init__(self, seconds: float, received: int) -> None:
        super().__init__(f"{received:,} bytes in {seconds:.1f} s")


@dataclass(frozen=True)
class Retry:
    """Ask up to `attempts` times, waiting longer and longer between them.

    The n-th wait is first_seconds * 2^n, at most `longest_seconds`, times a random factor in [1/2, 1) so that many
    clients do not come back at once (Brooker, "Exponential backoff and jitter", 2015). A Retry-After of the source is
    waited out in full instead; one beyond `patience_seconds` (a ban) is raised at once, since hours of silence help nobody.

    An answer counts as none when it has not begun after `timeout_seconds`, or when from then on it comes slower than
    LEAST_RATE bytes a second on the whole, or takes longer than `answer_seconds`. One of more than `answer_bytes`, on the
    wire or after inflation, is refused. `pause` and `jitter` are the ways to sleep and to draw from [0, 1).
    """

    attempts: int = 6
    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    patience_seconds: float = 300.0
    timeout_seconds: float = 30.0
    answer_seconds: float = 600.0
    answer_bytes: int = 256 << 20
    pause: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def at_most(self, answer_bytes: int) -> Retry:
        """The same for answers of at most so many bytes.

        >>> Retry().at_most(100).answer_bytes, Retry(answer_bytes=10).at_most(100).answer_bytes
        (100, 10)
        """
        return replace(self, answer_bytes=min(self.answer_bytes, answer_bytes))

    def wait_seconds(self, failures: int, after_seconds: float | None = None) -> float:
        """Seconds to wait after so many failures.

        >>> Retry(jitter=lambda: 0.0).wait_seconds(3), Retry(jitter=lambda: 0.0).wait_seconds(3, after_seconds=35)
        (2.0, 35.0)
        """
        if after_seconds is not None:
            return after_seconds + self.first_seconds * self.jitter()
        return min(self.first_seconds * 2 ** (failures - 1), self.longest_seconds) * (1 + self.jitter()) / 2

    def __call__(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` returns in the end. Raises the error inside the last TransientError, or any other error of `ask` at once."""
        failures = 0
        while True:
            try:
                return ask()
            except TransientError as failure:
                failures += 1
                wait = self.wait_seconds(failures, failure.after_seconds)
                if failures == self.attempts or wait > self.patience_seconds:
                    raise failure.error from None
                level = logging.WARNING if wait >= SILENCE_SECONDS else logging.INFO
                logger.log(level, "%s; asked again in %.0f s", failure.error.wrong, wait)
            self.pause(wait)
