"""Text for people: numbers and tables, without control characters and without secrets.

Names are imported from their modules, such as `candlecast.text.formatting`: `cells` and `formatting` share some.
"""
