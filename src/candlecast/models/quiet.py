"""How fitting libraries are called: what they say about a hard fit is not the user's concern, and they keep to one thread."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings inside the block, and linear algebra on one thread, so that sums do not depend on how many there are."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
