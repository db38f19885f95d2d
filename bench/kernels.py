"""Recurrent kernels against torch.nn: the tutorial's net, 2 layers of 50 units, windows of 50 bars, batches of 32.

A step is forward and backward. Everything is measured in turn, round after round, and the best round counts: others on
the machine only ever add time.
"""

import argparse
import itertools
import json
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.func import grad_and_value, vmap

from candlecast.nets import kernels
from candlecast.nets.kernels import cpu
from candlecast.nets.kernels.functions import Inputs, Stack

BATCH, TIME, HIDDEN, LAYERS = 32, 50, 50, 2
FLEET = 8
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
STATES = {"lstm": 2, "gru": 1, "rnn": 1}
CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    unit: str
    goal: float | None
    better: str
    against: str


@dataclass(frozen=True)
class Task:
    """Something to time: `work` with torch on `torch_threads` threads; the kernels have all cores."""

    work: Callable[[], object]
    torch_threads: int = 1


def step_flops(cell: str) -> float:
    """Floating point operations in the products of one step of one model."""
    product = 2 * BATCH * TIME * GATES[cell] * HIDDEN  # per row of weights
    total = 0
    for layer in range(LAYERS):
        features = 1 if layer == 0 else HIDDEN
        forward = product * (features + HIDDEN)
        inputs = product * ((features if layer else 0) + HIDDEN)
        total += 2 * forward + inputs  # forward, weight gradients, input and state gradients
    return total


def make_layers(cell: str, models: int) -> list[list[Tensor]]:
    """The weights of each layer, stacked over models: w_x, w_h and biases."""
    width = GATES[cell] * HIDDEN
    layers = []
    for layer in range(LAYERS):
        features = 1 if layer == 0 else HIDDEN
        biases = [torch.zeros(models, width) for _ in range(2 if cell == "gru" else 1)]
        layers.append([torch.randn(models, rows, width) * rows**-0.5 for rows in (features, HIDDEN)] + biases)
    return layers


def kernel_step(cell: str, models: int) -> Callable[[], object]:
    """The kernels alone, called as autograd would."""
    stack = Stack(getattr(cpu, cell.upper()), LAYERS, dropout=0.0, tail=1)
    states = [torch.zeros(models, BATCH, HIDDEN)] * STATES[cell]
    tensors = [tensor for weights in make_layers(cell, models) for tensor in (*states, *weights)]
    inputs = Inputs((), torch.randn(models, BATCH, TIME, 1), tensors)
    grads = [torch.randn(models, BATCH, 1, HIDDEN), *[None] * (LAYERS * STATES[cell])]

    def step() -> None:
        _, kept = stack.kernel.forward(stack, inputs)
        stack.kernel.backward(stack, grads, kept, inputs, False)

    return step


def fleet_steps(cell: str, models: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Gradients of every model's loss in the two ways torch offers: vmap of gradients, and gradients of a vmap's sum."""
    op = getattr(kernels, cell)
    layers = make_layers(cell, models)
    leaves = [weights.clone().requires_grad_() for weights in itertools.chain(*layers)]
    own = [leaves[n : n + len(layers[0])] for n in range(0, len(leaves), len(layers[0]))]
    x = torch.randn(models, BATCH, TIME, 1)

    def loss(layers: list[list[Tensor]], x: Tensor) -> Tensor:
        states = [x.new_zeros(BATCH, HIDDEN)] * STATES[cell]
        for weights in layers:
            out = op(x, *states, *weights)
            x = out[0] if isinstance(out, tuple) else out
        return x[:, -1].square().mean()

    inside, losses = vmap(grad_and_value(loss)), vmap(loss)
    return lambda: inside(layers, x), lambda: torch.autograd.grad(losses(own, x).sum(), leaves)


def torch_step(cell: str) -> Callable[[], object]:
    module = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell](1, HIDDEN, LAYERS, batch_first=True)
    x = torch.randn(BATCH, TIME, 1)

    def step() -> None:
        module.zero_grad()
        module(x)[0][:, -1].square().mean().backward()

    return step


def best_seconds(tasks: dict[str, Task], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(tasks, math.inf)
    for task in tasks.values():
        task.work()
    for _ in range(rounds):
        for name, task in tasks.items():
            torch.set_num_threads(task.torch_threads)
            task.work()
            for _ in range(5):
                start = time.perf_counter()
                task.work()
                best[name] = min(best[name], time.perf_counter() - start)
            time.sleep(0.01)  # the threads of OpenMP go on spinning for a while
    return best


def measure(rounds: int) -> list[Figure]:
    square = torch.randn(1024, 1024)
    tasks = {"sgemm 1": Task(lambda: square @ square), "sgemm all": Task(lambda: square @ square, CORES)}
    for cell in GATES:
        for models in (1, FLEET):
            tasks[f"{cell} kernel {models}"] = Task(kernel_step(cell, models))
            inside, outside = fleet_steps(cell, models)
            tasks[f"{cell} vmap of grad {models}"] = Task(inside)
            tasks[f"{cell} grad of vmap {models}"] = Task(outside)
        tasks[f"{cell} torch"] = Task(torch_step(cell), CORES)
    with kernels.threads(CORES):
        seconds = best_seconds(tasks, rounds)

    rate = {cores: 2 * 1024**3 / seconds[f"sgemm {cores}"] / 1e9 for cores in ("1", "all")}
    figures = [
        Figure("sgemm, one core", rate["1"], "GFLOP/s", None, "higher", "torch, 1024 x 1024"),
        Figure(f"sgemm, {CORES} cores", rate["all"], "GFLOP/s", None, "higher", "torch, 1024 x 1024"),
    ]
    for cell in GATES:
        rival = seconds[f"{cell} torch"]
        name = f"torch.nn.{cell.upper()}"
        figures.append(Figure(f"{name}, step", 1e3 * rival, "ms", None, "lower", ""))
        for models, ratio_goal in ((1, 2.2), (FLEET, 4.5)):
            for kind in ("kernel", "vmap of grad", "grad of vmap"):
                step = seconds[f"{cell} {kind} {models}"] / models
                title = f"{cell}, fleet of {models}, {kind}"
                goal = ratio_goal if kind == "grad of vmap" else None
                figures.append(Figure(f"{title}, step per model", 1e3 * step, "ms", None, "lower", name))
                figures.append(Figure(f"{title}, times faster", rival / step, "x", goal, "higher", name))
        share = step_flops(cell) * FLEET / seconds[f"{cell} kernel {FLEET}"] / 1e9 / rate["all"]
        figures.append(Figure(f"{cell}, share of sgemm rate", 100 * share, "%", 55, "higher", "sgemm, all cores"))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    machine = f"{platform.processor() or platform.machine()}, {CORES} cores, torch {torch.__version__}"
    figures = measure(options.rounds)
    if options.json:
        print(json.dumps({"bench": "kernels", "machine": machine, "figures": [asdict(f) for f in figures]}))
        return
    print(machine)
    for f in figures:
        goal = "" if f.goal is None else f"  goal {f.goal:g}"
        print(f"{f.name:<55} {f.value:9.2f} {f.unit:<8}{goal}")


if __name__ == "__main__":
    main()
