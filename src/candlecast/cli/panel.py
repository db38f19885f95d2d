"""Panels on the command line: the study that options describe, its assets, and what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli import model_registry
from candlecast.cli.answer import Ran, return_heading, show_verdict, wrapped
from candlecast.cli.asset_options import AssetOptions
from candlecast.cli.console import print_table, say
from candlecast.cli.panel_rules import rule_of_names
from candlecast.cli.pricing import GivenCosts
from candlecast.cli.study_files import StudyFile
from candlecast.cli.study_options import folds_of, require_preset, with_settings
from candlecast.errors import ConfigError, listed, near_misses
from candlecast.events import Listener
from candlecast.text.cells import number, p_value, percent
from candlecast.text.formatting import count
from candlecast.text.json_values import json_value

if TYPE_CHECKING:
    from candlecast.panel import PanelResult, PanelStudy

PRESET = "fischer-krauss"
TARGETS = {
    "median": "AboveMedian",
    "mean": "AboveMean",
    "relative": "RelativeReturn",
    "rank": "CrossSectionRank",
    "top": "TopQuantile",
    "bottom": "BottomQuantile",
}
MOST_K = 10  # assets on each side where --k is not given, or a third of the assets


def make_panel_study(
    base: PanelStudy | None = None,
    *,
    described: Mapping[str, Any],
    assets: int,
    universe: Path | None,
    k: int | None,
    each: bool,
    rules: Sequence[str] = (),
) -> PanelStudy:
    """The study of a panel that the options describe; what is not given is as in `base`, the preset, or Python.

    Args:
        base: the study of a study file.
        described: the options of every study.
        assets: their number, of which the usual `k` is a third at most.
        universe: a file of members.
        k: assets on each side.
        each: one net for each asset, in place of one for all.
        rules: names of rules, from the innermost to the outermost; see `rule_of_names`.
    """
    from candlecast.models import LSTM, NetModel, Pooled
    from candlecast.panel import PanelStudy, Universe, fischer_krauss
    from candlecast.signals import TopBottom

    options = dict(described)
    preset = require_preset(options.pop("preset"), (PRESET,))
    if preset is not None and base is not None:
        raise ConfigError(
            f"--preset {preset} with a study file", expected="one of them", remedy="Leave one of them out"
        )
    usual = max(1, min(MOST_K, assets // 3)) if k is None else k
    study = base or (
        fischer_krauss(k=usual) if preset else PanelStudy(model=Pooled(LSTM(hidden=25)), rule=TopBottom(usual))
    )
    rule = study.rule
    if base is not None and k is not None:
        rule = replace(rule, k=k) if isinstance(rule, TopBottom) else TopBottom(k, gross=rule.gross)
    is_alone = each or isinstance(study.model, NetModel)
    named = options.pop("model")
    inner: Any = study.model.model if isinstance(study.model, Pooled) else study.model
    inner = inner if named is None else model_registry.model(named)
    settings = {name: options.pop(name) for name in ("window", "hidden", "layers", "epochs")}
    inner = with_settings(inner, settings)
    model = Pooled(inner) if isinstance(inner, NetModel) and not is_alone else inner
    target, horizon = options.pop("target"), options.pop("horizon")
    chosen: Any = study.target if target is None else _target(target)
    given_costs: GivenCosts = options.pop("given_costs")
    cash, seeds = options.pop("cash"), options.pop("seeds")
    return replace(
        study,
        model=model,
        target=replace(chosen, horizon=chosen.horizon if horizon is None else horizon),
        folds=folds_of(study.folds, **options),
        rule=rule_of_names(rules, usual=rule, k=k),
        costs=given_costs.of(study.costs),
        cash=study.cash if cash is None else cash,
        seeds=study.seeds if seeds is None else seeds,
        universe=study.universe if universe is None else Universe.read(universe),
    )


def run_panel(
    names: Sequence[str],
    options: AssetOptions,
    study: Mapping[str, Any],
    *,
    runs: Path,
    seed: int,
    listener: Listener,
    file: StudyFile | None = None,
) -> Ran:
    """Run the study of a panel on the candles of each symbol or file, or of all files of a folder.

    names: symbols, files and folders; where there are none, the assets of the study file are taken.
    study: the options that `make_panel_study` takes.
    """
    from candlecast.panel import run_panel_study
    from candlecast.panel.assets import as_panel_assets

    base = None if file is None else of_panel(file)
    paths = [str(path) for name in names for path in files_of(name)]
    assets = [options.load(path, listener) for path in paths]
    if file is not None and not names:
        if file.assets is None:
            raise ConfigError(
                f"{file.path} defines no assets",
                expected="candles of three assets or more",
                remedy=f'Write for example: assets = "stocks/"; or name them: candlecast run {file.path} stocks/',
            )
        assets = [
            options.load_or_take(None, own, listener) for own in as_panel_assets(file.assets, interval=options.interval)
        ]
    made = make_panel_study(base, **study, assets=len(assets))
    result, folder = run_panel_study(made, assets, runs=runs, seed=seed, progress=listener)
    return Ran(folder, result.report, partial(panel_object, result, folder), partial(show_panel, result, folder))


def is_panel(preset: str | None, *, panel: bool, file: StudyFile | None) -> bool:
    """Whether options or a study file ask for a study of several assets."""
    if panel or preset == PRESET or file is None:
        return panel or preset == PRESET
    from candlecast.panel import PanelStudy

    return isinstance(file.study, PanelStudy)


def of_panel(file: StudyFile) -> PanelStudy:
    """The study of a panel that a file defines. Raises ConfigError for a study of one asset."""
    from candlecast.panel import PanelStudy

    if not isinstance(file.study, PanelStudy):
        raise ConfigError(
            f"study of {file.path} is a {type(file.study).__name__} of one asset",
            expected="a PanelStudy",
            remedy="Leave --panel out, or write for example: study = cc.PanelStudy(model=cc.Pooled(cc.LSTM(25)))",
        )
    return file.study


def require_one(assets: Sequence[str]) -> str | None:
    """The asset of a study of one; None where none is named. Raises ConfigError for several."""
    if len(assets) > 1:
        model = next((asset for asset in assets if asset in model_registry.MODELS), None)
        raise ConfigError(
            f"{len(assets)} assets are given: {listed(assets)}",
            expected="one",
            remedy=f"{model} is a model: to run several, use candlecast compare --model NAME NAME"
            if model
            else "Add --panel for a study across assets, or use candlecast compare",
        )
    return assets[0] if assets else None


def show_panel(result: PanelResult, folder: Path, page: Path, seconds: float) -> None:
    """The result for people: the answers and their evidence, a table of the models, and the paths of run and report."""
    show_verdict(result.verdict)
    print_table(
        [_model_row(result, row) for row in result.ranking.iter_rows(named=True)],
        ["Model", "Rank IC", "95 % CI", "p", return_heading(result.verdict), "Sharpe", "Fills"],
    )
    lost = ", ".join(f"{bars:,} {cause}" for cause, bars in result.lost.items() if bars)
    say("\n" + wrapped(f"{result.panel!r}; bars of members not used: {lost or 'none'}"))
    click.echo(f"Folds x seeds: {result.folds.height} x {len(result.forecast.seeds)}; {seconds:.1f} s")
    say(f"Run     {folder}\nReport  {page}")


def panel_object(result: PanelResult, folder: Path, seconds: float) -> dict[str, Any]:
    """The result for programs."""
    rows = {row["model"]: row for row in result.ranking.to_dicts()}
    return {
        "run": str(folder),
        "verdict": result.verdict.to_dict(),
        "ranking": rows[result.model],
        "backtest": {row.pop("statistic"): row for row in result.summary().to_dicts()},
        "baselines": {
            name: {"ranking": row, "annual_return": result.net[name][0], "sharpe": json_value(result.net[name][1])}
            for name, row in rows.items()
            if name != result.model
        },
        "by_year": result.by_year.to_dicts(),
        "folds": result.folds.to_dicts(),
        "seeds": result.forecast.seeds,
        "assets": result.panel.symbols,
        "bars": len(result.panel),
        "lost": result.lost,
        "notices": list(result.panel.notices),
        "seconds": round(seconds, 3),
    }


def _model_row(result: PanelResult, row: dict[str, Any]) -> list[str]:
    annual, sharpe = result.net[row["model"]]
    return [
        row["model"],
        number(row["rank_ic"], 4),
        f"{number(row['rank_ic_low'], 4)} to {number(row['rank_ic_high'], 4)}",
        p_value(row["p_rank_ic"]),
        percent(annual),
        number(sharpe),
        f"{result.backtests[row['model']].fills.height:,}",
    ]


def files_of(name: str) -> list[Path | str]:
    """The files of a folder; a name of anything else as it is. Raises ConfigError for an empty folder."""
    folder = Path(name)
    if not folder.is_dir():
        return [name]
    found: list[Path | str] = [each for each in sorted(folder.iterdir()) if each.is_file() and each.name[0] != "."]
    if not found:
        raise ConfigError(
            f"the folder {name} holds {count(0, 'file')}", expected="a file for each asset", remedy="Check the path"
        )
    return found


def _target(name: str) -> Any:
    from candlecast import targets

    if name.lower() not in TARGETS:
        raise ConfigError(
            f"there is no target {name!r} of a panel",
            expected=f"one of {', '.join(TARGETS)}",
            remedy=near_misses(name, list(TARGETS), are_listed=True),
        )
    return getattr(targets, TARGETS[name.lower()])()
