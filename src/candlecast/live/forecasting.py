"""`Forecaster`: from closed bars to rows of the forecast table, in constant time for recurrent nets and standard features.

The bits are those of the walk over all bars at once, however the bars are divided into parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from candlecast.candles import Candles
from candlecast.candles.growing import MOST_BARS, UTC, GrowingCandles, GrowingRows, utc
from candlecast.dataset.forecast import OPTIONAL, SIGNAL, Forecast
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples, run_length
from candlecast.features import Features
from candlecast.features.streaming import SPARE, newest_values, require_streaming
from candlecast.fleet.carrying import Carry
from candlecast.fleet.fitted import FittedNet
from candlecast.fleet.refitting import RefitState, Refitting
from candlecast.live.generations import Generation
from candlecast.live.stepping import Work, finished, together
from candlecast.models import Fitted
from candlecast.targets import Target, components, label, memory, primary


class Forecaster:
    """Forecasts of a growing series of bars.

    Args:
        history: bars before the first one to be forecast.
        features: of the study.
        target: of the study.
        window: bars that must be complete for a forecast, the longest of the study's models.
        generations: fitted models, in order of time.
        model: name of the model.
    """

    def __init__(
        self,
        history: Candles,
        *,
        features: Features,
        target: Target,
        window: int,
        generations: Sequence[Generation],
        model: str,
    ) -> None:
        require_streaming(features)
        self.features, self.target, self.window, self.model = features, target, window, model
        self.generations = list(generations)
        self.growing = GrowingCandles(history)
        self.active: Generation | None = None
        kept = self._table = self.growing.candles(len(self.growing))
        inputs = newest_values(features, self.growing, len(kept))
        is_defined = ~np.isnan(inputs.sum(axis=1))
        self._grown = (
            GrowingRows(inputs),
            GrowingRows(kept.segments),
            GrowingRows(run_length(is_defined, kept.segments)),
        )
        self._inputs, self._segments, self._runs = (rows.values for rows in self._grown)
        self._memories: list[Any] = []
        self._refits: list[RefitState | None] = []
        self._is_running = False
        self._warm(kept)

    def _warm(self, kept: Candles) -> None:
        """Bring the memories of the nets that are active at the end of the history up to there."""
        times = kept.close_time
        begun = [generation for generation in self.generations if len(times) and generation.since <= times[-1]]
        if begun:
            first = int(np.searchsorted(times, begun[-1].since))
            self._activate(begun[-1], first)
            finished(self._rows(first, len(times)))

    def add(self, generation: Generation) -> None:
        """Forecast with other fitted models from their first bar on."""
        self.generations.append(generation)

    def step(self, bars: Candles) -> Forecast | None:
        """The forecasts made at the closes of new bars; None where none of them has a whole window."""
        return finished(self.stepping(bars))

    def stepping(self, bars: Candles) -> Work[Forecast | None]:
        """`step` as a piece of work, which may go on together with others."""
        frames: list[pl.DataFrame] = []
        for part in self._parts(bars):
            self._append(part)
            count, times = len(part), self._table.close_time[-len(part) :]
            start = len(self._runs) - count
            bounds = [start]
            waiting = [g for g in self.generations if self.active is None or g.since > self.active.since]
            changes = {int(np.searchsorted(times, g.since)): g for g in waiting if g.since <= times[-1]}
            if 0 in changes:
                self._activate(changes.pop(0), start)
            for row in sorted(changes):
                frames += yield from self._rows(bounds[-1], start + row)
                self._activate(changes[row], start + row)
                bounds.append(start + row)
            frames += yield from self._rows(bounds[-1], len(self._runs))
        if not frames:
            return None
        horizon = primary(self.target).horizon
        return Forecast(frames[0], horizon) if len(frames) == 1 else Forecast.joined(frames, horizon)

    def _parts(self, bars: Candles) -> list[Candles]:
        """The bars in parts within which no older bars are left out, and of a bounded size."""
        parts, first, room = [], 0, self.growing.room()
        while first < len(bars):
            size = min(len(bars) - first, room or MOST_BARS // 2 - 1, 4_096)
            parts.append(bars[first : first + size])
            first += size
            room = (room or MOST_BARS // 2 - 1) - size
        return parts

    def _append(self, part: Candles) -> None:
        """Features, segments and completeness of new bars, beside those that are kept."""
        count, before = len(part), self.growing.first
        self.growing.append(part)
        left_out = self.growing.first - before
        values = newest_values(self.features, self.growing, count)
        self._table = self.growing.candles(self._needed(count))
        numbers = self._table.segments
        last = int(self._segments[-1]) if len(self._segments) else 0
        before_them = numbers[-count - 1] if len(numbers) > count else numbers[0]
        new = last + numbers[-count:] - before_them
        run = int(self._runs[-1]) if len(self._runs) else 0
        runs = np.empty(count, dtype=np.int64)
        for row, (is_defined, segment) in enumerate(zip(~np.isnan(values.sum(axis=1)), new, strict=True)):
            run = 0 if not is_defined else (run + 1 if segment == last else 1)
            runs[row], last = run, int(segment)
        for rows, added in zip(self._grown, (values, new, runs), strict=True):
            rows.append(added, left_out=left_out)
        self._inputs, self._segments, self._runs = (rows.values for rows in self._grown)

    def _activate(self, generation: Generation, first: int) -> None:
        """Forecast with these models from row `first` of those kept on."""
        self.active = generation
        self._is_running, self._memories = False, [None] * len(generation.fitted)
        self._refits = [self._refit_before(fitted, first) for fitted in generation.fitted]

    def _refit_before(self, fitted: Fitted, first: int) -> RefitState | None:
        """What the linear part of a net has learnt before row `first` of those kept; None where it stays as trained."""
        if not isinstance(fitted, FittedNet) or fitted.refitting is None:
            return None
        own, times = fitted.job.samples.candles.close_time, self.growing.last(len(self.growing)).close_time
        state = fitted.refitting.start(int(np.searchsorted(own, times[first])))
        begin = int(np.searchsorted(times, own[-1], side="right"))  # bars after those that it was trained with
        return self._learning(fitted.refitting, state, begin, first)[0] if begin < first else state

    def _learning(
        self, refitting: Refitting, state: RefitState, first: int, stop: int
    ) -> tuple[RefitState, np.ndarray]:
        """What a linear part has learnt after rows [first, stop) of those kept, and its scaled forecasts of them."""
        horizon, places = self.target.horizon, np.arange(first, stop)
        reach = len(self._runs) - first + horizon + max(memory(self.target), horizon) + SPARE
        tail = self._table if len(self._table) >= reach else self.growing.candles(reach)
        offset = len(self._runs) - len(tail)
        samples = self._samples(tail, offset)
        is_whole = (self._runs[places] >= self.window) & np.isfinite(samples.naive[places - offset])
        known, past = np.full((stop - first, samples.y.shape[1]), np.nan), places - offset - horizon
        usable = past >= 0
        usable[usable] = samples.is_known[past[usable]]
        known[usable] = refitting.outcomes.apply(samples.y[past[usable]])
        return refitting.step(state, refitting.inputs.apply(self._inputs[places]), is_whole, known)

    def _rows(self, first: int, stop: int) -> Work[list[pl.DataFrame]]:
        """Forecast table of the complete rows in [first, stop) of those kept, by the active models; one frame for each seed."""
        if self.active is None or first >= stop:
            return []
        tail = self._table
        offset = len(self._runs) - len(tail)
        samples = self._samples(tail, offset)
        rows = np.arange(first, stop)
        rows = rows[(self._runs[rows] >= self.window) & np.isfinite(samples.naive[rows - offset])]
        places = range(len(self.active.fitted))
        found = yield from together([self._predicted(place, first, stop, rows, samples) for place in places])
        self._is_running = self._is_running_after(first, stop, rows)
        given = [(job.seed, each) for job, each in zip(self.active.jobs, found, strict=True) if each is not None]
        return [_frame(samples, rows - offset, given, self.active, self.model)] if len(rows) else []

    def _needed(self, count: int) -> int:
        """Bars that targets and models without a memory of their own read for the newest `count` bars."""
        models = [each for generation in self.generations for each in generation.fitted]
        if all(isinstance(each, FittedNet) for each in models):
            return min(count + max(self.window, memory(self.target), 1) + SPARE, len(self.growing))
        return len(self.growing)

    def _samples(self, tail: Candles, offset: int) -> Samples:
        y = np.column_stack([np.asarray(each.values(tail), dtype=np.float64) for each in components(self.target)])
        naive = np.asarray(self.target.naive(tail), dtype=np.float64)
        return Samples(tail, self.features, self.target, self.window, self._inputs[offset:], y, naive)

    def _predicted(
        self, place: int, first: int, stop: int, rows: np.ndarray, samples: Samples
    ) -> Work[Prediction | None]:
        """Forecasts of the complete `rows` by one seed's model."""
        assert self.active is not None
        fitted = self.active.fitted[place]
        linear, state = None, self._refits[place]
        if isinstance(fitted, FittedNet) and fitted.refitting is not None and state is not None:
            self._refits[place], linear = self._learning(fitted.refitting, state, first, stop)
        if isinstance(fitted, FittedNet) and fitted.is_carried:
            return (yield from self._carried(fitted, place, (first, stop), rows, linear))
        if not len(rows):
            return None
        offset = len(self._runs) - len(samples)
        if isinstance(fitted, FittedNet):
            return fitted.forecast(samples, rows - offset, linear=None if linear is None else linear[rows - first])
        return self._by_history(fitted, rows - offset, samples)

    def _by_history(self, fitted: Fitted, rows: np.ndarray, samples: Samples) -> Prediction:
        """By a model that may read the whole history: all rows that it has forecast, of which the newest are taken."""
        assert self.active is not None
        times = samples.candles.close_time
        every = np.arange(int(np.searchsorted(times, self.active.since)), int(rows[-1]) + 1)
        every = every[samples.is_complete[every]]
        return _newest(fitted.forecast(samples, every), len(rows))

    def _carried(
        self, fitted: FittedNet, place: int, part: tuple[int, int], rows: np.ndarray, linear: np.ndarray | None
    ) -> Work[Prediction | None]:
        """By a net that carries its memory: begun `window` - 1 bars before the first complete row of each segment.

        `part`: first row and stop of those kept. `linear`: scaled forecasts of these rows by a linear part that is refitted.
        """
        first, stop = part
        found: list[Prediction] = []
        is_running, row = self._is_running, first
        if is_running and first and self._segments[first] != self._segments[first - 1]:
            is_running = False
        complete = set(rows.tolist())
        while row < stop:
            segment = self._segments[row]
            end = row + int(np.searchsorted(self._segments[row:stop], segment, side="right"))
            begin = row
            if not is_running:
                inside = rows[(rows >= row) & (rows < end)]
                if not len(inside):
                    row = end
                    continue
                opening = int(np.searchsorted(self._segments, segment))
                begin = max(opening, int(inside[0]) - fitted.window + 1)
                self._memories[place] = None
            own = None
            if linear is not None:  # bars before the part only fill the memory
                before = np.zeros((max(first - begin, 0), linear.shape[1]))
                own = np.concatenate([before, linear[max(begin - first, 0) : end - first]])
            answers = yield [Carry(fitted, self._memories[place], self._inputs[begin:end], own)]
            self._memories[place], said = answers[0]
            wanted = np.array(
                [each - begin for each in range(max(begin, row), end) if each in complete], dtype=np.int64
            )
            found.append(_taken(said, wanted))
            is_running, row = False, end  # another segment begins there, or the rows end
        return _joined(found) if found and len(rows) else None

    def _is_running_after(self, first: int, stop: int, rows: np.ndarray) -> bool:
        """Whether the nets' memories belong to the segment of the last row."""
        segment = self._segments[stop - 1]
        was = self._is_running and first > 0 and self._segments[first - 1] == segment
        return bool(was or (self._segments[rows] == segment).any())


