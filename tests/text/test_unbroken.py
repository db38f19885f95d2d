"""No line breaks between a number and its unit: on the terminal, in tables, in notebooks and on pages."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

import candlecast
from candlecast.cli import answer, console
from candlecast.text.formatting import table
from candlecast.text.notebook import notebook_paragraph, notebook_text
from candlecast.text.unbroken import unbroken_html

TEXT = "Annual return 2.1 % (95 % CI 0.1 to 4.4 %) at costs of 12 bp a side, p < 0.001, in 12.5 % of all bars."


@pytest.mark.parametrize("width", range(12, 40))
def test_lines_of_a_terminal_begin_with_no_unit(width):
    tables = table([["a", TEXT]], ["name", "why"], width=width + 10)
    for text in (console.wrapped(TEXT, width), console.prose(TEXT, width), tables):
        lines = [line.strip() for line in text.splitlines()]
        assert not [line for line in lines if line.startswith(("%", "bp"))], text
        assert not [line for line in lines if line.endswith("<")], text
        assert "\u00a0" not in text


def test_answers_begin_no_line_with_a_unit():
    for words in range(8, 24):
        text = answer.wrapped(f"{'word ' * words}{TEXT}")
        assert not re.search(r"^\s*(%|bp)", text, re.MULTILINE)


def test_notebooks_break_no_number_and_keep_plain_text_as_it_is():
    assert "2.1\u00a0% (95\u00a0% CI" in notebook_paragraph(TEXT) and "p &lt;\u00a00.001" in notebook_paragraph(TEXT)
    assert "\u00a0" not in notebook_text(TEXT)


def test_pages_keep_code_and_attributes_as_they_are():
    page = '<p title="5 %">5 %</p><pre>a = 5 % 3 <b>5 %</b></pre>text &lt; 1<code>5 %</code>'
    assert unbroken_html(page) == (
        '<p title="5 %">5\u00a0%</p><pre>a = 5 % 3 <b>5 %</b></pre>text &lt;\u00a01<code>5 %</code>'
    )


def test_only_one_module_wraps_text():
    root = Path(candlecast.__file__).parent
    found = [
        path.relative_to(root).as_posix() for path in root.rglob("*.py") if textwrap.__name__ in path.read_text("utf-8")
    ]
    assert found == ["text/unbroken.py"]
