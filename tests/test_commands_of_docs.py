"""Every command in a block of code of the pages runs, on few bars and in one process, page by page."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

import candlecast
from candlecast.cli import cli
from candlecast.cli.source_registry import SOURCES
from candlecast.interval import Interval
from candlecast.models import Drift, Naive
from candlecast.sources import sample, synthetic, synthetic_panel
from candlecast.sources.source import Source, moment, utc_now
from candlecast.study.presets import tutorial
from test_docs import PAGES, ROOT, code_of
from venues import at_venue

BARS = 260  # of files and vendors
DAYS = 1_500  # of samples, of which weeks are made too
FEW = ["--epochs", "1", "--folds", "2", "--seeds", "1"]  # of a command that trains a net and says nothing of them
WHOLE = tutorial().model
FEW_EPOCHS = replace(WHOLE.training, epochs=1)
SMALL = replace(tutorial(), model=replace(WHOLE, hidden=3, dense=(2,), training=FEW_EPOCHS))
FILES = ("btc.csv", "btc_1h.csv", "Bitcoin Historical Data.csv")
SECOND_SOURCE = "other_vendor.csv"  # of the asset of the run
SHARES = ("AAA.csv", "BBB.csv", "CCC.csv", "DDD.csv")
OF_PANELS = [*FEW, "--window", "4", "--hidden", "2"]
FAILS = {"audit --preset tutorial --asset btc.csv"}  # commands that may end with exit code 1 by what they find


@dataclass(frozen=True)
class Vendor(Source):
    """Invented bars of any symbol and interval, up to today."""

    name: str = "vendor"

    def session(self, symbol: str) -> str:
        return "always"

    def pages(self, symbol, interval, *, since=None, until=None) -> Iterator[pl.DataFrame]:
        length = Interval.parse(interval)
        found = synthetic.ar1(BARS, seed=len(symbol), interval=str(length)).candles.frame
        today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
        found = found.with_columns(pl.col("open_time", "close_time") + (today - found["close_time"][-1]))
        if since is not None:
            found = found.filter(pl.col("open_time") >= moment(since))
        if until is not None:
            found = found.filter(pl.col("close_time") <= moment(until))
        if found.height:
            yield found


def commands_of(page: Path) -> list[list[str]]:
    """The words of each command of a page, in its order; `&&` joins two."""
    texts = [text for language, words, text in code_of(page) if language in ("", "sh", "bash") and words == ""]
    parts = [part for text in texts for line in text.splitlines() for part in line.split("#")[0].split(" && ")]
    return [shlex.split(part)[1:] for part in parts if part.strip().startswith("candlecast ")]


OF_PAGES = {page: commands_of(page) for page in PAGES if page.name != "CHANGELOG.md"}
WITH_COMMANDS = [page for page, commands in OF_PAGES.items() if commands]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with files of candles and one run, which stands for every run that a page names."""
    folder = tmp_path_factory.mktemp("prepared")
    frame = synthetic.ar1(BARS, seed=3, interval="1h").candles.frame.drop("close_time")
    for name in FILES:
        frame.write_csv(folder / name)
    at_venue(sample("sp500")[-DAYS:], seed=1).frame.write_csv(folder / SECOND_SOURCE)
    (folder / "stocks").mkdir()
    across = synthetic_panel(24, BARS, seed=1).assets
    for asset in across:
        asset.frame.write_csv(folder / "stocks" / f"{asset.symbol}.csv")
    for name, asset in zip(SHARES, across, strict=False):
        asset.frame.write_csv(folder / name)
    (folder / "members.csv").write_text(
        "symbol,start,end\n" + "".join(f"{each.symbol},2010-01-01,\n" for each in across)
    )
    with gzip.open(folder / "btc_1h.csv.gz", "wb") as file:
        frame.write_csv(file)
    (folder / "PLAN.toml").write_text('files = ["btc.csv"]\nmodels = ["ridge"]\nfolds = 2\nseeds = 1\n')
    (folder / "STUDY.py").write_text(
        "import candlecast as cc\nstudy = cc.Study(cc.Ridge(), folds=cc.WalkForward(folds=2), baselines=())\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _few_bars(patch)
        cli.main(["run", "--model", "ridge", "--folds", "2", "-q", "--json"], standalone_mode=False)
    (made,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    return folder, made


def _few_bars(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys.modules["candlecast.sources.sample"], "sample", lambda name: sample(name)[-DAYS:])
    patch.setattr(candlecast, "sample", lambda name: sample(name)[-DAYS:], raising=False)
    patch.setattr("candlecast.study.study.BASELINES", (Naive(), Drift()))
    patch.setattr("candlecast.study.presets.tutorial", lambda: SMALL)
    for name in SOURCES:
        patch.setitem(SOURCES, name, lambda name=name: Vendor(name))


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_run(page, prepared, tmp_path, monkeypatch, capsys):
    folder, made = prepared
    for name in (*FILES, *SHARES, SECOND_SOURCE, "btc_1h.csv.gz", "STUDY.py", "PLAN.toml", "members.csv"):
        shutil.copy(folder / name, tmp_path / name)
    shutil.copytree(folder / "stocks", tmp_path / "stocks")
    monkeypatch.chdir(tmp_path)
    _few_bars(monkeypatch)
    for words in OF_PAGES[page]:
        for named in (word for word in words if re.match(r"runs/\S", word) and not Path(word).exists()):
            shutil.copytree(made, named)
        line = shlex.join(words)
        if words[0] == "ui":  # serves until it is stopped
            cli.commands["ui"].make_context("ui", words[1:])
            continue
        code = cli.main([*words, *_fewer(words), "-q"], standalone_mode=False)
        assert not code or line in FAILS, f"{line}: {capsys.readouterr().out}"
        if words[0] == "init":
            _shorten(Path(words[1]))


def _fewer(words: list[str]) -> list[str]:
    """Options that make a command quick, where it does not say itself what they set."""
    is_net = (words[0] == "run" and "--model" not in words) or "gru" in words
    options = list(zip(FEW[::2], FEW[1::2], strict=True)) if words[0] in ("run", "compare") else []
    if words[0] == "compare" or not is_net:
        options = [pair for pair in options if pair[0] != "--epochs"]
    if "--panel" in words or "fischer-krauss" in words:
        options = list(zip(OF_PANELS[::2], OF_PANELS[1::2], strict=True))
    elif "--preset" in words:
        options = [pair for pair in options if pair[0] == "--epochs"]
    return [word for name, value in options if name not in words for word in (name, value)]


def _shorten(path: Path) -> None:
    """Fewer trainings in a study file that was written."""
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("cc.LSTM(hidden=32)", "cc.LSTM(hidden=4, training=cc.Fit(epochs=1))"), encoding="utf-8"
    )


def test_commands_are_found():
    assert len(WITH_COMMANDS) >= 10
    assert sum(map(len, OF_PAGES.values())) >= 30
