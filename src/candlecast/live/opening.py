"""How a session begins or continues: what it trades by, brought up to its last bar from the run and the journal."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from candlecast.backtesting.engine.account import Account
from candlecast.candles import Candles
from candlecast.candles.growing import frame_of
from candlecast.dataset.forecast import Forecast
from candlecast.errors import ConfigError, RunError
from candlecast.live.forecasting import Forecaster
from candlecast.live.generations import generations_of
from candlecast.live.journal import Entry
from candlecast.live.retraining import Trainer
from candlecast.live.trading import Trader
from candlecast.runs import run_name
from candlecast.sources.feed import Feed, Tape
from candlecast.study.fitted import Parts, parts_of
from candlecast.study.result import StudyResult
from candlecast.study.study import Study
from candlecast.targets import ExcessReturn, components, primary
from candlecast.walkforward.plan import WalkPlan

NETS = "nets-{}.safetensors"
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
BLOCK = 4_096  # bars that are read back at once


@dataclass
class Machinery:
    """Everything that moves with the bars of a session."""

    parts: Parts
    trainer: Trainer
    forecaster: Forecaster
    trader: Trader
    last_open: datetime  # of the newest bar, or the one before the first
    history: Candles


def opened(
    result: StudyResult, feed: Feed, *, cash: float, study: Study | None, at_spread: bool = False
) -> dict[str, Any]:
    """The first entry of a new session. Raises ConfigError and RunError for what cannot be traded on this feed."""
    require_feed(result, feed)
    parts_of(result, study, how="paper(study=...)")
    is_tape = isinstance(feed, Tape)
    first = feed.candles.frame["open_time"][0] if is_tape else result.candles.frame["close_time"][-1]
    return {
        "format": 1,
        "run": str(result.folder) if result.folder else run_name(result.recipe, result.candles),
        "identity": identity_of(result),
        "model": result.model,
        "symbol": feed.symbol,
        "interval": str(feed.interval),
        "cash": cash,
        "feed": feed.name,
        "first": min(first, result.candles.frame["close_time"][-1]).isoformat(),
        "trades_from": (first if is_tape else feed.now()).isoformat(),
        "at_spread": at_spread,
    }


def identity_of(result: StudyResult) -> str:
    """A digest of the study, its candles and what was learnt."""
    digest = sha256(json.dumps([result.recipe, result.candles.fingerprint], sort_keys=True).encode())
    for key in sorted(result.tensors):
        for name, value in sorted(result.tensors[key].items()):
            digest.update(f"{key} {name}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def require_feed(result: StudyResult, feed: Feed) -> None:
    """Raise ConfigError for a feed of other bars than those of the run, and for a study that a feed is not enough for."""
    candles = result.candles
    if (feed.symbol, feed.interval) != (candles.symbol, candles.interval):
        raise ConfigError(
            f"the feed brings {feed.symbol} {feed.interval}",
            expected=f"{candles.symbol} {candles.interval}, which the run was trained on",
            remedy="Take a feed of these, or the run of another study",
        )
    if any(isinstance(each, ExcessReturn) for each in components(result.target)):
        raise ConfigError(
            f"the target {primary(result.target).name} needs the candles of a benchmark, which the feed does not bring",
            expected="a target that is computed from the candles of the feed",
            remedy="Run the study with cc.NextReturn()",
        )


def machinery(
    result: StudyResult, opening: dict[str, Any], entries: Sequence[Entry], folder: Path, study: Study | None
) -> Machinery:
    """What moves with the bars, as it was after the last entry."""
    parts = parts_of(result, study, how="paper(study=...)")
    first = datetime.fromisoformat(opening["first"])
    frame = result.candles.frame
    history = result.candles[: int((frame["open_time"] < first).sum())]
    if not len(history):
        raise ConfigError(
            f"the tape begins at {first:%Y-%m-%d %H:%M} UTC, with or before the candles of the run",
            expected="some bars of the run before it, for the features",
            remedy="Leave out the first bars of the tape, as in cc.Tape(candles[1000:])",
        )
    window = int(result.recipe["window"])
    generations = generations_of(result, parts, after=history.close_time[-1])
    seeds = tuple(result.forecast.seeds)
    plan = WalkPlan(parts.features, result.target, parts.folds, seeds[:1], window)
    last = max((job.fold for job in plan.jobs(parts.model, result.candles)), key=lambda fold: fold.index)
    forecaster = Forecaster(
        history,
        features=parts.features,
        target=result.target,
        window=max(window, parts.model.window),
        generations=generations,
        model=result.model,
    )
    trader = Trader(parts.rule, result.costs, opening["cash"])
    walked = result.forecast.frame.filter(pl.col("time") <= frame["close_time"][len(history) - 1])
    trader.remember(history, Forecast(walked, result.forecast.horizon), forecaster.growing)
    trainer = Trainer(parts, result.target, forecaster.window, seeds, last)
    made = Machinery(parts, trainer, forecaster, trader, frame["open_time"][len(history) - 1], history)
    _replay(made, entries, folder)
    return made


def _replay(made: Machinery, entries: Sequence[Entry], folder: Path) -> None:
    """Bring the features, the nets' memories and the rule up to the last bar of the journal, and take the account from there."""
    bars = [entry.content for entry in entries if entry.kind == "bar"]
    refits = [entry.content for entry in entries if entry.kind == "refit"]
    stops = {refit["trained_at"] for refit in refits}
    by_trained = {refit["trained_at"]: refit for refit in refits}
    start = 0
    while start < len(bars):
        stop = start
        while stop < len(bars) and stop - start < BLOCK:
            stop += 1
            if bars[stop - 1]["close_time"] in stops:
                break
        candles = candles_of(bars[start:stop], made.history)
        forecast = made.forecaster.step(candles)
        made.trader.decide(forecast, candles, made.forecaster.growing)
        refit = by_trained.get(bars[stop - 1]["close_time"])
        if refit is not None:
            since = np.datetime64(datetime.fromisoformat(refit["since"]).replace(tzinfo=None), "us")
            kept = made.forecaster.growing.candles(len(made.forecaster.growing))
            path = folder / NETS.format(refit["index"])
            made.forecaster.add(made.trainer.restored(kept, refit["index"], since, path))
        made.last_open = candles.frame["open_time"][-1]
        start = stop
    if bars:
        made.trader.restore(bars, candles_of(bars[-1:], made.history))


