"""`Objection`: a reason against a claim."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Objection:
    """A reason against a claim: its `headline`, the `reason` as a clause, and whether it holds for the forecast too.

    `is_of_gains`: it is about how a gain was made, so where there is none it is not the headline. `is_of_length`: a longer
    record could remove it.
    """

    headline: str
    reason: str
    is_of_forecast: bool = False
    is_of_gains: bool = False
    is_of_length: bool = False
