"""Many assets, one portfolio: studies of a cross-section."""

from candlecast.panel.baselines import Momentum, Reversal
from candlecast.panel.panel import Panel
from candlecast.panel.result import PanelResult
from candlecast.panel.study import PanelStudy, usual_panel_features
from candlecast.panel.universe import Universe

__all__ = ["Momentum", "Panel", "PanelResult", "PanelStudy", "Reversal", "Universe", "usual_panel_features"]
