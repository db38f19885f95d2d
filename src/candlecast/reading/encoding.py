"""Bytes of text in any usual encoding, as blocks of whole lines in UTF-8."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import IO

from candlecast.reading.vocabulary import canonical, is_known

BLOCK = 2**21
HEAD = 2**18
LONGEST_LINE = 2**26
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
LEGACY = ("cp1252", "gb18030", "big5", "cp932", "cp949", "euc_jp", "cp1251", "cp1250", "cp1254", "koi8-r", "cp1253")
SPOKEN = {
    "gb18030": "GBK", "cp932": "Shift-JIS", "cp949": "CP949", "big5": "Big5", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252", "cp1251": "Windows-1251", "cp1250": "Windows-1250", "cp1254": "Windows-1254",
}  # fmt: skip


def detect(head: bytes) -> str | None:
    """The encoding that the first bytes of a text are in; None when they are no text."""
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    zeros = head.count(0)
    if zeros:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if zeros > 0.3 * len(head) and min(even, odd) < 0.02 * len(head):
            return "utf-16-le" if odd > even else "utf-16-be"
        return None
    if sum(head.count(byte) for byte in range(1, 9)) + head.count(0x1B) > 0.01 * len(head) + 1:
        return None
    if _decodes(head, "utf-8") is not None:
        return "utf-8"
    found = {}
    for name in ("utf-8", *LEGACY):  # of equal scores the first that decodes every byte; UTF-8 if none does
        text = codecs.getincrementaldecoder(name)("replace").decode(head, False)
        damaged = text.count("\ufffd")
        found[name] = (_known_names(text), damaged == 0, name == "utf-8" and damaged < 0.001 * len(text) + 2, -damaged)
    return max(found, key=lambda name: found[name])


def display_name(name: str) -> str:
    """What people call an encoding."""
    return SPOKEN.get(name, name.upper())


def text_of(head: bytes, encoding: str) -> str:
    """The first bytes of a text as lines that end with a line feed."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head, False).removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def blocks(stream: IO[bytes], encoding: str, size: int = BLOCK) -> Iterator[bytes]:
    """Whole lines in UTF-8 that end with a line feed, some `size` bytes at a time."""
    decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)("replace")
    rest, is_first, ended = b"", True, False
    while not ended:
        part = stream.read(size)
        ended = not part
        if decoder:
            part = decoder.decode(part, ended).encode("utf-8", "replace")
        if is_first:
            part, is_first = part.removeprefix(codecs.BOM_UTF8), False
        part = rest + part
        held = b"" if ended or not part.endswith(b"\r") else b"\r"  # its line feed may come with the next part
        if b"\r" in part:
            part = part[: len(part) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = len(part) if ended else part.rfind(b"\n") + 1
        rest = part[end:] + held
        if len(rest) > LONGEST_LINE:
            raise ValueError(f"a line of more than {LONGEST_LINE:,} bytes")
        if end:
            block = part[:end] if part.endswith(b"\n", 0, end) else part[:end] + b"\n"
            yield block if block.isascii() else _valid(block)


def _valid(block: bytes) -> bytes:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("utf-8", "replace").encode("utf-8")
    return block


def _decodes(head: bytes, name: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(name)("strict").decode(head, False)
    except UnicodeDecodeError:
        return None


def _known_names(text: str) -> int:
    """How many cells of the first lines are names of columns."""
    cells = [cell for line in text.splitlines()[:12] for cell in re.split(r"[,;\t|]", line)]
    return sum(is_known(canonical(cell)) for cell in cells if cell.strip() and not cell.isascii())
