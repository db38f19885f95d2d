"""ONNX: a fitted net as one file that runs wherever onnxruntime does, without candlecast or torch."""

from __future__ import annotations

import json
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from candlecast.dataset.samples import windows
from candlecast.errors import ConfigError
from candlecast.process.shared import ignoring
from candlecast.recipes import describe
from candlecast.targets import components, label

if TYPE_CHECKING:
    from candlecast.fleet.fitted import FittedNet
    from candlecast.fleet.graph import Graph

OPSET = 17
COMPARED = 256  # forecasts that are compared before a file is given out
TOLERANCE = 1e-4  # of what is compared, in scaled outcomes: some float32 roundings


def export_onnx(fitted: FittedNet, path: str | Path) -> Path:
    """Write a fitted net as an ONNX file; needs `pip install candlecast[onnx]`. Gives the path.

    Input `windows` (batch, window, column), float64: the features of the last `window` bars as `Features.compute` gives
    them, unscaled. Outputs, each float64 (batch,) in the target's units: `mean` and the head's further columns (`sigma`,
    `q05`, `p_up` ...), those of the further targets of `Several` as `mean@return_5`. Scaling is inside. What the file
    says of itself is in its metadata: see `metadata`.

    Each window starts from an empty memory, so that a net sampled in sequence gives what it forecasts for a bar asked for
    alone. A linear part that is refitted in the test part is in the file as it was trained. The file is compared in
    onnxruntime with the net itself before it takes its place.

    Raises ConfigError for a net that torch cannot write as a graph, that gives other numbers there, or without the extra.
    """
    onnx, runtime = _library("onnx"), _library("onnxruntime")
    from candlecast.fleet.graph import Graph

    graph, path = Graph(fitted), Path(path)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "net.onnx"
        _draw(graph, draft, columns=len(fitted.inputs.shift), window=fitted.window)
        model = onnx.load(draft)
    onnx.helper.set_model_props(model, metadata(fitted))
    content = model.SerializeToString()
    _require_equal(fitted, runtime.InferenceSession(content, providers=["CPUExecutionProvider"]), graph)
    path.write_bytes(content)
    return path


def metadata(fitted: FittedNet) -> dict[str, str]:
    """What an exported file says of itself: `features` (JSON: the columns in order), `recipe` (JSON: features, target and
    head), `target`, `horizon`, `window`, `symbol`, `interval`, `fold`, `seed`, `epochs`, and `candlecast`, the version.
    """
    from candlecast import __version__

    job = fitted.job
    recipes = {"features": job.samples.features, "target": job.samples.target, "head": fitted.spec.head}
    return {
        "candlecast": __version__,
        "features": json.dumps(list(job.samples.features.columns)),
        "recipe": json.dumps({name: describe(recipe) for name, recipe in recipes.items()}),
        "target": ", ".join(label(target) for target in components(job.samples.target)),
        "horizon": str(job.samples.horizon),
        "window": str(fitted.window),
        "symbol": job.symbol,
        "interval": str(job.samples.candles.interval),
        "fold": str(job.fold.index),
        "seed": str(job.seed),
        "epochs": str(len(fitted.losses)),
    }


def _draw(graph: Graph, path: Path, *, columns: int, window: int) -> None:
    """Write the graph by following the net through one batch.

    torch's older exporter: the newer one takes 9 s where this takes 0.3 s, for two layers and a window of 6, and grows
    with both.
    """
    import torch

    example = torch.zeros(2, window, columns, dtype=torch.float64)
    batch = {name: {0: "batch"} for name in ("windows", *graph.names)}
    try:
        with ignoring(Warning):  # shapes that a net checks in Python are constants of the graph
            torch.onnx.export(
                graph,
                (example,),
                str(path),
                input_names=["windows"],
                output_names=graph.names,
                dynamic_axes=batch,
                opset_version=OPSET,
                dynamo=False,
            )
    except ConfigError:
        raise
    except Exception as error:  # whatever a user's module does that has no graph
        raise ConfigError(
            f"the net cannot be written as ONNX ({str(error).splitlines()[0]})",
            expected="torch operations that ONNX knows",
            remedy="Write the named operation with others",
        ) from error


def _require_equal(fitted: FittedNet, session: Any, graph: Graph) -> None:
    """Raise ConfigError unless the file gives the net's own forecasts, whatever the number of windows."""
    import torch

    rows = fitted.job.test_rows[:COMPARED]
    x = np.ascontiguousarray(windows(fitted.job.samples.inputs, fitted.window)[rows - fitted.window + 1])
    with torch.no_grad():
        expected = np.array([column.numpy() for column in graph(torch.from_numpy(x))])  # (names, rows)
    try:
        found = np.array(session.run(graph.names, {"windows": x}))
        single = np.array(session.run(graph.names, {"windows": x[:1]}))
    except Exception as error:  # onnxruntime's errors have no common type of their own
        raise _unequal(f"onnxruntime cannot run it ({str(error).splitlines()[0]})") from error
    size = np.abs(fitted.outcomes.scale).max()
    for part, whole in ((found, expected), (single, expected[:, :1])):
        if part.shape != whole.shape or not np.allclose(part, whole, rtol=TOLERANCE, atol=TOLERANCE * size):
            apart = f", {np.abs(part - whole).max():.3g} apart" if part.shape == whole.shape else ""
            raise _unequal(f"the ONNX file gives other numbers than the net{apart}")


def _unequal(wrong: str) -> ConfigError:
    return ConfigError(
        wrong,
        expected="the same forecasts for any number of windows",
        remedy="Keep Python's if, int() and len() of values and batch sizes out of the net's forward",
    )


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{name} is not installed",
            expected="the extra onnx",
            remedy="Install it with: pip install 'candlecast[onnx]'",
        ) from error
