"""Text for people: numbers and tables, without control characters and without secrets."""

from candlecast.text.formatting import count, number, p_value, percent, table, years

__all__ = ["count", "number", "p_value", "percent", "table", "years"]