def _taken(said: Prediction, rows: np.ndarray) -> Prediction:
    columns = {name: values[rows] for name, values in said.columns.items()}
    return Prediction(said.mean[rows], columns, {name: _taken(other, rows) for name, other in said.others.items()})


def _newest(said: Prediction, count: int) -> Prediction:
    return _taken(said, np.arange(len(said.mean) - count, len(said.mean)))


def _joined(parts: Sequence[Prediction]) -> Prediction:
    first = parts[0]
    if len(parts) == 1:
        return first
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns}
    others = {name: _joined([part.others[name] for part in parts]) for name in first.others}
    return Prediction(np.concatenate([part.mean for part in parts]), columns, others)


def _frame(
    samples: Samples, rows: np.ndarray, said: Sequence[tuple[int, Prediction]], generation: Generation, model: str
) -> pl.DataFrame:
    """Rows of the forecast table, seed after seed, whose outcomes are not known yet."""
    first, *others = components(samples.target)
    seeds = tuple(seed for seed, _ in said)
    moments = tuple(generation.moments[seed] for seed in seeds)
    columns = dict(_fixed_columns(samples.candles.symbol, model, generation.index, seeds, moments, len(rows)))
    columns["time"] = utc(np.tile(samples.candles.close_time[rows], len(said)), "time")
    columns |= _columns(first, samples, rows, [each for _, each in said])
    for other in others:
        name = label(other)
        own = _columns(other, samples, rows, [each.others[name] for _, each in said])
        columns |= {f"{column}@{name}": values.alias(f"{column}@{name}") for column, values in own.items()}
    return pl.DataFrame(list(columns.values()))


