"""What a ledger holds: trials, what was searched to find them, and their entries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from candlecast.errors import ConfigError
from candlecast.interval import Interval
from candlecast.ledger.profile import Profile, profile_of
from candlecast.ledger.sketch import Sketch


@dataclass(frozen=True)
class Searched:
    """The configuration that was chosen inside the training part of a fold.

    `number`: in the order in which they were tried; `error`: mean squared error there, over naive's. `is_chosen`: False of the
    others, which ledgers of older versions hold too.
    """

    symbol: str
    fold: int
    number: int
    parameters: Mapping[str, Any]
    error: float
    is_chosen: bool = True


@dataclass(frozen=True, eq=False)
class Trial:
    """One evaluated configuration, and its out-of-sample returns.

    `data` is the fingerprint of the candles; `study` every choice that decides the returns, as JSON values, with the user's
    own functions as digests; `code` the version of candlecast. `times` are the closes of the bars, datetime64[us], strictly
    rising, and `returns` their simple net returns, both (time,). `searches` are configurations chosen inside training parts
    to find this one: recorded but not counted, since their choice used no test data. `target` names what was forecast.
    `profile` is used to compare trials; computed from the returns when not given. `sketches` of the assets by symbol: the ledger
    keeps them, and its trials come back without. `recorded_as`: of a trial that comes from a ledger, the identity that it was
    recorded under; older versions named trials by less.

    Raises ConfigError for series that do not belong together.
    """

    data: str
    study: Mapping[str, Any]
    code: str
    symbol: str
    interval: str
    model: str
    bars_per_year: float
    times: np.ndarray
    returns: np.ndarray
    searches: tuple[Searched, ...] = ()
    target: str = ""
    profile: Profile | None = None
    sketches: Mapping[str, Sketch] = field(default_factory=dict)
    recorded_as: str = ""

    def __post_init__(self) -> None:
        rising = len(self.times) < 2 or bool((np.diff(self.times) > np.timedelta64(0, "us")).all())
        if self.times.shape != self.returns.shape or not rising or not np.isfinite(self.returns).all():
            raise ConfigError(
                f"a trial of {len(self.times)} times and {len(self.returns)} returns",
                expected="rising times, each with a finite return",
                remedy="Pass the closes and returns of one backtest",
            )

    @property
    def assets(self) -> tuple[str, ...]:
        """Symbols of the assets of a panel; empty for a study of one asset."""
        return assets_in(self.study)

    @property
    def choices(self) -> str:
        """SHA-256 of data and study, hexadecimal: equal for a study that is run again."""
        return choices_of(self.data, self.study)

    @cached_property
    def content(self) -> str:
        """SHA-256 of data, study, times and returns (as float32), hexadecimal; independent of the version of the code."""
        digest = sha256(json.dumps([self.data, self.study], sort_keys=True).encode())
        digest.update(self.times.astype("datetime64[us]").astype("<i8").tobytes())
        digest.update((self.returns + 0.0).astype("<f4").tobytes())  # -0.0 and 0.0 are the same return
        return digest.hexdigest()

    @cached_property
    def identity(self) -> str:
        """SHA-256 of content, code and skills (of the profile, as float32): equal for a repeated trial alone.

        Code may read other parameters each time, and other forecasts may lead to the same returns, as where nothing is traded.
        """
        if self.recorded_as:
            return self.recorded_as
        digest = sha256(json.dumps([self.content, self.code]).encode())
        digest.update((self.outline.values[-1] + 0.0).astype("<f4").tobytes())
        return digest.hexdigest()

    @cached_property
    def outline(self) -> Profile:
        """The given profile, or else one computed from the returns."""
        if self.profile is not None:
            return self.profile
        return profile_of(self.times, self.returns, step=Interval.parse(self.interval).microseconds)


@dataclass(frozen=True, eq=False)
class Begun:
    """A study whose results a user, or a user's code, is about to see. From then on it counts, whether or not it ever ends.

    Fields as in `Trial`. `skill` of its forecasts at each of the `times`, both (time,); None where it is not known yet.
    `profile` of a result that is known: neither times nor skill are used then. Without it, the account of the `outline` is
    drawn at random, by the choices, as is a skill that is not known: a result that nobody kept is like no other.

    `token` of this begin, unlike any other, where code of the user's is about to see results: each begin then counts, see
    `candlecast.ledger.begins`. Without it, a study that begins again is the same. `repetition`: 0, or that of `repeated`.
    """

    data: str
    study: Mapping[str, Any]
    symbol: str
    interval: str
    target: str
    times: np.ndarray
    skill: np.ndarray | None = None
    sketches: Mapping[str, Sketch] = field(default_factory=dict)
    profile: Profile | None = None
    token: str = ""
    repetition: int = 0

    @property
    def choices(self) -> str:
        """SHA-256 of data and study, hexadecimal; that of the trial which it becomes. A repetition has another, of no trial."""
        own = choices_of(self.data, self.study)
        return sha256(f"{own} {self.repetition}".encode()).hexdigest() if self.repetition else own

    def repeated(self, repetition: int) -> Begun:
        """The same study, counted once more: no trial settles it, and its account is like no other. `repetition` from 1 on."""
        return replace(self, token="", repetition=repetition)

    @property
    def assets(self) -> tuple[str, ...]:
        """Symbols of the assets of a panel; empty for a study of one asset."""
        return assets_in(self.study)

    @property
    def outline(self) -> Profile:
        """The given profile, or else the skill of its forecasts, and an account at random; a repetition has its own."""
        generator = np.random.default_rng(int(self.choices[:16], 16))
        if self.profile is not None:
            return self.profile.redrawn(generator) if self.repetition else self.profile
        returns, skill = generator.standard_normal((2, len(self.times)))
        return profile_of(
            self.times,
            returns,
            step=Interval.parse(self.interval).microseconds,
            skills=(self.times, skill if self.skill is None else self.skill),
        )


@dataclass(frozen=True, eq=False)
class Entry:
    """A trial as the ledger counts it: `number` in order of time, `batch` shared by trials that were judged together.

    `recorded_at`: ISO text, UTC; empty for one that is not recorded. `assets`: symbols of the assets of a panel. `sketches`:
    of its assets, by symbol. `is_open`: it has begun and never ended, or not before the batch `ended`, in which its trial is.
    """

    number: int
    batch: int
    identity: str
    data: str
    symbol: str
    interval: str
    target: str
    profile: Profile
    recorded_at: str = ""
    assets: tuple[str, ...] = ()
    sketches: Mapping[str, Sketch] = field(default_factory=dict)
    is_open: bool = False
    ended: int | None = None

    def is_seen(self, batch: int) -> bool:
        """Whether the trials of a batch are judged among this one: it was there then, and is not counted by its trial."""
        return self.batch <= batch and (self.ended is None or self.ended > batch)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Of all assets of the trial."""
        return self.assets or (self.symbol,)

    @property
    def family(self) -> tuple[str, str, str]:
        """Market, interval and target."""
        return self.symbol, self.interval, self.target


def assets_in(study: Mapping[str, Any]) -> tuple[str, ...]:
    """The symbols of the assets that the choices of a trial name; empty where they name none."""
    found = study.get("assets")
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def choices_of(data: str, study: Mapping[str, Any]) -> str:
    """SHA-256 of candles and choices, hexadecimal."""
    return choices_as_written(data, json.dumps(study, sort_keys=True))


def choices_as_written(data: str, study: str) -> str:
    """The same, of choices as the JSON that a ledger holds."""
    return sha256(f"[{json.dumps(data)}, {study}]".encode()).hexdigest()
