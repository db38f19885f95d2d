"""Walk forward: train on each fold's past, forecast its future, and the tables that describe a walk."""

from candlecast.walkforward.plan import WalkPlan, plan_jobs
from candlecast.walkforward.walk import (
    CheckpointStore,
    FoldForecast,
    forecast_frame,
    walk_by_plan,
    walk_forward,
    walk_jobs,
    watch_forward,
)

__all__ = [
    "CheckpointStore",
    "FoldForecast",
    "WalkPlan",
    "forecast_frame",
    "plan_jobs",
    "walk_by_plan",
    "walk_forward",
    "walk_jobs",
    "watch_forward",
]
