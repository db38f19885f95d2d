"""`TrialCount`: the number of trials in a workspace, and their effective number, for the trial that is judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from candlecast.evaluation.chosen_assets import Chosen, chosen_assets, other_assets
from candlecast.evaluation.combinations import made_of
from candlecast.ledger import Entry, Ledger, Trial
from candlecast.ledger.profile import ROUNDING, Profile, groups, side_by_side
from candlecast.stats import effective_counts, overfitting_probability, unit_columns
from candlecast.text.formatting import count as count_words, percent

UNNAMED = "not named"  # content of a trial count that was stored before results were named in it
FEW_LEFT_OUT, SHARE_LEFT_OUT = 5, 0.1  # assets of earlier trials that a panel leaves out, from which on they are named
BLOCKS, MIN_BUCKETS, MIN_TRIALS = 12, 60, 5  # of the overfitting probability; with fewer, it says nothing


@dataclass(frozen=True)
class TrialCount:
    """The trials counted when one of them was judged: those before it, and those of the same batch.

    trials: distinct trials in the workspace, and studies that were begun, had shown results and never ended by then, which are
    `unfinished`; family: those of the same market, interval and target among them.
    forecasts: effective number of trials, as forecasts; trades: effective number of trials, as strategies
    (`effective_trials` of skills and of alphas, see `candlecast.ledger.profile`; a trial that never traded counts by its
    forecasts). forecasts_before, trades_before: the same without the batch.
    overfitting: probability of backtest overfitting (PBO) of the trials on the same candles (`overfitting_probability`);
    NaN where there are too few to compare. compared: the number of these trials; 0 where not known or undefined.
    content: identifies the result that was counted.
    tried: of a panel, the number of assets in earlier trials among which its own may have been chosen; left_out: how many of
    these are not in the panel (`evaluation.chosen_assets`). panel_others: of a study of one asset, the number of other ones in an
    earlier panel, each of which counts as one test of the batch.
    forecast_own, trade_own: the share of the t-statistics, of the forecast and of the account, that is the trial's own, where
    the rest is the choice of a combination of earlier trials, in forecast_directions and trade_directions
    (`evaluation.combinations`).

    Every trial of the workspace counts, whatever its market, interval and target: the best of twenty trials is chosen among
    twenty, on whichever markets they are.
    """

    trials: int = 1
    family: int = 1
    forecasts: float = 1.0
    trades: float = 1.0
    forecasts_before: float = 0.0
    trades_before: float = 0.0
    overfitting: float = math.nan
    compared: int = 0
    content: str = ""
    tried: int = 0
    left_out: int = 0
    forecast_own: float = 1.0
    trade_own: float = 1.0
    forecast_directions: float = 1.0
    trade_directions: float = 1.0
    unfinished: int = 0
    panel_others: int = 0

    @property
    def is_selection(self) -> bool:
        """Whether the assets of a panel may have been chosen by what earlier trials earned with them."""
        return self.left_out >= FEW_LEFT_OUT and self.left_out > SHARE_LEFT_OUT * self.tried

    @property
    def overfitting_words(self) -> str:
        """The overfitting probability in a clause, with what it does not say; empty where it is undefined."""
        if math.isnan(self.overfitting):
            return ""
        trials = count_words(self.compared, "trial") if self.compared else "trials"
        return (
            f"probability of backtest overfitting (PBO), over the {trials} on these candles, {percent(self.overfitting, 0)}: how "
            "often the best trial of one half of the record is no better than the median in the other half; it only ranks these "
            "trials, so a low PBO is no evidence that the best one has an edge"
        )

    @property
    def effective(self) -> float:
        """The effective number of trials: of forecasts or of strategies, whichever is larger."""
        return max(self.forecasts, self.trades)

    def to_dict(self) -> dict[str, Any]:
        """The trial count as JSON values; what is undefined is None."""
        values = asdict(self) | {"effective": self.effective}
        return values | {"overfitting": None if math.isnan(self.overfitting) else self.overfitting}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrialCount:
        """The trial count from the values of `to_dict`; older ones have one number, `effective`."""
        known: dict[str, Any] = {"content": UNNAMED}
        known |= {item.name: values[item.name] for item in fields(cls) if values.get(item.name) is not None}
        if "forecasts" not in values and "effective" in values:
            known |= {"forecasts": values["effective"], "trades": values["effective"]}
        return cls(**known)


def count(trial: Trial, entries: Sequence[Entry]) -> TrialCount:
    """The trial count of one trial among those of a ledger; one that is not there counts as the next.

    >>> from candlecast.ledger import Ledger
    >>> day, ledger = np.datetime64("2024-01-01", "us") + np.arange(3) * np.timedelta64(1, "D"), Ledger.in_memory()
    >>> trial = Trial("d1", {}, "0.1", "BTCUSDT", "1d", "a", 365.0, day, np.array([0.01, 0.0, -0.01]))
    >>> ledger.record(trial), count(trial, ledger.entries()).trials
    (True, 1)
    """
    return count_each([trial], entries)[0]


def counted_among(
    trial: Trial, known: TrialCount | None, ledger: Ledger, *, beside: Callable[[], Sequence[Trial]]
) -> TrialCount:
    """The trial count of a result: the `known` one where that is of the same content, else as `recorded`."""
    if known is not None and known.content in (UNNAMED, trial.content):
        return known
    return recorded([trial], ledger, beside=beside)[0]


def recorded(trials: Sequence[Trial], ledger: Ledger, *, beside: Callable[[], Sequence[Trial]]) -> list[TrialCount]:
    """Record trials that are judged together, and then those that are shown `beside` them, which only later trials count.

    Gives the trial count of each of the judged ones. Raises RunError for a ledger that cannot be written.
    """
    ledger.record_all(trials)
    counts = count_each(trials, ledger.entries())
    ledger.record_all(beside())
    return counts


def unfinished_words(unfinished: int) -> str:
    """What follows a number of trials where some were never finished.

    >>> unfinished_words(0), unfinished_words(2)
    ('', ', 2 of them begun and never finished')
    """
    return f", {unfinished:,} of them begun and never finished" if unfinished else ""


def effective_of(entries: Sequence[Entry]) -> float:
    """The effective number of the trials of a ledger: of forecasts or of strategies, whichever is larger; 0 for none."""
    if not entries:
        return 0.0
    forecasts, trades = _counted(entries, max(entry.batch for entry in entries))
    return max(forecasts[1], trades[1])


def count_each(judged: Sequence[Trial], entries: Sequence[Entry]) -> list[TrialCount]:
    """The trial count of each trial of a batch; those that the ledger does not hold count as the next.

    A repeated trial has the trial count of the first time.
    """
    known = {entry.identity: entry for entry in entries}
    number = max((entry.number for entry in entries), default=0) + 1
    new = {trial.identity: _entry(trial, number) for trial in judged if trial.identity not in known}
    everything, found = [*entries, *new.values()], known | new
    batches = {batch: _Seen.of(everything, batch) for batch in {found[trial.identity].batch for trial in judged}}
    return [batches[found[trial.identity].batch].trial_count(trial, found[trial.identity]) for trial in judged]


class Counted(NamedTuple):
    """The trials of a ledger up to one batch: when it was recorded (ISO text), how many, and their effective numbers.

    `unfinished`: those of them that were begun and never ended.
    """

    recorded_at: str
    trials: int
    forecasts: float
    trades: float
    unfinished: int


def counts_over_time(entries: Sequence[Entry], *, most: int = 40) -> list[Counted]:
    """What was counted after each batch of a ledger, in order of time; after `most` of them, evenly chosen, where there are more.

    >>> from candlecast.ledger import Ledger
    >>> counts_over_time(Ledger.in_memory().entries())
    []
    """
    last = {entry.batch: entry for entry in entries}  # of each batch
    batches = sorted(last)
    chosen = np.unique(np.linspace(0, len(batches) - 1, min(most, len(batches))).round().astype(int))
    found = []
    for batch in (batches[place] for place in chosen):
        forecasts, trades = _counted(entries, batch)
        seen = [entry for entry in entries if entry.is_seen(batch)]
        unfinished = sum(entry.is_open for entry in seen)
        found.append(Counted(last[batch].recorded_at, len(seen), forecasts[1], trades[1], unfinished))
    return found


@dataclass(frozen=True, eq=False)
class _Seen:
    """The entries that the trials of a batch are judged among: their numbers, in all and by family, and by the candles."""

    trials: int
    families: Mapping[tuple[str, str, str], int]
    counted: tuple[tuple[float, float], tuple[float, float]]
    overfitting: Mapping[tuple[str, str], float]
    compared: Mapping[tuple[str, str], int]
    before: Sequence[Entry]
    unfinished: int

    @classmethod
    def of(cls, entries: Sequence[Entry], batch: int) -> _Seen:
        seen = [entry for entry in entries if entry.is_seen(batch)]
        series: dict[tuple[str, str], list[Profile]] = {}
        for entry in (each for each in seen if not each.is_open and each.profile.values[0].any()):
            series.setdefault(_series(entry), []).append(entry.profile)
        own = {_series(entry) for entry in seen if entry.batch == batch}
        return cls(
            len(seen),
            Counter(entry.family for entry in seen),
            _counted(entries, batch),
            {each: _overfitting(series.get(each, [])) for each in own},
            {each: len(series.get(each, [])) for each in own},
            [entry for entry in seen if entry.batch < batch],
            sum(entry.is_open for entry in seen),
        )

    def trial_count(self, trial: Trial, own: Entry) -> TrialCount:
        forecasts, trades = self.counted
        made = made_of(own.profile, [entry.profile for entry in self.before])
        chosen = chosen_assets(own, self.before) if own.assets else Chosen()
        others = 0 if own.assets else other_assets(own, self.before)
        return TrialCount(
            trials=self.trials,
            family=self.families[own.family],
            forecasts=forecasts[1] + others,
            trades=trades[1] + others,
            forecasts_before=forecasts[0],
            trades_before=trades[0],
            overfitting=self.overfitting[_series(own)],
            compared=0 if math.isnan(self.overfitting[_series(own)]) else self.compared[_series(own)],
            content=trial.content,
            forecast_own=made["skills"].own,
            trade_own=made["alphas"].own,
            forecast_directions=made["skills"].directions,
            trade_directions=made["alphas"].directions,
            unfinished=self.unfinished,
            panel_others=others,
            tried=chosen.tried,
            left_out=chosen.left_out,
        )


def _counted(entries: Sequence[Entry], batch: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Effective numbers of forecasts and of strategies, each before the batch and with it."""
    seen = [entry for entry in entries if entry.is_seen(batch)]
    before = sum(entry.batch < batch for entry in seen)
    profiles = [entry.profile for entry in seen]
    forecasts, trades = np.zeros(2), np.zeros(2)
    for group in groups(profiles):
        members = [profiles[place] for place in group]
        (_, alphas, skills), covered = side_by_side(members)
        counts = [sum(place < before for place in group), len(group)]
        has_traded = np.array([profile.has_traded for profile in members])
        trading = np.where(has_traded, alphas, skills)
        forecasts += effective_counts(unit_columns(skills, covered, rounding=ROUNDING), counts)
        trades += effective_counts(unit_columns(trading, covered, rounding=ROUNDING), counts)
    return _at_least_one(forecasts), _at_least_one(trades)


def _at_least_one(counts: np.ndarray) -> tuple[float, float]:
    """Before and with the batch, the latter 1 or more; to six digits, so that the number of threads changes nothing."""
    before, after = (round(float(each), 6) for each in counts)
    return before, max(after, before, 1.0)


def _entry(trial: Trial, number: int) -> Entry:
    return Entry(
        number,
        number,
        trial.identity,
        trial.data,
        trial.symbol,
        trial.interval,
        trial.target,
        trial.outline,
        assets=trial.assets,
        sketches=trial.sketches,
    )


def _series(entry: Entry) -> tuple[str, str]:
    """What trials on the same candles have in common."""
    return entry.data, entry.interval


def _overfitting(profiles: Sequence[Profile]) -> float:
    """The overfitting probability over the buckets that all of the trials cover; NaN for too few of either."""
    if len(profiles) < MIN_TRIALS:
        return math.nan
    (returns, _, _), covered = side_by_side(profiles)
    common = covered.all(axis=1)
    if common.sum() < MIN_BUCKETS:
        return math.nan
    return overfitting_probability(returns[common], blocks=BLOCKS).probability
