"""`PanelResult`: what a study of a cross-section found, and the verdict on it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast import stats
from candlecast.audit import AuditReport
from candlecast.backtesting import BacktestResult, Costs
from candlecast.dataset.forecast import Forecast
from candlecast.evaluation.beside import trials_of_baselines
from candlecast.evaluation.conditions import NO_AUDIT, Conditions, outside_names, table_names
from candlecast.evaluation.currencies import several_currencies
from candlecast.evaluation.trial_count import TrialCount, counted_among, recorded
from candlecast.evaluation.trials import trial_of
from candlecast.evaluation.verdict import Verdict
from candlecast.events import Listener, ignore
from candlecast.ledger import Ledger, Trial, as_ledger
from candlecast.panel import ranking
from candlecast.panel.account import Traded, leg, returns_by_moment
from candlecast.panel.baselines import STANDARD
from candlecast.panel.conditions import panel_conditions
from candlecast.panel.panel import Panel
from candlecast.panel.trials import skills_of, subject_of
from candlecast.panel.verdict import judge_panel
from candlecast.recipes import describe
from candlecast.recipes.describing import identities
from candlecast.stats import annual_return
from candlecast.study.result import LEVEL
from candlecast.study.seal import replaced_parts, table_digest
from candlecast.targets import AcrossTarget
from candlecast.targets.words import described
from candlecast.text.formatting import count as count_words
from candlecast.text.notebook import notebook_paragraph
from candlecast.walkforward.tables import is_in_time_order, trains_by_place, untested

if TYPE_CHECKING:
    from candlecast.panel.next_moment import NextMoment
    from candlecast.panel.study import PanelStudy


@dataclass(frozen=True, eq=False)
class PanelResult:
    """Everything a study found on a panel. Tables, judgements and figures follow from what is held here.

    `recipe` is the study as JSON values; `scores` and `weights` (time, asset) are by model, the baselines first: what is forecast
    of each asset, higher for a higher return, and what is held of it. `forecasts` are those of the models that were
    trained. `folds` has one row per fold, `losses` one per fold, seed and epoch; `lost` counts bars that could not be learnt
    from; `tensors` what each training learnt. `trial_count`, `ledger`, `audit`, `environment`, `digests` and
    `folder`: see `StudyResult`.
    A copy with other candles, scores or weights than the study made gets no verdict on skill.
    """

    recipe: dict[str, Any]
    model: str
    panel: Panel
    target: AcrossTarget
    forecasts: dict[str, Forecast]
    scores: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    gross: float
    costs: Costs
    cash: float
    folds: pl.DataFrame
    losses: pl.DataFrame
    lost: dict[str, int]
    tensors: Mapping[str, Mapping[str, np.ndarray]]
    trial_count: TrialCount | None = None
    ledger: Ledger | None = None
    audit: AuditReport | None = None
    environment: Mapping[str, Any] | None = None
    digests: Mapping[str, str] | None = field(default=None, repr=False)
    folder: Path | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        answer = f": {self.verdict.headline}" if "verdict" in self.__dict__ else ""  # reading it records a trial
        return (
            f"PanelResult({self.panel.name} {self.panel.interval}, {self.model}, {described(self.target)}, "
            f"{count_words(self.folds.height, 'fold')} x {count_words(len(self.forecast.seeds), 'seed')}{answer})"
        )

    def _repr_html_(self) -> str:
        """The verdict, for notebooks; it is recorded as reading `verdict` does."""
        heading = f"{self.panel.name} {self.panel.interval}, {self.model}: {self.verdict.headline}"
        return notebook_paragraph(heading, is_bold=True) + self.verdict._repr_html_()

    @property
    def forecast(self) -> Forecast:
        """The studied model's forecasts, all seeds."""
        return self.forecasts[self.model]

    @property
    def seed(self) -> int:
        """The first seed; bootstrap intervals use it too."""
        return int(self.recipe["seed"])

    @cached_property
    def tested(self) -> np.ndarray:
        """Whether each moment is tested, bool (time,)."""
        return np.asarray(np.isfinite(self.scores[self.model]).any(axis=1))

    @cached_property
    def traded(self) -> Traded:
        """The tested part, by which all accounts are kept."""
        rows = np.flatnonzero(self.tested)
        return Traded(self.panel, int(rows[0]), int(rows[-1]), self.costs, self.cash, self.gross)

    @cached_property
    def returns(self) -> np.ndarray:
        """Log returns of the members over the horizon from each tested moment, (time, asset); NaN elsewhere."""
        ahead = self.panel.returns_ahead(self.target.horizon)
        return np.where(self.panel.is_member & self.tested[:, None], ahead, np.nan)

    @cached_property
    def universe(self) -> BacktestResult:
        """The account that holds all members of the universe in equal parts."""
        return self.traded.universe

    @cached_property
    def backtest(self) -> BacktestResult:
        """The studied model's portfolio, beside holding the universe."""
        return self.traded.against_universe(self.weights[self.model], self.universe)

    @cached_property
    def backtests(self) -> dict[str, BacktestResult]:
        """The portfolio of each model, the baselines first."""
        return {
            name: self.backtest
            if name == self.model
            else self.traded.against_universe(self.weights[name], self.universe)
            for name in self.weights
        }

    def summary(self, level: float = LEVEL, seed: int | None = None) -> pl.DataFrame:
        """Statistics of the studied model's portfolio with their intervals, as `BacktestResult.summary` gives them.

        `seed`: of the bootstrap; the study's when not given.
        """
        if level == LEVEL and seed in (None, self.seed):
            return self._summary
        return self.backtest.summary(level, self.seed if seed is None else seed)

    @cached_property
    def _summary(self) -> pl.DataFrame:
        return self.backtest.summary(seed=self.seed)

    @cached_property
    def ranking(self) -> pl.DataFrame:
        """How well each model ranks the returns: one row per model; see `candlecast.panel.ranking.ranking`."""
        return ranking.ranking(self.scores, self.returns, horizon=self.target.horizon, seed=self.seed)

    @cached_property
    def own_ranking(self) -> dict[str, Any]:
        """The studied model's row of `ranking`; the baselines take no part in the verdict."""
        if "ranking" in self.__dict__:
            return self.ranking.row(by_predicate=pl.col("model") == self.model, named=True)
        own = {self.model: self.scores[self.model]}
        return ranking.ranking(own, self.returns, horizon=self.target.horizon, seed=self.seed).row(0, named=True)

    @cached_property
    def coefficients(self) -> np.ndarray:
        """Rank IC of the studied model at each moment, (time,); NaN where nothing is known."""
        return stats.coefficients(self.scores[self.model], self.returns)

    @cached_property
    def groups(self) -> pl.DataFrame:
        """Returns of the groups of assets by the studied model's score; see `ranking.group_table`."""
        per_year = self.backtest.bars_per_year
        return ranking.group_table(
            self.scores[self.model], self.returns, horizon=self.target.horizon, per_year=per_year
        )

    @cached_property
    def decay(self) -> pl.DataFrame:
        """How long a score of the studied model is of use; see `ranking.decay`."""
        return ranking.decay(self.panel, self.scores[self.model])

    @cached_property
    def exposure(self) -> pl.DataFrame:
        """Betas of the portfolio's gross returns to market and size, alpha a year first; see `ranking.exposure`."""
        gross = np.where(self.tested, returns_by_moment(self.panel, self.weights[self.model]), np.nan)
        return ranking.exposure(gross, ranking.factors(self.panel), per_year=self.backtest.bars_per_year)

    @cached_property
    def by_year(self) -> pl.DataFrame:
        """One row for each year: rank IC, mean gross return and turnover a moment, and the account's net return."""
        weights, rows = self.weights[self.model], np.flatnonzero(self.tested)
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        found = ranking.by_year(
            self.panel.times[part],
            self.coefficients[part],
            returns_by_moment(self.panel, weights)[part],
            stats.turnover_of(weights[part]),
        )
        equity = self.backtest.equity
        net = pl.DataFrame(
            {"year": equity["time"].dt.year()[1:], "growth": np.log1p(np.maximum(self.backtest.returns, -1 + 1e-9))}
        )
        yearly = net.group_by("year").agg((pl.col("growth").sum().exp() - 1).alias("net"))
        return found.join(yearly.with_columns(pl.col("year").cast(found.schema["year"])), on="year", how="left")

    @cached_property
    def sides(self) -> pl.DataFrame:
        """The long and the short side as accounts of their own: `side`, `return` (a year, net), `sharpe`, `turnover` a moment."""
        rows = []
        for side, sign in (("long", 1.0), ("short", -1.0)):
            weights = leg(self.weights[self.model], sign)
            if not weights.any():
                continue
            result = self.traded.run(weights)
            returns, yearly = result.returns_until_ruin, result.bars_per_year
            rows.append(
                {
                    "side": side,
                    "return": annual_return(returns, bars_per_year=yearly),
                    "sharpe": stats.sharpe(returns, bars_per_year=yearly),
                    "turnover": float(stats.turnover_of(weights)[self.tested].mean()),
                }
            )
        schema = {"side": pl.String, "return": pl.Float64, "sharpe": pl.Float64, "turnover": pl.Float64}
        return pl.DataFrame(rows, schema=schema)

    @cached_property
    def net(self) -> dict[str, tuple[float, float]]:
        """Return and Sharpe ratio a year of each model's portfolio, after costs."""
        found = {}
        for name, result in self.backtests.items():
            returns, yearly = result.returns_until_ruin, result.bars_per_year
            ratio = stats.sharpe(returns, bars_per_year=yearly) if np.ptp(returns) > 0 else math.nan
            found[name] = annual_return(returns, bars_per_year=yearly), ratio
        return found

    @cached_property
    def gross_equity(self) -> np.ndarray:
        """Equity of the studied model's portfolio without costs of trading, (bars,)."""
        free = self.traded.run(self.weights[self.model], costs=self.costs.of_holding())
        return free.equity["equity"].to_numpy()

    @cached_property
    def turnover(self) -> float:
        """Mean sum of the changes of the weights at a tested moment, times equity."""
        return float(stats.turnover_of(self.weights[self.model])[self.tested].mean())

    @cached_property
    def conditions(self) -> Conditions:
        """What market, folds, prices and costs allow."""
        jumps = [
            f"{each.symbol}: {jump}"
            for each in self.panel.assets
            if not _is_accepted(each)
            for jump in each.check().jumps
        ]
        given = Conditions(
            is_in_time_order=is_in_time_order(self.folds),
            trains_by_place=trains_by_place(self.folds),
            untested=untested(self.folds),
            replaced=self.replaced,
            code=tuple(identities(self.recipe)),
            audit=self.audit.line if self.audit else NO_AUDIT,
            leaks=self.audit.failures if self.audit else (),
            levels=self.audit.level_features if self.audit else "",
            adjustment=self.audit.adjustment_features if self.audit else "",
            names=self.audit.name_features if self.audit else "",
            currencies=several_currencies(self.panel.symbols),
            outside=outside_names(self.recipe),
            tables=table_names(self.recipe),
            notices=self.panel.notices,
            jumps=tuple(jumps),
        )
        return panel_conditions(
            self.traded,
            self.weights[self.model],
            self.backtest,
            given,
            followed=self.scores[self.model] if identities(self.recipe.get("rule")) else None,
            seed=self.seed,
        )

    @cached_property
    def verdict(self) -> Verdict:
        """Do the scores rank the returns, and does the portfolio pay? In plain words."""
        return judge_panel(
            self.own_ranking,
            self.backtest,
            self._summary,
            self.target,
            model=self.model,
            trained=len(self.tensors) or self.folds.height,
            trial_count=self.counted,
            conditions=self.conditions,
            seed=self.seed,
        )

    @property
    def parts(self) -> Mapping[str, Callable[[PanelResult], str]]:
        """What gives the digest of each part that the study makes."""
        return OF_PANEL

    @cached_property
    def replaced(self) -> tuple[str, ...]:
        """Names of the parts of this copy that its study did not make, such as weights from elsewhere."""
        return replaced_parts(self)

    @cached_property
    def counted(self) -> TrialCount:
        """The trials among which this one is judged; what is not recorded yet is recorded. Raises RunError."""
        return counted_among(self.trial, self.trial_count, as_ledger(self.ledger), beside=lambda: self.beside)

    @cached_property
    def trial(self) -> Trial:
        """What the ledger keeps of it: the portfolio's net returns, by assets, choices and code."""
        return trial_of(
            self.backtest,
            self.recipe,
            subject_of(self.panel, self.target),
            model=self.model,
            skills=skills_of(self.panel, self.coefficients, self.target.horizon),
            free=lambda: self.traded.run(self.weights[self.model], costs=self.costs.of_holding()),
        )

    @property
    def beside(self) -> list[Trial]:
        """The trials of the baselines that later ones count; see `candlecast.evaluation.beside`."""
        names = [name for name in self.weights if name != self.model]
        return [*trials_of_baselines(self, names, standard=STANDARD).values()]

    def record(self, ledger: Ledger) -> PanelResult:
        """The same, its trial written down and judged among all trials of the ledger. Raises RunError."""
        (trial_count,) = recorded([self.trial], ledger, beside=lambda: self.beside)
        found = replace(self, trial_count=trial_count, ledger=ledger)
        kept = {name: value for name, value in self.__dict__.items() if name in KEPT}
        found.__dict__.update(kept)
        return found

    def next(self, assets: Any = None, *, study: PanelStudy | None = None, progress: Listener = ignore) -> NextMoment:
        """How the assets rank after the last known moment: the model is trained once more on everything known by then.

        Args:
            assets: those of the study with later bars; the study's own when not given. The walk has no scores of moments after
                it, so that a rule that depends on earlier moments (TurnoverLimited) begins anew at the last one.
            study: that of the run, needed where its model, features or rule are functions of yours.
            progress: receives events.

        Raises:
            ConfigError, CandleError: for other assets, or older candles.
            NotEnoughDataError: when fewer than two members have a whole window at the last moment.
            RunError: where the study has to be given.
        """
        from candlecast.panel.next_moment import next_moment

        return next_moment(self, assets, study=study, progress=progress)

    def save(self, folder: str | Path) -> Path:
        """Keep everything as a run on disk; see `candlecast.panel.saving`."""
        from candlecast.panel.saving import save_panel_run

        return save_panel_run(self, folder)

    def report(self, path: str | Path = "report.html") -> Path:
        """Write one self-contained HTML page with figures, evidence and verdict; gives its path."""
        from candlecast.panel.report import write_panel_report

        return write_panel_report(self, path)


OF_PANEL: dict[str, Callable[[PanelResult], str]] = {
    "model": lambda result: str(result.model),
    "target": lambda result: json.dumps(describe(result.target)),
    "assets": lambda result: result.panel.fingerprint,
    "folds": lambda result: table_digest(result.folds),
    "scores": lambda result: _digest(result.scores.get(result.model)),
    "weights": lambda result: f"{_digest(result.weights.get(result.model))} {result.gross!r}",
}  # see `candlecast.study.seal`
KEPT = (
    "tested",
    "traded",
    "returns",
    "universe",
    "backtest",
    "coefficients",
    "_summary",
    "trial",
)  # by a recorded copy


def _is_accepted(candles: Any) -> bool:
    """Whether jumps of the candles are declared to be moves of the market."""
    return candles.origin is not None and any(change.kind == "accepted" for change in candles.origin.changes)


def _digest(values: np.ndarray | None) -> str:
    """A digest of the values and the shape of an array."""
    return "none" if values is None else f"{values.shape} {sha256(np.ascontiguousarray(values).tobytes()).hexdigest()}"
