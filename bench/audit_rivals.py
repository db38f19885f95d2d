"""Other tools on the same pipelines: each is given a function from a pandas frame to one value for each bar.

The method of freqtrade's lookahead-analysis is rebuilt from its documentation; the others are the packages themselves.
"""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import polars as pl

from candlecast.candles import Candles
from candlecast.interval import Interval

CUTS = 20  # signals that are computed again on cut candles
COLUMNS = ["open", "high", "low", "close", "volume"]


def frame_of(candles):
    """Candles as a pandas frame indexed by the close of each bar."""
    frame = pd.DataFrame({name: getattr(candles, name) for name in COLUMNS})
    frame.index = pd.DatetimeIndex(candles.close_time, name="time")
    return frame


def candles_of(frame):
    """The candles of such a frame."""
    close = pl.Series(frame.index.to_numpy().astype("datetime64[us]")).dt.replace_time_zone("UTC")
    columns = {name: frame[name].to_numpy(float) for name in COLUMNS}
    table = pl.DataFrame({"close_time": close, **columns}).with_columns(
        open_time=pl.col("close_time") - pl.duration(hours=1)
    )
    order = ["open_time", "close_time", *COLUMNS]
    return Candles(table.select(order), "X", Interval.parse("1h"))


def on_frames(column):
    """A function of candles as one of frames."""

    def compute(frame):
        return pd.Series(np.asarray(column(candles_of(frame)), float), index=frame.index, name="x")

    return compute


def freqtrade_method(compute, frame):
    """Values at some bars, from candles that end there, against those from all candles."""
    whole = compute(frame)
    bars = np.linspace(len(frame) // 4, len(frame) - 2, CUTS).astype(int)
    return any(not np.isclose(compute(frame.iloc[: bar + 1]).iloc[-1], whole.iloc[bar], equal_nan=True) for bar in bars)


def nullbar(compute, frame):
    from nullbar.leaklint import prefix_replay_check

    return prefix_replay_check(compute, frame)["leak"]


def nullcheck(compute, frame):
    import nullcheck as tool

    return tool.check(lambda rows: compute(rows).to_frame(), frame).status == "DIVERGENCE_OBSERVED"


def leakprobe(compute, frame):
    import leakprobe as tool

    def features(sources):
        rows = sources["candles"].set_index("time").sort_index()
        return compute(rows).to_frame()

    report = tool.check(
        compute=features,
        sources={"candles": frame.reset_index()},
        timestamps={"candles": "time"},
        declared={"x": ["candles"]},
        by=pd.Timedelta(hours=1),
        cutoff=frame.index[len(frame) * 3 // 4],
    )
    return bool(report.leaks or report.future)


def monte_neo(compute, frame):
    from monte_neo.verify import verify_strategy

    def signal(rows):
        x = compute(rows.set_index(pd.DatetimeIndex(rows["timestamp"], name="time")))
        return np.mod(1_000 * np.nan_to_num(x.to_numpy()), 1.0)  # a position that every change of the value moves

    prices = frame.reset_index().rename(columns={"time": "timestamp"})
    report = verify_strategy(prices, signal_fn=signal)
    return any(row["status"] == "fail" and row["category"] == "lookahead" for row in report["checks"])


RIVALS = {
    "freqtrade's method": freqtrade_method,
    "nullbar": nullbar,
    "nullcheck": nullcheck,
    "leakprobe": leakprobe,
    "monte-neo": monte_neo,
}


def verdicts(column, candles):
    """What each tool says of a pipeline: True for a leak, a text where it fails or is not installed."""
    compute, frame = on_frames(column), frame_of(candles)
    found = {}
    for name, judge in RIVALS.items():
        try:
            with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                found[name] = bool(judge(compute, frame))
        except ImportError:
            found[name] = "not installed"
        except Exception as error:  # whatever another tool raises
            found[name] = f"fails ({type(error).__name__})"
    return found
