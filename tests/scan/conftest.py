"""A small plan that many tests of scans share, and its results."""

from __future__ import annotations

import pytest

from candlecast.scan import scan
from small_scans import plan_of, walk


@pytest.fixture(scope="session")
def assets():
    """Three assets, the first with momentum."""
    return [walk("A", 1, phi=0.4), walk("B", 2), walk("C", 3)]


@pytest.fixture(scope="session")
def plan(assets):
    """Three assets x two models."""
    return plan_of(*assets)


@pytest.fixture(scope="session")
def scanned(plan, tmp_path_factory):
    """The folder of runs and the scan of the plan."""
    runs = tmp_path_factory.mktemp("scanned")
    return runs, scan(plan, runs=runs, workers=1)
