"""`run_study`: a study that survives being killed, since every finished job is kept on disk until the run is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from candlecast.candles import Candles
from candlecast.errors import RunError
from candlecast.events import Listener, ignore
from candlecast.jobs import Job
from candlecast.ledger import Ledger
from candlecast.models import Fitted, Model
from candlecast.recipes import describe
from candlecast.runs import run_name, save_run
from candlecast.study import Study, StudyResult
from candlecast.windows import Samples


def run_study(
    study: Study, candles: Candles, *, runs: str | Path = "runs", seed: int = 0, progress: Listener = ignore
) -> tuple[StudyResult, Path]:
    """Run a study and keep it in a folder of `runs`, named by what was studied; gives the result and the folder.

    The trial is recorded in that folder's ledger.

    Killed at any moment and started again, it continues with the jobs that were finished, and ends with the same bytes.
    Raises RunError when the folder cannot be written, and whatever `Study.run` raises.
    """
    folder = Path(runs) / run_name(study.recipe(candles, seed=seed), candles)
    kept = KeptJobs(folder.with_name(f".{folder.name}.jobs"))
    result = study.run(candles, seed=seed, keeper=kept, ledger=Ledger(runs), progress=progress)
    save_run(result, folder)
    kept.discard()
    return result, folder


class KeptJobs:
    """Finished jobs in a folder, one safetensors file each, written whole or not at all.

    A file's name is a digest of everything that decides the job's result: its data as prepared, rows, seed and version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._digests: WeakKeyDictionary[Samples, str] = WeakKeyDictionary()

    def load(self, model: Model, job: Job) -> Mapping[str, np.ndarray] | None:
        """What a job gave as `tensors()`, if it was kept. Raises RunError, before any work, when none can be kept."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            return load_file(self._path(model, job))
        except (FileNotFoundError, SafetensorError):
            return None

    def keep(self, model: Model, fitted: Fitted) -> None:
        """Keep a finished job. Raises RunError when it cannot be written."""
        from safetensors.numpy import save

        path = self._path(model, fitted.job)
        tensors = {name: np.ascontiguousarray(value) for name, value in fitted.tensors().items()}
        fresh = path.with_suffix(f".{os.getpid()}")
        try:
            fresh.write_bytes(save(tensors))
            os.replace(fresh, path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise self._unwritable(error) from error

    def discard(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"{self.folder} cannot be written ({error.strerror or error})",
            expected="a folder with space that may be written to",
            remedy="Free space or choose another folder; jobs that were finished before are kept",
        )

    def _path(self, model: Model, job: Job) -> Path:
        from candlecast import __version__

        fold, samples = job.fold, job.samples
        recipes = [describe(recipe) for recipe in (model, samples.features, samples.target)]
        identity = [__version__, recipes, samples.window, job.key, fold.train, fold.valid, fold.test]
        identity.append(self._data_digest(samples))
        return self.folder / f"{sha256(repr(identity).encode()).hexdigest()[:32]}.safetensors"

    def _data_digest(self, samples: Samples) -> str:
        """SHA-256 of the inputs and lessons of an asset, computed once: a user's feature may have changed."""
        if samples not in self._digests:
            digest = sha256(samples.inputs.tobytes())
            digest.update(samples.lessons.tobytes())
            self._digests[samples] = digest.hexdigest()
        return self._digests[samples]
