"""Tasks computed on a Ray cluster (extra `ray`): one at a time on each share of its cores, wherever that is."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from candlecast.errors import ConfigError, RunError
from candlecast.scan.messages import answered
from candlecast.scan.workers import LIMITS

LOCAL = "local"  # starts a cluster on this machine


class RayWorkers:
    """Tasks computed by a cluster. What a dead worker or node held is begun again by the scan, not by Ray.

    address: of the cluster; "auto" for the one that runs on this machine, "local" to start one.
    workers: tasks at once; one for each core of the cluster when None. Each has as many threads as cores.

    Raises ConfigError without Ray, RunError for a cluster that cannot be reached.
    """

    def __init__(self, address: str, *, workers: int | None = None) -> None:
        self._ray = ray = _imported()
        self._started = not ray.is_initialized()
        if self._started:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            try:
                ray.init(
                    address=None if address == LOCAL else address,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    include_dashboard=False if address == LOCAL else None,
                    runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}},
                )
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                raise RunError(
                    f"the Ray cluster {address} cannot be reached ({str(error).splitlines()[0][:200]})",
                    expected="the address of a running cluster",
                    remedy='Start one with `ray start --head`, or use "local"',
                ) from error
        found = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        self.capacity = found if workers is None else min(workers, found)
        threads = max(found // self.capacity, 1)
        remote = ray.remote(num_cpus=threads, max_retries=0, runtime_env=_threads(threads))
        self._compute = remote(answered)
        self._active: dict[Any, int] = {}

    def start(self, number: int, message: bytes) -> None:
        """Send a task to the cluster."""
        self._active[self._compute.remote(message)] = number

    def next(self) -> tuple[int, bytes | None]:
        """Wait for a task to end."""
        (ended,), _ = self._ray.wait(list(self._active), num_returns=1)
        number = self._active.pop(ended)
        try:
            return number, self._ray.get(ended)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError:  # its worker or its node is dead
            return number, None

    def close(self) -> None:
        """Cancel what is not finished, and leave the cluster."""
        for task in self._active:
            self._ray.cancel(task, force=True)
        self._active.clear()
        if self._started:
            self._ray.shutdown()


def _threads(threads: int) -> dict[str, Any]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return {"env_vars": dict.fromkeys(LIMITS, str(threads)) | {"PYTHONPATH": paths}}


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "Ray is not installed",
            expected="the package that runs a scan on a cluster",
            remedy='Install it with: pip install "candlecast[ray]"',
        ) from error
    return ray
