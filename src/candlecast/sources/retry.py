"""Retries: when and how long to wait before a source is asked again, for all requests over a network."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from candlecast.errors import SourceError
from candlecast.parameters import require_kinds

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
MIN_RATE = 4_096  # bytes a second; an answer that comes slower is given up
SILENCE_SECONDS = 5.0  # a longer wait is logged as a warning


class TransientError(Exception):
    """A failure that a retry may solve. `error`: raised after the last attempt. `after_seconds`: the wait that the source
    asked for."""

    def __init__(self, error: SourceError, after_seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_seconds = after_seconds


class SlowError(Exception):
    """An answer that was not complete in time."""

    def __init__(self, seconds: float, received: int) -> None:
        super().__init__(f"{received:,} bytes in {seconds:.1f} s")


@dataclass(frozen=True)
class Retry:
    """Ask up to `attempts` times, waiting longer and longer between them.

    The n-th wait is first_seconds * 2^(n - 1), at most `longest_seconds`, times a random factor in [1/2, 1), so that many
    clients do not return at the same time (Brooker, "Exponential backoff and jitter", 2015). A Retry-After of the source
    replaces it; one longer than `patience_seconds` (a ban) raises the error at once.

    An attempt fails when the answer has not begun after `timeout_seconds`, then comes slower than MIN_RATE bytes a second
    on average, or takes longer than `answer_seconds`. An answer of more than `answer_bytes`, before or after
    decompression, is refused. `pause` sleeps, `jitter` draws from [0, 1).
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

    def __post_init__(self) -> None:
        require_kinds(self)

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
        """The result of `ask`. Raises the error inside its last TransientError, and any other error of `ask` at once."""
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
