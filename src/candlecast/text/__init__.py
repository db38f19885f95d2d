"""Text for people: numbers and tables, without control characters and without secrets."""

from candlecast.text.formatting import count, number, p_value, percent, table, years
from candlecast.text.json_values import json_value, json_values

__all__ = ["count", "json_value", "json_values", "number", "p_value", "percent", "table", "years"]
