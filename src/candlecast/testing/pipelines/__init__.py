"""Pipelines with one known leak each, and clean ones that look suspicious: what an audit has to tell apart."""

from candlecast.testing.pipelines.case import PipelineCase
from candlecast.testing.pipelines.clean import CLEAN
from candlecast.testing.pipelines.leaky import LEAKY

__all__ = ["CLEAN", "LEAKY", "PipelineCase"]
