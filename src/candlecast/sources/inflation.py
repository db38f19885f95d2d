"""Inflating what came over a network, up to a limit: a small body may hold gigabytes."""

from __future__ import annotations

import zlib

from candlecast.errors import SourceError

PIECE = 1 << 16


def too_large(most: int) -> SourceError:
    """The error for an answer of more than `most` bytes."""
    return SourceError(
        f"an answer has more than {most:,} bytes",
        expected="an answer of candles, which is smaller",
        remedy="Check the address and the network; a shorter period may help",
    )


def inflated(content: bytes, coding: str, most: int) -> bytes:
    """A body without its content codings, of at most `most` bytes.

    Raises SourceError for more, ValueError for one that ends too early or cannot be inflated.

    >>> inflated(zlib.compress(bytes(5)), "deflate", 9)
    b'\\x00\\x00\\x00\\x00\\x00'
    """
    for name in reversed([name.strip().lower() for name in coding.split(",")]):
        if name in ("gzip", "x-gzip", "deflate"):
            content = _inflated(content, most)
        elif name not in ("", "identity"):
            raise ValueError(f"content coding {name[:20]!r}, which was not asked for")
    return content


def _inflated(content: bytes, most: int) -> bytes:
    if not content:
        return content
    form = zlib.MAX_WBITS | 32  # gzip or zlib, as the header says
    if content[:2] != b"\x1f\x8b" and (content[0] & 15 != 8 or int.from_bytes(content[:2], "big") % 31):
        form = -zlib.MAX_WBITS  # "deflate" without a header, as some servers send it
    pieces, size = [], 0
    while content:
        stream = zlib.decompressobj(form)
        while not stream.eof:
            try:
                piece = stream.decompress(content, PIECE)
            except zlib.error as error:
                raise ValueError(f"a body that cannot be inflated: {error}") from None
            content = stream.unconsumed_tail
            size += len(piece)
            if size > most:
                raise too_large(most)
            if not piece and not content and not stream.eof:
                raise ValueError("a body that ends too early")
            pieces.append(piece)
        content = stream.unused_data.lstrip(b"\0")  # another member of the same file, or padding
    return b"".join(pieces)
