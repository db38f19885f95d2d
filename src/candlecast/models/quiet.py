"""What fitting libraries say about a hard fit is not the user's concern: a baseline is what it is."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings inside the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
