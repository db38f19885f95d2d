"""What a scan says beforehand: the smallest edge that it finds, checked by simulation, and what it takes."""

from __future__ import annotations

import numpy as np
import pytest

from candlecast.ledger import Ledger
from candlecast.scan.outlook import edge_table, smallest_edge
from candlecast.scan.scanning import compute_cells, open_plan, outlook_of, working
from candlecast.stats import adjusted_p_value, clark_west, corrected_level
from small_scans import LINEAR, plan_of, walk

BARS, CELLS, WORLDS = 2_000, 200, 600


def test_the_smallest_r2_is_found_four_times_in_five():
    """A forecast that explains as much, of independent normal returns, passes Clark-West at the level of the scan."""
    level, r2, _ = smallest_edge(bars=BARS, horizon=1, bars_per_year=252, cells=CELLS)
    rng = np.random.default_rng(0)
    found = edgeless = 0
    for _ in range(WORLDS):
        forecast = rng.normal(size=BARS) * np.sqrt(r2)
        target = forecast + rng.normal(size=BARS) * np.sqrt(1 - r2)
        found += adjusted_p_value(clark_west(target, forecast, np.zeros(BARS)).p_value, before=0, after=CELLS) < 0.05
        noise = rng.normal(size=BARS)
        edgeless += clark_west(noise, forecast, np.zeros(BARS)).p_value < level
    assert 0.72 <= found / WORLDS <= 0.86  # 80 %, less what the estimated long-run variance costs
    assert edgeless <= 3


def test_the_smallest_sharpe_lead_is_found_four_times_in_five():
    """The lead of returns that have a correlation of 0.5 with buy-and-hold, by the z-test of Jobson and Korkie."""
    from scipy.special import ndtr

    level, _, lead = smallest_edge(bars=BARS, horizon=1, bars_per_year=252, cells=CELLS)
    rng, held, own = np.random.default_rng(1), 0.5, lead / np.sqrt(252)
    shared = rng.normal(size=(WORLDS, BARS))
    strategy = held * shared + np.sqrt(1 - held**2) * rng.normal(size=(WORLDS, BARS)) + own
    ratios = [each.mean(axis=1) / each.std(axis=1) for each in (strategy, shared)]
    z = (ratios[0] - ratios[1]) / np.sqrt(2 * (1 - held) / BARS)
    assert (1 - ndtr(z) < level).mean() == pytest.approx(0.8, abs=0.05)


def test_breadth_is_paid_for():
    alone, broad = (smallest_edge(bars=BARS, horizon=1, bars_per_year=252, cells=cells) for cells in (1, 1_000))
    assert alone[0] == pytest.approx(0.045)
    assert broad[0] == corrected_level(before=0, after=1_000) < alone[0] / 800
    assert alone[1] < broad[1]
    assert alone[2] < broad[2]
    later = smallest_edge(bars=BARS, horizon=1, bars_per_year=252, cells=1_000, before=1_000.0)
    assert later[1] > broad[1]


def test_an_outlook_times_a_sample_and_keeps_it(tmp_path):
    given = plan_of(*(walk(symbol, seed) for seed, symbol in enumerate("ABCDE")), models=[LINEAR])
    folder, opened = open_plan(given, runs=tmp_path, seed=0)
    with working(opened, folder, workers=1, ray=None) as pool:
        events = []
        outlook = outlook_of(opened, folder, pool, Ledger(tmp_path), progress=events.append)
        assert (outlook.series, outlook.cells, outlook.finished, outlook.failed, outlook.trainings) == (5, 5, 2, 0, 6)
        assert outlook.seconds > 0
        assert outlook.memory > 1e7
        (edge,) = outlook.edges
        assert (edge.interval, edge.target, edge.cells) == ("1d", "return_1", 5)
        assert edge_table(outlook.edges).splitlines()[-1].split()[:3] == ["1d", "return", "5"]
        assert opened.cells[0].words == "linear return A 1d 12 bp"
        assert edge.r2_alone < edge.r2
        assert "5 cells on 5 series of candles, 2 of them finished before" in str(outlook)
        assert Ledger(tmp_path).count() == 0, "a sample is judged with its scan"
        compute_cells(opened, opened.cells, folder, pool, progress=events.append)
        assert not any("_1" in event.detail for event in events)
        after = outlook_of(opened, folder, pool, Ledger(tmp_path))
    assert (after.finished, after.trainings, after.seconds) == (5, 0, 0.0)
