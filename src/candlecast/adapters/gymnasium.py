"""Gymnasium: the account as an environment, for agents of any reinforcement-learning library.

`pip install candlecast[gymnasium]`. One step is one bar of the same account that every backtest walks (`account.follow`), so
that positions replayed here end in the backtest's equity, to the last bit:

    env = TradingEnv(job.samples, job.fold.train.array, bars=250)
    observation, info = env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(np.array([0.5], np.float32))
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from candlecast.backtesting.actions import carry_by_bar
from candlecast.backtesting.costs import DEFAULT_COSTS, Costs, checked
from candlecast.backtesting.engine import account
from candlecast.backtesting.engine.account import Account, Bar, CarryEvents, Conditions
from candlecast.backtesting.filters import NO_FILTERS, Filters
from candlecast.backtesting.untraded import traded_volume
from candlecast.backtesting.validation import require_account
from candlecast.candles import Candles
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.features import Scaling, fit_scaling
from candlecast.parameters import is_whole

try:
    import gymnasium
    from gymnasium.spaces import Box, Discrete
except ImportError as error:
    raise ConfigError(
        "gymnasium is not installed",
        expected="the extra that brings it",
        remedy='Install it with: pip install "candlecast[gymnasium]"',
    ) from error

BOUND = 10.0  # what is observed is cut off there: scaled features beyond are faults or crashes
RUINED = 1e-6  # of the equity, that counts as left when nothing is: a reward has to be finite


class TradingEnv(gymnasium.Env[np.ndarray, Any]):
    """Decide what to hold at the close of each bar; filled at the next open, after costs.

    *Observation*, float32 (columns + 1,): the features of the bar, scaled by `scaling` and 0 where undefined, and the
    fraction of equity held at its close, all cut off at +-`BOUND`. *Action*: the position, a fraction of equity in [-1, 1],
    as a Box of shape (1,), or with `choices`, such as (-1.0, 0.0, 1.0), the number of one of them. A position equal to the
    last one keeps the units held. *Reward*: ln(E_{t+1} / E_t) of the account's equity at closes, so that an episode's
    rewards add up to its logarithmic growth; at ruin, where the episode is `terminated`, ln(RUINED).

    An episode begins flat with `cash` and holds `bars` decisions, from a start drawn at random, or with None a whole stretch of
    `rows`; after the last it is `truncated`. It never leaves `rows` (rising; neighbours are bars in a row): of
    those of a fold's training part, no price or feature after it is seen. `scaling` is measured on `rows` when not
    given; for a test part, pass that of the environment that was trained on: `env.scaling`.

    `info` has `time` (close of the bar), `row`, `equity` and `position` (the fraction held).

    Raises ConfigError for rows or choices that mean nothing, NotEnoughDataError where no episode fits into the rows.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  the base declares it so

    def __init__(
        self,
        samples: Samples,
        rows: np.ndarray,
        *,
        scaling: Scaling | None = None,
        bars: int | None = None,
        choices: tuple[float, ...] | None = None,
        costs: Costs = DEFAULT_COSTS,
        cash: float = 10_000.0,
        filters: Filters = NO_FILTERS,
    ) -> None:
        require_account(samples.candles, costs, cash, filters, None)
        rows = np.asarray(rows, dtype=np.int64)
        self.choices = choices
        self._require(samples, rows, bars)
        self.samples, self.cash = samples, float(cash)
        self.scaling = fit_scaling(samples.features.scalers, samples.inputs[rows]) if scaling is None else scaling
        self.first, self.last = _episodes(rows, bars)
        candles = samples.candles
        self._bars = _bars(candles, carry_by_bar(candles, costs, None))
        self._conditions = Conditions(costs.terms(filters), checked(costs.extra))
        self._seen = np.clip(
            np.nan_to_num(self.scaling.apply(samples.inputs), posinf=BOUND, neginf=-BOUND), -BOUND, BOUND
        )
        self.observation_space = Box(-BOUND, BOUND, (self._seen.shape[1] + 1,), np.float32)
        self.action_space = Box(-1.0, 1.0, (1,), np.float32) if choices is None else Discrete(len(choices))
        self._row, self._end, self._account = int(self.first[0]), int(self.last[0]), account.start(self.cash)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin another episode, flat; the same one for the same seed."""
        super().reset(seed=seed)
        episode = int(self.np_random.integers(len(self.first)))
        self._row, self._end = int(self.first[episode]), int(self.last[episode])
        self._account = account.start(self.cash)
        return self._observed(), self._info()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Hold the position from the next open on; what the account is worth at the close after it.

        Raises ConfigError for an action outside of the action space, and after the end of an episode.
        """
        if self._row >= self._end:
            raise ConfigError(
                f"a step after row {self._end}, the last of the episode",
                expected="steps until terminated or truncated",
                remedy="Call reset() to begin another episode",
            )
        before, target = self._equity, self._target(action)
        self._row += 1
        self._account, *_ = account.follow(self._account, self._bars[self._row], target, self._conditions)
        left = self._equity / before
        is_ruined = left <= 0.0
        if is_ruined:
            self._end = self._row
        reward = math.log(RUINED if is_ruined else left)
        return self._observed(), reward, is_ruined, self._row == self._end and not is_ruined, self._info()

    @property
    def account(self) -> Account:
        """The account at the close of the bar observed last."""
        return self._account

    @property
    def _equity(self) -> float:
        return self._account.cash + self._account.units * self._bars[self._row].close

    @property
    def _held(self) -> float:
        """Fraction of equity held at the close."""
        equity = self._equity
        return self._account.units * self._bars[self._row].close / equity if equity > 0.0 else 0.0

    def _target(self, action: Any) -> float:
        number = np.asarray(action).ravel()
        if number.size != 1 or not (
            -1.0 <= float(number[0]) <= 1.0 if self.choices is None else self._is_choice(number)
        ):
            raise ConfigError(
                f"the action is {action!r}",
                expected=f"one of {self.action_space}",
                remedy="Clip it to the action space, as agents do",
            )
        return float(number[0]) if self.choices is None else float(self.choices[int(number[0])])

    def _is_choice(self, number: np.ndarray) -> bool:
        return number[0] == int(number[0]) and 0 <= int(number[0]) < len(self.choices or ())

    def _observed(self) -> np.ndarray:
        held = min(max(self._held, -BOUND), BOUND)
        return np.append(self._seen[self._row], held).astype(np.float32)

    def _info(self) -> dict[str, Any]:
        time = self.samples.candles.close_time[self._row]
        return {"time": time, "row": self._row, "equity": self._equity, "position": self._held}

    def _require(self, samples: Samples, rows: np.ndarray, bars: int | None) -> None:
        if rows.ndim != 1 or not len(rows) or (np.diff(rows) <= 0).any() or rows[0] < 0 or rows[-1] >= len(samples):
            raise ConfigError(
                f"rows are an array of shape {rows.shape}",
                expected=f"rising rows of the {len(samples):,} bars",
                remedy="Use for example job.fold.train.array",
            )
        if bars is not None and not is_whole(bars):
            raise ConfigError(
                f"bars is {bars!r}", expected="a whole number of decisions, 1 or more, or None", remedy="Use bars=250"
            )
        if self.choices is not None and (not self.choices or not all(-1 <= choice <= 1 for choice in self.choices)):
            raise ConfigError(
                f"choices is {self.choices!r}", expected="positions in [-1, 1]", remedy="Use choices=(-1.0, 0.0, 1.0)"
            )


