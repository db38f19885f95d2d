"""The runner of slips on a small package of its own; whether the real slips still apply is its own to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from slips.catalogue import SLIPS
from slips.slip import Slip

CODE = """
import sys
from pathlib import Path
from slips.runner import run
from slips.slip import Slip
slips = [Slip(name, "sums.py", before, after, ("tests/test_sums.py",)) for name, before, after in (
    ("a/caught", "x + y", "x - y"),
    ("a/survived", "return 0", "return 1"),
    ("a/stale", "x * y", "x / y"),
    ("b/twice", "return", "yield"),
    ("b/broken", "def add", "def"),
)]
for outcome in run(slips, root=Path(sys.argv[1]), libraries=()):
    print(outcome.slip.name, outcome.state)
"""


@pytest.fixture
def project(tmp_path) -> Path:
    package, tests = tmp_path / "src" / "candlecast", tmp_path / "tests"
    package.mkdir(parents=True)
    tests.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sums.py").write_text("def add(x, y):\n    return x + y\n\n\ndef nothing():\n    return 0\n")
    (tests / "test_sums.py").write_text(
        "from candlecast.sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def test_slips_are_caught_or_survive_or_no_longer_apply(project):
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    here = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(project)], capture_output=True, text=True, cwd=here, check=True
    )
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found == {
        "a/caught": "caught",
        "a/survived": "survived",
        "a/stale": "stale",
        "b/twice": "stale",
        "b/broken": "broken",
    }
    assert {
        path: path.read_bytes() for path in project.rglob("*") if path.is_file() and "pycache" not in str(path)
    } == before


def test_a_slip_applies_to_text_that_occurs_once():
    slip = Slip("a/plus", "a.py", "+ 1", "- 1", ())
    assert slip.applied("x + 1") == "x - 1"
    assert slip.applied("x + 1 + 1") is None is slip.applied("x")
    assert slip.package == "a"


def test_no_slip_of_the_catalogue_is_stale():
    root = Path(__file__).parents[2] / "src" / "candlecast"
    assert not [slip.name for slip in SLIPS if slip.applied((root / slip.path).read_text(encoding="utf-8")) is None]
    assert len({slip.name for slip in SLIPS}) == len(SLIPS)
