"""Bridges to other tools: each file needs its tool installed, and imports it only when used."""
