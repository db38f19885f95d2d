"""`NextMoment`: how a study ranks the assets after the last moment that is known, and what it would hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from candlecast.dataset.latest import latest_fold
from candlecast.errors import CandleError, ConfigError, NotEnoughDataError
from candlecast.events import Listener, ignore
from candlecast.panel.panel import Panel
from candlecast.panel.restoring import study_parts
from candlecast.panel.samples import panel_samples
from candlecast.panel.walking import folds_of, forecast_table, scores_of, walk_panel
from candlecast.signals.across import weights_of
from candlecast.targets import AcrossTarget
from candlecast.targets.units import Unit, unit_of
from candlecast.targets.words import described
from candlecast.text.formatting import number, percent, table
from candlecast.text.json_values import json_values
from candlecast.text.notebook import notebook_text

if TYPE_CHECKING:
    from candlecast.panel.result import PanelResult
    from candlecast.panel.study import PanelStudy

SHOWN = 10  # assets at each end of the ranking, of the text


@dataclass(frozen=True, eq=False)
class NextMoment:
    """The ranking that is made at the last known moment, and how far it can be trusted.

    `made_at`: the close of that moment. `ranking`: one row for each asset that is forecast, the highest first: `symbol`,
    `score` (the mean over the seeds, higher for a higher return), `forecast` (the same in the unit of the target, which `unit`
    names and writes for people; the score with the other sign where the lowest returns are forecast) and `weight`, what the rule
    holds from the next open on, a fraction of equity. `trained_rows`, `trained_until`: what was learnt from.
    `is_forecastable`, `has_edge`, `headline`: the verdict on the study; `rank_ic` with its 95 % CI: what such rankings were
    worth out of sample.
    """

    interval: str
    model: str
    target: str
    unit: Unit
    horizon: int
    made_at: datetime
    ranking: pl.DataFrame
    trained_rows: int
    trained_until: datetime
    is_forecastable: bool
    has_edge: bool
    headline: str
    rank_ic: float | None
    rank_ic_low: float | None
    rank_ic_high: float | None

    @property
    def text(self) -> str:
        """All of it in a few sentences and a table of both ends of the ranking."""
        rows = self.ranking.select("symbol", "forecast", "weight").rows()
        ends = rows if len(rows) <= 2 * SHOWN else [*rows[:SHOWN], *rows[-SHOWN:]]
        numbers = {symbol: place for place, (symbol, _, _) in enumerate(rows, start=1)}
        cells = [(str(numbers[each[0]]), each[0], self.unit.words(each[1]), percent(each[2])) for each in ends]
        ic = f"{number(self.rank_ic, 4)} (95 % CI {number(self.rank_ic_low, 4)} to {number(self.rank_ic_high, 4)})"
        return (
            f"{len(rows):,} assets {self.interval}, {self.model}: ranked by the {self.target}, made at "
            f"{self.made_at:%Y-%m-%d %H:%M} UTC.\n\n{table(cells, ['rank', 'asset', 'forecast', 'weight'])}\n\n"
            f"Trained on {self.trained_rows:,} rows up to {self.trained_until:%Y-%m-%d %H:%M} UTC.\n"
            f"Such rankings had an out-of-sample rank IC of {ic}. {self.headline}"
        )

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return notebook_text(self.text)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; what is undefined is None."""
        fields = {name: value for name, value in vars(self).items() if name != "ranking"}
        return json_values(fields | {"unit": self.unit.name, "ranking": self.ranking.to_dicts()})


