"""Runs: studies on disk, in open formats, written whole or not at all."""

from candlecast.runs.folder import (
    fitted_of,
    fresh_folder,
    list_runs,
    load_run,
    prepare_runs,
    run_folder,
    run_name,
    save_run,
)

__all__ = ["fitted_of", "fresh_folder", "list_runs", "load_run", "prepare_runs", "run_folder", "run_name", "save_run"]
