"""Percentages are written one way: with a space, by `candlecast.text.percent`."""

from __future__ import annotations

import re
from pathlib import Path

import candlecast

PLAIN = re.compile(r":\.\d%\}")  # a fraction that Python writes as 12.3%


def test_no_message_writes_a_percentage_without_its_space():
    root = Path(candlecast.__file__).parent
    found = [str(path.relative_to(root)) for path in root.rglob("*.py") if PLAIN.search(path.read_text("utf-8"))]
    assert found == []
