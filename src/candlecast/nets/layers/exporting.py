"""Whether a graph is being drawn of a net, in which compiled kernels have no place."""

from __future__ import annotations

import torch


def is_exporting() -> bool:
    """Whether torch follows a net to write its operations down: only torch's own can be, so kernels give way to them.

    That an export to ONNX goes on is the whole process's, and tracing each thread's own: other threads go on with kernels.
    """
    is_traced = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    return (torch.onnx.is_in_onnx_export() and is_traced) or torch.compiler.is_exporting()
