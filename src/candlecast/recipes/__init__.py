"""Recipes as JSON: what a study was, and what identifies the code of a user in it."""

from candlecast.recipes.describing import describe, restore

__all__ = ["describe", "restore"]
