"""Workbooks that are damaged, or made up: read, or refused in one sentence, by a process that keeps to its limits."""

from __future__ import annotations

import random
import re

import pytest

from candlecast.sources import synthetic
from candlecast.sources.files import read_candles
from fuzz.budget import SHARDS, Failures, seeds
from spreadsheets import SHEET, packed, workbook

BARS = synthetic.random_walk(24, seed=3, interval="1h").candles.frame.select("open", "high", "low", "close", "volume")
DAYS = [[45_355 + number, *(round(70 * value, 2) for value in bar)] for number, bar in enumerate(BARS.iter_rows())]
PARTS = workbook(("date", "open", "high", "low", "close", "volume"), DAYS)
VALUES = (
    "",
    "-1",
    "0",
    "1e308",
    "NaN",
    "9" * 400,
    "99999999",
    "45355.75",
    "=1+1",
    "&#0;",
    "&lt;",
    "\u2028",
    "x" * 70_000,
)
MARKUP = (
    '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>', '<row r="4294967295"><c r="A4294967295"><v>2</v></c></row>',
    '<row r="200000"><c r="SZ200000"><v>2</v></c></row>', '<row r="0"><c r="A0"><v>1</v></c></row>', "<row>" * 50_000,
    "<row/>" * 200_000, "<row><c><v>1</v></c></row>" * 50_000, "<c><v>1</v></c>" * 20_000, '<c t="s"><v>4294967295</v></c>',
    '<c t="e"><v>#DIV/0!</v></c>', '<c t="b"><v>7</v></c>', '<c t="d"><v>99999-01-01</v></c>', '<c s="4294967295"><v>1</v></c>',
    "<mergeCells><mergeCell ref='A1:XFD1048576'/></mergeCells>", "<!--", "<![CDATA[", "&all;", '<dimension ref="A1:XFD1048576"/>',
)  # fmt: skip
ENTITIES = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
BOMB = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "{"a" * 1000}">{ENTITIES}<!ENTITY all "&j;">]>'


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numbers that no market has
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_mutation_is_candles_or_a_sentence(shard, tmp_path):
    pytest.importorskip("fastexcel")
    failures = Failures()
    for seed in seeds("workbook", shard):
        dice = random.Random(seed)
        path = tmp_path / dice.choice(["a.xlsx", "a.xlsx", "a.xlsx", "a.xlsm", "a.xlsb", "a.xls", "a.ods"])
        way, content = mutated(dice)
        path.write_bytes(content)
        with failures.case("case", seed, path.name, way):
            assert len(read_candles(path)) > 1
        path.unlink()
    failures.require_none()


def test_an_unharmed_one_is_read(tmp_path):
    pytest.importorskip("fastexcel")
    (tmp_path / "a.xlsx").write_bytes(packed(PARTS))
    assert read_candles(tmp_path / "a.xlsx").close.tolist() == [bar[4] for bar in DAYS]


def mutated(dice: random.Random) -> tuple[str, bytes]:
    """A workbook changed in one of many ways, and which."""
    way = dice.choice([_file, _bytes, _cells, _cells, _cells, _markup, _markup, _markup, _parts, _entities])
    return way.__name__, way(dice)


def _file(dice: random.Random) -> bytes:
    """Bytes of the file as it is packed."""
    content = bytearray(packed(PARTS))
    for _ in range(dice.choice([1, 1, 3, 20])):
        content[dice.randrange(len(content))] = dice.choice([0, 127, 255, dice.randrange(256)])
    return bytes(content[: dice.choice([len(content), len(content), dice.randrange(len(content))])])


def _bytes(dice: random.Random) -> bytes:
    """Bytes of a part."""
    name = dice.choice([*PARTS, SHEET])
    content = bytearray(PARTS[name].encode())
    for _ in range(dice.choice([1, 3, 20])):
        content[dice.randrange(len(content))] = dice.randrange(256)
    return packed(PARTS | {name: bytes(content)})


def _cells(dice: random.Random) -> bytes:
    """Values of some cells, or of a whole column."""
    sheet = PARTS[SHEET]
    found = list(re.finditer(r"(?<=<v>)[^<]*(?=</v>)", sheet))
    first, step = dice.randrange(len(found)), dice.choice([6, 7, 50, len(found)])
    value = dice.choice(VALUES)
    for match in found[first::step][::-1]:
        sheet = sheet[: match.start()] + value + sheet[match.end() :]
    return packed(PARTS | {SHEET: sheet})


def _markup(dice: random.Random) -> bytes:
    """Other markup between the rows or the cells of the sheet."""
    sheet = PARTS[SHEET]
    for _ in range(dice.choice([1, 1, 3])):
        at = dice.choice([match.start() for match in re.finditer("<", sheet)][:400])
        sheet = sheet[:at] + dice.choice(MARKUP) + sheet[at:]
    return packed(PARTS | {SHEET: sheet})


def _parts(dice: random.Random) -> bytes:
    """A part less, a part of another name, one part in place of another, or one of twenty million blanks."""
    name, other = dice.sample(sorted(PARTS), 2)
    kind = dice.choice(["less", "renamed", "other", "blanks"])
    content = {name: PARTS[other]} if kind == "other" else {name: " " * 20_000_000} if kind == "blanks" else {}
    rest = {each: text for each, text in PARTS.items() if each != name}
    return packed(rest | content | ({f"xl/../{name}": PARTS[name]} if kind == "renamed" else {}))


def _entities(dice: random.Random) -> bytes:
    """Entities that expand to a terabyte, in a part."""
    name = dice.choice([*PARTS, SHEET])
    text = PARTS[name].replace(">1<", ">&all;<") if dice.random() < 0.5 else PARTS[name].replace("</", "&all;</", 3)
    return packed(PARTS | {name: BOMB + text})
