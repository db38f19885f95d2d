"""Work that stops where nets step: pieces of work go on together, and the nets of one shape step in one call.

A piece of work is a generator. It yields what it asks of nets, is sent the answers, and returns its result. What comes of it
does not depend on what goes on beside it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeVar

from candlecast.fleet.carrying import Carried, Carry, carry_all

T = TypeVar("T")
Work = Generator[list[Carry], list[Carried], T]


def together(works: Sequence[Work[T]]) -> Work[list[T]]:
    """All of them as one piece of work; gives their results in order."""
    results: dict[int, T] = {}
    asked: dict[int, list[Carry]] = {}

    def go_on(place: int, answers: list[Carried] | None) -> None:
        try:
            asked[place] = next(works[place]) if answers is None else works[place].send(answers)
        except StopIteration as ended:
            results[place] = ended.value

    for place in range(len(works)):
        go_on(place, None)
    while asked:
        waiting, asked = asked, {}
        answers = yield [each for wanted in waiting.values() for each in wanted]
        first = 0
        for place, wanted in waiting.items():
            go_on(place, answers[first : first + len(wanted)])
            first += len(wanted)
    return [results[place] for place in range(len(works))]


def finished(work: Work[T]) -> T:
    """Do a piece of work to its end."""
    try:
        asked = next(work)
        while True:
            asked = work.send(carry_all(asked))
    except StopIteration as ended:
        return ended.value
