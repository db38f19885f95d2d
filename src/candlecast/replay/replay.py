"""`replay`: a run is computed again from its recipe and candles, and compared stage by stage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from candlecast.backtesting.validation import require_kind
from candlecast.candles import Candles
from candlecast.events import Listener, ignore
from candlecast.ledger import Ledger
from candlecast.panel import PanelStudy, load_panel_run, saving
from candlecast.panel.computing import compute_panel
from candlecast.panel.loading import is_panel_run
from candlecast.panel.restoring import study_parts
from candlecast.parameters import as_path
from candlecast.recipes.describing import unidentified
from candlecast.recipes.environment import differences, environment
from candlecast.replay.recomputing import assets_of_walk, recomputed, study_of
from candlecast.runs import require_run
from candlecast.runs.manifest import read_manifest
from candlecast.runs.writing import contents, manifest_of
from candlecast.study import Study
from candlecast.study.loading import load_run
from candlecast.text.formatting import table
from candlecast.text.notebook import notebook_text

EQUAL, DIFFERENT, SAME_VALUES = "equal", "different", "equal values, other bytes"
STAGES = {  # stages in the order of the computation, and the file of each
    "candles": "candles.parquet",
    "folds": "folds.parquet",
    "losses of training": "losses.parquet",
    "weights": "weights.safetensors",
    "forecasts": "forecasts.parquet",
    "positions": "positions.parquet",
    "fills": "fills.parquet",
    "equity": "equity.parquet",
}
RESULTS = ("accuracy", "summary", "verdict")  # parts of the manifest
OF_PANEL = ("panel", "summary", "verdict")  # of a run of a panel


@dataclass(frozen=True)
class ReplayReport:
    """The comparison of a run with its replay.

    stages: for each, whether it is equal, of equal values in other bytes, or different, and the SHA-256 digests of the run
    and of the replay (empty for parts of the manifest). reason: why the first stage differs, most likely; empty if none does.
    """

    run: str
    stages: tuple[tuple[str, str, str, str], ...]
    reason: str

    @property
    def is_equal(self) -> bool:
        """Whether no stage differs."""
        return all(status != DIFFERENT for _, status, _, _ in self.stages)

    @property
    def first_difference(self) -> str | None:
        """The first stage that differs; None if all are equal."""
        return next((stage for stage, status, _, _ in self.stages if status == DIFFERENT), None)

    def _repr_html_(self) -> str:
        """The same as text, for notebooks."""
        return notebook_text(str(self))

    def __str__(self) -> str:
        if self.is_equal:
            headline = f"{self.run}: the replay is equal in all {len(self.stages)} stages."
        else:
            headline = f"{self.run}: the replay differs from {self.first_difference} on. Most likely: {self.reason}."
        rows = [(stage, status, before[:12], after[:12]) for stage, status, before, after in self.stages]
        return f"{headline}\n\n{table(rows, ['stage', 'result', 'run', 'replay'])}"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        names = ("stage", "result", "run", "replay")
        return {
            "run": self.run,
            "is_equal": self.is_equal,
            "first_difference": self.first_difference,
            "reason": self.reason,
            "stages": [dict(zip(names, stage, strict=True)) for stage in self.stages],
        }


def replay(
    folder: str | Path,
    *,
    study: Study | PanelStudy | None = None,
    candles: Sequence[Candles] = (),
    progress: Listener = ignore,
) -> ReplayReport:
    """Compute a run again from its recipe and its candles, and compare each stage with the stored one.

    Args:
        folder: of the run.
        study: the study of the run, a `PanelStudy` for one of a panel; needed where a part of it is your own code, of which a
            run stores only the name.
        candles: other candles that the study names, such as the benchmark of an ExcessReturn; for a view of a run with an end
            (`between`), all candles of the study; for a pooled model of a comparison, its other assets, in their order.
        progress: receives `Progress` events.

    On one machine the bytes are equal, whatever the number of threads. Other versions of packages, or a processor with other
    vector instructions, may round otherwise; the report names them. The replay is no trial: nothing is recorded.

    Raises:
        RunError: for a run that cannot be read, candles that are needed and not given, or a study that is not that of the run.
    """
    folder = as_path(folder, "folder")
    require_run(folder)
    manifest = read_manifest(folder)
    if is_panel_run(folder):
        return _of_panel(folder, manifest, study, progress)
    require_kind("study", study, Study | None, "Give the Study that was run")
    assert not isinstance(study, PanelStudy)
    before = load_run(folder, candles=candles, study=study)
    study = study_of(before.recipe, candles=candles) if study is None else study
    assets = assets_of_walk(folder, before, study, candles)
    after = recomputed(before, study, assets, progress=progress)
    return _compared(folder, manifest, (contents(before), contents(after)), manifest_of(after), RESULTS)


def _of_panel(folder: Path, manifest: Mapping[str, Any], study: Any, progress: Listener) -> ReplayReport:
    """The replay of the run of a panel."""
    before = load_panel_run(folder)
    if study is None:
        parts = study_parts(before.recipe, remedy="Give it: replay(folder, study=...)")
        study = PanelStudy(**parts, universe=before.panel.universe)
    require_kind("study", study, PanelStudy, "Give the PanelStudy that was run")
    made = compute_panel(study, before.panel, seed=before.seed, ledger=Ledger.in_memory(), progress=progress)
    after = replace(made, trial_count=before.trial_count)
    files = saving.contents(before), saving.contents(after)
    return _compared(folder, manifest, files, saving.manifest_of(after), OF_PANEL)


def _compared(
    folder: Path,
    manifest: Mapping[str, Any],
    files: tuple[Mapping[str, bytes], Mapping[str, bytes]],
    after: Mapping[str, Any],
    parts: Sequence[str],
) -> ReplayReport:
    """The report on the files of a run and of its replay, and on parts of their manifests."""
    stages = (*_files(manifest, *files), *_results(manifest, after, parts))
    report = ReplayReport(str(folder), stages, "")
    return report if report.is_equal else replace(report, reason=_reason(manifest))


def _files(
    manifest: Mapping[str, Any], before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> Iterator[tuple[str, str, str, str]]:
    kept = manifest.get("files") or {}
    for stage, name in STAGES.items():
        stored = kept.get(name, {}).get("sha256") or sha256(before[name]).hexdigest()
        digest = sha256(after[name]).hexdigest()
        if stored == digest:
            status = EQUAL
        elif before[name] == after[name] or _are_equal_tables(name, before[name], after[name]):
            status = SAME_VALUES
        else:
            status = DIFFERENT
        yield stage, status, stored, digest


def _are_equal_tables(name: str, before: bytes, after: bytes) -> bool:
    if not name.endswith(".parquet"):
        return False
    one, two = (pl.read_parquet(each) for each in (before, after))
    return one.equals(two)


def _results(
    before: Mapping[str, Any], after: Mapping[str, Any], parts: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    for part in parts:
        same = json.dumps(before.get(part), sort_keys=True) == json.dumps(
            json.loads(json.dumps(after[part])), sort_keys=True
        )
        yield part, EQUAL if same else DIFFERENT, "", ""


def _reason(manifest: Mapping[str, Any]) -> str:
    if opaque := unidentified(manifest["recipe"]):
        return f"your own code cannot be identified, and may have changed ({'; '.join(opaque)})"
    if not manifest.get("environment"):
        return "the run does not say with which versions it was made; those of today may round otherwise"
    if found := differences(manifest["environment"], environment()):
        return "; ".join(found)
    return "your own code, or something it reads, has changed, or gives other values each time"
