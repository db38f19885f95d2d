"""A worker: a process that computes tasks which it reads from its standard input, until that ends.

    message: length (uint64, little-endian), and as many bytes

Started by `candlecast.scan.workers`, which is the other end of both pipes. Everything else that the process prints goes to
standard error. A worker whose other end is gone has nothing to read, and ends.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import IO

LENGTH = struct.Struct("<Q")
READY = b"ready"  # the first message of a worker


def send(stream: IO[bytes], message: bytes) -> None:
    """Write a message."""
    stream.write(LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next message; None where the stream has ended, within a message too."""
    head = _exactly(stream, LENGTH.size)
    return None if head is None else _exactly(stream, LENGTH.unpack(head)[0])


def _exactly(stream: IO[bytes], size: int) -> bytes | None:
    parts, left = [], size
    while left:
        part = stream.read(min(left, 1 << 24))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def main() -> None:
    """Say that it is ready, and answer every message with the outcome of its task."""
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what a library prints is no answer
    first = receive(tasks)
    if first is None:
        return
    sys.path[:] = first.decode().split("\0")
    from candlecast.scan.messages import answered

    send(answers, READY)
    while (message := receive(tasks)) is not None:
        try:
            send(answers, answered(message))
        except BrokenPipeError:
            return
