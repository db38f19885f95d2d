"""Bringing a series up to date: what was never requested is requested, and the last bars again, to see what changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

import polars as pl

from candlecast.errors import ConfigError
from candlecast.events import Listener, Progress
from candlecast.sources.refusals import no_bar
from candlecast.sources.source import Source, utc_now
from candlecast.store.observations import (
    BEGINNING,
    COLUMNS,
    current,
    differs,
    is_current,
    joined,
    news,
    observe,
    unrequested,
)
from candlecast.store.table import Location, Series, Snapshot
from candlecast.text.formatting import count

logger = logging.getLogger(__name__)

NEAR = 1_000  # bars between two rechecked gaps, up to which one request covers both
OVERLAP = 100  # bars at the end that are requested again
WIDENING = 10  # times as many, while the oldest of them turn out to be changed
BATCH_BARS = 200_000  # committed at once, at most
BATCH_SECONDS = 2.0  # of work that a crash may cost


def update(
    location: Location,
    series: Series,
    source: Source,
    *,
    since: datetime | None,
    until: datetime | None,
    refresh: bool,
    recheck: bool,
    is_over: bool = False,
    progress: Listener,
) -> None:
    """Request from the source what the table lacks from `since` (the first bar known, or the source's first) to `until`.

    Bars are committed in batches as they come, so that an interruption costs the last moments only. With `refresh`,
    everything is requested again; with `recheck`, the gaps between the bars are; with `is_over`, no bars after the last one.
    Raises CandleError when there is no bar at all, and whatever the source raises, once what it gave before is committed.
    """
    snapshot = location.open()
    bars = _bars(snapshot, series)
    end = utc_now() if until is None else until
    first = bars["open_time"][0] if len(bars) else None
    reading = _Reading(location, snapshot, series, source, since or first or BEGINNING, end, progress)
    if first is None or refresh:
        reading.request(since or first, until)
    else:
        last, step = bars["open_time"][-1], series.step
        words = f"{series}: continues after {count(len(bars), 'stored bar')}, the last of {last:%Y-%m-%d %H:%M} UTC"
        progress(Progress("resume", len(bars), len(bars), words))
        stretches = unrequested(bars, since=since or first, until=end, interval=step, is_recheck=recheck)
        for start, stop in joined(stretches, NEAR * step.timedelta) if recheck else stretches:
            reading.request_gap(start, stop, end, is_recheck=recheck)
        if end > step.next(last) and not is_over:
            reading.request_overlap(bars["open_time"], since, until)
    reading.finish()
    if first is None and not reading.bars:
        raise no_bar(source, series.symbol, series.interval, since, until)


def _bars(snapshot: Snapshot | None, series: Series) -> pl.DataFrame:
    """`open_time` and `asked_from` of the bars known, in order of time."""
    scan = snapshot and snapshot.scan(series)
    if snapshot is None or scan is None:
        return pl.DataFrame(schema={name: COLUMNS[name] for name in ("open_time", "asked_from")})
    bars = snapshot.read(scan.select("open_time", "asked_from"))
    return bars if is_current(bars) else bars.group_by("open_time").agg(pl.col("asked_from").min()).sort("open_time")


@dataclass
class _Reading:
    """One run through a source's pages: what was read and not yet committed, and what listeners receive."""

    location: Location
    snapshot: Snapshot | None
    series: Series
    source: Source
    start: datetime
    end: datetime
    progress: Listener
    waiting: list[pl.DataFrame] = field(default_factory=list)
    bars: int = 0
    began: float = field(default_factory=time.monotonic)
    committed: float = field(default_factory=time.monotonic)

    def request(self, since: datetime | None, until: datetime | None, *, next_known: datetime | None = None) -> None:
        """Read the pages of a period; `next_known`: when the known bar opens that ends it, if one does."""
        last = self._take(self._pages(since, until), since or BEGINNING)
        if next_known is not None and (last is None or last < next_known):
            self._confirm_gap(next_known, since or BEGINNING, last)

    def request_gap(self, start: datetime, stop: datetime, end: datetime, *, is_recheck: bool) -> None:
        """Read the pages of a gap that ends when a known bar opens, and that bar."""
        try:
            self.request(start, min(self.series.step.next(stop), end), next_known=stop if stop < end else None)
        except ConfigError as error:  # the source no longer has bars as old as these
            if not is_recheck:
                raise
            logger.warning(
                "%s: the gap from %s to %s is not asked about again: %s", self.series, start, stop, error.wrong
            )

    def request_overlap(self, opened: pl.Series, since: datetime | None, until: datetime | None) -> None:
        """Read the pages from some bars before the last known one, from further back while the oldest bars are changed.

        A vendor that adjusts its prices (for a split or a dividend) changes all of them at once.
        """
        overlap = OVERLAP
        while True:
            start = opened[max(len(opened) - overlap, 0)]
            start = max(start, since) if since and since > opened[-1] else start
            try:
                pages = iter(self._pages(start, until))
                head = next(pages, None)
            except ConfigError:  # the source keeps bars for a time only, and these are older
                if overlap == OVERLAP:
                    raise
                logger.warning(
                    "%s changed at its source, which no longer gives the bars from %s on", self.series, start
                )
                pages = iter(self._pages(None, until))
                head = next(pages, None)
                start = start if head is None else head["open_time"][0]
                break
            if head is None or not len(head) or overlap >= len(opened) or not self._is_changed(head, start):
                break
            logger.info("%s changed at its source: bars from further back are requested again", self.series)
            overlap *= WIDENING
        if head is not None:
            self._take(chain([head], pages), start, is_whole=overlap > OVERLAP)

    def finish(self) -> None:
        """Commit what is left, and report the end."""
        self.commit()
        self._report(self.end)

    def commit(self) -> None:
        """Append what was read and is news."""
        if self.waiting:
            fresh = pl.concat(self.waiting)
            self.waiting.clear()
            known = self._known(fresh["open_time"][0], fresh["open_time"][-1])
            fresh = news(fresh, known)
            if len(fresh):
                self._append(fresh)
        self.committed = time.monotonic()

    def _take(self, pages: Iterator[pl.DataFrame], asked_from: datetime, *, is_whole: bool = False) -> datetime | None:
        """Read pages to their end; gives when the last bar opens.

        With `is_whole` they are committed together or not at all: prices half adjusted would show a jump.
        """
        last = None
        try:
            for page in pages:
                if not len(page):
                    continue
                self.waiting.append(self._observe(page, asked_from))
                last = page["open_time"][-1]
                asked_from = self.series.step.next(last)
                self.bars += page.height
                self._report(asked_from)
                waiting = sum(len(part) for part in self.waiting)
                if not is_whole and (waiting >= BATCH_BARS or time.monotonic() - self.committed > BATCH_SECONDS):
                    self.commit()
        except BaseException:
            if is_whole:
                self.waiting.clear()
            raise
        finally:
            self.commit()
        return last

    def _confirm_gap(self, next_known: datetime, asked_from: datetime, last: datetime | None) -> None:
        """Say of a known bar, which the source did not give again, that the gap before it is real."""
        bar = self._known(next_known, next_known)
        start = asked_from if last is None else self.series.step.next(last)
        if (before := bar["asked_from"][0]) is not None and before <= start:
            return
        confirmed = bar.with_columns(asked_from=pl.lit(start, COLUMNS["asked_from"]))
        self._append(confirmed)

    def _append(self, observations: pl.DataFrame) -> None:
        if self.snapshot is None:
            self.snapshot = self.location.make()
        self.location.append(self.series, observations)

    def _known(self, first: datetime, last: datetime) -> pl.DataFrame:
        """What is known of the bars that open from `first` to `last`."""
        scan = self.snapshot and self.snapshot.scan(self.series, since=first, until=last + timedelta(microseconds=1))
        if self.snapshot is None or scan is None:
            return pl.DataFrame(schema=COLUMNS)
        return current(self.snapshot.read(scan.select(*COLUMNS)))

    def _is_changed(self, page: pl.DataFrame, start: datetime) -> bool:
        """Whether the first bar of a page is another than it was."""
        oldest = self._observe(page[:1], start)
        return differs(oldest, self._known(start, page["open_time"][0]))

    def _pages(self, since: datetime | None, until: datetime | None) -> Iterator[pl.DataFrame]:
        return self.source.pages(self.series.symbol, self.series.interval, since=since, until=until)

    def _observe(self, page: pl.DataFrame, asked_from: datetime) -> pl.DataFrame:
        return observe(
            page,
            asked_from=asked_from,
            has_sessions=self.source.session(self.series.symbol) == "sessions",
            seen_at=utc_now(),
            interval=self.series.step,
            source=f"{self.source.name} ({self.series.symbol} {self.series.interval})",
        )

    def _report(self, reached: datetime) -> None:
        """Days done of all, with the rate."""
        start = self.start if self.start > BEGINNING else min(reached, self.end)
        days, done = (self.end - start).total_seconds() / 86_400, (reached - start).total_seconds() / 86_400
        rate = self.bars / max(time.monotonic() - self.began, 1e-3)
        detail = f"{reached:%Y-%m-%d}, {self.bars:,} bars, {rate:,.0f}/s"
        name = f"{self.series.symbol} {self.series.interval}"
        self.progress(Progress(name, round(max(min(done, days), 0.0), 1), round(max(days, 0.0), 1), detail))