def _bars(candles: Candles, events: np.ndarray | None) -> list[Bar]:
    columns = candles.open, candles.high, candles.low, candles.close, traded_volume(candles)
    carried = [None] * len(candles) if events is None else [CarryEvents(*row) for row in events.tolist()]
    ends = [False] * (len(candles) - 1) + [candles.has_ended]
    rows = zip(*(column.tolist() for column in columns), carried, ends, strict=True)
    return [Bar(*row) for row in rows]


def _episodes(rows: np.ndarray, bars: int | None) -> tuple[np.ndarray, np.ndarray]:
    """First and last rows of all episodes that may be drawn, each inside one unbroken stretch of rows."""
    cuts = np.flatnonzero(np.diff(rows) != 1) + 1
    stretches = [stretch for stretch in np.split(rows, cuts) if len(stretch) > (1 if bars is None else bars)]
    if not stretches:
        raise NotEnoughDataError(
            f"no episode of {'2 bars' if bars is None else f'{bars:,} decisions'} fits into {len(rows):,} rows",
            expected="so many bars in a row, and one more to fill the last decision",
            remedy="Give more rows, or fewer bars",
        )
    if bars is None:
        first, last = ([stretch[end] for stretch in stretches] for end in (0, -1))
        return np.array(first), np.array(last)
    first = np.concatenate([stretch[:-bars] for stretch in stretches])
    return first, first + bars
