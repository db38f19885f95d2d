"""The pages say what is there: links, paths, names and commands exist, and the code on them runs."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import candlecast as cc
from candlecast.cli import cli
from candlecast.models import Drift, Naive
from test_architecture import ORDER

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "candlecast"
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "bench" / "README.md", ROOT / "examples" / "README.md"]
)
OF_READERS = {
    "report.html",
    "manifest.json",
    "btc_1h.csv.gz",
    "es_1h.csv",
    "aapl.csv",
    "study.py",
    "STUDY.py",
}  # may exist
OWN = "https://github.com/candlecast/candlecast/blob/main/"  # addresses of files of this project
CONFIG = ROOT / "mkdocs.yml"
BLOCK = re.compile(r"^(?:<!-- (\w+) -->\n)?```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def code_of(page: Path) -> list[tuple[str, str, str]]:
    """Language, word of the comment above it (`norun`), and text of each block of code."""
    return [(found[2], found[1] or "", found[3]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def spans_of(page: Path) -> list[str]:
    """What stands between single backticks, outside blocks of code."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", page.read_text(encoding="utf-8")))


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 160


@pages
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(OWN):
            assert (ROOT / target.removeprefix(OWN)).exists(), f"{page.name} links to {target}"
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors_of(file), (
            f"{page.name} links to {target}, and {file.name} has no such heading"
        )


@pages
def test_paths_exist(page):
    for span in spans_of(page):
        path = span.rstrip("/").partition("::")[0]
        is_path = re.fullmatch(r"[\w./-]+", path) and (
            path.split("/")[0] in {"src", "tests", "docs", "bench", "examples"} or path.endswith((".py", ".md", ".pyi"))
        )
        if is_path and path not in OF_READERS:
            assert any((place / path).exists() for place in (ROOT, SOURCE, page.parent)), f"{page.name} names {span}"


@pages
def test_names_of_candlecast_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in sorted(set(re.findall(r"\bcandlecast((?:\.\w+)+)", text)) - {".errors"}):
        assert resolved(name.strip(".").split(".")), f"{page.name} names candlecast{name}"
    for name in sorted(set(re.findall(r"\bcc((?:\.\w+)+)", text))):
        assert resolved(name.strip(".").split(".")), f"{page.name} names cc{name}"


def resolved(parts: list[str]) -> bool:
    """Whether the attributes, or modules, follow from each other."""
    value = cc
    for number, part in enumerate(parts):
        try:
            value = getattr(value, part)
        except AttributeError:
            try:
                value = importlib.import_module(".".join(["candlecast", *parts[: number + 1]]))
            except ModuleNotFoundError:
                return False
    return True


@pages
def test_commands_exist(page):
    lines = [line for _, _, text in code_of(page) for line in text.splitlines()] + spans_of(page)
    for line in lines:
        words = line.split("#")[0].split()
        words = words[1:] if words[:1] == ["$"] else words
        if words[:1] != ["candlecast"] or len(words) < 2 or not re.fullmatch(r"[a-z]+", words[1]):
            continue
        command = cli.commands.get(words[1])
        assert command, f"{page.name} names the command {words[1]}"
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, f"{page.name}: {line}"


@pages
def test_fences_have_a_language_alone(page):
    """Other words would hide the block, and what follows it, on the site."""
    opened = re.findall(r"^```(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert all(re.fullmatch(r"\w+", words) for words in opened), f"{page.name}: write <!-- norun --> above a block"


@pages
def test_code_compiles(page):
    for language, _, text in code_of(page):
        if language == "python":
            compile(text, str(page), "exec")


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any((language, words) == ("python", "") for language, words, _ in code_of(page))],
    ids=lambda page: page.name,
)
def test_code_runs(page, tmp_path, monkeypatch):
    """Blocks of Python of a page, one after the other, on few bars and with two baselines; `norun` above one exempts it."""
    whole = cc.sample
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cc, "sample", lambda name: whole(name)[-400:])
    monkeypatch.setattr("candlecast.study.study.BASELINES", (Naive(), Drift()))
    names = {"cc": cc, "candles": cc.synthetic.ar1(400, seed=1, phi=0.3, interval="1h").candles}
    for language, words, text in code_of(page):
        if (language, words) == ("python", ""):
            exec(compile(text, str(page), "exec"), names)


def rows_below(heading: str) -> list[list[str]]:
    """The cells of the table below a heading of the page on architecture."""
    text = (
        (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    )
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_packages_are_listed_in_their_order():
    assert [row[0].strip("`") for row in rows_below("Packages")] == ORDER


def test_a_change_touches_at_most_three_files():
    rows = rows_below("Ten changes and the files they touch")
    assert len(rows) == 10
    for change, files in rows:
        assert len(re.findall(r"`[\w/]+\.(?:py|html)`", files)) + files.count("a new file") <= 3, change


def test_every_page_is_linked():
    """From the README, or from the navigation of the site."""
    linked = set(re.findall(r"\]\(([\w/]+\.md)", (ROOT / "README.md").read_text(encoding="utf-8")))
    placed = {
        f"docs/{name}" for name in re.findall(r": ([\w/]+\.md)$", CONFIG.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {page.relative_to(ROOT).as_posix() for page in PAGES} - {
        "README.md",
        "examples/README.md",
    } == linked | placed
    assert {page.relative_to(ROOT).as_posix() for page in ROOT.glob("docs/**/*.md")} == placed


def test_every_public_name_has_its_reference():
    text = "".join(page.read_text(encoding="utf-8") for page in ROOT.glob("docs/reference/*.md"))
    named = re.findall(r"^::: candlecast\.(\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted({*cc.__all__, "testing"})


def test_the_site_is_built_strictly(tmp_path):
    """Every link, anchor and reference of the site leads somewhere."""
    config = CONFIG.read_text(encoding="utf-8")
    for old, new in {"paths: [src]": f"paths: [{ROOT / 'src'}]", "[tools/": f"[{ROOT / 'tools'}/"}.items():
        assert old in config
        config = config.replace(old, new)
    (tmp_path / "mkdocs.yml").write_text(config, encoding="utf-8")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(tmp_path / "mkdocs.yml")]
    paths = os.pathsep.join([str(ROOT / "tools"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, env=os.environ | {"PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = (tmp_path / "build" / "site" / "verdict" / "index.html").read_text(encoding="utf-8")
    assert "95\u00a0%" in answers and "95 %" not in re.sub(
        r"<(pre|code)\b.*?</\1>|<[^>]*>", "", answers, flags=re.DOTALL
    )
    page = (tmp_path / "build" / "site" / "reference" / "study" / "index.html").read_text(encoding="utf-8")
    assert "Walk forward, trade, record the trial, and judge." in page
    loaded = re.findall(
        r"<(?:script|img|iframe)[^>]* src=\"([^\"]+)|<link[^>]* rel=\"stylesheet\" href=\"([^\"]+)", page
    )
    assert not [each for pair in loaded for each in pair if each.startswith(("http", "//"))], (
        "loads something from elsewhere"
    )


def test_every_command_is_listed():
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `candlecast (\w+)", page, re.MULTILINE)) == set(cli.commands)
