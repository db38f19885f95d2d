"""`run_study`: a study that can be interrupted: checkpoints of finished jobs are on disk until the run is written."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from candlecast.candles import Candles
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples
from candlecast.disk.claims import Claim
from candlecast.disk.files import put_flushed, read_regular, reason
from candlecast.errors import RunError
from candlecast.events import Listener, Progress, ignore
from candlecast.ledger import Ledger
from candlecast.models import Fitted, Model
from candlecast.recipes.describing import describe, unidentified
from candlecast.recipes.identity import identify
from candlecast.runs import fresh_folder, prepare_runs, run_folder, save_run
from candlecast.runs.tables import read_arrays
from candlecast.study import Study
from candlecast.study.result import StudyResult

logger = logging.getLogger(__name__)


def run_study(
    study: Study, candles: Candles, *, runs: str | Path = "runs", seed: int = 0, progress: Listener = ignore
) -> tuple[StudyResult, Path]:
    """Run a study, store it in a folder of `runs` that is named after it, and return the result and the folder.

    Args:
        study: to run.
        candles: of one asset.
        runs: folder of runs, in whose ledger the trial is recorded.
        seed: the first seed.
        progress: receives events.

    Killed at any moment and started again, it continues after the finished jobs, and writes the same bytes as without the
    interruption. A study that cannot be identified (your own code that holds an open file, a lock or a generator, or
    changes as it runs; see `candlecast.recipes.identity`) starts anew, in a new folder each time; a warning in the log says why.
    Raises RunError when the folder cannot be written, and whatever `Study.run` raises.
    """
    recipe = study.recipe(candles, seed=seed)
    folder, checkpoints = run_folder(recipe, candles, runs), None
    prepare_runs(folder)
    if opaque := unidentified(recipe):
        logger.warning(
            "%s cannot be identified (%s): it has no checkpoints, and its run replaces no other",
            folder.name,
            "; ".join(opaque),
        )
    else:
        checkpoints = FolderCheckpoints(folder.with_name(f".{folder.name}.jobs"))
    try:
        listener = progress if checkpoints is None else checkpoints.announcing(progress)
        result = study.run(candles, seed=seed, checkpoints=checkpoints, ledger=Ledger(runs), progress=listener)
        if not opaque and json.dumps(result.recipe) != json.dumps(recipe):
            logger.warning("%s changed while it ran: its run replaces no other", folder.name)
            opaque = ["it changed while it ran"]
        folder = save_run(result, fresh_folder(folder) if opaque else folder)
        if checkpoints is not None:
            checkpoints.discard()
    finally:
        if checkpoints is not None:
            checkpoints.release()
    return result, folder


class FolderCheckpoints:
    """Checkpoints of finished jobs in a folder, one safetensors file each, written completely or not at all.

    A file's name is a digest of everything that decides the job's result: model, features and target (see
    `candlecast.recipes.identity`), prepared data, rows, seed and version. Jobs that cannot be identified are not stored.
    `requested` counts the jobs that were looked up, `reused` those that were found.

    Several processes may use one folder, as two runs of the same study do; the last of them removes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requested = self.reused = 0
        self._claim: Claim | None = None
        self._digests: WeakKeyDictionary[Samples, str] = WeakKeyDictionary()

    def load(self, model: Model, job: Job) -> Mapping[str, np.ndarray] | None:
        """The `tensors()` of a stored job, None for any other. Raises RunError, before any work, if none can be stored."""
        self._require_claim()
        path = self._path(model, job)
        self.requested += 1
        if path is None:
            return None
        try:
            tensors = read_arrays(read_regular(path))
        except (FileNotFoundError, ValueError):
            return None
        self.reused += 1
        return tensors

    def save(self, model: Model, fitted: Fitted) -> None:
        """Store a finished job, flushed to the disk. Raises RunError when it cannot be written."""
        from safetensors.numpy import save

        path = self._path(model, fitted.job)
        if path is None:
            return
        tensors = {name: np.ascontiguousarray(value) for name, value in fitted.tensors().items()}
        self._require_claim()
        try:
            self.folder.mkdir(exist_ok=True)  # without file locks, another run may have removed it
            put_flushed(path, save(tensors))
        except OSError as error:
            raise self._unwritable(error) from error

    def announcing(self, progress: Listener) -> Listener:
        """The listener, which first receives an event that says how many trainings of an interrupted run are reused."""
        announced = 0

        def listen(event: Progress) -> None:
            nonlocal announced
            if self.reused > announced:
                announced = self.reused
                words = f"continues an interrupted run: {self.reused:,} of {self.requested:,} trainings are reused"
                progress(Progress("resume", self.reused, self.requested, words))
            progress(event)

        return listen

    def discard(self) -> None:
        """Remove all checkpoints, unless another process still uses them."""
        if self._claim is None and not self.folder.exists():
            return
        self._require_claim().remove_if_alone()
        self._claim = None

    def release(self) -> None:
        """Stop using the folder; the checkpoints stay."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _require_claim(self) -> Claim:
        try:
            if self._claim is None:
                self._claim = Claim(self.folder)
        except OSError as error:
            raise self._unwritable(error) from error
        return self._claim

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"{self.folder} cannot be written ({reason(error)})",
            expected="a folder with space that may be written to",
            remedy="Free space or choose another folder; jobs that were finished before are kept",
        )

    def _path(self, model: Model, job: Job) -> Path | None:
        """The file of a job; None for a job that cannot be identified."""
        from candlecast import __version__

        fold, samples = job.fold, job.samples
        recipes = [describe(recipe) for recipe in (model, samples.features, samples.target)]
        if unidentified(recipes):
            return None
        rows = [repr(side) for side in (fold.train, fold.valid, fold.test)]
        identity = [__version__, recipes, samples.window, job.key, job.seed, job.lr, rows, self._data_digest(samples)]
        return self.folder / f"{sha256(json.dumps(identity).encode()).hexdigest()[:32]}.safetensors"

    def _data_digest(self, samples: Samples) -> str:
        """Digest of an asset's candles, inputs, training targets, naive forecasts and row weights, computed once."""
        if samples not in self._digests:
            parts = (samples.candles, samples.inputs, samples.y, samples.naive, samples.sample_weight)
            self._digests[samples] = identify(parts).digest
        return self._digests[samples]
