"""Rounds of kills of one task: each begins the work and kills it, until there were as many kills as wanted."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .children import Children, Moments

KILLS = int(os.environ.get("CANDLECAST_KILLS", "3"))
SEED = int(os.environ.get("CANDLECAST_KILLS_SEED", "0"))
COLUMNS = ("kills", "ended first", "completed", "seconds")


@dataclass
class Rounds:
    """Kills of a task, and what became of them.

    Args:
        task: its name in `kills.tasks`.
        children: the process that forks the task.
        moments: at which it can be killed.
        each: after so many kills of one piece of work it is done to its end.
        note: receives the name "kills" with the task and its row of the closing table, once the rounds have ended or failed.

    `kills`, `ended` and `completed` count the rounds that were killed, those that ended before the kill, and the pieces of
    work that were done to their end after kills; `seconds` is the time of all rounds.
    """

    task: str
    children: Children
    moments: Moments
    each: int
    note: Callable[[str, object], None]
    kills: int = 0
    ended: int = 0
    completed: int = 0
    seconds: float = 0.0
    dice: random.Random = field(default_factory=lambda: random.Random(SEED), repr=False)

    def play(
        self, begin: Callable[[int], tuple[Any, ...]], check: Callable[[int], None], finish: Callable[[int], None]
    ) -> None:
        """Kill the task until there were enough kills.

        `begin` gives the arguments of the task for the piece of work of that number, `check` tests what a killed task has
        left, `finish` what a task has left that came to its end.
        """
        began, number, since = time.monotonic(), 0, 0
        try:
            while self.kills < KILLS:
                values = begin(number)
                if self.children.kill(self.task, *values, moment=self.moments.draw(self.dice)):
                    self.kills, since = self.kills + 1, since + 1
                    check(number)
                    if since < self.each and self.kills < KILLS:
                        continue
                    self.children.time(self.task, *values)
                    self.completed += 1
                else:
                    self.ended += 1
                finish(number)
                number, since = number + 1, 0
        finally:
            self.seconds = time.monotonic() - began
            self.note("kills", (self.task, self.row()))

    def row(self) -> dict[str, float]:
        """A row of the closing table, by COLUMNS."""
        return dict(zip(COLUMNS, (self.kills, self.ended, self.completed, round(self.seconds)), strict=True))
