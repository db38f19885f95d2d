"""`shortcuts`: what usual mistakes would add to the Sharpe ratio of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from candlecast.audit.counting import begin_audited
from candlecast.audit.walk import CompletedStudy, require_study
from candlecast.backtesting import Costs, backtest
from candlecast.candles import Candles
from candlecast.dataset.folds import Holdout
from candlecast.dataset.forecast import Forecast
from candlecast.dataset.jobs import Job
from candlecast.errors import ConfigError
from candlecast.events import Listener, Progress, ignore
from candlecast.features import Features, Unscaled
from candlecast.ledger import Ledger, as_ledger
from candlecast.models import Model
from candlecast.signals import Positions, Threshold
from candlecast.signals.rule import decide
from candlecast.sources.files import as_candles
from candlecast.stats import sharpe
from candlecast.targets import components
from candlecast.text.formatting import number, table
from candlecast.text.notebook import notebook_text
from candlecast.walkforward import plan_jobs
from candlecast.walkforward.walk import forecast_frame

THRESHOLDS = 100  # of which the best is taken
HONEST = "as the study is"
HEADINGS = ("shortcut", "Sharpe", "added", "what it does")


@dataclass(frozen=True)
class ShortcutReport:
    """Sharpe ratios a year of a study and of the same study with one mistake at a time.

    frame: `shortcut`, `sharpe` (NaN where the account never trades), `added` (to the study's own), `why`.
    subject: what was studied, such as "SP500 1d, lstm".
    """

    frame: pl.DataFrame
    subject: str = ""

    def _repr_html_(self) -> str:
        """The same as text, for notebooks."""
        return notebook_text(str(self))

    def __str__(self) -> str:
        return table(self.rows, HEADINGS)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the table under `HEADINGS`, in words."""
        return [[name, number(sharpe), number(added), why] for name, sharpe, added, why in self.frame.iter_rows()]


def shortcuts(
    study: Any, candles: Any, *, seed: int = 0, ledger: Ledger | None = None, progress: Listener = ignore
) -> ShortcutReport:
    """Run a study again with one usual mistake at a time, and say what each would add to its Sharpe ratio.

    Args:
        study: a `Study` of a target that implies a return.
        candles: `Candles`, a frame or the path of a file.
        seed: of the one training per fold.
        ledger: where a study whose rule, target or costs are code of yours counts as one that has begun; see `audit`.
        progress: receives `Progress` events.

    Returns:
        The study's own row first, then: inputs scaled by all rows, orders filled at the close that decided them, no costs,
        one split of 80 % and 20 %, signals by comparing the forecast of a bar with that bar's own close, and the best of 100
        thresholds on the tested bars. None of these results is a trial, and none could have been earned.

    Raises:
        ConfigError: for a target that implies no return; and whatever the study itself raises.
        RunError: for a ledger that cannot be written.
    """
    require_study(study)
    ledger = as_ledger(ledger)
    candles = as_candles(candles)
    study = study.completed(candles)
    walked = cache(lambda: _walked(study, candles, seed))
    begin_audited(study, candles, walked, seed=seed, ledger=ledger)
    own = walked()
    if own.frame["expected_return"].null_count():
        raise ConfigError(
            f"{study.model.name} forecasts a target that implies no return",
            expected="a study of returns, prices or directions",
            remedy="Use for example target=NextReturn()",
        )
    positions = _decided(study, own, candles)
    steps: Sequence[tuple[str, str, Callable[[], float]]] = (
        (HONEST, "walk-forward, next open, after costs", lambda: _sharpe(study, candles, positions)),
        (
            "scaler of all rows",
            "inputs are scaled by means and deviations of later rows too",
            lambda: _sharpe(study, candles, _decided(study, _walked(study, candles, seed, scaled=True), candles)),
        ),
        (
            "filled at the deciding close",
            "the price that decides is the price that is paid",
            lambda: _sharpe(study, _at_once(candles), positions),
        ),
        ("no costs", "fees, slippage and financing left out", lambda: _sharpe(study, candles, positions, Costs.free())),
        (
            "one split",
            "the last 20 % alone are tested",
            lambda: _sharpe(study, candles, _decided(study, _walked(study, candles, seed, split=True), candles)),
        ),
        (
            "forecast against its own bar",
            "long where a bar closes below what was forecast for it",
            lambda: _sharpe(study, candles, _against_own_bar(own)),
        ),
        (f"best of {THRESHOLDS} thresholds", "chosen on the tested bars", lambda: _best(study, candles, own)),
    )
    rows = []
    for done, (name, why, work) in enumerate(steps):
        progress(Progress("shortcuts", done, len(steps), name))
        rows.append((name, work(), why))
    progress(Progress("shortcuts", len(steps), len(steps)))
    honest = rows[0][1]
    frame = pl.DataFrame(
        [(name, sharpe, sharpe - honest, why) for name, sharpe, why in rows],
        schema=["shortcut", "sharpe", "added", "why"],
        orient="row",
    )
    return ShortcutReport(frame, f"{candles.symbol} {candles.interval}, {study.model.name}")


def _walked(
    study: CompletedStudy, candles: Candles, seed: int, *, scaled: bool = False, split: bool = False
) -> Forecast:
    """The study's forecast of one seed; with inputs that were scaled by all rows, or of one split."""
    jobs = plan_jobs(
        study.model,
        candles,
        features=study.features,
        target=study.target,
        folds=Holdout(0.8) if split else study.folds,
        seeds=[seed],
        window=max(model.window for model in (study.model, *study.baseline_models)),
    )
    jobs = _scaled_by_all_rows(jobs) if scaled else jobs
    model: Model = study.model
    frames = [forecast_frame(fitted, model.name) for fitted in model.fit(jobs, progress=ignore)]
    return Forecast.joined(frames, components(study.target)[0].horizon)


def _decided(study: CompletedStudy, forecast: Forecast, candles: Candles) -> Positions:
    """What the study's rule holds by a forecast."""
    return decide(study.rule, forecast, candles, costs=study.costs)


def _scaled_by_all_rows(jobs: Sequence[Job]) -> list[Job]:
    samples = jobs[0].samples
    inputs = samples.inputs
    scaled = (inputs - np.nanmean(inputs, axis=0)) / np.maximum(np.nanstd(inputs, axis=0), 1e-12)
    features = Features(*(replace(each, scaling=Unscaled()) for each in samples.features.features), scaling=Unscaled())
    return [replace(job, samples=replace(samples, inputs=scaled, features=features)) for job in jobs]


def _at_once(candles: Candles) -> Candles:
    """Candles that open at the close before: an order that bar t decided is filled at the close of bar t."""
    close = np.concatenate([candles.close[:1], candles.close[:-1]])
    low, high = np.minimum(candles.low, close), np.maximum(candles.high, close)
    columns = {"open": close, "low": low, "high": high}
    return replace(candles, frame=candles.frame.with_columns(**{name: pl.Series(v) for name, v in columns.items()}))


def _against_own_bar(forecast: Forecast) -> Positions:
    """Long on a bar whose return was less than forecast one bar before, short where it was more."""
    frame = forecast.averaged().frame
    gap = (frame["mean"].shift(1) - frame["target"].shift(1)).fill_null(0.0)
    return Positions(frame.select("time", "symbol").with_columns(position=gap.sign()))


def _best(study: CompletedStudy, candles: Candles, forecast: Forecast) -> float:
    expected = np.abs(forecast.averaged().frame["expected_return"].to_numpy())
    levels = np.unique(np.quantile(expected, np.linspace(0.0, 0.99, THRESHOLDS)))
    found = [_sharpe(study, candles, Threshold(float(level))(forecast)) for level in levels]
    return float(np.nanmax(found)) if np.isfinite(found).any() else float("nan")


def _sharpe(study: CompletedStudy, candles: Candles, positions: Positions, costs: Costs | None = None) -> float:
    result = backtest(candles, positions, costs=study.costs if costs is None else costs, cash=study.cash)
    return sharpe(result.returns_until_ruin, bars_per_year=result.bars_per_year)
