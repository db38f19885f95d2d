"""Which parts of a result are no longer those that its study made: a changed copy is judged only where they are.

A result holds a digest of each part that follows from the study: its candles, forecast and positions, the model, the target
and the folds. Costs, cash and ledger may be chosen afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from candlecast.recipes import describe

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult


class Sealed(Protocol):
    """A result with a digest of each part that its study made, and a function for each part that gives its digest now."""

    @property
    def digests(self) -> Mapping[str, str] | None: ...

    @property
    def parts(self) -> Mapping[str, Callable[[Any], str]]: ...


def digests_of(result: Sealed) -> dict[str, str]:
    """A digest of each part that follows from the study, by name."""
    return {name: digest(result) for name, digest in result.parts.items()}


def replaced_parts(result: Sealed) -> tuple[str, ...]:
    """Names of the parts that the study did not make; all of them for a result that no study made."""
    made = result.digests or {}
    return tuple(name for name, digest in digests_of(result).items() if made.get(name) != digest)


def digests_at_rest(result: Sealed, replaced: Collection[str]) -> dict[str, str]:
    """The digests of a result that was read; parts that had been `replaced` before it was written stay so."""
    return {name: digest for name, digest in digests_of(result).items() if name not in replaced}


def digests_of_view(before: Sealed, after: Sealed) -> Mapping[str, str]:
    """The digests of a view of a result: what had been replaced before counts as replaced in the view."""
    replaced = replaced_parts(before)
    return {name: "replaced" if name in replaced else digest for name, digest in digests_of(after).items()}


def _forecast(result: StudyResult) -> str:
    return table_digest(result.forecasts[result.model].frame) if result.model in result.forecasts else "none"


def _positions(result: StudyResult) -> str:
    if result.model not in result.positions:
        return "none"
    held = result.positions[result.model]
    return f"{table_digest(held.frame)} {held.leverage!r} {held.in_units} {held.band!r}"


def table_digest(frame: pl.DataFrame) -> str:
    """A digest of a table that holds within this process."""
    digest = sha256(f"{frame.schema}".encode())
    digest.update(frame.hash_rows().to_numpy().tobytes())
    return digest.hexdigest()


OF_STUDY: dict[str, Callable[[StudyResult], str]] = {
    "model": lambda result: str(result.model),
    "target": lambda result: json.dumps(describe(result.target)),
    "candles": lambda result: result.candles.fingerprint,
    "folds": lambda result: table_digest(result.folds),
    "forecast": _forecast,
    "positions": _positions,
}
