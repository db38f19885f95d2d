"""Run folders that are broken, or made up: every one of them gives a result or a sentence, soon, and in little memory."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import struct
import sys
from contextlib import contextmanager
from copy import deepcopy
from hashlib import sha256

import polars as pl
import pytest

from candlecast.dataset.folds import WalkForward
from candlecast.features import Features, log_range, log_return
from candlecast.fleet.settings import Fit
from candlecast.ledger import Ledger
from candlecast.models import LSTM
from candlecast.replay import diff, replay
from candlecast.runs.folder import list_runs
from candlecast.runs.manifest import read_manifest
from candlecast.sources import synthetic
from candlecast.study import Study
from candlecast.study.checkpoints import run_study
from candlecast.study.loading import load_run
from fuzz import ledgers
from fuzz.budget import SHARDS, Failures, seeds

VALUES = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf"), "", "x", "lstm", "\ud800", "\x1b[2J",
    "../../x", "a" * 70_000, [], [[]], {}, {"type": "LSTM"}, [1, 2], {"a": 1}, "1h", "9999999w", "UTC", "2020-01-01",
    {"type": "function", "name": "os.system"}, {"type": "Estimator", "class": "subprocess.Popen", "parameters": {"args": "id"}},
]  # fmt: skip
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "socket.connect"}
CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder of runs with one run and its ledger."""
    runs = tmp_path_factory.mktemp("runs")
    market = synthetic.ar1(300, seed=1, phi=0.3, interval="1h").candles
    model = LSTM(hidden=2, window=3, training=Fit(epochs=1, batch=64, sampling="windows"))
    study = Study(
        model=model, baselines=(), features=Features(log_return(), log_range()), folds=WalkForward(folds=2), seeds=1
    )
    run_study(study, market, runs=runs)
    return runs


@pytest.fixture(scope="session")
def acts():
    """What the process does beside computing, as Python's audit events name it."""
    return Acts()


class Acts:
    """Programs that were started, connections, and files that were written outside a folder."""

    folder: str | None

    def __init__(self):
        self.folder, self.found = None, []
        sys.addaudithook(self._hook)

    @contextmanager
    def outside(self, folder):
        """The acts of a block that are none of a reader of that folder."""
        self.folder, self.found = os.path.realpath(folder), []
        try:
            yield self.found
        finally:
            self.folder = None

    def _hook(self, event, arguments):
        if self.folder is None:
            return
        if event in STARTS:
            self.found.append((event, str(arguments)[:200]))
        is_write = event == "open" and isinstance(arguments[0], str) and arguments[2] & WRITES
        if is_write or event in CHANGES:
            self._written(event, arguments[0])

    def _written(self, event, path):
        place = os.path.realpath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else str(path)
        is_cache = "__pycache__" in place  # of Python and Numba
        if not is_cache and place != os.devnull and not place.startswith(self.folder):
            self.found.append((event, place))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numbers that no market has
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.skipif(sys.platform == "win32", reason="makes pipes and links")
def test_every_mutation_is_a_result_or_a_sentence(shard, stored, tmp_path, acts):
    failures = Failures()
    for seed in seeds("run", shard):
        dice = random.Random(seed)
        runs = tmp_path / "runs"
        shutil.copytree(stored, runs)
        (folder,) = list_runs(runs)
        ways = [mutate(folder, dice) for _ in range(dice.choice([1, 1, 1, 2]))]
        with acts.outside(runs) as found, failures.case("case", seed, ways):
            use(folder, stored / folder.name, dice)
        if found:
            failures.note(("case", seed, ways), f"acted outside the runs: {found[:3]}")
        shutil.rmtree(runs)
    failures.require_none()


