"""Options that describe a study, and the study that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli import model_registry
from candlecast.cli.completion import one_of
from candlecast.cli.pricing import GivenCosts, cost_options
from candlecast.errors import ConfigError, near_misses

if TYPE_CHECKING:
    from candlecast.dataset.folds import Folds
    from candlecast.models import Model
    from candlecast.study import Study

PRESETS = ("tutorial", "fischer-krauss")
NAMES = (
    "preset",
    "model",
    "target",
    "horizon",
    "window",
    "hidden",
    "layers",
    "epochs",
    "folds",
    "train",
    "test",
    "refit",
    "given_costs",
    "cash",
    "seeds",
)  # of the parameters that the options give


def study_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a study, from --preset to --seeds; the command receives them as `described`, for `make_study`."""

    @click.option(
        "--preset",
        shell_complete=one_of(PRESETS),
        help="A ready-made study: tutorial, or fischer-krauss for several assets.",
    )
    @click.option(
        "--model",
        shell_complete=one_of(model_registry.MODELS),
        help=f"One of {', '.join(model_registry.MODELS)}; lstm when not given.",
    )
    @click.option(
        "--target",
        shell_complete=one_of(model_registry.TARGETS),
        help=f"One of {', '.join(model_registry.TARGETS)}; return when not given. Of a panel: median (when not given), mean, "
        "relative, rank, top, bottom.",
    )
    @click.option("--horizon", type=int, help="Bars ahead; 1 when not given.")
    @click.option("--window", type=int, help="Bars that a forecast looks at.")
    @click.option("--hidden", type=int, help="Units per layer of a net.")
    @click.option("--layers", type=int, help="Layers of a net.")
    @click.option("--epochs", type=int, help="Passes over the training rows, at most.")
    @click.option("--folds", type=int, help="Walk-forward test parts.")
    @click.option("--train", help='Length of each training part, such as "4y" or 5000 bars; with --test.')
    @click.option("--test", help='Length of each test part, such as "1y" or 500 bars; with --train.')
    @click.option("--refit", help='Train anew within each test part after that much, such as "1w" or 100 bars.')
    @cost_options
    @click.option("--cash", type=float, help="Initial cash, quote currency; 10,000 when not given.")
    @click.option("--seeds", type=int, help="Trainings per fold, each from another seed.")
    @wraps(command)
    def decorated(**options: Any) -> None:
        described = {name: options.pop(name) for name in NAMES}
        command(described=described, **options)

    return decorated


def make_study(
    base: Study | None = None,
    *,
    preset: str | None,
    model: str | None,
    target: str | None,
    horizon: int | None,
    folds: int | None,
    train: str | None,
    test: str | None,
    refit: str | None,
    given_costs: GivenCosts,
    cash: float | None,
    seeds: int | None,
    **settings: int | None,
) -> Study:
    """The study that the options describe; what is not given is as in `base`, the preset, or Python.

    Args:
        base: the study of a study file.

    Raises:
        ConfigError: for options that contradict each other or the study.
    """
    from candlecast.models import LSTM
    from candlecast.study import Study
    from candlecast.study.presets import tutorial

    require_preset(preset, ("tutorial",))
    if preset is not None and base is not None:
        raise ConfigError(
            f"--preset {preset} with a study file", expected="one of them", remedy="Leave one of them out"
        )
    study = tutorial() if preset else base or Study(model=LSTM())
    if model is not None:
        study = replace(study, model=model_registry.model(model))
    study = replace(study, model=with_settings(study.model, settings))
    if target is not None or horizon is not None:
        chosen: Any = study.target if target is None else model_registry.target(target)
        study = replace(study, target=replace(chosen, horizon=study.target.horizon if horizon is None else horizon))
        if target is not None:
            study = replace(study, rule=None)
    study = replace(study, folds=folds_of(study.folds, folds=folds, train=train, test=test, refit=refit))
    study = replace(study, costs=given_costs.of(study.costs), cash=study.cash if cash is None else cash)
    return study if seeds is None else replace(study, seeds=seeds)


def require_preset(preset: str | None, known: Sequence[str]) -> str | None:
    """A preset that there is, or None. Raises ConfigError."""
    if preset is not None and preset not in known:
        every = [*known, *(name for name in PRESETS if name not in known)]
        raise ConfigError(
            f"there is no preset {preset!r}" if preset not in PRESETS else f"--preset {preset} with these options",
            expected=" or ".join(known),
            remedy=near_misses(str(preset), every),
        )
    return preset


def folds_of(usual: Folds, *, folds: int | None, train: str | None, test: str | None, refit: str | None) -> Folds:
    """The folds that the options describe; `usual` where they say nothing. Raises ConfigError for options that do not fit."""
    from candlecast.dataset.folds import WalkForward

    found: Folds = usual
    if folds is not None and (train is not None or test is not None):
        raise ConfigError(
            f"--folds {folds} with --train and --test", expected="one or the other", remedy="Leave --folds out"
        )
    if train is not None or test is not None:
        found = WalkForward(train=as_length(train), test=as_length(test))
    elif folds is not None:
        found = WalkForward(folds=folds)
    if refit is None:
        return found
    if not isinstance(found, WalkForward):
        raise ConfigError(
            f"--refit {refit} with the folds of the preset",
            expected="folds that walk forward",
            remedy="Give --folds or --train and --test as well, or leave --refit out",
        )
    return replace(found, refit=as_length(refit))


def with_settings(model: Any, settings: Mapping[str, int | None]) -> Model:
    """The model with the options that were given; an option that it does not have is an error."""
    for name, value in settings.items():
        if value is None:
            continue
        if name == "epochs" and hasattr(model, "training"):
            model = replace(model, training=replace(model.training, epochs=value))
        elif name in getattr(model, "__dataclass_fields__", {}) and model.__dataclass_fields__[name].init:
            model = replace(model, **{name: value})
        else:
            raise ConfigError(
                f"--{name} {value} does not apply to the model {model.name}",
                expected="an option of that model",
                remedy="Leave it out, or choose a model that has it, such as lstm",
            )
    return model


def as_length(text: str | None) -> int | str | None:
    """A length of folds: a number of bars, or a span such as "4y"."""
    return int(text) if text is not None and text.isdigit() else text