def next_moment(
    result: PanelResult, assets: Any = None, *, study: PanelStudy | None = None, progress: Listener = ignore
) -> NextMoment:
    """The ranking after the last moment; see `PanelResult.next`."""
    if study is None:
        parts = study_parts(result.recipe, remedy="Give it: next(study=...)")
        model, chosen, folds, rule = (parts[name] for name in ("model", "features", "folds", "rule"))
    else:
        _require_panel_study(study)
        model, chosen, folds, rule = study.model, study.chosen_features, study.folds, study.rule
    panel = result.panel if assets is None else _later(result.panel, assets)
    window, horizon = int(result.recipe["window"]), result.target.horizon
    features = chosen.on(result.panel.assets[0])
    samples = panel_samples(panel, features=features, target=result.target, window=window)
    if samples.is_complete[-1].sum() < 2:
        raise NotEnoughDataError(
            f"fewer than two members have a whole window of {window} bars at the last moment, {panel.times[-1]} UTC",
            expected="candles of the members up to one moment",
            remedy="Fetch what is missing, or give a universe that covers that time",
        )
    own = samples if panel is result.panel else None
    walked = own or panel_samples(result.panel, features=features, target=result.target, window=window)
    last = folds_of(walked, folds, features)[-1]
    fold = latest_fold(folds, last, times=panel.times, usable=samples.usable, horizon=horizon, index=last.index + 1)
    trained = list(walk_panel(samples, model, [fold], result.forecast.seeds, progress=progress))
    scores = _carried(result, panel)
    scores[-1] = scores_of(forecast_table(samples, trained, model=model.name), samples)[-1]
    weights = weights_of(rule, scores, panel.section)[-1]
    known = np.flatnonzero(np.isfinite(scores[-1]))
    order = known[np.argsort(-scores[-1][known], kind="stable")]
    row = result.own_ranking
    times = pl.Series(panel.times).dt.replace_time_zone("UTC")
    return NextMoment(
        interval=str(panel.interval),
        model=result.model,
        target=described(result.target),
        unit=unit_of(result.target),
        horizon=horizon,
        made_at=times[-1],
        ranking=pl.DataFrame(
            {
                "symbol": pl.Series([panel.symbols[place] for place in order], dtype=pl.String),
                "score": scores[-1][order],
                "forecast": scores[-1][order] * result.target.direction,
                "weight": weights[order],
            }
        ),
        trained_rows=sum(
            len(part.job.job.fit_rows) for part in trained if part.job.job.seed == trained[0].job.job.seed
        ),
        trained_until=times[int(fold.fit.last)],
        is_forecastable=result.verdict.is_forecastable,
        has_edge=result.verdict.has_edge,
        headline=result.verdict.headline,
        rank_ic=row["rank_ic"],
        rank_ic_low=row["rank_ic_low"],
        rank_ic_high=row["rank_ic_high"],
    )


def _require_panel_study(study: object) -> None:
    """Raise ConfigError for a study without a target across assets."""
    if not isinstance(getattr(study, "target", None), AcrossTarget):
        raise ConfigError(
            f"study is a {type(study).__name__}",
            expected="a PanelStudy",
            remedy="Give the PanelStudy that was run",
        )


def _later(before: Panel, assets: Any) -> Panel:
    """The panel of newer candles of the same assets."""
    panel = Panel.of(assets, universe=before.universe)
    if panel.symbols != before.symbols or panel.interval != before.interval:
        raise ConfigError(
            f"the assets are {panel!r}",
            expected=f"the {len(before.assets)} assets of the study, of {before.interval}",
            remedy="Give the same assets with later bars, or run a study on the others",
        )
    if panel.times[-1] < before.times[-1]:
        raise CandleError(
            f"the candles end before those of the study ({before.times[-1]} UTC)",
            expected="candles that are as new or newer",
            remedy="Leave them out to use those of the study, or fetch newer ones",
        )
    return panel


def _carried(result: PanelResult, panel: Panel) -> np.ndarray:
    """The scores of the walk at the moments of a panel, (time, asset); NaN where the walk made none."""
    own = result.panel
    rows = np.searchsorted(own.times, panel.times)
    inside = np.minimum(rows, len(own) - 1)
    is_there = own.times[inside] == panel.times
    return np.where(is_there[:, None], result.scores[result.model][inside], np.nan)