@lru_cache(maxsize=64)
def _fixed_columns(
    symbol: str,
    model: str,
    fold: int,
    seeds: tuple[int, ...],
    moments: tuple[tuple[float, float, float], ...],
    count: int,
) -> dict[str, pl.Series]:
    """The columns of `count` rows for each seed, all in the order of the table; those that do not depend on the bars."""
    total = count * len(seeds)
    times = pl.Series([None] * total, dtype=UTC)
    empty = pl.Series([None] * total, dtype=pl.Float64)
    columns: dict[str, pl.Series] = {
        "time": times,
        "known_at": times,
        "symbol": pl.Series([symbol] * total),
        "model": pl.Series([model] * total),
        "fold": pl.Series([fold] * total, dtype=pl.Int32),
        "seed": pl.Series(np.repeat(seeds, count), dtype=pl.Int32),
        **dict.fromkeys(("mean", "naive", "target", "expected_return", *OPTIONAL), empty),
    }
    by_name = zip(SIGNAL, np.array(moments).T, strict=True)  # each (seeds,)
    columns |= {name: pl.Series(np.repeat(each, count), dtype=pl.Float64) for name, each in by_name}
    return {name: values.alias(name) for name, values in columns.items()}


def _columns(target: Target, samples: Samples, rows: np.ndarray, said: Sequence[Prediction]) -> dict[str, pl.Series]:
    naive = np.asarray(target.naive(samples.candles), dtype=np.float64)
    parts: dict[str, list[np.ndarray]] = {"mean": [], "naive": [], "expected_return": []}
    for prediction in said:
        mean = naive.copy()
        mean[rows] = prediction.mean
        expected = target.expected_return(mean, samples.candles)[rows]
        values = {"mean": mean[rows], "naive": naive[rows], "expected_return": expected, **prediction.columns}
        for name, each in values.items():
            parts.setdefault(name, []).append(each)
    return {
        name: pl.Series(name, np.concatenate(each), dtype=pl.Float64, nan_to_null=True) for name, each in parts.items()
    }
