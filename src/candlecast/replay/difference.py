"""`diff`: what differs between two runs, in words: data, code, settings, results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from candlecast.parameters import as_path, is_number
from candlecast.recipes.environment import differences
from candlecast.runs import require_run
from candlecast.runs.manifest import read_manifest, require_shape
from candlecast.text.formatting import number, percent
from candlecast.text.notebook import notebook_text

SHOWN: dict[str, Callable[[float | None], str]] = {  # statistics of an account, and how they are written
    "annual return": percent,
    "total return": percent,
    "Sharpe ratio": number,
    "maximum drawdown": percent,
    "trades": partial(number, digits=0),
}
OF_FORECASTS: dict[str, Callable[[float | None], str]] = {  # measures of accuracy
    "r2": partial(percent, digits=2),
    "mse": "{:.4g}".format,
    "hit_rate": percent,
}
NOT_ANNUAL = "fraction, not annualised"  # the unit of such a return in a summary
WORDS = {"r2": "R2 out of sample", "mse": "mean squared error", "hit_rate": "hit rate"}
LONGEST = 80  # characters of a value


@dataclass(frozen=True)
class RunDifference:
    """What differs between two runs, a sentence each. A part without sentences is equal."""

    data: tuple[str, ...]
    code: tuple[str, ...]
    settings: tuple[str, ...]
    results: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not any((self.data, self.code, self.settings, self.results))

    def __str__(self) -> str:
        parts = {"Data": self.data, "Code": self.code, "Settings": self.settings, "Results": self.results}
        lines = []
        for name, found in parts.items():
            lines.append(f"{name}: {'equal' if not found else ''}".rstrip())
            lines += [f"  {each}" for each in found]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return notebook_text(str(self))

    def to_dict(self) -> dict[str, Any]:
        """The difference as JSON values."""
        return {name: list(value) for name, value in vars(self).items()} | {"is_equal": self.is_equal}


def diff(one: str | Path, two: str | Path) -> RunDifference:
    """What differs between two runs; values of the first come first.

    Only the manifests are read. Raises RunError for a run that cannot be read.
    """
    before, after = (_manifest(as_path(folder, "run")) for folder in (one, two))
    own = ({"candlecast": each.get("candlecast")} | (each.get("environment") or {}) for each in (before, after))
    code = [each.replace(", now ", ", then ") for each in differences(*own)]
    return RunDifference(
        data=tuple(_data(before["candles"], after["candles"])),
        code=tuple(code),
        settings=tuple(_settings(before["recipe"], after["recipe"], "")),
        results=tuple(_results(before, after)),
    )


def _manifest(folder: Path) -> dict[str, Any]:
    require_run(folder)
    manifest = read_manifest(folder)
    require_shape(folder, manifest)
    return manifest


def _data(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    names = {"symbol": "symbol", "interval": "interval", "bars": "bars", "first": "first bar", "last": "last bar"}
    found = [
        f"{words} {_of_candles(before[name])}, then {_of_candles(after[name])}"
        for name, words in names.items()
        if name in before and name in after and before[name] != after[name]
    ]
    yield from found
    if not found and before["fingerprint"] != after["fingerprint"]:
        yield "prices or volumes of the same bars differ"


def _of_candles(value: Any) -> str:
    """Numbers of bars with separators, moments to the minute, anything else as it is."""
    if isinstance(value, int):
        return f"{value:,}"
    try:
        return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M} UTC"
    except (TypeError, ValueError):
        return _shown(value)


def _settings(before: Any, after: Any, place: str) -> Iterator[str]:
    """Parts of two recipes that differ, by their place, such as `model.hidden 32, then 64`."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict) and before.get("type") == after.get("type"):
        for name in dict.fromkeys([*before, *after]):
            if name not in before or name not in after:
                held = before.get(name, after.get(name))
                yield f"{place}{name} only in the {'first' if name in before else 'second'}: {_shown(held)}"
            else:
                inner = place if f".{place}".endswith(f".{name}.") else f"{place}{name}."  # not features.features
                yield from _settings(before[name], after[name], inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, two) in enumerate(zip(before, after, strict=True)):
            yield from _settings(one, two, f"{place}{index}.")
    elif isinstance(before, list) and isinstance(after, list):
        name = place.removesuffix(".")
        only = [[each for each in ones if each not in others] for ones, others in ((before, after), (after, before))]
        for words, found in zip(("first", "second"), only, strict=True):
            if found:
                yield f"{name} only in the {words}: {', '.join(map(_shown, found))}"
        if not any(only):
            yield f"{name} {len(before)} entries, then {len(after)} of the same"
    else:
        yield f"{place.removesuffix('.')} {_shown(before)}, then {_shown(after)}"


def _shown(value: Any) -> str:
    """A recipe by its name, or its kind with its parameters, or its type; anything else as it is."""
    if isinstance(value, dict):
        held = value.get("parameters")
        inside = ", ".join(map(str, held.values())) if isinstance(held, dict) else ""
        kind = value.get("kind") and (f"{value['kind']}({inside})" if inside else value["kind"])
        value = value.get("name") or kind or value.get("type") or value
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _results(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name, words in (("is_forecastable", "forecastable"), ("pays", "pays after costs"), ("has_edge", "edge")):
        one, two = (manifest["verdict"][name] for manifest in (before, after))
        if one != two:
            yield f"{words}: {_yes(one)}, then {_yes(two)}"
    rows = [_row(manifest.get("accuracy", []), "model", manifest["model"]) for manifest in (before, after)]
    yield from _numbers(OF_FORECASTS, *rows)
    tables = [
        {row["statistic"]: row["value"] for row in manifest.get("summary", []) if "value" in row}
        for manifest in (before, after)
    ]
    left_out = "annual return" if not (_is_annual(before) and _is_annual(after)) else "total return"
    yield from _numbers({name: words for name, words in SHOWN.items() if name != left_out}, *tables)


def _is_annual(manifest: Mapping[str, Any]) -> bool:
    """Whether the annual return of a run is one: that of less than a year is the return of the whole time."""
    return _row(manifest.get("summary", []), "statistic", "annual return").get("unit") != NOT_ANNUAL


def _numbers(
    written: Mapping[str, Callable[[float | None], str]], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[str]:
    for name, words in written.items():
        one, two = (each if is_number(each) else None for each in (before.get(name), after.get(name)))
        if one != two and not (_is_undefined(one) and _is_undefined(two)):
            first, second = ("none" if _is_undefined(each) else words(each) for each in (one, two))
            yield f"{WORDS.get(name, name)} {first}, then {second}"


def _row(rows: list[dict[str, Any]], column: str, value: str) -> dict[str, Any]:
    return next((row for row in rows if row.get(column) == value), {})


def _is_undefined(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _yes(value: bool) -> str:
    return "yes" if value else "no"
