"""The check of a model as its walk begins: what it forecasts and what it learns do not depend on what comes later.

It is made of models that hold code of a user, through any wrapper: their own classes, torch modules, and estimators other than
scikit-learn's and LightGBM's own. Candlecast's nets and baselines are checked by its tests.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import product

import numpy as np

from candlecast.candles import Candles
from candlecast.causality.agreement import (
    AGREEING,
    EXACT,
    NOISY,
    SHAPES,
    Moved,
    moved,
    numbers,
    rounding,
    spreads,
)
from candlecast.causality.markets import PERIOD, another_path, moved_by_a_hair, repeating
from candlecast.causality.rows import ROWS_LATER, SETTLED
from candlecast.causality.state import require_stateless
from candlecast.causality.telling import telling_rows
from candlecast.causality.usercode import Core, core, is_ours, sees_arrays_only
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import make_samples
from candlecast.errors import ConfigError, LookaheadError
from candlecast.events import ignore
from candlecast.models import Fitted, Model
from candlecast.process.shared import ignoring

logger = logging.getLogger(__name__)

PLACES = (0.25, 0.5, 0.75)  # of the test rows: bars after which the candles change
PREFIX = 0.6  # of the test rows, forecast without the others
MARKETS = 2  # that repeat, on which candles begin later
SETTLING, FEW_APART = 0.1, 0.02  # of the spread of forecasts, by which they may differ then, and of the rows more
JUMP, MOST_JUMPS = 0.5, 0.5  # of the spread, by which most forecasts must not move with prices, and of the rows
FADED, MOST_FADED = 4, 250  # share of the rows asked for in which a state may fade, as its inverse, and most rows
MOST_PREFIXES = 48  # the same, up to rows where forecasts or candles are unusual


class ModelCheck:
    """Checks one model of a walk by its first job; of a `Search`, by the first job that each configuration was chosen for."""

    def __init__(self, model: Model, *, seed: int = 0) -> None:
        self.model, self.seed = model, seed
        self._checked: set[str] = set()

    def __call__(self, fitted: Fitted) -> None:
        """Raise LookaheadError or ConfigError unless this job may be believed; see `require_causal_model`."""
        inner = core(self.model, fitted)
        if inner.chosen in self._checked or not len(fitted.job.test_rows):
            return
        if not is_ours(inner.model):
            with ignoring(Warning), np.errstate(all="ignore"):
                _require_causal(self.model, fitted, inner, self.seed)
            logger.debug("model %s is causal on %s", self.model.name, fitted.job.symbol)
        self._checked.add(inner.chosen)


def require_causal_model(model: Model, fitted: Fitted, *, seed: int = 0) -> None:
    """Raise unless a model that holds code of a user forecasts one of its jobs from what was known at each row.

    Of all test rows forecast together: when the candles after a bar among them change, the forecasts up to it stay; so they do
    when the later rows are left out, also after dozens of rows where forecasts or candles are unusual, when the earlier ones are,
    and when the same is asked again. A model that sees candles forecasts the same bars alike where the candles begin later.

    What is learnt: candles from the test part on change nothing, where all training rows lie before it (a model that sees arrays
    of its training rows only is not asked); and on a small market of other prices, a job that is fitted again after a later one
    forecasts the same.

    Differences count from a small share of the forecasts' spread on. A model that differs by more when nothing changed cannot
    be checked, and is refused. Raises LookaheadError naming the bar, or ConfigError.
    """
    ModelCheck(model, seed=seed)(fitted)


def _require_causal(model: Model, fitted: Fitted, inner: Core, seed: int) -> None:
    generator = np.random.default_rng(seed)
    _require_causal_forecasts(model, fitted, generator)
    if not sees_arrays_only(inner.model):
        if fitted.job.fold.is_in_time_order:
            _require_causal_fit(model, inner, generator)
        _require_no_row_numbers(model, fitted)
    require_stateless(inner.model, inner.fitted.job, name=model.name, seed=seed)


def _require_causal_forecasts(model: Model, fitted: Fitted, generator: np.random.Generator) -> None:
    job, rows = fitted.job, fitted.job.test_rows
    whole = _forecast(fitted, job, rows)
    spread, least = spreads(whole), rounding(whole, job.samples.naive[rows])
    for share in PLACES:
        place = int(share * (len(rows) - 1))
        changed = on_candles(job, another_path(job.samples.candles, int(rows[place]), generator))
        asked = rows[changed.samples.is_complete[rows]]
        upto = int(np.searchsorted(asked, rows[place], side="right"))
        after = _forecast(fitted, changed, asked)[:, :upto]
        before = whole[:, np.isin(rows, asked[:upto])]
        allowed = np.maximum(EXACT * spread, least)
        found = moved(before, after, allowed)
        if found is not None:  # sums of many threads may round otherwise each time
            noise = np.abs(_forecast(fitted, job, rows) - whole).max(axis=1, keepdims=True)
            _require_quiet(model, noise, spread, least)
            found = moved(before, after, np.maximum(allowed, 10 * noise))
        _require_unmoved(
            model,
            found,
            asked,
            f"only candles after bar {int(rows[place]):,} had changed",
            "Read only bars up to each row's own, also of the rows that are asked for together",
        )
    _require_smooth(model, fitted, whole, spread)
    allowed = np.maximum(AGREEING * spread, SHAPES * np.std(job.samples.outcomes[job.fit_rows]))
    for count in _prefixes(job, rows, whole):
        part = rows[:count]
        _require_unmoved(
            model,
            moved(whole[:, :count], _forecast(fitted, job, part), allowed),
            part,
            "only later rows had been left out",
            "Compute each row by itself: no mean, filter or rank over the rows that are asked for together",
        )
    for share in PLACES:
        begin = int(share * (len(rows) - 1))
        faded = begin + min((len(rows) - begin) // FADED, MOST_FADED)
        _require_unmoved(
            model,
            moved(whole[:, faded:], _forecast(fitted, job, rows[begin:])[:, faded - begin :], allowed),
            rows[faded:],
            f"only earlier rows had been left out, {faded - begin:,} bars before",
            "Compute each row from its own window: a forecast for trading is asked for its own row alone",
            expected="forecasts that do not move when other rows are asked for",
        )
    found = moved(whole, _forecast(fitted, job, rows), np.maximum(NOISY * spread, least))
    if found is not None:
        raise ConfigError(
            f"model {model.name} forecasts {found.before:.6g} and then {found.after:.6g} above naive at bar "
            f"{int(rows[found.place]):,} when it is asked twice",
            expected="the same forecasts of a fitted model, so that it can be checked for lookahead",
            remedy="Draw no random numbers when forecasting, and keep nothing from call to call",
        )


def _require_no_row_numbers(model: Model, fitted: Fitted) -> None:
    """Forecasts belong to bars: where the candles begin later, the same bars have the same forecasts.

    On markets that repeat, so that whatever a model has seen before a bar is the same in both. What keeps count of its own
    gains, and stops once they are large, makes a record that no test of a fixed length is valid for.
    """
    job, rows = fitted.job, fitted.job.test_rows
    shifts = [each for each in ROWS_LATER if len(rows) >= each + 4 * PERIOD]
    for seed, shift in product(range(MARKETS), shifts):
        market = repeating(job.samples.candles, seed)
        whole, late = on_candles(job, market), on_candles(job, market[shift:])
        asked = rows[rows >= rows[0] + shift]
        asked = asked[whole.samples.is_complete[asked] & late.samples.is_complete[asked - shift]]
        try:
            own, other = _forecast(fitted, late, asked - shift), _forecast(fitted, whole, asked)
        except Exception as error:  # whatever a user's model raises
            raise LookaheadError(
                f"model {model.name} fails on candles that begin {shift:,} bars later ({type(error).__name__}: {error})",
                expected="forecasts of any candles with the bars that a row needs",
                remedy="Compute each row from its own window",
            ) from error
        settled = slice(int(SETTLED * len(asked)), None)
        apart = np.abs(own - other)[:, settled] > SETTLING * np.maximum(spreads(own), spreads(other))
        if (apart.mean(axis=1) > FEW_APART).any():
            raise LookaheadError(
                f"the forecasts of model {model.name} are others at the same bars when the candles begin {shift:,} bars later: "
                "they go by the number of the row, or by a count since the beginning",
                expected="forecasts that follow from the candles before a row, and forget those long before",
                remedy="Compute each row from its own window; an average that never forgets may fade",
            )


def _require_smooth(model: Model, fitted: Fitted, whole: np.ndarray, spread: np.ndarray) -> None:
    """Most forecasts stay nearly the same when all prices and returns move by a hair."""
    job, rows = fitted.job, fitted.job.test_rows
    changed = on_candles(job, moved_by_a_hair(job.samples.candles))
    asked = rows[changed.samples.is_complete[rows]]
    before, after = whole[:, np.isin(rows, asked)], _forecast(fitted, changed, asked)
    jumps = np.abs(before - after) > JUMP * spread
    if len(asked) and (jumps.mean(axis=1) > MOST_JUMPS).any():
        column = int(jumps.mean(axis=1).argmax())
        place = int(jumps[column].argmax())
        raise LookaheadError(
            f"model {model.name} moved its forecast at bar {int(asked[place]):,} from {before[column, place]:.6g} to "
            f"{after[column, place]:.6g} above naive, and as far at most other bars, when all prices were 0.01 % higher and "
            "returns 0.3 % larger: it finds its forecasts by price, return or volume",
            expected="forecasts that follow from prices, not a table of them",
            remedy="Fit it in fit() to the training rows",
        )


def _prefixes(job: Job, rows: np.ndarray, whole: np.ndarray) -> list[int]:
    """How many test rows are forecast without the later ones: a share, and up to rows where forecasts or candles are unusual."""
    forecasts = np.full((len(job.samples), 1), np.nan)
    forecasts[rows, 0] = whole[0]
    telling = telling_rows(job.samples.candles, forecasts, int(rows[0]), seed=0)
    some = telling[:: max(-(-len(telling) // MOST_PREFIXES), 1)]
    return [max(int(PREFIX * len(rows)), 1), *np.searchsorted(rows, some, side="right").tolist()]


def _require_causal_fit(model: Model, inner: Core, generator: np.random.Generator) -> None:
    """Candles from the test part on change nothing of what is learnt."""
    job, rows = inner.fitted.job, inner.fitted.job.test_rows
    last = job.fold.test.first - 1
    whole = _forecast(inner.fitted, job, rows)
    spread, least = spreads(whole), rounding(whole, job.samples.naive[rows])
    (again,) = inner.model.fit([on_candles(job, another_path(job.samples.candles, last, generator))], progress=ignore)
    relearnt = _forecast(again, job, rows)
    found = moved(whole, relearnt, np.maximum(EXACT * spread, least))
    if found is None:
        return
    (same,) = inner.model.fit([job], progress=ignore)
    noise = np.abs(_forecast(same, job, rows) - whole).max(axis=1, keepdims=True)
    _require_quiet(model, noise, spread, least)
    _require_unmoved(
        model,
        moved(whole, relearnt, np.maximum(np.maximum(EXACT * spread, least), 10 * noise)),
        rows,
        f"only candles after bar {last:,} had changed",
        "Fit on job.fit_rows, or job.train_rows",
    )


def _require_quiet(model: Model, noise: np.ndarray, spread: np.ndarray, least: np.ndarray) -> None:
    """Raise ConfigError for differences without a cause that are too large to see others behind them."""
    too_much = ~(noise <= np.maximum(NOISY * spread, least))
    if too_much.any():
        raise ConfigError(
            f"model {model.name} gives other forecasts each time it is asked or fitted, {float(np.nanmax(noise)):.3g} apart, "
            "so whether it looks ahead cannot be checked",
            expected="the same forecasts for the same job",
            remedy="Draw random numbers from the job's seed (job.seed, or a parameter seed or random_state)",
        )


def _require_unmoved(
    model: Model,
    found: Moved | None,
    rows: np.ndarray,
    why: str,
    remedy: str,
    *,
    unit: str = " above naive",
    expected: str = "forecasts that do not move when later bars or rows do",
) -> None:
    if found is not None:
        raise LookaheadError(
            f"model {model.name} moved its forecast at bar {int(rows[found.place]):,} from {found.before:.6g} to "
            f"{found.after:.6g}{unit}, although {why}",
            expected=expected,
            remedy=remedy,
        )


def require_unmoved(
    model: Model, before: np.ndarray, after: np.ndarray, *, rows: np.ndarray, bar: int, is_learnt: bool = False
) -> None:
    """Raise LookaheadError when a number of the forecasts, (column, rows), moved though only candles after `bar` changed.

    Args:
        model: for the message.
        before: as `numbers` gives them.
        after: the same on the other candles.
        rows: bars of the forecasts.
        bar: the last one that stayed.
        is_learnt: whether the model was fitted on the other candles, in place of forecasting on them.
    """
    _require_unmoved(
        model,
        moved(before, after, np.zeros((len(before), 1))),
        rows,
        f"only candles after bar {bar:,} had changed",
        "Fit on job.fit_rows, or job.train_rows" if is_learnt else "Read only bars up to each row's own",
        unit="",
        expected="what is learnt from training rows only"
        if is_learnt
        else "forecasts that do not move by a bit when later candles do",
    )


def on_candles(job: Job, candles: Candles) -> Job:
    """The same job on other candles."""
    samples = job.samples
    other = make_samples(candles, features=samples.features, target=samples.target, window=samples.window)
    return replace(job, samples=other)


def _forecast(fitted: Fitted, job: Job, rows: np.ndarray) -> np.ndarray:
    return numbers(fitted.forecast(job.samples, rows), job.samples.naive[rows])
