"""Studies: the whole chain as one recipe, what came out, and several side by side."""

from candlecast.study.result import StudyResult
from candlecast.study.study import Study

__all__ = ["Study", "StudyResult"]
