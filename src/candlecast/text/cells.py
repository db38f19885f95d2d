"""Numbers of `candlecast.text.formatting` for cells of tables and for figures, where an unknown one is a dash."""

from __future__ import annotations

from functools import partial

from candlecast.text import formatting
from candlecast.text.formatting import CELL

number = partial(formatting.number, unknown=CELL)
significant = partial(formatting.number, digits=None, unknown=CELL)  # five figures
percent = partial(formatting.percent, unknown=CELL)
p_value = partial(formatting.p_value, unknown=CELL)
