"""Zstandard streams, decompressed by Polars after a bound on their size is taken from their frames (RFC 8878)."""

from __future__ import annotations

import io

MAGIC, SKIPPABLE = 0xFD2FB528, 0x184D2A50  # of a frame; of one to skip, whose last four bits are free
MAX_BLOCK = 1 << 17  # bytes of a block, decompressed
RAW, RLE, COMPRESSED = 0, 1, 2


def size_bound(content: bytes) -> int:
    """Bytes of a stream when decompressed, at most: those that its frames state, and otherwise those of their blocks.

    Raises ValueError for a stream that is damaged or cut off.
    """
    at = total = 0
    while at < len(content):
        magic, at = _number(content, at, 4)
        if magic & ~15 == SKIPPABLE:
            size, at = _number(content, at, 4)
            at += size
        elif magic == MAGIC:
            size, at = _frame(content, at)
            total += size
        else:
            raise ValueError("the stream is damaged")
    if at != len(content):
        raise ValueError("the stream is cut off")
    return total


def lines_of(content: bytes) -> io.BytesIO:
    """The lines of a compressed text. Raises OSError for one that cannot be decompressed."""
    import polars as pl

    try:
        lines = pl.read_csv(
            content, has_header=False, separator="\x01", quote_char=None, infer_schema=False,
            empty_string_is_null=False, truncate_ragged_lines=True,
        ).to_series()  # fmt: skip
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise OSError(str(error)) from error
    return io.BytesIO("\n".join(lines.fill_null("")).encode() + b"\n")


def _frame(content: bytes, at: int) -> tuple[int, int]:
    """The size of a frame when decompressed, at most, and where it ends."""
    descriptor, at = _number(content, at, 1)
    is_single, flag = bool(descriptor & 0x20), descriptor >> 6
    at += (not is_single) + (0, 1, 2, 4)[descriptor & 3]  # the window and the number of a dictionary
    width = (1 if is_single else 0, 2, 4, 8)[flag]
    stated, at = _number(content, at, width)
    total, is_last = 0, False
    while not is_last:
        head, at = _number(content, at, 3)
        is_last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        if kind not in (RAW, RLE, COMPRESSED):
            raise ValueError("the stream is damaged")
        total += MAX_BLOCK if kind == COMPRESSED else size
        at += 1 if kind == RLE else size
    at += 4 if descriptor & 4 else 0  # a checksum
    return (stated + (256 if width == 2 else 0) if width else total), at


def _number(content: bytes, at: int, width: int) -> tuple[int, int]:
    """A little-endian number, and where it ends."""
    if at + width > len(content):
        raise ValueError("the stream is cut off")
    return int.from_bytes(content[at : at + width], "little"), at + width
