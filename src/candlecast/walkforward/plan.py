"""`WalkPlan`: what is forecast, from what, on which folds and with which seeds; with candles and a model it becomes jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from candlecast.candles import Candles
from candlecast.causality import require_causal_features, require_causal_target
from candlecast.dataset.folds import Folds, WalkForward, check_folds, require_folds
from candlecast.dataset.jobs import Job
from candlecast.dataset.samples import Samples, make_samples
from candlecast.dataset.usual_features import features_for
from candlecast.errors import ConfigError, NotEnoughDataError, calling
from candlecast.features import Features
from candlecast.features.feature import require_features
from candlecast.models import Model
from candlecast.models.model import require_learnable
from candlecast.parameters import is_whole
from candlecast.sources.files import as_assets
from candlecast.targets import NextReturn, Target, memory
from candlecast.walkforward.empty_folds import require_rows

HIGHEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class WalkPlan:
    """A walk forward before its model and candles are named, so that several models walk by the same plan.

    features: the standard ones of each asset's interval when None.
    target: what is forecast.
    folds: how rows are divided into training and test parts.
    seeds: one training each; the first alone for a model that does not depend on the seed.
    window: the longest window of the models that are compared, in bars, so that all of them get the same rows and folds.
    """

    features: Features | None = None
    target: Target = field(default_factory=NextReturn)
    folds: Folds = WalkForward()
    seeds: tuple[int, ...] = (0,)
    window: int = 1

    @classmethod
    def of(
        cls,
        *,
        features: Features | None,
        target: Target | None,
        folds: Folds | None,
        seeds: int | Iterable[int],
        window: int,
    ) -> WalkPlan:
        """The plan of these parts, each of them the usual one where it is None."""
        target = NextReturn() if target is None else target
        return cls(features, target, WalkForward() if folds is None else folds, as_seeds(seeds), window)

    def jobs(self, model: Model, candles: Any) -> list[Job]:
        """Every (asset, fold, seed) training of the model on candles of one asset or several.

        Raises CandleError, ConfigError, NotEnoughDataError or LookaheadError.
        """
        require_learnable(model, self.target)
        return self.of_model(model, self.prepared(candles, window=max(self.window, model.window)))

    def prepared(self, candles: Any, *, window: int | None = None) -> list[Job]:
        """One job for each asset and fold, of the first seed: what all models have in common that walk by this plan.

        `window`: that of the plan when not given. Features, outcomes and folds are computed here, once; see `of_model`.
        Raises as `jobs`.
        """
        assets = as_assets(candles)
        features = self._features_of(assets, self.seeds)
        window = self.window if window is None else window
        planned = [
            self._jobs_of(asset, chosen, window, self.seeds[0]) for asset, chosen in zip(assets, features, strict=True)
        ]
        return [job for jobs in planned for job in jobs]

    def of_model(self, model: Model, prepared: Sequence[Job]) -> list[Job]:
        """The trainings of a model whose window is that of the prepared jobs, or shorter: each of them with every seed."""
        seeds = self.seeds if model.is_seeded else self.seeds[:1]
        return [replace(job, seed=seed) for job in prepared for seed in seeds]

    def _features_of(self, assets: Sequence[Candles], seeds: Sequence[int]) -> list[Features]:
        """The features of each asset, once assets and seeds are ones that can be walked together."""
        if not assets:
            raise ConfigError(
                "a walk over no assets", expected="candles of one asset at least", remedy="Check what was chosen"
            )
        symbols = [asset.symbol for asset in assets]
        doubled = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        if doubled:
            raise ConfigError(
                f"two assets are called {doubled[0]}", expected="a symbol each", remedy="Rename one with symbol=..."
            )
        require_seeds(seeds)
        require_folds(self.folds)
        require_features(self.features)
        features = [features_for(self.features, asset, self.target) for asset in assets]
        if len({each.columns for each in features}) > 1:
            raise ConfigError(
                "the assets have features of different columns, because their intervals differ",
                expected="the same features for all",
                remedy="Name them with features=cc.Features(...)",
            )
        return features

    def _jobs_of(self, asset: Candles, features: Features, window: int, seed: int) -> list[Job]:
        """One job for each fold of an asset."""
        asset.require_sound().require_one_asset()
        require_causal_features(features, asset)
        require_causal_target(self.target, asset)
        samples = make_samples(asset, features=features, target=self.target, window=window)
        _require_values(samples)
        times, horizon = asset.close_time, self.target.horizon
        reach = samples.window - 1 + max(features.warmup, memory(self.target))
        try:
            with calling(f"split of {type(self.folds).__name__}", expected="a tuple of Fold", remedy="Correct it"):
                divided = self.folds.split(times, samples.usable, horizon=horizon, memory=reach)
            checked = check_folds(divided, times, horizon=horizon)
        except NotEnoughDataError as error:
            wrong = f"the {len(asset):,} candles of {asset.symbol} are too few for these folds: {error.wrong}"
            raise NotEnoughDataError(wrong, expected=error.expected, remedy=error.remedy) from error
        jobs = [Job(samples, fold, seed) for fold in checked]
        require_rows(jobs)
        return jobs


def _require_values(samples: Samples) -> None:
    """Raise NotEnoughDataError for a feature that has no value at any bar after its warm-up."""
    warmup = samples.features.warmup
    never = [
        name
        for name, column in zip(samples.features.columns, samples.inputs.T, strict=True)
        if len(column) > warmup and not np.isfinite(column).any()
    ]
    if never:
        raise NotEnoughDataError(
            f"the feature {never[0]} has no value at any of the {len(samples):,} bars of {samples.candles.symbol}",
            expected="features with values, from the end of their warm-up on",
            remedy="Leave it out, or look at what it is made of: a table from outside may be known too late, a column be empty",
        )


def as_seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """The seeds that a number of them, or seeds one by one, name: 3 names 0, 1 and 2.

    Raises ConfigError for what is no seed, for none, and for one that comes twice, which would train the same net again.

    >>> as_seeds(3), as_seeds(range(5, 7))
    ((0, 1, 2), (5, 6))
    """
    if not isinstance(seeds, Iterable) or isinstance(seeds, (str, bytes)):
        if not is_whole(seeds) or seeds > HIGHEST_SEED:  # type: ignore[operator]
            raise ConfigError(
                f"seeds is {seeds!r}",
                expected="a number of trainings, or seeds",
                remedy="Use seeds=3, or seeds=range(3)",
            )
        return tuple(range(int(seeds)))  # type: ignore[arg-type]
    given = tuple(seeds)
    require_seeds(given)
    doubled = next((seed for place, seed in enumerate(given) if seed in given[:place]), None)
    if doubled is not None or not given:
        found = "there are no seeds" if not given else f"seed {doubled} comes twice"
        raise ConfigError(found, expected="each seed once, and one at least", remedy="Use seeds=3, or seeds=range(3)")
    return given


def require_seeds(seeds: Iterable[object]) -> None:
    """Raise ConfigError for what is no seed."""
    for seed in seeds:
        if not is_whole(seed, 0) or seed > HIGHEST_SEED:  # type: ignore[operator]
            raise ConfigError(
                f"seed is {seed!r}",
                expected=f"a whole number from 0 to {HIGHEST_SEED:,}",
                remedy="Use seed=0, or seeds=range(5)",
            )


def plan_jobs(
    model: Model,
    candles: Any,
    *,
    features: Features | None = None,
    target: Target | None = None,
    folds: Folds | None = None,
    seeds: int | Iterable[int] = 1,
    window: int = 1,
) -> list[Job]:
    """Every (asset, fold, seed) training of a walk; parameters as those of `walk_forward`.

    Raises as `walk_forward`, but for what only a fit shows.
    """
    plan = WalkPlan.of(features=features, target=target, folds=folds, seeds=seeds, window=window)
    return plan.jobs(model, candles)
