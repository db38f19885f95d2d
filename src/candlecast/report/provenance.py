"""The provenance of a result: what its numbers were made of and with, and how to compute them again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candlecast.disk.files import is_regular
from candlecast.recipes.describing import identities
from candlecast.report.tables import table
from candlecast.text.formatting import count

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

MANIFEST = "manifest.json"  # of a run
SHORT = 12  # digits of a digest
UNKNOWN = "not known"


def provenance_table(result: StudyResult, folder: Path) -> str:
    """Candles, code, seeds, packages, hardware, audit, and the command that computes it again; `folder` is that of the page."""
    rows = (
        ("Candles", _candles(result)),
        ("Digest of the candles", result.candles.fingerprint),
        *provenance_rows(result.environment, result.recipe, result.forecast.seeds),
        ("Audit", _audit(result)),
        ("Compute it again", _command(folder, has_own_code=bool(identities(result.recipe)))),
    )
    return table("Provenance", (), rows)


def provenance_rows(
    environment: Mapping[str, Any] | None, recipe: Mapping[str, Any], seeds: Sequence[int]
) -> list[tuple[str, str]]:
    """Code, seeds, packages and hardware that a result was computed with, in words."""
    known, own = environment or {}, identities(recipe)
    return [
        ("candlecast", _code(known)),
        ("Your own code", ", ".join(f"{name} {_digest(each)}" for name, each in own.items()) or "none"),
        ("Seeds", ", ".join(map(str, seeds))),
        ("Packages", _packages(known)),
        ("Hardware", _hardware(known)),
    ]


def _candles(result: StudyResult) -> str:
    candles = result.candles
    return f"{candles.symbol} {candles.interval}, {count(len(candles), 'bar')}; origin: {candles.origin or UNKNOWN}"


def _audit(result: StudyResult) -> str:
    return f"{result.audit.line.partition(': ')[2]} ({result.audit.kind} audit)" if result.audit else "not run"


def _code(environment: Any) -> str:
    version, code = (environment.get(name) for name in ("candlecast", "code"))
    return (
        ", ".join([*([str(version)] if version else []), *([f"code {str(code)[:SHORT]}"] if code else [])]) or UNKNOWN
    )


def _packages(environment: Any) -> str:
    named = {"Python": environment.get("python")} | dict(environment.get("packages") or {})
    return ", ".join(f"{name} {version}" for name, version in named.items() if version) or UNKNOWN


def _hardware(environment: Any) -> str:
    cores = environment.get("cores")
    parts = [environment.get("system"), environment.get("processor"), count(cores, "core") if cores else None]
    return ", ".join(str(part) for part in parts if part) or UNKNOWN


def recipe_details(recipe: Mapping[str, Any]) -> str:
    """The recipe of a study as JSON, folded."""
    text = escape(json.dumps(recipe, indent=2, ensure_ascii=False))
    return f"<details>\n<summary>Recipe of the study (JSON)</summary>\n<pre>{text}</pre>\n</details>"


def _digest(identity: str) -> str:
    """The start of an identity, without the version of Python that stands before it."""
    return identity.rpartition(":")[2][:SHORT]


def _command(folder: Path, *, has_own_code: bool) -> str:
    study = " --study STUDY.py" if has_own_code else ""
    if is_regular(folder / MANIFEST):
        return f"candlecast replay {folder}{study}"
    return f"result.save(FOLDER), then: candlecast replay FOLDER{study}"
