"""Whether what a user wrote computes from the past alone: features, targets, rules and models, as a walk begins."""

from candlecast.causality.clock import clock_features
from candlecast.causality.features import require_causal_features
from candlecast.causality.models import ModelCheck, require_causal_model
from candlecast.causality.rules import require_causal_rule
from candlecast.causality.targets import require_causal_target

__all__ = [
    "ModelCheck",
    "clock_features",
    "require_causal_features",
    "require_causal_model",
    "require_causal_rule",
    "require_causal_target",
]
