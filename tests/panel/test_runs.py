"""Runs of panels on disk, and their page."""

import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import candlecast as cc
from candlecast.ledger import Ledger
from candlecast.panel.loading import is_panel_run


@pytest.fixture(scope="module")
def folder(uneven, study, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    _, folder = cc.run_panel_study(study, uneven, runs=runs)
    return folder


def test_a_run_comes_back_as_it_was(folder, result):
    loaded = cc.load_panel_run(folder)
    assert loaded.panel.fingerprint == result.panel.fingerprint
    for name in result.scores:
        assert np.array_equal(loaded.scores[name], result.scores[name], equal_nan=True)
        assert np.array_equal(loaded.weights[name], result.weights[name])
    assert loaded.verdict.text == result.verdict.text and loaded.lost == result.lost
    assert loaded.folds.equals(result.folds) and loaded.backtest.equity.equals(result.backtest.equity)
    assert loaded.save(folder.parent / "again").name == "again"
    again = json.loads((folder.parent / "again" / "manifest.json").read_text())
    assert again == json.loads((folder / "manifest.json").read_text())


def test_the_universe_of_a_run_is_kept(world, study, tmp_path):
    universe = cc.Universe(
        [(each.symbol, "2014-01-01", None, "even" if n % 2 else "odd") for n, each in enumerate(world.assets)]
    )
    _, folder = cc.run_panel_study(replace(study, universe=universe), world.assets, runs=tmp_path)
    loaded = cc.load_panel_run(folder)
    assert loaded.panel.universe.fingerprint == universe.fingerprint
    assert len(np.unique(loaded.panel.sectors)) == 2


def test_a_run_of_a_panel_is_no_run_of_one_asset(folder):
    assert is_panel_run(folder) and folder in cc.list_runs(folder.parent)
    with pytest.raises(cc.RunError, match="is the run of a panel; expected the run of one asset.*load_panel_run"):
        cc.load_run(folder)


@pytest.mark.parametrize("name", ["candles", "positions", "forecasts"])
def test_a_changed_file_is_refused(folder, tmp_path, name):
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    content = bytearray((copy / f"{name}.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / f"{name}.parquet").write_bytes(content)
    with pytest.raises(cc.RunError, match="is not the file that was written"):
        cc.load_panel_run(copy)


def test_a_damaged_manifest_is_refused(folder, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["panel"]["assets"][0]["bars"] = "many"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(cc.RunError, match="is malformed"):
        cc.load_panel_run(copy)


class Ids(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name == "id"]


def test_the_page_has_every_figure_and_loads_nothing(result, tmp_path):
    page = result.report(tmp_path / "panel.html").read_text()
    ids = Ids()
    ids.feed(page)
    assert {
        "answer",
        "account",
        "ranking",
        "years",
        "account-figure",
        "coefficients",
        "groups",
        "decay",
        "breadth",
    } <= {*ids.found}
    assert page.count("<script") == 1 and "script-src 'sha256-" in page  # nothing runs but the script of the theme
    assert "http://" not in page and "$" not in page.split("<body>")[1].split("<pre>")[0]
    for words in (
        "Rank IC",
        "beta to market",
        "beta to size",
        "long",
        "short",
        "2016",
        "A001",
        "ended",
        "Reversal"[1:],
    ):
        assert words in page


def test_a_run_of_a_panel_is_replayed_byte_for_byte(folder, tmp_path):
    report = cc.replay(folder)
    assert report.is_equal and {name: result for name, result, _, _ in report.stages} == dict.fromkeys(
        (
            "candles",
            "folds",
            "losses of training",
            "weights",
            "forecasts",
            "positions",
            "fills",
            "equity",
            "panel",
            "summary",
            "verdict",
        ),
        "equal",
    )
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["summary"][0]["value"] += 1.0
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert cc.replay(copy).first_difference == "summary"
    with pytest.raises(cc.ConfigError, match="study is"):
        cc.replay(folder, study=cc.Study(model=cc.Naive()))


def test_the_ranking_of_the_last_moment_is_learnt_from_all_that_is_known(folder, world, study):
    result = cc.load_panel_run(folder)
    found = result.next()
    panel = result.panel
    assert found.made_at.replace(tzinfo=None) == panel.times[-1].item()
    assert found.trained_until.replace(tzinfo=None) == panel.times[-3].item()  # outcome known before
    assert found.trained_rows > 2_000
    assert found.ranking["score"].is_sorted(descending=True) and len(found.ranking) == 11  # one has ended
    held = found.ranking.filter(found.ranking["weight"] != 0)["weight"].to_list()
    assert held == pytest.approx([1 / 6] * 3 + [-1 / 6] * 3)
    assert found.headline == result.verdict.headline and found.headline in str(found)
    assert json.dumps(found.to_dict())


def test_later_candles_go_on_after_the_walk(study, world):
    early = [each[:450] for each in world.assets]
    result = study.run(early, ledger=Ledger.in_memory())
    found = result.next(world.assets)
    assert found.made_at.replace(tzinfo=None) == world.assets[0].close_time[-1].item()
    changed = [replace(each, frame=each.frame.with_columns(volume=each.frame["volume"] * 2)) for each in world.assets]
    assert found.ranking.equals(result.next(changed).ranking)  # no feature reads volumes
    with pytest.raises(cc.CandleError, match="the candles end before those of the study"):
        result.next([each[:400] for each in world.assets])
    with pytest.raises(cc.ConfigError, match="expected the 12 assets of the study"):
        result.next(world.assets[:5])


def test_code_of_a_user_has_to_be_given_again(world, study, tmp_path):
    class Own:
        gross = 1.0

        def weights(self, scores, section):
            return np.where(np.isfinite(scores), 1.0 / scores.shape[1], 0.0)

    mine = replace(study, rule=Own(), baselines=(), folds=cc.WalkForward(folds=1))
    _, folder = cc.run_panel_study(mine, world.assets, runs=tmp_path)
    result = cc.load_panel_run(folder)
    with pytest.raises(cc.RunError, match=r"stores your own code by name only.*Give it: next\(study=...\)"):
        result.next()
    assert len(result.next(study=mine).ranking) == 12
