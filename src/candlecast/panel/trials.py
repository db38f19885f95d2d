"""What the ledger keeps of a study of a panel: what was studied, and the skill of its scores."""

from __future__ import annotations

import numpy as np

from candlecast.evaluation.trials import Subject
from candlecast.panel.panel import Panel
from candlecast.targets import AcrossTarget, label


def subject_of(panel: Panel, target: AcrossTarget) -> Subject:
    """What a study of a panel is of."""
    return Subject(panel.assets, panel.fingerprint, panel.name, panel.interval, label(target))


def skills_of(panel: Panel, coefficients: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Times at which outcomes are known, and the information coefficients of the scores before them, where they are defined.

    `coefficients`: by the moment of the scores, (time,); `horizon`: moments until an outcome is known.
    """
    rows = np.flatnonzero(np.isfinite(coefficients))
    return panel.times[rows + horizon], coefficients[rows]
