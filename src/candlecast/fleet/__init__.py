"""Many nets trained as one: sampling, the loop, stopping, and what comes out of it.

`candlecast.fleet.settings` is importable without torch; the rest is not.
"""
