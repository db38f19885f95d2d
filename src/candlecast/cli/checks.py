"""What `candlecast doctor` looks at: each check says what it found, and whether something needed fails."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from candlecast.cli.source_registry import is_store
from candlecast.errors import CandlecastError, said
from candlecast.text.formatting import count
from candlecast.text.redaction import shown

State = Literal["ok", "note", "failed"]
REQUIREMENT = re.compile(r"^([\w.-]+)(?:\[[^]]*\])?([^;]*)(?:;(.*))?$")
READ_AT_MOST = 20  # series of a store; reading all of a large one takes minutes


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and what to do about it.

    `state`: "failed" where something that candlecast needs does not work, "note" where something optional is missing.
    """

    subject: str
    state: State
    text: str
    remedy: str = ""


Check = Callable[[], list[Finding]]


@contextmanager
def reporting(subject: str, found: list[Finding], remedy: str) -> Iterator[None]:
    """Whatever is raised within becomes a failed finding."""
    try:
        yield
    except CandlecastError as error:
        found.append(Finding(subject, "failed", error.wrong, error.remedy))
    except Exception as error:
        found.append(Finding(subject, "failed", shown(said(error)), remedy))


def versions() -> list[Finding]:
    """Python, candlecast, and each package that it needs, against the lowest version that is allowed."""
    found = [Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    try:
        found.append(Finding("candlecast", "ok", version("candlecast")))
        needed = [REQUIREMENT.match(each) for each in requires("candlecast") or ()]
    except PackageNotFoundError:
        text = "runs from its source, and is not installed, so that the versions of other packages are not checked"
        return [*found, Finding("candlecast", "note", text, "Install it with: pip install .")]
    packages = [_package(match[1], match[2]) for match in needed if match and "extra ==" not in (match[3] or "")]
    fine = [f"{each.subject} {each.text}" for each in packages if each.state == "ok"]
    return [*found, Finding("packages", "ok", ", ".join(fine)), *(each for each in packages if each.state != "ok")]


def _package(name: str, bounds: str) -> Finding:
    try:
        installed = version(name)
    except PackageNotFoundError:
        return Finding(name, "failed", "is not installed", f"pip install '{name}{bounds.strip()}'")
    lowest = re.search(r">=\s*([\d.]+)", bounds)
    if lowest and _release(installed) < _release(lowest[1]):
        return Finding(
            name, "failed", f"{installed}, older than {lowest[1]}", f"pip install --upgrade '{name}{bounds.strip()}'"
        )
    return Finding(name, "ok", installed)


def _release(text: str) -> tuple[int, ...]:
    """The numbers of a version, without what follows them.

    >>> _release("2.13.0+cpu") > _release("2.8")
    True
    """
    numbers = re.match(r"[\d.]*", text)
    return tuple(int(part) for part in (numbers[0] if numbers else "").strip(".").split(".") if part)


def machine() -> list[Finding]:
    """Cores, memory, linear algebra, threads, and GPUs."""
    from threadpoolctl import threadpool_info

    from candlecast.nets.health import gpus, torch_threads
    from candlecast.recipes.environment import environment

    found: list[Finding] = []
    with reporting("cores", found, "Report it"):
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        found.append(Finding("cores", "ok", f"{usable} of {os.cpu_count()}; {environment()['processor']}"))
    memory = _memory()
    if memory:
        found.append(Finding("memory", "ok", f"{memory / 1024**3:.1f} GiB"))
    with reporting("torch", found, "pip install torch"):
        found.append(Finding("threads", "ok", f"torch computes with {torch_threads()}"))
        devices = gpus()
        none = Finding("gpu", "note", "none; the compiled kernels of the CPU are used")
        found += [Finding("gpu", "ok", each) for each in devices] or [none]
    libraries = {
        f"{each['internal_api']} {each.get('version') or ''}".strip() + f", {each['num_threads']} threads"
        for each in threadpool_info()
        if each["user_api"] == "blas"
    }
    found += [Finding("blas", "ok", each) for each in sorted(libraries)]
    return found


def _memory() -> int:
    """Bytes of this machine; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def kernels() -> list[Finding]:
    """The compiled cells, each against its definition, and the cache of compiled code."""
    from candlecast.nets.health import kernels as checked

    found: list[Finding] = []
    with reporting("kernels", found, "Reinstall numba: pip install --force-reinstall numba"):
        cells = checked()
        for each in cells:
            if each.is_right:
                found.append(
                    Finding(f"kernel {each.name}", "ok", f"differs from its definition by {each.difference:.0e}")
                )
            else:
                text = f"differs from its definition by {each.difference:.2g}"
                found.append(Finding(f"kernel {each.name}", "failed", text, "Report it, with this output"))
        folders = {each.cache.folder for each in cells}
        if None in folders:
            text = "cannot be written: every process compiles for itself, which takes up to some minutes"
            found.append(Finding("kernel cache", "note", text, "Set NUMBA_CACHE_DIR to a writable folder"))
        else:
            read = "read from it" if all(each.cache.is_reused for each in cells) else "compiled now and written to it"
            found.append(Finding("kernel cache", "ok", f"{', '.join(map(str, sorted(filter(None, folders))))}; {read}"))
    return found


def extras() -> list[Finding]:
    """The optional packages of candlecast that are not installed, by the extra that brings them."""
    try:
        texts = requires("candlecast") or []
    except PackageNotFoundError:
        return []
    absent: dict[str, list[str]] = {}
    for text in texts:
        match = REQUIREMENT.match(text)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", text)
        if match is None or extra is None or match[1] == "candlecast" or extra[1] in ("test", "docs"):
            continue
        try:
            version(match[1])
        except PackageNotFoundError:
            absent.setdefault(extra[1], []).append(match[1])
    if not absent:
        return [Finding("extras", "ok", "all installed")]
    return [
        Finding(f"extra {name}", "note", f"{', '.join(lacking)} not installed", f"pip install 'candlecast[{name}]'")
        for name, lacking in absent.items()
    ]


def stored(location: str) -> list[Finding]:
    """The store: whether it opens, and whether its newest series can be read."""
    from candlecast.store import Store

    found: list[Finding] = []
    if not is_store(location):
        return [Finding("store", "note", f"none in {location}", "candlecast fetch SYMBOL --interval 1h makes one")]
    with reporting("store", found, "Restore it from a copy"):
        store = Store(location)
        series = store.series()
        found.append(
            Finding(
                "store",
                "ok",
                f"{shown(store.url)}: version {store.version}, {series.height:,} series, {series['bars'].sum():,} bars, "
                f"{series['files'].sum():,} files",
            )
        )
        newest = series.sort("last", descending=True).head(READ_AT_MOST)
        for row in newest.iter_rows(named=True):
            name = f"{row['source']} {row['symbol']} {row['interval']}"
            with reporting(f"series {name}", found, "Fetch it again into another store"):
                candles = store.read(row["source"], row["symbol"], row["interval"])
                if not candles.check().is_sound:
                    command = f"candlecast candles {row['symbol']} --interval {row['interval']}"
                    found.append(Finding(f"series {name}", "note", "has unsound bars", command))
    return found


def worked(folder: Path) -> list[Finding]:
    """The runs, how many of them cannot be read, and the ledger."""
    from candlecast.ledger import Ledger
    from candlecast.runs import list_runs
    from candlecast.runs.manifest import read_manifest, require_shape

    if not folder.is_dir():
        return [Finding("runs", "note", f"none in {folder}", "candlecast run makes one")]
    found: list[Finding] = []
    paths = list_runs(folder)
    for path in paths:
        try:
            require_shape(path, read_manifest(path))
        except CandlecastError as error:
            found.append(Finding(f"run {path.name}", "note", error.wrong, error.remedy))
    found.insert(0, Finding("runs", "ok", f"{len(paths):,} in {folder}, {len(found):,} unreadable"))
    with reporting("ledger", found, "Restore it from a copy"):
        found.append(Finding("ledger", "ok", count(len(Ledger(folder).trials()), "trial")))
    return found


def network() -> list[Finding]:
    """Whether the servers of the sources answer; none is needed for files, samples and what is stored."""
    from candlecast.sources.reaching import reach

    return [
        Finding(
            f"network {each.name}",
            "ok" if each.is_reached else "note",
            f"{each.text} in {1_000 * each.seconds:.0f} ms" if each.is_reached else each.text,
            "" if each.is_reached else "Check the network, or HTTPS_PROXY",
        )
        for each in reach()
    ]
