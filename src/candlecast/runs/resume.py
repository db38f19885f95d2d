"""`run_study`: a study that survives being killed, since every finished job is kept on disk until the run is written."""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from candlecast.candles import Candles
from candlecast.disk.claims import Claim
from candlecast.disk.files import flush_folder, read_regular, write_flushed
from candlecast.errors import RunError
from candlecast.events import Listener, Progress, ignore
from candlecast.jobs import Job
from candlecast.ledger import Ledger
from candlecast.models import Fitted, Model
from candlecast.recipes.describing import describe, unidentified
from candlecast.recipes.identity import identify
from candlecast.runs.folder import fresh_folder, prepare_runs, run_folder, save_run
from candlecast.runs.tables import require_tensors
from candlecast.study import Study
from candlecast.study.result import StudyResult
from candlecast.windows import Samples

logger = logging.getLogger(__name__)


def run_study(
    study: Study, candles: Candles, *, runs: str | Path = "runs", seed: int = 0, progress: Listener = ignore
) -> tuple[StudyResult, Path]:
    """Run a study and keep it in a folder of `runs`, named by what was studied; gives the result and the folder.

    The trial is recorded in that folder's ledger.

    Killed at any moment and started again, it continues with the jobs that were finished, and ends with the same bytes.
    A study that cannot be identified (see `candlecast.recipes.identity`: code of yours that holds an open file, a lock or a
    generator, or whose state changes as it runs) is not continued, and gets a folder of its own each time; a warning in the
    log says why.
    Raises RunError when the folder cannot be written, and whatever `Study.run` raises.
    """
    recipe = study.recipe(candles, seed=seed)
    folder, kept = run_folder(recipe, candles, runs), None
    prepare_runs(folder)
    if opaque := unidentified(recipe):
        logger.warning(
            "%s cannot be identified (%s): no job of it is kept, and its run replaces no other",
            folder.name,
            "; ".join(opaque),
        )
    else:
        kept = KeptJobs(folder.with_name(f".{folder.name}.jobs"))
    try:
        listener = progress if kept is None else _announcing(kept, progress)
        result = study.run(candles, seed=seed, keeper=kept, ledger=Ledger(runs), progress=listener)
        if not opaque and json.dumps(result.recipe) != json.dumps(recipe):
            logger.warning("%s changed while it ran: its run replaces no other", folder.name)
            opaque = ["it changed while it ran"]
        folder = save_run(result, fresh_folder(folder) if opaque else folder)
        if kept is not None:
            kept.discard()
    finally:
        if kept is not None:
            kept.release()
    return result, folder


def _announcing(kept: KeptJobs, progress: Listener) -> Listener:
    """The listener, told first which trainings of an interrupted run were taken up."""
    is_said = False

    def listen(event: Progress) -> None:
        nonlocal is_said
        if kept.taken_up and not is_said:
            is_said = True
            words = f"took up {kept.taken_up:,} of {kept.asked:,} trainings of an interrupted run"
            progress(Progress("resume", kept.taken_up, kept.asked, words))
        progress(event)

    return listen


class KeptJobs:
    """Finished jobs in a folder, one safetensors file each, written whole or not at all.

    A file's name is a digest of everything that decides the job's result: what its model, features and target are (see
    `candlecast.recipes.identity`), its data as prepared, rows, seed and version. Of what cannot be identified nothing is kept.
    `asked` counts the jobs that were looked for, `taken_up` those that were there.

    Several processes may keep jobs in one folder, as two runs of the same study do: the last of them removes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = self.taken_up = 0
        self._claim: Claim | None = None
        self._digests: WeakKeyDictionary[Samples, str] = WeakKeyDictionary()

    def load(self, model: Model, job: Job) -> Mapping[str, np.ndarray] | None:
        """What a job gave as `tensors()`, if it was kept. Raises RunError, before any work, when none can be kept."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        self._require_claim()
        path = self._path(model, job)
        self.asked += 1
        if path is None:
            return None
        try:
            content = read_regular(path)
            require_tensors(content)
            tensors = load(content)
        except (FileNotFoundError, ValueError, SafetensorError):
            return None
        self.taken_up += 1
        return tensors

    def keep(self, model: Model, fitted: Fitted) -> None:
        """Keep a finished job, flushed to the disk. Raises RunError when it cannot be written."""
        from safetensors.numpy import save

        path = self._path(model, fitted.job)
        if path is None:
            return
        tensors = {name: np.ascontiguousarray(value) for name, value in fitted.tensors().items()}
        self._require_claim()
        fresh = path.with_suffix(f".{secrets.token_hex(4)}")
        try:
            self.folder.mkdir(exist_ok=True)  # gone where the file system has no locks, and another run has ended
            write_flushed(fresh, save(tensors))
            os.replace(fresh, path)
            flush_folder(self.folder)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise self._unwritable(error) from error

    def discard(self) -> None:
        """Remove all of them, unless another process still works with them."""
        if self._claim is None and not self.folder.exists():
            return
        self._require_claim().remove_if_alone()
        self._claim = None

    def release(self) -> None:
        """Leave them to whoever runs the study again."""
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
            f"{self.folder} cannot be written ({error.strerror or error})",
            expected="a folder with space that may be written to",
            remedy="Free space or choose another folder; jobs that were finished before are kept",
        )

    def _path(self, model: Model, job: Job) -> Path | None:
        """Where a job is kept; None for one that cannot be identified."""
        from candlecast import __version__

        fold, samples = job.fold, job.samples
        recipes = [describe(recipe) for recipe in (model, samples.features, samples.target)]
        if unidentified(recipes):
            return None
        rows = [repr(side) for side in (fold.train, fold.valid, fold.test)]
        identity = [__version__, recipes, samples.window, job.key, job.seed, job.lr, rows, self._data_digest(samples)]
        return self.folder / f"{sha256(json.dumps(identity).encode()).hexdigest()[:32]}.safetensors"

    def _data_digest(self, samples: Samples) -> str:
        """What an asset's candles, inputs, lessons, naive forecast and weights of rows are, computed once."""
        if samples not in self._digests:
            parts = (samples.candles, samples.inputs, samples.lessons, samples.naive, samples.importance)
            self._digests[samples] = identify(parts).digest
        return self._digests[samples]
