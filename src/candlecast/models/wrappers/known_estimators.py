"""Estimators that a stored study may make again: the listed classes, with plain parameters only.

A run may come from anybody. An estimator with a cache folder, a path, a function or its own imports could execute code from
there. So names are checked before anything is imported, and parameters before anything is made.
"""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Collection, Mapping
from importlib import import_module
from numbers import Real
from typing import Any

import numpy as np

from candlecast.errors import RunError
from candlecast.models.wrappers.estimator import described

KNOWN: dict[str, str] = {  # by public module
    "lightgbm": "LGBMClassifier LGBMRegressor",
    "sklearn.calibration": "CalibratedClassifierCV",
    "sklearn.compose": "ColumnTransformer TransformedTargetRegressor",
    "sklearn.cross_decomposition": "CCA PLSCanonical PLSRegression",
    "sklearn.decomposition": "FactorAnalysis FastICA IncrementalPCA KernelPCA PCA SparsePCA TruncatedSVD",
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "sklearn.dummy": "DummyClassifier DummyRegressor",
    "sklearn.ensemble": "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor ExtraTreesClassifier "
    "ExtraTreesRegressor GradientBoostingClassifier GradientBoostingRegressor HistGradientBoostingClassifier "
    "HistGradientBoostingRegressor RandomForestClassifier RandomForestRegressor RandomTreesEmbedding StackingClassifier "
    "StackingRegressor VotingClassifier VotingRegressor",
    "sklearn.feature_selection": "RFE SelectFromModel VarianceThreshold",
    "sklearn.gaussian_process": "GaussianProcessClassifier GaussianProcessRegressor",
    "sklearn.impute": "KNNImputer MissingIndicator SimpleImputer",
    "sklearn.isotonic": "IsotonicRegression",
    "sklearn.kernel_approximation": "AdditiveChi2Sampler Nystroem PolynomialCountSketch RBFSampler SkewedChi2Sampler",
    "sklearn.kernel_ridge": "KernelRidge",
    "sklearn.linear_model": "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor HuberRegressor Lars LarsCV "
    "Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression LogisticRegression LogisticRegressionCV "
    "OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV "
    "Perceptron PoissonRegressor QuantileRegressor RANSACRegressor Ridge RidgeCV RidgeClassifier RidgeClassifierCV "
    "SGDClassifier SGDRegressor TheilSenRegressor TweedieRegressor",
    "sklearn.multiclass": "OneVsOneClassifier OneVsRestClassifier",
    "sklearn.naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
    "sklearn.neighbors": "KNeighborsClassifier KNeighborsRegressor NearestCentroid RadiusNeighborsClassifier "
    "RadiusNeighborsRegressor",
    "sklearn.neural_network": "BernoulliRBM MLPClassifier MLPRegressor",
    "sklearn.pipeline": "FeatureUnion Pipeline",
    "sklearn.preprocessing": "Binarizer KBinsDiscretizer MaxAbsScaler MinMaxScaler Normalizer "
    "PolynomialFeatures PowerTransformer QuantileTransformer RobustScaler SplineTransformer StandardScaler",
    "sklearn.random_projection": "GaussianRandomProjection SparseRandomProjection",
    "sklearn.svm": "LinearSVC LinearSVR NuSVC NuSVR SVC SVR",
    "sklearn.tree": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
}
WORDS = {  # LightGBM does not declare the texts that its parameters take
    "boosting_type": {"gbdt", "dart", "rf"},
    "objective": {"regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"}
    | {"binary", "multiclass", "multiclassova", "cross_entropy"},
    "importance_type": {"split", "gain"},
    "class_weight": {"balanced"},
}
# parameters that are lists of (name, estimator) or (name, estimator, columns)
STEPS = {"estimators", "steps", "transformer_list", "transformers"}
SKIPPED = {"drop", "passthrough"}
NEVER = {"memory"}  # a folder of pickles
DEEPEST = 20


def is_known(estimator: object) -> bool:
    """Whether an estimator is of a listed class, with plain parameters, nested ones as well: it holds no code of a user.

    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> is_known(Ridge()), is_known(make_pipeline(FunctionTransformer(len), Ridge()))
    (True, False)
    """
    found = described(estimator)
    if found is None:
        return False
    name, parameters, is_whole = found
    try:
        _place(name)
    except RunError:
        return False
    return is_whole and all(map(_is_plain, parameters.values()))


def _is_plain(value: object) -> bool:
    """Whether a parameter is a number, a text, a known estimator, or a collection of these."""
    if value is None or isinstance(value, Real | str):
        return True
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    return isinstance(value, np.ndarray | np.generic) or is_known(value)


def require_known(name: object, parameters: object) -> None:
    """Raise RunError for a stored estimator that must not be made. Imports nothing.

    `parameters` are JSON values. The caller checks nested estimators one by one.
    """
    _place(name)
    for key, value in _by_name(name, parameters).items():
        _require_stored(f"{name}: {key}", value)


