"""The structure that everything grows in: who may import whom, where heavy libraries live, how long files get."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
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


IMPORTS = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Code:
    """What the rules look at in a file."""

    imports: list[
        tuple[IMPORTS, bool]
    ]  # without those for type checkers, each with whether it stands outside functions
    typing: list[IMPORTS]  # those for type checkers alone
    prints: bool


@cache
def code_of(path: Path) -> Code:
    tree = ast.parse(path.read_text())
    found, typing, prints = [], [], False
    waiting: list[tuple[ast.AST, bool, bool]] = [(tree, True, False)]
    while waiting:
        node, is_outside, is_typing = waiting.pop()
        if isinstance(node, IMPORTS):
            typing.append(node) if is_typing else found.append((node, is_outside))
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            prints |= node.func.id == "print"
        is_outside = is_outside and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.iter_child_nodes(node):
            is_guard = node is tree and isinstance(inner, ast.If) and ast.unparse(inner.test) == "TYPE_CHECKING"
            waiting.append((inner, is_outside, is_typing or is_guard))
    return Code(found, typing, prints)


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, each with whether that happens as the file itself is imported."""
    found = []
    for node, is_eager in code_of(path).imports:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif node.module == "candlecast":
            names = [f"candlecast.{alias.name}" for alias in node.names]
        else:
            names = [node.module] if node.module else []
        found += [(name, is_eager) for name in names]
    return found


def imported_files(path: Path) -> list[Path]:
    """Files of the package, other than its `__init__` files, that a file imports, lazily or not."""
    found = []
    for node, _ in code_of(path).imports:
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


def test_imports_point_one_way():
    faults = []
    for path in (each for each in FILES if each.parent != SOURCE or each.stem not in ("__init__", "__main__")):
        assert package(path) in ORDER, f"{package(path)} has no place: add it to ORDER"
        for name, _ in imports(path):
            if not name.startswith("candlecast.") or name == "candlecast.__version__":
                continue
            if ORDER.index(name.split(".")[1]) > ORDER.index(package(path)):
                faults.append(f"{path.relative_to(SOURCE)} imports {name}, which comes after it")
    assert not faults


def test_no_files_import_each_other_in_a_circle():
    graph = {path: set(imported_files(path)) for path in FILES if path.name != "__init__.py"}
    while graph:
        free = {path for path, others in graph.items() if not others & graph.keys()}
        assert free, f"a circle within {sorted(str(path.relative_to(SOURCE)) for path in graph)}"
        graph = {path: others for path, others in graph.items() if path not in free}


def test_heavy_libraries_stay_in_their_packages():
    faults = []
    for path in FILES:
        for name, is_eager in imports(path):
            library = name.split(".")[0]
            if library not in HOMES:
                continue
            places = {(library, place.relative_to(SOURCE).as_posix()) for place in (path, path.parent)}
            is_home = (library, package(path)) in EAGER_HOMES or places & EAGER_PLACES
            if package(path) not in HOMES[library]:
                faults.append(f"{path.relative_to(SOURCE)} imports {library}")
            elif is_eager and not is_home:
                faults.append(f"{path.relative_to(SOURCE)} imports {library} at once")
    assert not faults


def test_files_hold_one_idea():
    faults = []
    for path in FILES:
        lines = path.read_text().splitlines()
        if len(lines) > 500:
            faults.append(f"{path.relative_to(SOURCE)} has {len(lines)} lines: look for the second idea")
        if not lines[0].startswith(('"""', "'''")):
            faults.append(f"{path.relative_to(SOURCE)} does not say in its first line what it holds")
    assert not faults


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
        code = code_of(path)
        for node in (*(node for node, _ in code.imports), *code.typing):
            if isinstance(node, ast.ImportFrom) and node.module == "candlecast.text":
                taken = {alias.name for alias in node.names} - modules
                assert not taken, f"{path.name} imports {sorted(taken)} from candlecast.text, not from a module of it"


def test_only_the_command_line_prints():
    for path in FILES:
        assert not code_of(path).prints or package(path) == "cli", f"{path} prints"
