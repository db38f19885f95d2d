"""`Sklearn`: any estimator with scikit-learn's `fit` and `predict` as a model, a user's own forecaster included."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from candlecast.dataset.jobs import Job, job_generator
from candlecast.dataset.prediction import Prediction
from candlecast.dataset.samples import Samples
from candlecast.errors import ConfigError
from candlecast.heads.classes import NAMES
from candlecast.models.baselines.naive import Baseline, Predict, regressors
from candlecast.models.deterministic import deterministic_fit
from candlecast.parameters import is_whole, require_parameters
from candlecast.targets import LABELS
from candlecast.targets.sides import sides_of

SEEDS = ("seed", "random_state", "random_seed")  # the seed of an estimator: scikit-learn, LightGBM, XGBoost, CatBoost


@dataclass(frozen=True)
class Sklearn(Baseline):
    """An estimator with `fit(X, y)` and `predict(X)`, fitted for each job by itself on the features of the last `window` bars.

    `estimator` is a scikit-learn regressor, classifier or pipeline, of which each job fits a clone; or a function without
    arguments that makes one, or a forecaster of your own with these two methods. One that takes `seed`, `random_state` or
    `random_seed` is given the job's. X (rows, window x column) is scaled by the training part, bars from old to new; y (rows,)
    float64.

    target              y                            what is forecast
    a value             outcome - naive forecast     naive + predict(X)
    a probability       0 or 1, of the outcomes      predict_proba(X); without it predict(X), which must lie in [0, 1]
                        that are either
    labels              -1, 0 or 1                   sum of label x predict_proba(X), in the columns p_down, p_flat, p_up as
                                                     well; without it predict(X), the expected label

    Parameters `random_state`, `seed` and `random_seed`, also of the steps of a pipeline, are set from the job's seed where they
    are None or at their default. An estimator with another value keeps it; where all do, one seed is trained.
    `sample_weight` gives the weights of the training rows by their outcomes, (rows,) -> (rows,), for an estimator whose `fit`
    takes them. Raises ConfigError for an estimator that cannot be fitted, or that forecasts no finite number for each row.
    """

    estimator: Any
    window: int = 1
    name: str = "sklearn"
    sample_weight: Callable[[np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        weighs = self.sample_weight is None or callable(self.sample_weight)
        require_parameters(
            self,
            {
                "estimator": (
                    _is_estimator(self.estimator) or callable(self.estimator),
                    "a scikit-learn estimator such as Ridge(), or a function that makes an object with fit and predict"
                    + _lacking(self.estimator),
                ),
                "window": (is_whole(self.window), "a whole number of bars, 1 or more"),
                "sample_weight": (weighs, "a function of the training outcomes, or None"),
            },
        )

    @property
    def is_seeded(self) -> bool:  # type: ignore[override]
        """Whether the estimator has a seed to set."""
        return _seed_argument(self.estimator) is not None or bool(_seeds(self._made(0)))

    def learn(self, job: Job) -> Predict:
        samples, rows, inputs = job.samples, job.fit_rows, regressors(job, self.window)
        kind, outcomes = samples.target.kind, samples.outcomes[rows]
        estimator = self._fresh(int(job_generator(job, purpose=0).integers(2**31)))
        has_probabilities = hasattr(estimator, "predict_proba")
        self._require_kind(estimator, kind, has_probabilities=has_probabilities)
        sides = sides_of(outcomes, samples.naive[rows]) if kind == "probability" else None
        if sides is not None:
            outcomes, rows = sides.classes, rows[sides.teaches]
            if not sides.has_both:
                return lambda samples, rows: Prediction(
                    sides.forecast(np.full(len(rows), sides.only), samples.naive[rows])
                )
        if kind == "label" and np.ptp(outcomes) == 0:  # a single class: most classifiers refuse to learn it
            return lambda _, rows: _of_probabilities(kind, outcomes[:1], np.ones((len(rows), 1)))
        y = outcomes - samples.naive[rows] if kind == "value" else outcomes
        weights = {} if self.sample_weight is None else self._weights(estimator, outcomes)
        with deterministic_fit():
            self._call(job, "fit", estimator.fit, inputs(samples, rows), y, **weights)

        def predict(samples: Samples, rows: np.ndarray) -> Prediction:
            found = raw(samples, rows)
            if sides is None:
                return found
            return Prediction(sides.forecast(found.mean, samples.naive[rows]))

        def raw(samples: Samples, rows: np.ndarray) -> Prediction:
            if not len(rows):  # estimators refuse to forecast nothing
                return (
                    Prediction(np.empty(0))
                    if kind == "value"
                    else _of_probabilities(kind, np.ones(1), np.empty((0, 1)))
                )
            x = inputs(samples, rows)
            with deterministic_fit():
                if kind != "value" and has_probabilities:
                    probabilities = self._call(job, "predict_proba", estimator.predict_proba, x)
                    classes = np.asarray(getattr(estimator, "classes_", np.unique(outcomes)), dtype=np.float64)
                    return _of_probabilities(
                        kind, classes, self._checked(probabilities, (len(rows), len(classes)), "predict_proba")
                    )
                found = self._checked(self._call(job, "predict", estimator.predict, x), (len(rows),), "predict")
            if kind == "value":
                return Prediction(samples.naive[rows] + found)
            low, high = (0.0, 1.0) if kind == "probability" else (LABELS[0], LABELS[-1])
            outside = found[(found < low) | (found > high)]
            if len(outside):
                raise ConfigError(
                    f"{self.name} forecasts {outside[0]:.6g} for the target {samples.target.name}",
                    expected=f"a number in [{low:g}, {high:g}]",
                    remedy="Use a classifier with predict_proba, or clip what predict returns",
                )
            return Prediction(found)

        return predict

    def _fresh(self, seed: int) -> Any:
        """An unfitted estimator with its seeds set."""
        made = self._made(seed)
        seeds = _seeds(made)
        return made.set_params(**dict.fromkeys(seeds, seed)) if seeds else made

    def _made(self, seed: int) -> Any:
        """An unfitted estimator; a function that makes one is given the seed if it takes it."""
        if _is_estimator(self.estimator):
            from sklearn.base import clone

            made: Any = clone(self.estimator)
        else:
            argument = _seed_argument(self.estimator)
            made = self.estimator() if argument is None else self.estimator(**{argument: seed})
        if not _has_methods(made):
            raise ConfigError(
                f"{self.name} made a {type(made).__name__} without {'fit' if hasattr(made, 'predict') else 'predict'}",
                expected="an object with fit(X, y) and predict(X)",
                remedy="Add the method, or pass a scikit-learn estimator",
            )
        return made

    def _require_kind(self, estimator: Any, kind: str, *, has_probabilities: bool) -> None:
        from sklearn.base import BaseEstimator, is_classifier

        is_labeller = isinstance(estimator, BaseEstimator) and is_classifier(estimator)
        if is_labeller and kind == "value":
            raise ConfigError(
                f"{type(estimator).__name__} is a classifier, and the target is a value",
                expected="a regressor",
                remedy="Use the regressor of that kind, or a target such as Direction()",
            )
        if is_labeller and not has_probabilities:
            raise ConfigError(
                f"{type(estimator).__name__} has no predict_proba",
                expected="probabilities of the classes",
                remedy="Wrap it in sklearn.calibration.CalibratedClassifierCV",
            )

    def _weights(self, estimator: Any, outcomes: np.ndarray) -> dict[str, np.ndarray]:
        """`sample_weight` as `fit` takes it; for a pipeline, that of its last step."""
        assert self.sample_weight is not None
        weights = np.asarray(self.sample_weight(outcomes), dtype=np.float64)
        if weights.shape != outcomes.shape or not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ConfigError(
                f"sample_weight gave {weights.shape} numbers from {weights.min():.6g} to {weights.max():.6g}"
                if weights.size
                else "sample_weight gave no numbers",
                expected=f"({len(outcomes)},) finite numbers of 0 or more",
                remedy="Return a weight for each outcome",
            )
        steps = getattr(estimator, "steps", None)
        last, name = (steps[-1][1], f"{steps[-1][0]}__sample_weight") if steps else (estimator, "sample_weight")
        if "sample_weight" not in inspect.signature(last.fit).parameters:
            raise ConfigError(
                f"{type(last).__name__}.fit takes no sample_weight",
                expected="an estimator whose fit does",
                remedy="Leave sample_weight out",
            )
        return {name: weights}

    def _call(self, job: Job, method: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return call(*arguments, **named)
        except Exception as error:  # estimators raise errors of many types: name the job
            raise ConfigError(
                f"{self.name} failed in {method} on {job.words}, X {arguments[0].shape} ({type(error).__name__}: "
                f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no message'})",
                expected="an estimator that takes X (rows, window x column) and y (rows,)",
                remedy="Try it on np.zeros of that shape",
            ) from error

    def _checked(self, found: Any, shape: tuple[int, ...], method: str) -> np.ndarray:
        try:
            values = np.empty(0) if np.iscomplexobj(found) else np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape == (*shape, 1):
            values = values[..., 0]
        if values.shape != shape:
            raise ConfigError(
                f"{self.name}'s {method} gave {np.shape(found)} for {shape[0]} rows",
                expected=f"numbers of shape {shape}",
                remedy="Return one forecast per row of X",
            )
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise ConfigError(
                f"{self.name}'s {method} gave {values[row]} for row {row} of {shape[0]}",
                expected="finite numbers",
                remedy="Look for a fit that diverged, or for a division by zero",
            )
        return values


def described(estimator: Any) -> tuple[str, dict[str, Any], bool] | None:
    """Class, constructor parameters by name, and whether these determine the estimator; None for any other object."""
    kind = type(estimator)
    if isinstance(estimator, type) or not callable(getattr(estimator, "get_params", None)):
        return None
    try:
        parameters = dict(sorted(estimator.get_params(deep=False).items()))
    except Exception:  # another class's method of that name may raise anything
        return None
    is_cloned = all("__sklearn_clone__" not in vars(base) or base.__name__ == "BaseEstimator" for base in kind.__mro__)
    return f"{kind.__module__}.{kind.__qualname__}", parameters, is_cloned


def _of_probabilities(kind: str, classes: np.ndarray, probabilities: np.ndarray) -> Prediction:
    """The forecast from probabilities (rows, class) of these classes."""
    each = [probabilities[:, classes == value].sum(axis=1) for value in LABELS]
    if kind == "probability":
        return Prediction(each[LABELS.index(1.0)])
    return Prediction(np.column_stack(each) @ np.array(LABELS), dict(zip(NAMES, each, strict=True)))


def _is_estimator(value: object) -> bool:
    """Whether it is an object that scikit-learn can clone and fit, not a class or a function that makes one."""
    return not inspect.isclass(value) and hasattr(value, "get_params") and _has_methods(value)


def _lacking(value: object) -> str:
    """The methods that an object with some of those of an estimator does not have, in words."""
    lacking = [name for name in ("fit", "predict", "get_params") if not callable(getattr(value, name, None))]
    if len(lacking) == 3:
        return ""
    return f" ({type(value).__name__} has no {' and no '.join(lacking)}; a function that makes one needs no get_params)"


def _has_methods(value: object) -> bool:
    return all(callable(getattr(value, method, None)) for method in ("fit", "predict"))


def _seed_argument(factory: Any) -> str | None:
    """The argument by which a function or class that makes estimators takes the seed; None without one."""
    if _is_estimator(factory):
        return None
    arguments = _defaults(factory)
    return next((name for name in SEEDS if name in arguments), None)


def _seeds(estimator: Any) -> list[str]:
    """Names of the parameters that are seeds and that the user left, those of nested estimators too."""
    if not hasattr(estimator, "get_params"):
        return []
    values = estimator.get_params()
    owners = {"": estimator} | {f"{name}__": value for name, value in values.items() if _has_parameters(value)}
    listed = [name for name in values if name.split("__")[-1] in SEEDS]
    starts = {name.removesuffix(name.split("__")[-1]): None for name in listed} | dict.fromkeys(owners)
    found = []
    for start in starts:
        defaults = _defaults(type(owners[start])) if start in owners else {}
        own = [seed for seed in SEEDS if f"{start}{seed}" in listed]
        if any(not _is_left(values[f"{start}{seed}"], defaults.get(seed)) for seed in own):
            continue  # libraries take these names as aliases of one parameter
        if not own and _nests(estimator, start):  # CatBoost lists what was set alone, and refuses two aliases
            own = [seed for seed in SEEDS if seed in defaults][:1]
        found += [f"{start}{seed}" for seed in own]
    return found


def _nests(estimator: Any, start: str) -> bool:
    """Whether the estimator can set unlisted parameters that begin so: its own, or those that scikit-learn passes on."""
    from sklearn.base import BaseEstimator

    return callable(getattr(estimator, "set_params", None)) and (not start or isinstance(estimator, BaseEstimator))


def _is_left(value: object, default: object) -> bool:
    """Whether a seed is unset or at its default."""
    return value is None or (isinstance(value, int) and isinstance(default, int) and value == default)


def _defaults(made_by: Any) -> dict[str, Any]:
    """The arguments of a function or class by name, with their defaults; none where they cannot be known."""
    try:
        return {name: each.default for name, each in inspect.signature(made_by).parameters.items()}
    except (TypeError, ValueError):
        return {}


def _has_parameters(value: object) -> bool:
    return not inspect.isclass(value) and callable(getattr(value, "get_params", None))
