"""What recipes around another model take over from it."""

from __future__ import annotations

from abc import ABC
from typing import Generic, TypeVar

from candlecast.models.model import Model, learns_position

M = TypeVar("M", bound=Model)


class Wrapped(ABC, Generic[M]):
    """A recipe around `model`: it looks at as many bars, and depends on the seed, and learns positions, as that does."""

    model: M

    @property
    def window(self) -> int:
        """Bars that a forecast looks at."""
        return self.model.window

    @property
    def is_seeded(self) -> bool:
        """Whether results depend on the seed."""
        return self.model.is_seeded

    @property
    def learns_position(self) -> bool:
        """Whether it says what to hold by itself."""
        return learns_position(self.model)
