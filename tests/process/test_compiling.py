"""Compiled code: the same results where there is no place to keep it, and never what is no longer right."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import candlecast
from candlecast.fleet import optimizer
from candlecast.fleet.optimizer import Adam, start
from candlecast.models.baselines import recursions
from candlecast.process import compiling

SOURCE = Path(candlecast.__file__).parent
ASKED = """
import numpy as np
import torch
import candlecast
import candlecast.backtesting.engine.compiled
import candlecast.stats.resampling
from candlecast.models.baselines import recursions
from candlecast.nets.layers.scan import scan

assert candlecast.__file__.startswith({root!r})
half = torch.full((3, 1), 0.5)
print(recursions.smooth(np.array([1.0, 2.0, np.nan, 4.0]), 0.3, 0.1, 0.9, 0.0, 0.0).tolist())
print(scan(half, torch.tensor([[1.0], [0.0], [0.0]]), torch.tensor([2.0])).flatten().tolist())
"""


def test_without_a_place_to_keep_it_compiled_code_runs(tmp_path):
    """A package that cannot be written to and a user without a home, in a way that holds for the superuser, too."""
    shutil.copytree(SOURCE, tmp_path / "candlecast", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [tmp_path / "candlecast", *filter(Path.is_dir, (tmp_path / "candlecast").rglob("*"))]:
        (folder / "__pycache__").touch()  # a file where the folder would be
    nowhere = "/dev/null/nowhere"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment |= {"HOME": nowhere, "XDG_CACHE_HOME": nowhere, "LOCALAPPDATA": nowhere, "PYTHONPATH": str(tmp_path)}
    code = ASKED.format(root=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    expected = recursions.smooth(np.array([1.0, 2.0, np.nan, 4.0]), 0.3, 0.1, 0.9, 0.0, 0.0).tolist()
    assert done.stdout.splitlines() == [str(expected), "[2.0, 1.0, 0.5]"]
    assert done.stderr.count("compiled code cannot be cached") == 1
    assert not list(tmp_path.rglob("*.nb*"))


def loaded(path: Path, name: str):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("calls", "found"), [("[helper.__file__]", 3), ("[]", 2)], ids=["said", "not said"])
def test_what_was_kept_is_not_used_when_a_file_that_it_calls_into_changes(tmp_path, monkeypatch, calls, found):
    """Where it is not said what a function calls, Numba does not see it: so `calls` matters."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    helper, caller = tmp_path / "helper.py", tmp_path / "caller.py"
    caller.write_text(
        "import helper\nfrom candlecast.process.compiling import compiled, internal\nadd = internal(helper.add)\n"
        f"@compiled(calls={calls})\ndef run(x):\n    return add(x)\n"
    )
    results = []
    for step in (1, 2):
        helper.write_text(f"def add(x):\n    return x + {step}\n")
        compiling._digest.cache_clear()
        monkeypatch.setitem(sys.modules, "helper", loaded(helper, "helper"))
        results.append(loaded(caller, "caller").run(1))
    monkeypatch.delitem(sys.modules, "caller")
    compiling._digest.cache_clear()
    assert results == [2, found]


def test_a_compiled_function_keeps_its_name_and_its_python():
    @compiling.compiled(error_model="numpy")
    def halved(x):
        return 1.0 / x

    assert halved.py_func.__qualname__.endswith("halved")
    assert halved(0.0) == np.inf, "with the options that it was given"
    with pytest.raises(ZeroDivisionError):
        halved.py_func(0.0)


def test_a_function_that_no_other_process_would_find_in_the_cache_is_refused():
    @compiling.internal
    def add(x):
        return x + 1

    def run(x):
        return add(x)

    with pytest.raises(TypeError, match="run encloses add, so every process would compile it again"):
        compiling.compiled()(run)


def test_a_step_of_training_is_compiled_once():
    """Made again, as in another process, the function is found in the cache."""
    for _ in range(2):
        optimizer._compiled.cache_clear()
        weights = torch.zeros(2, 20)
        adam = Adam(weights, torch.ones(2, 20), start(weights), weight_decay=0.0, clip=1.0)
        adam.begin(np.full(2, 0.1))
        adam.step()
    assert sum(optimizer._compiled().stats.cache_hits.values()) == 1


def test_numba_compiles_in_one_way_only():
    for path in SOURCE.rglob("*.py"):
        if path.name == "compiling.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom | ast.Import) else []
            assert not {"njit", "jit", "vectorize", "guvectorize", "cfunc"} & set(names), f"{path} compiles by itself"
            assert not (isinstance(node, ast.Attribute) and node.attr in ("_cache", "_cache_file", "_source_stamp")), (
                path
            )
