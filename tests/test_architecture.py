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

# A package may import the packages before it, and none after it.
ORDER = [
    "text",
    "errors",
    "parameters",
    "interval",
    "events",
    "process",
    "disk",
    "serving",
    "reading",
    "candles",
    "sources",
    "store",
    "features",
    "targets",
    "dataset",
    "nets",
    "heads",
    "fleet",
    "ledger",
    "models",
    "stats",
    "signals",
    "causality",
    "walkforward",
    "backtesting",
    "recipes",
    "evaluation",
    "audit",
    "report",
    "runs",
    "study",
    "panel",
    "confirmation",
    "replay",
    "live",
    "scan",
    "ui",
    "testing",
    "adapters",
    "cli",
]

# Libraries that take long to import, or that one package wraps, and the packages that may import them at all.
HOMES = {
    "ccxt": {"sources"},
    "yfinance": {"sources"},
    "curl_cffi": {"sources"},
    "httpx": {"sources"},
    "websockets": {"sources"},
    "torch": {"nets", "fleet", "models", "heads", "adapters", "testing"},
    "numba": {"process", "nets", "backtesting"},
    "sklearn": {"models"},
    "lightgbm": {"models"},
    "optuna": {"models"},
    "statsmodels": {"models", "stats"},
    "arch": {"stats", "models"},
    "talib": {"features"},
    "safetensors": {"runs", "study", "panel", "live"},
    "click": {"cli"},
    "rich": {"cli"},
    "pandas": {"candles", "dataset"},
    "deltalake": {"store"},
    "scipy": {"stats", "nets", "heads", "models"},
    "backtrader": {"adapters"},
    "keras": {"models"},
    "onnx": {"adapters"},
    "onnxruntime": {"adapters"},
    "gymnasium": {"adapters"},
    "fastexcel": {"reading"},
    "exchange_calendars": {"features"},
    "fracast": {"models"},
    "ray": {"scan"},
    "skfolio": {"signals"},
    "cloudpickle": {"scan"},
}
# Packages whose every file is about one heavy library, and which are themselves imported lazily.
EAGER_HOMES = {
    ("torch", "nets"),
    ("torch", "fleet"),
    ("numba", "nets"),
    ("numba", "backtesting"),
    ("click", "cli"),
}

# Packages within a package, or files of it, of which the same holds.
EAGER_PLACES = {
    ("torch", "models/architectures"),
    ("gymnasium", "adapters/gymnasium.py"),
    ("httpx", "sources/transport.py"),
    ("httpx", "sources/bridge.py"),
}


def package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def without_typing(path: Path) -> ast.Module:
    """The syntax tree of a file without what only type checkers read."""
    tree = ast.parse(path.read_text())
    tree.body = [n for n in tree.body if not (isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")]
    return tree


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, each with whether that happens as the file itself is imported."""
    tree = without_typing(path)
    inner = {
        id(node)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(f)
    }
    found = []
    for node in ast.walk(tree):
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


def imported_files(path: Path) -> list[Path]:
    """Files of the package, other than its `__init__` files, that a file imports, lazily or not."""
    found = []
    for node in ast.walk(without_typing(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "candlecast":
            places = [SOURCE.joinpath(*node.module.split(".")[1:])]
            places += [places[0] / alias.name for alias in node.names]
            found += [place.with_suffix(".py") for place in places if place.with_suffix(".py").exists()]
    return found


def test_only_three_modules_stand_outside_packages():
    loose = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "__main__"}
    assert loose == {"errors", "events", "interval", "parameters"}
    packages = [path.parent.name for path in FILES if path.name == "__init__.py" and path.parent != SOURCE]
    assert len(packages) == len(set(packages)), "two packages have one name"


def test_tests_stand_in_folders_named_as_the_packages():
    tests = Path(__file__).parent
    of_several = {"fuzz", "kills", "slips"}  # what several packages read and write
    folders = {path.parent.name for path in tests.glob("*/test_*.py")} - of_several
    assert folders <= set(ORDER), f"folders without a package: {folders - set(ORDER)}"
    loose = {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")}
    whole = {"architecture", "benches", "commands_of_docs", "docs", "examples", "journeys", "misuse", "release"}
    assert loose - whole <= {"errors", "events", "interval", "parameters"}, (
        "only tests of the whole project stand outside folders"
    )


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != SOURCE or p.stem not in ("__init__", "__main__")])
def test_imports_point_one_way(path):
    assert package(path) in ORDER, f"{package(path)} has no place: add it to ORDER"
    for name, _ in imports(path):
        if not name.startswith("candlecast.") or name == "candlecast.__version__":
            continue
        other = name.split(".")[1]
        assert ORDER.index(other) <= ORDER.index(package(path)), f"{path.name} imports {name}, which comes after it"


def test_no_files_import_each_other_in_a_circle():
    graph = {path: set(imported_files(path)) for path in FILES if path.name != "__init__.py"}
    while graph:
        free = {path for path, others in graph.items() if not others & graph.keys()}
        assert free, f"a circle within {sorted(str(path.relative_to(SOURCE)) for path in graph)}"
        graph = {path: others for path, others in graph.items() if path not in free}


@pytest.mark.parametrize("path", FILES)
def test_heavy_libraries_stay_in_their_packages(path):
    for name, is_eager in imports(path):
        library = name.split(".")[0]
        if library in HOMES:
            assert package(path) in HOMES[library], f"{path.name} imports {library}"
            places = {(library, place.relative_to(SOURCE).as_posix()) for place in (path, path.parent)}
            is_home = (library, package(path)) in EAGER_HOMES or places & EAGER_PLACES
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
        ("import candlecast.cli", ["numpy", "polars", "torch", "sklearn", "rich"]),
        ("from candlecast import sample; sample('sp500').check()", ["torch", "arch", "pandas", "sklearn", "numba"]),
        ("from candlecast import Study, LSTM; Study(model=LSTM())", ["torch", "arch", "sklearn", "numba"]),
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


def test_names_of_text_come_from_its_modules():
    """One way for each name: a number of `text.cells` and one of `text.formatting` differ where it is unknown."""
    modules = {path.stem for path in (SOURCE / "text").glob("*.py")} - {"__init__"}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "candlecast.text":
                taken = {alias.name for alias in node.names} - modules
                assert not taken, f"{path.name} imports {sorted(taken)} from candlecast.text, not from a module of it"


def test_only_the_command_line_prints():
    for path in FILES:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        prints = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert not prints or package(path) == "cli", f"{path} prints"
