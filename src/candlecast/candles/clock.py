"""`TradingClock`: the clock that a market keeps, and its trading hours on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from candlecast.errors import ConfigError
from candlecast.reading.instants import require_zone

MINUTE = 60_000_000  # microseconds, as all plain integers here
QUARTER = 15 * MINUTE
HOUR, DAY = 60 * MINUTE, 1_440 * MINUTE
WEEK = 7 * DAY
SPAN = r"\d\d?:\d\d-\d\d?:\d\d"
SHORT_CLOSURE = 3 * HOUR  # of a market that trades around the clock but for a pause a day, as futures in Chicago do

# (first, last) of the market's day, or (first, last, since): kept from that moment (UTC, since 1970) on.
Breaks = tuple[tuple[int, ...], ...]

# Usual sessions of exchanges, for messages: name, zone, sessions. Of exchanges with the same hours, the first is named.
EXCHANGES = (
    ("New York", "America/New_York", "09:30-16:00"),
    ("New York, extended hours", "America/New_York", "04:00-20:00"),
    ("Chicago futures", "America/New_York", "18:00-17:00"),
    ("currencies", "America/New_York", "17:00-17:00"),
    ("London, Paris and Frankfurt", "Europe/London", "08:00-16:30"),
    ("Paris and Frankfurt", "Europe/Berlin", "09:00-17:30"),
    ("Sydney", "Australia/Sydney", "10:00-16:00"),
    ("Auckland", "Pacific/Auckland", "10:00-16:45"),
    ("Tokyo", "Asia/Tokyo", "09:00-11:30, 12:30-15:00"),
    ("Tokyo", "Asia/Tokyo", "09:00-11:30, 12:30-15:30"),
    ("Tokyo, before 2011-11-21", "Asia/Tokyo", "09:00-11:00, 12:30-15:00"),
    ("Hong Kong", "Asia/Hong_Kong", "09:30-12:00, 13:00-16:00"),
    ("Shanghai and Shenzhen", "Asia/Shanghai", "09:30-11:30, 13:00-15:00"),
    ("Shanghai futures", "Asia/Shanghai", "09:00-10:15, 10:30-11:30, 13:30-15:00"),
    ("India", "Asia/Kolkata", "09:15-15:30"),
    ("Seoul", "Asia/Seoul", "09:00-15:30"),
    ("Taipei", "Asia/Taipei", "09:00-13:30"),
    ("Singapore", "Asia/Singapore", "09:00-12:00, 13:00-17:00"),
    ("São Paulo", "America/Sao_Paulo", "10:00-17:00"),
    ("Tel Aviv", "Asia/Jerusalem", "10:00-17:00"),
    ("Johannesburg", "Africa/Johannesburg", "09:00-17:00"),
)


@dataclass(frozen=True)
class TradingClock:
    """When a market trades, on its own clock.

    `zone`: the IANA zone whose clock the hours are kept on, through its daylight saving time; None for UTC.
    `has_sessions`: whether the market closes, at weekends at least. `session`: its usual opening and closing, in
    microseconds of the zone's day, from the first to the last bar; a closing not after the opening belongs to the next day,
    and both are equal where it trades around the clock for five days; None where bars are too long to tell. `breaks`:
    pauses in the session, (first, last) in microseconds of the zone's day, or (first, last, since) for a pause that
    holds only from the moment `since` on (microseconds since 1970, UTC). `how` it was found: "declared", "inferred" from
    the opening times of the first bars, or "default" where they show none.

    >>> clock = TradingClock.parse("09:30-11:30, 13:00-15:00 Asia/Shanghai")
    >>> clock.breaks == ((11 * HOUR + HOUR // 2, 13 * HOUR),), str(clock)
    (True, '09:30-11:30, 13:00-15:00 Asia/Shanghai')
    """

    zone: str | None = None
    has_sessions: bool = False
    session: tuple[int, int] | None = None
    breaks: Breaks = ()
    how: str = "declared"

    @classmethod
    def parse(cls, text: str) -> TradingClock:
        """A clock from its text form: sessions and a zone (UTC when none is given), or "always", also with a zone.

        Sessions are in the order of the trading day, which begins with the first. Raises ConfigError.

        >>> str(TradingClock.parse("18:00-17:00 America/New_York")), TradingClock.parse("always").has_sessions
        ('18:00-17:00 America/New_York', False)
        """
        match = re.fullmatch(rf"\s*(always|{SPAN}(?:\s*,\s*{SPAN})*)(?:\s+([A-Za-z][\w/+-]*))?\s*", text)
        marks = [[int(each) for each in re.split("[:-]", span)] for span in re.findall(SPAN, match[1])] if match else []
        if match is None or any(h * 60 + m > 1440 or m > 59 for part in marks for h, m in (part[:2], part[2:])):
            raise ConfigError(
                f"a trading clock of {text!r}",
                expected='sessions and a zone, such as "09:30-16:00 America/New_York", or "always"',
                remedy='Use for example "09:30-11:30, 13:00-15:00 Asia/Shanghai" or "18:00-17:00 America/New_York"',
            )
        zone = match[2]
        if zone is not None:
            require_zone(zone)
        if not marks:
            return cls(zone)
        spans = [((h * 60 + m) * MINUTE, (i * 60 + n) * MINUTE) for h, m, i, n in marks]
        session = (spans[0][0] % DAY, spans[-1][1] % DAY)
        breaks = [(before[1] % DAY, after[0] % DAY) for before, after in pairwise(spans)]
        return cls(zone, True, session, tuple(split_at_midnight(breaks)))

    def updated(
        self, *, has_sessions: bool | None = None, breaks: Breaks | None = None, zone: str | None = None
    ) -> TradingClock:
        """This clock with what is given (not None) in place of its own; a session of another zone's clock is not kept."""
        given = {"has_sessions": has_sessions, "breaks": breaks, "zone": zone}
        changed = {name: value for name, value in given.items() if value is not None and value != getattr(self, name)}
        if not changed:
            return self
        if "zone" in changed or changed.get("has_sessions") is False:
            changed.setdefault("session", None)
        return replace(self, **changed, how="declared")

    @property
    def closure(self) -> int | None:
        """Microseconds from a closing to the next opening; 0 around the clock, None where the session is not known."""
        return None if self.session is None else (self.session[0] - self.session[1]) % DAY

    @property
    def day_start(self) -> int:
        """Where the trading day begins in the zone's day: 0 unless the session goes through midnight."""
        if self.session is None or not self.has_sessions:
            return 0
        first, last = self.session
        return first if first >= last > 0 or (first == last) else 0

    @property
    def lead(self) -> int:
        """Days from the date on which a trading day begins to the date that it is named by, 0 or 1."""
        return int(self.day_start > DAY // 2)

    @cached_property
    def exchange(self) -> tuple[str, TradingClock] | None:
        """The name of an exchange with these sessions, and its own hours on this clock; None where none is known.

        On a UTC clock, only exchanges in zones without daylight saving time are known. The first bar may open less than an
        hour before the exchange, and the last one may end less than three hours after it closes.
        """
        return min(_alike(self), key=lambda found: found[0], default=(0, None))[1]

    @property
    def stretches(self) -> list[tuple[int, int]]:
        """When it trades, in the order of the trading day: pairs of opening and closing, microseconds of the zone's day."""
        if self.session is None:
            return []
        begin, end = self.session
        pauses = sorted({(pause[0], pause[1]) for pause in self.breaks}, key=lambda pause: (pause[0] - begin) % DAY)
        marks = [begin, *(mark for pause in pauses for mark in pause), end]
        return list(zip(marks[::2], marks[1::2], strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `from_dict` reads them."""
        return {
            "zone": self.zone,
            "has_sessions": self.has_sessions,
            "session": self.session,
            "breaks": self.breaks,
            "how": self.how,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TradingClock:
        """The clock of `to_dict`."""
        session = values["session"] and (values["session"][0], values["session"][1])
        breaks = tuple(tuple(each) for each in values["breaks"])
        return cls(values["zone"], values["has_sessions"], session, breaks, values["how"])

    def __str__(self) -> str:
        zone = self.zone or "UTC"
        if not self.has_sessions:
            return f"always {zone}"
        if self.session is None:
            return f"with sessions {zone}"
        return f"{', '.join(f'{clock_face(a)}-{clock_face(b)}' for a, b in self.stretches)} {zone}"


def local_time(times: pl.Series, zone: str | None) -> np.ndarray:
    """Microseconds since 1970 that the zone's clocks show at times in UTC, int64, shape (time,)."""
    utc = microseconds(times)
    if zone is None:
        return utc
    quarter = utc // QUARTER  # clocks change at quarters of an hour: one offset for each run of equal ones
    first = np.flatnonzero(np.diff(quarter, prepend=quarter[:1] - 1))
    starts = quarter[first] * QUARTER
    shown = pl.Series(starts).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone).dt.replace_time_zone(None)
    ahead = shown.to_numpy().astype(np.int64) - starts
    return utc + np.repeat(ahead, np.diff(np.append(first, len(utc))))


def microseconds(times: pl.Series) -> np.ndarray:
    """Times in UTC as microseconds since 1970, int64, shape (time,), without an expression of Polars, each of which costs
    as much as a bar.
    """
    return times.cast(pl.Datetime("us", "UTC")).cast(pl.Int64).to_numpy()


def split_at_midnight(pauses: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pauses of the day, one through midnight as two."""
    whole = [(first, last) for first, last in pauses if first < last]
    for first, last in pauses:
        if first > last:
            whole += [(first, DAY), (0, last)] if last else [(first, DAY)]
    return sorted(whole)


def _alike(clock: TradingClock) -> list[tuple[int, tuple[str, TradingClock]]]:
    """Exchanges that open, pause and close as this clock does, with the microseconds by which they differ."""
    if clock.session is None:
        return []
    found = []
    for name, zone, text in EXCHANGES:
        usual = TradingClock.parse(f"{text} {zone}")
        shift = 0 if clock.zone == zone else _fixed_offset(zone) if clock.zone is None else None
        if shift is None or usual.session is None:
            continue
        first, last = ((mark - shift) % DAY for mark in usual.session)
        breaks = tuple(split_at_midnight([((a - shift) % DAY, (b - shift) % DAY) for a, b in usual.breaks]))
        early, late = (first - clock.session[0]) % DAY, (clock.session[1] - last) % DAY
        same = [pause[1] for pause in breaks] == [pause[1] for pause in clock.breaks]
        if same and early < HOUR and late < SHORT_CLOSURE:
            found.append((early + late, (name, TradingClock(clock.zone, True, (first, last), breaks))))
    return found


def _fixed_offset(zone: str) -> int | None:
    """Microseconds by which a zone without daylight saving time is ahead of UTC, None where it has such a time."""
    days = pl.Series([f"2024-{month:02}-15" for month in (1, 4, 7, 10)]).str.to_datetime(time_unit="us")
    utc = days.dt.replace_time_zone("UTC")
    ahead = set((local_time(utc, zone) - local_time(utc, None)).tolist())
    return ahead.pop() if len(ahead) == 1 else None


def clock_face(mark: int) -> str:
    """Microseconds of a day as 09:30."""
    minutes = mark // MINUTE
    return f"{minutes // 60:02}:{minutes % 60:02}"
