"""Replays: a run is computed again and compared, and two runs are told apart."""

from candlecast.replay.difference import RunDifference, diff
from candlecast.replay.replay import ReplayReport, replay

__all__ = ["ReplayReport", "RunDifference", "diff", "replay"]
