"""The release: wheel and source archive are built, hold what they must, and the wheel runs in a clean environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from candlecast.sources import synthetic

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def called(*command, cwd, **environment):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel, which is built from the source archive, and that archive."""
    folder = tmp_path_factory.mktemp("dist")
    called(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (wheel,), (archive,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, archive


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The folder of an environment with the wheel alone, which finds other packages where these tests find them."""
    place = tmp_path_factory.mktemp("clean") / "env"
    venv.create(place, symlinks=True, with_pip=False)
    python = place / "bin" / "python"
    called(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        built[0],
        cwd=place,
    )
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return place


def test_the_wheel_holds_the_package_and_nothing_else(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    tops = {name.split("/")[0] for name in names}
    assert tops == {"candlecast", f"candlecast-{VERSION}.dist-info"}
    source = ROOT / "src" / "candlecast"
    wanted = [
        path
        for path in source.rglob("*")
        if path.is_file() and path.suffix in (".py", ".pyi", ".txt", ".html", ".js", ".css")
    ]
    assert {f"candlecast/{path.relative_to(source).as_posix()}" for path in wanted} <= names
    assert "candlecast/py.typed" in names and f"candlecast-{VERSION}.dist-info/licenses/LICENSE" in names


def test_the_source_archive_can_be_tested_and_documented(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "README.md",
        "Makefile",
        "constraints.txt",
        "mkdocs.yml",
        "tests/conftest.py",
        "docs/index.md",
        "SECURITY.md",
    ):
        assert name in names
    assert not [name for name in names if re.match(r"(runs|data|build|\.venv)/|.*\.pyc$", name)]


def test_the_wheel_runs_in_a_clean_environment(installed, tmp_path):
    command = installed / "bin" / "candlecast"
    assert VERSION in called(command, "--version", cwd=tmp_path)
    found = called(installed / "bin" / "python", "-c", "import candlecast; print(candlecast.__file__)", cwd=tmp_path)
    assert found.startswith(str(installed))
    synthetic.ar1(260, seed=1, interval="1h").candles.frame.drop("close_time").write_csv(tmp_path / "btc_1h.csv")
    called(command, "init", "study.py", "--asset", "btc_1h.csv", cwd=tmp_path)
    options = ("--model", "linear", "--folds", "1", "--json", "-q")
    result = json.loads(called(command, "run", "study.py", *options, cwd=tmp_path, NUMBA_DISABLE_JIT="1"))
    assert result["bars"] == 260 and (tmp_path / result["run"] / "report.html").stat().st_size > 100_000


def test_links_of_the_readme_lead_to_the_tag_from_anywhere(built):
    with zipfile.ZipFile(built[0]) as wheel:
        text = wheel.read(f"candlecast-{VERSION}.dist-info/METADATA").decode()
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", text)
    assert {link for _, link in links if not link.startswith("https://")} == set()
    assert ("", f"https://github.com/candlecast/candlecast/blob/v{VERSION}/docs/start.md") in links
    assert ("!", f"https://raw.githubusercontent.com/candlecast/candlecast/v{VERSION}/docs/first_result.svg") in links
    assert "# candlecast" in text


def test_every_extra_of_the_table_is_in_the_metadata(built):
    with zipfile.ZipFile(built[0]) as wheel:
        text = wheel.read(f"candlecast-{VERSION}.dist-info/METADATA").decode()
    extras = set(re.findall(r"^Provides-Extra: (.+)$", text, re.MULTILINE))
    named = set(re.findall(r"candlecast\[([a-z]+)\]", "".join(p.read_text("utf-8") for p in ROOT.glob("docs/*.md"))))
    assert named <= extras


def test_make_takes_the_newest_python_that_works(tmp_path):
    """Of programs that only say which version they are; one cannot make environments."""
    script = '#!/bin/sh\ncase "$2" in *ensurepip*) exit {code};; esac\n'
    for name, code in {"python3.14": 1, "python3.13": 0, "python3.11": 0, "python3": 0}.items():
        (tmp_path / name).write_text(script.format(code=code))
        (tmp_path / name).chmod(0o755)
    for name in ("make", "sh", "echo"):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"there is no {name}")
        (tmp_path / name).symlink_to(found)
    command = [tmp_path / "make", "--silent", "--file", ROOT / "Makefile", "python"]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS")} | {
        "PATH": str(tmp_path)
    }
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.stdout.strip() == "python3.13", done.stderr
    for name in ("python3.13", "python3.11", "python3"):
        (tmp_path / name).unlink()
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode != 0 and "apt install python3 python3-venv" in done.stdout


def test_the_hooks_use_the_version_of_ruff_that_is_pinned():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (pinned,) = re.findall(r"^ruff==(.+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"rev: v{pinned} " in hooks
