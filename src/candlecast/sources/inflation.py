"""Decompression of HTTP bodies, up to a limit: a small body may hold gigabytes."""

from __future__ import annotations

import zlib

from candlecast.errors import SourceError

MAX_MEMBERS = 100  # gzip members in one body, where one is usual: each copies the rest of the body


def too_large(most: int) -> SourceError:
    """The error for an answer of more than `most` bytes."""
    return SourceError(
        f"an answer has more than {most:,} bytes",
        expected="an answer of candles, which is smaller",
        remedy="Check the address and the network; a shorter period may help",
    )


def inflated(content: bytes, coding: str, most: int) -> bytes:
    """A body without its content codings, of at most `most` bytes.

    Raises SourceError for more, and ValueError for a body that ends too early or cannot be decompressed.

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
        form = -zlib.MAX_WBITS  # some servers send "deflate" without a header
    pieces, size = [], 0
    for _ in range(MAX_MEMBERS):
        stream = zlib.decompressobj(form)
        try:
            piece = stream.decompress(content, most - size + 1)
        except zlib.error as error:
            raise ValueError(f"a body that cannot be decompressed: {error}") from None
        size += len(piece)
        if size > most:
            raise too_large(most)
        if not stream.eof:
            raise ValueError("a body that ends too early")
        pieces.append(piece)
        content = stream.unused_data.lstrip(b"\0")  # another member, or padding
        if not content:
            return b"".join(pieces)
    raise ValueError(f"a body of more than {MAX_MEMBERS} compressed members")
