"""`PanelStudy`: the whole chain across assets as one recipe, from the candles of many assets to a verdict on one portfolio."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from candlecast.backtesting import Costs
from candlecast.backtesting.validation import require_cash, require_kind
from candlecast.dataset.folds import Folds, WalkForward, require_folds
from candlecast.errors import ConfigError
from candlecast.events import Listener, Progress, ignore
from candlecast.features import Features, cross_rank, cross_relative, log_return, realized_volatility
from candlecast.features.feature import require_features
from candlecast.ledger import Ledger, as_ledger
from candlecast.models import LinearRegression, Model
from candlecast.models.model import require_learnable
from candlecast.panel.baselines import Momentum, Reversal, Scored, require_scored
from candlecast.panel.computing import compute_panel
from candlecast.panel.panel import Panel
from candlecast.panel.result import PanelResult
from candlecast.panel.universe import Universe
from candlecast.parameters import is_whole, require_kinds
from candlecast.recipes import describe
from candlecast.signals.across import RuleAcross, TopBottom, require_rule_across
from candlecast.signals.optimisers import require_optimiser
from candlecast.targets import AboveMedian, AcrossTarget
from candlecast.walkforward.plan import require_seeds

LINEAR_WINDOW = 20  # bars that the linear baseline reads of a single feature; of several, the last bar


def usual_panel_features() -> Features:
    """The features of a panel study that names none: the last return, and ranks of returns and volatility among the assets."""
    return Features(
        log_return(1),
        cross_relative(log_return(1)),
        *(cross_rank(log_return(bars)) for bars in (5, 20, 60)),
        cross_rank(realized_volatility(20)),
    )


@dataclass(frozen=True)
class PanelStudy:
    """Model, features, target, folds, rule and costs across assets: everything that decides what comes out of given candles.

    `model`: `Pooled(net)` is one net that learns from all assets together, with one scaling and without knowing which asset a row
    is of, so that it can forecast assets that it has never seen. A net alone is one net for each asset. Models that are no
    nets (LinearRegression, LightGBM, Sklearn) always learn from all assets together.

    `features`: those of each asset alone, and those across assets (`cross_rank` and others); `usual_panel_features()` when not
    given. `target`: one across assets, such as AboveMedian, RelativeReturn or TopQuantile. `folds`: one calendar for all assets,
    in moments of the panel. `rule`: one across assets, such as TopBottom, QuantileSpread, SectorNeutral or TurnoverLimited.
    `universe`: membership by date; every asset wherever it has a bar when not given, of which a notice warns.
    `baselines`: `Reversal`, `Momentum` and models on the same folds, traded by the same rule; reversal, momentum and a linear
    regression when not given. `seeds`: trainings per fold; scores are their mean.

    `adjusted`: volumes, and figures per share in tables from outside, are adjusted for splits as the prices are, or nothing is
    (coins). Without it no edge is claimed where features compare assets by value traded or by figures over prices.

    >>> study = PanelStudy(model=LinearRegression(window=5), rule=TopBottom(2), baselines=())
    >>> study.rule
    TopBottom(k=2, gross=1.0, long_only=False)
    """

    model: Model
    features: Features | None = None
    target: AcrossTarget = field(default=AboveMedian())
    folds: Folds = field(default=WalkForward())
    rule: RuleAcross = field(default=TopBottom())
    costs: Costs = field(default=Costs())
    cash: float = 10_000.0
    universe: Universe | None = None
    baselines: tuple[Scored | Model, ...] | None = None
    seeds: int = 3
    adjusted: bool = False

    def __post_init__(self) -> None:
        require_kinds(self)
        if not is_whole(self.seeds):
            raise ConfigError(
                f"seeds is {self.seeds!r}", expected="1 training per fold or more", remedy="Use PanelStudy(seeds=3)"
            )
        if not isinstance(self.target, AcrossTarget):
            raise ConfigError(
                f"target is {self.target!r}",
                expected="a target across assets",
                remedy="Use for example cc.AboveMedian(), or cc.Study for a target of one asset",
            )
        require_folds(self.folds)
        require_features(self.features)
        require_rule_across(self.rule)
        require_learnable(self.model, self.target)
        require_cash(self.cash)
        require_kind("costs", self.costs, Costs, "Use for example Costs(fee_bps=10) or Costs.us_equities()")
        require_kind("universe", self.universe, Universe | None, 'Use cc.Universe.read("members.csv")')
        for baseline in self.baselines or ():
            require_scored(baseline)
        names = [each.name for each in (self.model, *self.baselines_on(self.chosen_features))]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ConfigError(
                f"two models are called {doubled[0]}",
                expected="a name each",
                remedy="Remove one of them, or study each by itself: both count",
            )

    @property
    def chosen_features(self) -> Features:
        """The features; the usual ones where the study names none."""
        return usual_panel_features() if self.features is None else self.features

    def baselines_on(self, features: Features) -> tuple[Scored | Model, ...]:
        """The baselines that are run with the model. The model replaces the usual baseline of its own name."""
        if self.baselines is not None:
            return self.baselines
        window = LINEAR_WINDOW if len(features.features) == 1 else 1
        usual = (Reversal(), Momentum(), LinearRegression(window=min(window, max(self.model.window, 1))))
        return tuple(each for each in usual if each.name != self.model.name)

    def recipe(self, panel: Panel, *, seed: int = 0) -> dict[str, Any]:
        """The study on these assets as JSON values, with what was left open filled in."""
        features = self.chosen_features.on(panel.assets[0])
        universe = self.universe
        return {
            "type": "PanelStudy",
            "model": describe(self.model),
            "features": describe(features),
            "target": describe(self.target),
            "folds": describe(self.folds),
            "rule": describe(self.rule),
            "costs": describe(self.costs),
            "cash": self.cash,
            "assets": panel.members,
            "universe": universe and {"symbols": len(universe.symbols), "fingerprint": universe.fingerprint},
            "baselines": [describe(each) for each in self.baselines_on(features)],
            "seeds": self.seeds,
            "adjusted": self.adjusted,
            "window": self.window_on(features),
            "seed": seed,
        }

    def run(
        self,
        assets: Any,
        *,
        interval: str | None = None,
        seed: int = 0,
        ledger: Ledger | None = None,
        progress: Listener = ignore,
    ) -> PanelResult:
        """Walk forward, trade, record the trial, and judge.

        Baselines that learn from the features or have parameters of their own are trials as well, since their results are
        seen: later trials count them.

        Args:
            assets: candles of several assets: a list of `Candles`, frames or paths, a dict of them by symbol, a folder of files,
                a `Store`, or a `Panel`.
            interval: which series of a store.
            seed: the first seed; the others are `seed` + 1, `seed` + 2, ...
            ledger: where the trial is recorded, and whose trials the verdict counts; that of the folder `runs` when not given.
            progress: receives events.

        Raises:
            CandleError, ConfigError, NotEnoughDataError, LookaheadError: as `Study.run`; for one asset, assets without a
                moment in common, and a universe that names none of them.
            RunError: before the model is trained, when the ledger cannot be written.
        """
        require_seeds([seed])
        require_optimiser(self.rule)
        ledger = as_ledger(ledger)
        ledger.require_writable()
        panel = Panel.of(assets, universe=self.universe, interval=interval)
        if self.universe is not panel.universe:
            panel = Panel(panel.assets, self.universe, panel.times, panel.bars)
        result = compute_panel(self, panel, seed=seed, ledger=ledger, progress=progress).record(ledger)
        progress(Progress("judge", 1, 1, str(result.verdict)))
        return result

    def window_on(self, features: Features) -> int:
        """The longest window of the model and the baselines."""
        models = [
            self.model,
            *(each for each in self.baselines_on(features) if not isinstance(each, Reversal | Momentum)),
        ]
        return max(model.window for model in models)
