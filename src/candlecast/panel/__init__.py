"""Many assets, one portfolio: studies of a cross-section."""

from candlecast.panel.baselines import Momentum, Reversal
from candlecast.panel.loading import load_panel_run
from candlecast.panel.panel import Panel
from candlecast.panel.presets import fischer_krauss
from candlecast.panel.result import PanelResult
from candlecast.panel.saving import run_panel_study
from candlecast.panel.study import PanelStudy, usual_panel_features
from candlecast.panel.universe import Universe

__all__ = [
    "Momentum",
    "Panel",
    "PanelResult",
    "PanelStudy",
    "Reversal",
    "Universe",
    "fischer_krauss",
    "load_panel_run",
    "run_panel_study",
    "usual_panel_features",
]