def candles_of(bars: Sequence[dict[str, Any]], like: Candles) -> Candles:
    """Bars of a journal as candles like others."""
    opened, closed = ([datetime.fromisoformat(bar[name]) for bar in bars] for name in ("open_time", "close_time"))
    return candles_from(opened, closed, [bar["bar"] for bar in bars], like)


def candles_from(
    opened: Sequence[datetime], closed: Sequence[datetime], values: Sequence[Sequence[float | None]], like: Candles
) -> Candles:
    """Candles like others from the times of bars, and their open, high, low, close and volume."""
    times = {
        name: np.array([(time - EPOCH) // MICROSECOND for time in given], np.int64).view("datetime64[us]")
        for name, given in (("open_time", opened), ("close_time", closed))
    }
    prices = np.array(values, dtype=np.float64).reshape(len(opened), 5).T
    columns = dict(zip(("open", "high", "low", "close", "volume"), prices, strict=True))
    return replace(like, frame=frame_of({**times, **columns}))


def account_of(content: dict[str, Any]) -> Account:
    """The account that a journal's bar ends with."""
    return Account(*(math.nan if value is None else float(value) for value in content["account"]))


def require_same_session(
    opening: dict[str, Any], result: StudyResult, feed: Feed, folder: Path, *, cash: float | None, at_spread: bool
) -> None:
    """Raise RunError when a folder holds the session of another run or feed, or one with other costs."""
    wanted = {"identity": identity_of(result), "symbol": feed.symbol, "interval": str(feed.interval)}
    wanted |= {} if cash is None else {"cash": float(cash)}
    differing = (
        ["spread"]
        if at_spread is not bool(opening.get("at_spread"))
        else [name for name, value in wanted.items() if opening.get(name) != value]
    )
    if differing:
        name = differing[0].replace("identity", "run")
        raise RunError(
            f"{folder} is a session with another {name}",
            expected=f"the session of {opening['run']} with {opening['cash']:,.2f} in cash",
            remedy='Give this one a name of its own: cc.paper(..., session="paper/NAME")',
        )
