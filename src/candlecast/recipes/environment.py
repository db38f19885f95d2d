"""What a run was computed with: Python, packages, the code of candlecast and the processor."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "polars", "torch", "numba", "llvmlite", "scipy", "statsmodels", "arch", "scikit-learn", "TA-Lib")


def environment() -> dict[str, Any]:
    """Versions and hardware as JSON values: `candlecast`, `python`, `code`, `packages`, `system`, `processor`, `cores`."""
    return {
        "candlecast": _version("candlecast"),
        "python": platform.python_version(),
        "code": code_digest(),
        "packages": {name: _version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


@cache
def code_digest() -> str:
    """SHA-256 of the Python files of candlecast, in the order of their names."""
    digest = sha256()
    for name, content in sorted(_python_files(files("candlecast"), "")):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two environments, in words; empty for equal ones.

    >>> differences({"python": "3.11.7", "packages": {"numpy": "2.1"}}, {"python": "3.11.7", "packages": {"numpy": "2.2"}})
    ['numpy 2.1, now 2.2']
    """
    one, two = (_flat(each) for each in (before, after))
    found = [name for name in one if name in two and one[name] != two[name]]
    return [
        "the code of candlecast differs" if name == "code" else f"{name} {one[name]}, now {two[name]}" for name in found
    ]


def _flat(environment: Mapping[str, Any]) -> dict[str, str]:
    packages = environment.get("packages", {})
    rest = {name: value for name, value in environment.items() if name != "packages"}
    return {name: str(value) for name, value in (rest | dict(packages)).items()}


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@cache
def _processor() -> str:
    """The processor's name, and whether it has the widest vectors, which decide the order of sums."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    vectors = "AVX-512" if "avx512f" in said.get("flags", "") else "AVX2" if "avx2" in said.get("flags", "") else ""
    return f"{said.get('model name', platform.processor())} {vectors}".strip()


def _python_files(folder: Traversable, place: str) -> list[tuple[str, bytes]]:
    found = []
    for each in folder.iterdir():
        name = f"{place}{each.name}"
        if each.is_dir():
            found += _python_files(each, f"{name}/")
        elif each.name.endswith(".py"):
            found.append((name, each.read_bytes()))
    return found
