"""What the benchmarks measure still runs."""

import importlib.util
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "bench"


@pytest.fixture(scope="module")
def kernels():
    spec = importlib.util.spec_from_file_location("bench_kernels", BENCH / "kernels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_kernels_step(kernels, cell):
    kernels.kernel_step(cell, 2)()
    for step in kernels.fleet_steps(cell, 2):
        step()
