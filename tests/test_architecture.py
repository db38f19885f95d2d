"""The structure that everything grows in: who may import whom, where heavy libraries live, how long files get."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import candlecast

SOURCE = Path(candlecast.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# A room may import rooms of its own row and of the rows above it.
ROWS = [
    ["redaction"],
    ["errors"],
    ["interval", "events", "text", "process", "disk"],
    ["reading"],
    ["candles"],
    ["sources"],
    ["store"],
    ["features"],
    ["targets", "folds"],
    ["windows"],
    ["jobs", "nets", "prediction"],
    ["heads"],
    ["fleet"],
    ["forecast", "ledger"],
    ["models"],
    ["signals", "stats"],
    ["causality"],
    ["walk"],
    ["backtesting"],
    ["evaluation", "recipes", "testing"],
    ["report", "study"],
    ["runs"],
    ["adapters"],
    ["cli"],
]
ROW_OF = {room: row for row, rooms in enumerate(ROWS) for room in rooms}

# Libraries that take long to import, or that one room wraps, and the rooms that may import them at all.
HOMES = {
    "ccxt": {"sources"},
    "yfinance": {"sources"},
    "curl_cffi": {"sources"},
    "httpx": {"sources"},
    "torch": {"nets", "fleet", "models", "heads", "adapters", "testing"},
    "numba": {"process", "nets", "backtesting"},
    "sklearn": {"models"},
    "lightgbm": {"models"},
    "optuna": {"models"},
    "statsmodels": {"models", "stats"},
    "arch": {"stats", "models"},
    "plotly": {"report"},
    "talib": {"features"},
    "safetensors": {"runs"},
    "click": {"cli"},
    "rich": {"cli"},
    "pandas": {"candles", "forecast"},
    "deltalake": {"store"},
    "scipy": {"stats", "nets", "heads"},
    "backtrader": {"adapters"},
    "keras": {"models"},
    "onnx": {"adapters"},
    "onnxruntime": {"adapters"},
    "gymnasium": {"adapters"},
    "fastexcel": {"reading"},
}
# Rooms whose every file is about one heavy library, and which are themselves imported lazily.
EAGER_HOMES = {
    ("torch", "nets"),
    ("torch", "fleet"),
    ("numba", "nets"),
    ("numba", "backtesting"),
    ("plotly", "report"),
    ("click", "cli"),
}


# Rooms within a room, or files of it, of which the same holds.
EAGER_PLACES = {
    ("torch", "models/nets"),
    ("gymnasium", "adapters/gymnasium.py"),
    ("httpx", "sources/transport.py"),
    ("httpx", "sources/bridge.py"),
}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, each with whether that happens as the file itself is imported."""
    tree = ast.parse(path.read_text())
    inner = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "candlecast":
                names = [f"candlecast.{alias.name}" for alias in node.names]
        else:
            continue
        found += [(name, id(node) not in inner) for name in names]
    return found


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != SOURCE or p.stem not in ("__init__", "__main__")])
def test_imports_point_one_way(path):
    assert room(path) in ROW_OF, f"{room(path)} has no row: add it to ROWS"
    for name, is_eager in imports(path):
        if not name.startswith("candlecast.") or (name == "candlecast.__version__"):
            continue
        other = name.split(".")[1]
        if not is_eager and room(path) == "study":
            continue  # StudyResult.save and .report reach for their rooms when called
        assert ROW_OF[other] <= ROW_OF[room(path)], f"{path.name} imports {name}, which lies below it"


@pytest.mark.parametrize("path", FILES)
def test_heavy_libraries_stay_in_their_rooms(path):
    for name, is_eager in imports(path):
        library = name.split(".")[0]
        if library in HOMES:
            assert room(path) in HOMES[library], f"{path.name} imports {library}"
            places = {(library, place.relative_to(SOURCE).as_posix()) for place in (path, path.parent)}
            is_home = (library, room(path)) in EAGER_HOMES or places & EAGER_PLACES
            assert not is_eager or is_home, f"{path.name} imports {library} at once"


@pytest.mark.parametrize("path", FILES)
def test_files_hold_one_idea(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 500, f"{path.name} has {len(lines)} lines: look for the second idea"
    assert lines[0].startswith(('"""', "'''")), f"{path.name} does not say in its first line what it holds"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import candlecast", ["numpy", "polars", "torch", "click"]),
        ("import candlecast.cli", ["numpy", "polars", "torch", "plotly", "sklearn", "rich"]),
        ("from candlecast import sample; sample('sp500').check()", ["torch", "arch", "pandas", "sklearn", "numba"]),
        ("from candlecast import Study, LSTM; Study(model=LSTM())", ["torch", "arch", "sklearn", "numba", "plotly"]),
    ],
)
def test_imports_are_lazy(statement, absent):
    code = f"import sys; {statement}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_all_there():
    for name in candlecast.__all__:
        value = getattr(candlecast, name)
        assert getattr(value, "__doc__", None), f"{name} has no docstring"


def test_only_the_command_line_prints():
    for path in FILES:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        prints = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert not prints or room(path) == "cli", f"{path} prints"