def make(name: str, parameters: Mapping[str, Any]) -> Any:
    """The estimator of that class with these parameters; nested estimators have been made before. Raises RunError."""
    module, kind = _place(name)
    parameters = _by_name(name, parameters)
    try:
        found = getattr(import_module(module), kind, None)
    except ImportError as error:
        raise refused(f"{module} is not installed, and the run has a {kind}", module) from error
    if not inspect.isclass(found) or not all(callable(getattr(found, each, None)) for each in ("fit", "get_params")):
        raise refused(f"{name} is not an estimator of the installed {module}", "one that it has")
    usual = {
        key: each.default
        for key, each in inspect.signature(found).parameters.items()
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    }
    given: dict[str, Any] = {}
    for key, value in parameters.items():
        where = f"{name}: {key}"
        if key not in usual:
            raise refused(f"{where} is no parameter", f"one of {', '.join(sorted(usual))}")
        if isinstance(value, str) and value != usual[key] and value not in _words(found, key):
            raise refused(f"{where} is {_short(value)}", "a word that the parameter is documented to take")
        if not isinstance(value, str) and key not in STEPS:
            _require_made(where, value)
        given[key] = _steps(where, value) if key in STEPS else value
    try:
        return found(**given)
    except Exception as error:  # constructors raise errors of many types for bad values
        raise refused(
            f"{name} cannot be made as described ({_short(str(error))})", "parameters that it takes"
        ) from error


def refused(wrong: str, expected: str) -> RunError:
    """The error for a description that must not be made."""
    return RunError(
        wrong,
        expected=expected,
        remedy="Give the object in code, as part of the study that was run: load_run(folder).fitted(study=study)",
    )


def _place(name: object) -> tuple[str, str]:
    """Public module and class of an estimator, without the private modules between them. Raises RunError."""
    if isinstance(name, str) and len(name) < 200 and re.fullmatch(r"\w+(\.\w+)+", name, re.ASCII):
        parts = name.split(".")
        module = parts[0] if parts[0] == "lightgbm" else ".".join(parts[:2])
        if parts[-1] in KNOWN.get(module, "").split() and len(parts) > module.count(".") + 1:
            return module, parts[-1]
    raise refused(
        f"{_short(name)} is not an estimator of scikit-learn or LightGBM that a run may make",
        "a class that candlecast knows to be safe",
    )


def _by_name(name: object, parameters: object) -> Mapping[str, Any]:
    """The parameters, once their names are identifiers and none stores anything on disk. Raises RunError."""
    if not isinstance(parameters, Mapping):
        raise refused(f"{name} has parameters {_short(parameters)}", "an object of parameters by name")
    for key, value in parameters.items():
        if not isinstance(key, str) or re.fullmatch(r"[A-Za-z]\w*", key, re.ASCII) is None:
            raise refused(f"{name} has a parameter {_short(key)}", "parameters by name")
        if key in NEVER and value is not None:
            raise refused(f"{name} has {key}={_short(value)}", "an estimator that keeps nothing on disk")
    return parameters


def _require_stored(where: str, value: object, depth: int = 0) -> None:
    """Raise RunError for JSON other than a number, a word, None, a nested estimator, or a list of these."""
    if depth > DEEPEST:
        raise refused(f"{where} is nested more than {DEEPEST} levels deep", "plain parameters")
    if isinstance(value, list | tuple):
        for each in value:
            _require_stored(where, each, depth + 1)
    elif isinstance(value, str):
        if re.fullmatch(r"[\w. +-]{0,100}", value, re.ASCII) is None or ".." in value:
            raise refused(f"{where} is {_short(value)}", "a word, no path")
    elif isinstance(value, Mapping):
        if value.get("type") not in ("Estimator", "dict"):
            raise refused(f"{where} is a {_short(value.get('type'))}", "a number, a word or another estimator")
    elif not (value is None or isinstance(value, Real)):
        raise refused(f"{where} is {_short(value)}", "a number, a word or another estimator")


def _require_made(where: str, value: object, depth: int = 0) -> None:
    """Raise RunError for a value other than a number, None, a nested estimator, or a list or dict of numbers."""
    if value is None or isinstance(value, Real):
        return
    if isinstance(value, list | tuple | Mapping) and depth < DEEPEST:
        for each in value.values() if isinstance(value, Mapping) else value:
            _require_made(where, each, depth + 1)
        return
    if isinstance(value, str | list | tuple | Mapping) or depth:
        raise refused(f"{where} holds {_short(value)}", "numbers")
    _place(f"{type(value).__module__}.{type(value).__qualname__}")


def _words(found: type, key: str) -> Collection[object]:
    """The texts that a parameter is documented to take."""
    if found.__module__.split(".")[0] == "lightgbm":
        return WORDS.get(key, set())
    words: set[object] = set()
    constraints = getattr(found, "_parameter_constraints", {}).get(key, [])
    for each in constraints if isinstance(constraints, list) else []:
        words |= set(getattr(getattr(each, "constraint", each), "options", ()))
    return words


def _steps(where: str, value: object) -> list[Any]:
    """Steps as scikit-learn takes them: a list of (name, estimator) or (name, estimator, columns)."""
    if not isinstance(value, list | tuple):
        raise refused(f"{where} is {_short(value)}", "a list of steps")
    steps: list[Any] = []
    for step in value:
        if not isinstance(step, list | tuple) or len(step) not in (2, 3) or not isinstance(step[0], str):
            raise refused(f"{where} has a step {_short(step)}", "a name and an estimator")
        if not (isinstance(step[1], str) and step[1] in SKIPPED):
            _require_made(where, step[1])
        for columns in step[2:]:
            _require_made(where, list(columns) if isinstance(columns, list | tuple) else columns)
        steps.append((*step[:2], *(list(part) if isinstance(part, tuple) else part for part in step[2:])))
    return steps


def _short(value: object) -> str:
    try:
        text = value if isinstance(value, str) else reprlib.repr(value)
    except ValueError:  # a number of thousands of digits
        text = type(value).__name__
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= 120 else f"{text[:117]}..."