def use(folder, original, dice):
    """What people do with a run of somebody else's."""
    list_runs(folder.parent)
    step = dice.randrange(8)
    if step == 6:
        assert str(replay(folder))
        return
    if step == 7:
        assert str(diff(folder, original)) and str(diff(original, folder))
        return
    read_manifest(folder)
    result = load_run(folder)
    assert str(result.verdict) and result.summaries and result.accuracy.height
    if step == 0:
        result.rebacktest(cash=5_000.0).verdict  # noqa: B018
    elif step == 1:
        middle = result.forecast.frame["time"][result.forecast.frame.height // 3]
        assert str(result.between(middle).verdict)
    elif step == 2:
        fitted = result.fitted(fold=result.folds["fold"][0])
        fitted.forecast(fitted.job.samples, fitted.job.test_rows)
    elif step == 3:
        assert Ledger(folder.parent).count() >= 0 and Ledger(folder.parent).trials() is not None
    elif step == 4:
        assert result.report(folder / "report.html").is_file()
    else:
        assert result.accuracy_by_part.height and Ledger(folder.parent).entries() is not None


def mutate(folder, dice):
    """Change a run, or what lies beside it, in one of many ways; says how."""
    ways = [
        damaged,
        replaced,
        renamed,
        edited,
        edited,
        edited,
        valued,
        valued,
        paged,
        headed,
        ledger,
    ]
    way = dice.choice(ways)
    return way.__name__, way(folder, dice)


def files(folder, ending=""):
    """Regular files of a run that are not empty."""
    found = (path for path in sorted(folder.iterdir()) if path.name.endswith(ending))
    return [path for path in found if path.is_file() and not path.is_symlink() and path.stat().st_size]


def damaged(folder, dice):
    """Bytes of any file, the digest as it was or made to fit."""
    path = dice.choice(files(folder))
    content = bytearray(path.read_bytes())
    kind = dice.choice(["flip", "flip", "cut", "more", "zero", "double"])
    if kind == "flip":
        for _ in range(dice.choice([1, 1, 3, 20])):
            content[dice.randrange(len(content))] = dice.randrange(256)
    elif kind == "cut":
        del content[dice.randrange(len(content)) :]
    elif kind == "more":
        content += dice.randbytes(dice.choice([1, 8, 1000]))
    elif kind == "zero":
        at = dice.randrange(len(content))
        content[at : at + 512] = bytes(len(content[at : at + 512]))
    else:
        content += bytes(content)
    return write(folder, path.name, bytes(content), dice), kind


def replaced(folder, dice):
    """Something else than the file: a link, a pipe, a folder, another file, nothing."""
    path = dice.choice([*files(folder), folder.parent / "ledger.sqlite", folder.parent / "ledger.sqlite-wal"])
    other = dice.choice(files(folder))
    content = other.read_bytes()
    kind = dice.choice(["link", "pipe", "folder", "other", "nothing", "endless"])
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(other if other != path else "/etc/passwd")
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "other":
        path.write_bytes(content)
    return path.name, kind, other.name


def renamed(folder, dice):
    """Two files in each other's place."""
    one, other = dice.sample(files(folder), 2)
    contents = one.read_bytes(), other.read_bytes()
    return write(folder, one.name, contents[1], dice), write(folder, other.name, contents[0], dice)


def edited(folder, dice):
    """A value of the manifest."""
    try:
        (path,) = files(folder, ".json")
        manifest = json.loads(path.read_text())
    except (OSError, ValueError):
        return "no manifest"
    places = list(places_of(manifest))
    parent, key = dice.choice([place for place in places if place[0] is not None])
    kind = dice.choice(["value", "value", "value", "gone", "another", "number"])
    if kind == "gone":
        del parent[key]
    elif kind == "another":
        other, name = dice.choice(places)
        parent[key] = deepcopy(other[name])
    elif kind == "number" and type(parent[key]) in (int, float):
        parent[key] = parent[key] * dice.choice([-1, 0, 2, 1000, 1e-9, 1e300]) + dice.choice([0, 0, 1])
    else:
        parent[key] = dice.choice(VALUES)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return str(key), kind


def places_of(value, depth=0):
    """Where values lie in others."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield value, key
        yield from places_of(each, depth + 1)


def valued(folder, dice):
    """Values of a table, in a file that is whole."""
    path = dice.choice(files(folder, ".parquet"))
    try:
        frame = pl.read_parquet(path)
    except Exception:
        return "no table"
    column = dice.choice(frame.columns)
    kind = dice.choice(["value", "null", "all", "drop", "rows", "shuffle", "double", "type", "empty", "add", "text"])
    row = dice.randrange(max(frame.height, 1))
    value = dice.choice([0, -1, 1, 2**31 - 1, 10**12, 1e300, -1e-300, float("nan"), float("inf")])
    here = pl.int_range(pl.len()) == row
    try:
        if kind in ("value", "all"):
            changed = pl.lit(value).cast(frame[column].dtype, strict=False)
            frame = frame.with_columns(
                (pl.when(here).then(changed).otherwise(column) if kind == "value" else changed).alias(column)
            )
        elif kind == "null":
            frame = frame.with_columns(pl.when(~here).then(column).alias(column))
        elif kind == "drop":
            frame = frame.drop(column)
        elif kind == "rows":
            frame = frame.head(row)
        elif kind == "shuffle":
            frame = frame.sample(fraction=1.0, shuffle=True, seed=row)
        elif kind == "double":
            frame = pl.concat([frame, frame[row : row + 1]])
        elif kind == "type":
            frame = frame.cast(
                {column: dice.choice([pl.String, pl.Int8, pl.Float32, pl.Boolean, pl.List(pl.Int8)])}, strict=False
            )
        elif kind == "empty":
            frame = frame.clear()
        elif kind == "add":
            frame = frame.with_columns(
                pl.lit(1.0).alias(dice.choice(["q05", "p_up", "mean@x", "sigma@return_5", "odd"]))
            )
        else:
            frame = frame.with_columns(
                pl.when(here).then(pl.lit("odd")).otherwise(pl.col(column).cast(pl.String)).alias(column)
            )
    except pl.exceptions.PolarsError:
        kind = "nothing"
    content = io.BytesIO()
    frame.write_parquet(content)
    return write(folder, path.name, content.getvalue(), dice, always=True), column, kind, value, row


def paged(folder, dice):
    """Bytes of a table's pages, not compressed, so that they reach whoever decodes them."""
    path = dice.choice(files(folder, ".parquet"))
    content = io.BytesIO()
    try:
        pl.read_parquet(path).write_parquet(content, compression="uncompressed")
    except Exception:
        return "no table"
    changed = bytearray(content.getvalue())
    (length,) = struct.unpack("<I", changed[-8:-4])
    if len(changed) - 8 - length <= 4:
        return "no pages"
    for _ in range(dice.choice([1, 2, 8])):
        changed[dice.randrange(4, len(changed) - 8 - length)] = dice.choice([0, 127, 128, 255, dice.randrange(256)])
    return write(folder, path.name, bytes(changed), dice, always=True)


def headed(folder, dice):
    """The header of the weights."""
    try:
        (path,) = files(folder, ".safetensors")
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header, arrays = json.loads(content[8 : 8 + length]), content[8 + length :]
    except (OSError, ValueError, struct.error, OverflowError):
        return "no weights"
    parent, key = dice.choice(list(places_of(header)))
    parent[key] = dice.choice([*VALUES, "F64", "BF16", "F8_E4M3", "U64", [0, 8], [8, 0], [2**40, 0]])
    text = json.dumps(header).encode()
    size = dice.choice([len(text), len(text), len(text), 0, 2**40, 2**63, 7])
    return write(folder, path.name, struct.pack("<Q", size) + text + arrays, dice, always=True), str(key)


def ledger(folder, dice):
    """The ledger beside the run."""
    return ledgers.mutate(folder.parent / "ledger.sqlite", dice)


def write(folder, name, content, dice, *, always=False):
    """Write a file of the run; its digest in the manifest is made to fit always or sometimes, or is left out."""
    path = folder / name
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    path.write_bytes(content)
    manifest = folder / "manifest.json"
    kind = dice.choice(["fit", "left out"] if always else ["fit", "left out", "as it was"])
    try:
        assert manifest in files(folder)
        said = json.loads(manifest.read_text())
        if name in said["files"] and kind == "fit":
            said["files"][name]["sha256"] = sha256(content).hexdigest()
        elif kind == "left out":
            del said["files"]
        manifest.write_text(json.dumps(said))
    except (AssertionError, ValueError, KeyError, TypeError):
        pass
    return name, kind
