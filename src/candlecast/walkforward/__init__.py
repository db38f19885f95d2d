"""Walk forward: train on each fold's past, forecast its future, and the tables that tell of it."""

from candlecast.walkforward.walk import (
    CheckpointStore,
    FoldForecast,
    forecast_frame,
    plan_jobs,
    walk_forward,
    watch_forward,
)

__all__ = ["CheckpointStore", "FoldForecast", "forecast_frame", "plan_jobs", "walk_forward", "watch_forward"]
