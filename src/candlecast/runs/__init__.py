"""Runs: studies on disk, in open formats, written completely or not at all."""

from candlecast.runs.folder import fresh_folder, list_runs, prepare_runs, require_run, run_folder, run_name
from candlecast.runs.manifest import is_run, read_manifest
from candlecast.runs.writing import save_run

__all__ = [
    "fresh_folder",
    "is_run",
    "list_runs",
    "prepare_runs",
    "read_manifest",
    "require_run",
    "run_folder",
    "run_name",
    "save_run",
]
