"""The hash that dropout masks are drawn from: its constants, and the threshold that a probability is."""

from __future__ import annotations

import numpy as np

KEY_STRIDE = 0x9E3779B9  # 2^32 / golden ratio: neighbouring keys land far apart
FIRST, SECOND = 0x7FEB352D, 0x846CA68B  # multipliers of lowbias32 (Wellons 2018)


def cut(p: float) -> tuple[np.uint32, np.float32]:
    """The hash from which a value is kept, and what it is multiplied with."""
    return np.uint32(round(p * 2**32)), np.float32(1 / (1 - p))
