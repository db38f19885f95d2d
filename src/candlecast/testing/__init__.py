"""Checks that any source, feature, target, way to fold, net or model must pass, for the tests of those who write their own."""

from candlecast.testing.across import check_across
from candlecast.testing.features import check_feature
from candlecast.testing.folds import check_folds
from candlecast.testing.models import check_model
from candlecast.testing.nets import NetCheck, check_net
from candlecast.testing.sources import check_source
from candlecast.testing.targets import check_target

__all__ = [
    "NetCheck",
    "check_across",
    "check_feature",
    "check_folds",
    "check_model",
    "check_net",
    "check_source",
    "check_target",
]
