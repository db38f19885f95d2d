"""What a stored description may make: recipes of candlecast and plain estimators, and nothing else, whatever it says."""

from __future__ import annotations

import inspect
import json
import pickle
import random
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from sklearn import compose, ensemble, linear_model, neural_network, pipeline, preprocessing, svm

from candlecast.backtesting import Costs, DrawdownStop
from candlecast.candles import Candles
from candlecast.dataset.folds import PurgedKFold, WalkForward
from candlecast.errors import RunError
from candlecast.features import Features, rsi, scaled_close, standard_features
from candlecast.heads import Bernoulli, Quantiles
from candlecast.models import LSTM, Conformal, LinearRegression, Sklearn, ZeroShot
from candlecast.models.wrappers.known_estimators import KNOWN, make, require_known
from candlecast.recipes.describing import FACTORIES, MODULES, _recipe, describe, restore
from candlecast.recipes.identity import PYTHON
from candlecast.recipes.old_names import RENAMED, by_present_names
from candlecast.signals import Threshold
from candlecast.sources import synthetic
from candlecast.study import Study
from candlecast.study.loading import load_run
from candlecast.targets import ExcessReturn, NextReturn, Several


def again(value):
    return restore(json.loads(json.dumps(describe(value))))


ESTIMATORS = [
    linear_model.Ridge(alpha=2, random_state=3),
    linear_model.LogisticRegression(C=0.5, class_weight="balanced", solver="liblinear"),
    linear_model.RidgeCV(alphas=(0.1, 1.0)),
    svm.SVR(kernel="poly", gamma="auto"),
    ensemble.RandomForestClassifier(max_features="log2", class_weight={0.0: 1.0, 1.0: 3.0}),
    neural_network.MLPRegressor(hidden_layer_sizes=(5, 3), activation="tanh", early_stopping=True),
    pipeline.make_pipeline(preprocessing.StandardScaler(), preprocessing.PolynomialFeatures(2), linear_model.Lasso()),
    pipeline.Pipeline([("scale", "passthrough"), ("fit", linear_model.Ridge())]),
    pipeline.FeatureUnion([("a", preprocessing.MinMaxScaler((0, 2))), ("b", "drop")], transformer_weights={"a": 2.0}),
    compose.ColumnTransformer([("first", preprocessing.RobustScaler(), [0, 1]), ("rest", "drop", [2])]),
    compose.TransformedTargetRegressor(ensemble.BaggingRegressor(linear_model.Ridge(), n_estimators=3)),
    ensemble.StackingRegressor([("ridge", linear_model.Ridge()), ("svr", svm.SVR())], linear_model.LinearRegression()),
    preprocessing.KBinsDiscretizer(encode="ordinal", strategy="uniform"),
    lightgbm.LGBMRegressor(num_leaves=7, objective="quantile", boosting_type="dart"),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_plain_estimators_come_back(estimator):
    found = again(estimator)
    assert type(found) is type(estimator)
    assert describe(found) == describe(estimator)
    assert repr(found) == repr(estimator)


def usual(module, kind):
    """An estimator with the least that it needs."""
    found = getattr(import_module(module), kind)
    steps = [("a", linear_model.Ridge(), [0]) if kind == "ColumnTransformer" else ("a", linear_model.Ridge())]
    needed = [name for name, each in inspect.signature(found).parameters.items() if each.default is each.empty]
    return found(
        **{name: linear_model.Ridge() if name == "estimator" else steps for name in needed if name != "kwargs"}
    )


@pytest.mark.parametrize("module", KNOWN)
def test_every_known_estimator_comes_back(module):
    for kind in KNOWN[module].split():
        described = describe(usual(module, kind))
        assert json.dumps(describe(restore(json.loads(json.dumps(described))))) == json.dumps(described), kind


def poison(cache, marker):
    """Fill a pipeline's cache with pickles that make a file when they are read."""

    class Touch:
        def __reduce__(self):
            return Path.touch, (marker,)

    found = list(cache.rglob("output.pkl"))
    assert found
    for path in found:
        path.write_bytes(pickle.dumps(Touch()))


def test_a_pipelines_cache_is_not_read(market, features, tmp_path):
    cache, marker = tmp_path / "cache", tmp_path / "executed"
    steps = [("scale", preprocessing.StandardScaler()), ("fit", linear_model.Ridge())]
    model = Sklearn(pipeline.Pipeline(steps, memory=str(cache)), name="piped")
    study = Study(model=model, features=features, folds=WalkForward(folds=1), baselines=(), seeds=1)
    study.run(market).save(tmp_path / "run")
    poison(cache, marker)
    result = load_run(tmp_path / "run")
    with pytest.raises(RunError, match=r"Pipeline has memory=.*fitted\(study=\.\.\.\)"):
        result.fitted()
    assert not marker.exists()
    with suppress(Exception):  # it is a pickle that runs: whoever has made the study in code has chosen that cache
        result.fitted(study=study)
    assert marker.exists()


def estimator(kind, **parameters):
    return {"type": "Estimator", "class": kind, "parameters": parameters}


RIDGE = estimator("sklearn.linear_model._ridge.Ridge", alpha=1.0)
DEEP = {"type": "Holdout", "train": 0.8}
for _ in range(500):
    DEEP = {"type": "Conformal", "model": DEEP}

REFUSED = {
    "os.system": estimator("os.system"),
    "a function of scikit-learn": estimator("sklearn.linear_model.ridge_regression"),
    "a module": estimator("sklearn.linear_model._ridge"),
    "another package": estimator("xgboost.XGBRegressor"),
    "a path": estimator("sklearn.linear_model/../os.Ridge"),
    "no package": estimator("Ridge"),
    "no text": estimator(["sklearn", "Ridge"]),
    "a grid": estimator("sklearn.model_selection._search.GridSearchCV", estimator=RIDGE, param_grid={"memory": ["x"]}),
    "a function inside": estimator("sklearn.preprocessing.FunctionTransformer", func=None),
    "frozen": estimator("sklearn.frozen._frozen.FrozenEstimator", estimator=RIDGE),
    "memory": estimator("sklearn.pipeline.Pipeline", steps=[["fit", RIDGE]], memory="cache"),
    "memory within": estimator(
        "sklearn.pipeline.Pipeline",
        steps=[["a", estimator("sklearn.pipeline.Pipeline", steps=[["fit", RIDGE]], memory="c")], ["b", RIDGE]],
    ),
    "memory as a dict": estimator(
        "sklearn.pipeline.Pipeline", steps=[["fit", RIDGE]], memory={"type": "dict", "items": []}
    ),
    "a path as a word": estimator("sklearn.linear_model._ridge.Ridge", solver="../../x"),
    "an undocumented word": estimator("sklearn.linear_model._ridge.Ridge", solver="mine"),
    "a file": estimator("lightgbm.sklearn.LGBMRegressor", forcedsplits_filename="x.json"),
    "a model file": estimator("lightgbm.sklearn.LGBMRegressor", objective="mine"),
    "an unknown parameter": estimator("sklearn.linear_model._ridge.Ridge", beta=1.0),
    "a parameter that is no name": estimator("sklearn.linear_model._ridge.Ridge", **{"a b": 1.0}),
    "words in a list": estimator("sklearn.linear_model._ridge.RidgeCV", alphas=["a", "b"]),
    "words in a dict": estimator(
        "sklearn.neighbors._regression.KNeighborsRegressor", metric_params={"type": "dict", "items": [["func", "os"]]}
    ),
    "a recipe inside": estimator("sklearn.pipeline.Pipeline", steps=[["a", {"type": "LSTM"}]]),
    "a step without a name": estimator("sklearn.pipeline.Pipeline", steps=[RIDGE]),
    "steps that are none": estimator("sklearn.pipeline.Pipeline", steps="ridge"),
    "a step that is a word": estimator("sklearn.pipeline.Pipeline", steps=[["a", "os"]]),
    "parameters that are none": {"type": "Estimator", "class": "sklearn.linear_model._ridge.Ridge", "parameters": [1]},
    "without parameters": {"type": "Estimator", "class": "sklearn.linear_model._ridge.Ridge"},
    "a function": {"type": "function", "name": "os.system"},
    "an object": {"type": "object", "name": "os", "identity": "x"},
    "an identity": {"type": "Holdout", "train": 0.8, "identity": "x"},
    "a function of candlecast": {"type": "standard_features", "interval": "1h"},
    "a module of candlecast": {"type": "np"},
    "a class that is no recipe": {"type": "Scaling", "shift": [0.0], "scale": [1.0]},
    "a protocol": {"type": "Model"},
    "a result": {"type": "FittedSearch", "fitted": None, "job": None, "searched": []},
    "a private name": {"type": "__builtins__"},
    "a factory that is none": {"type": "Feature", "kind": "feature", "parameters": {}, "warmup": 0, "scaling": None},
    "a submodule": {"type": "Feature", "kind": "indicators", "parameters": {}, "warmup": 0, "scaling": None},
    "no kind": {"type": "Feature", "kind": ["rsi"], "parameters": {}, "warmup": 0, "scaling": None},
    "parameters of another": {
        "type": "Feature",
        "kind": "rsi",
        "parameters": {"fast": 3},
        "warmup": 0,
        "scaling": None,
    },
    "another warm-up": {"type": "Feature", "kind": "rsi", "parameters": {"period": 14}, "warmup": 3, "scaling": None},
    "no scaling": {
        "type": "Feature",
        "kind": "log_range",
        "parameters": {},
        "warmup": 1,
        "scaling": {"type": "Holdout"},
    },
    "without scaling": {"type": "Feature", "kind": "log_range", "parameters": {}, "warmup": 1},
    "features that are none": {"type": "Features", "features": [3], "scaling": {"type": "Standard"}},
    "no features": {"type": "Features", "features": [], "scaling": {"type": "Standard"}},
    "targets that are none": {"type": "Several", "name": "x", "targets": {"type": "NextReturn"}},
    "pairs that are none": {"type": "dict", "items": [[1]]},
    "keys that are no keys": {"type": "dict", "items": [[{"type": "dict", "items": []}, 1]]},
    "candles that are none": {"type": "Candles", "symbol": 1, "interval": "1h", "fingerprint": "x"},
    "no type": {"train": 0.8},
    "a type that is none": {"type": 3},
    "a key that is no text": {"type": "Holdout", 3: 1},
    "a parameter of another version": {"type": "Holdout", "train": 0.8, "forecast": 3},
    "too little": {"type": "Pooled"},
    "a value of another kind": {"type": "Holdout", "train": "most"},
    "a parameter of another kind": {"type": "LSTM", "hidden": [3]},
    "deep": DEEP,
    "a huge number": {"type": "NextReturn", "horizon": 10**5_000},
    "a long text": {"type": "LSTM", "name": "x" * 20_000},
    "bytes": {"type": "Holdout", "train": b"x"},
}


@pytest.mark.parametrize("description", REFUSED.values(), ids=REFUSED)
def test_nothing_else_is_made(description):
    before = set(sys.modules)
    for each in (description, [description], {"type": "Conformal", "model": description}):
        with pytest.raises(RunError) as error:
            restore(each)
        assert len(str(error.value)) < 2_000
    assert not {name for name in set(sys.modules) - before if not name.startswith(("sklearn", "candlecast", "scipy"))}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("sklearn.pipeline.Pipeline", {"steps": [("a", linear_model.Ridge())], "memory": "x"}),
        ("sklearn.neighbors.KNeighborsRegressor", {"weights": len}),
        ("sklearn.ensemble.BaggingRegressor", {"estimator": linear_model.Ridge}),
        ("sklearn.ensemble.BaggingRegressor", {"estimator": Path("x")}),
        ("sklearn.linear_model.Ridge", {"solver": "x"}),
        ("sklearn.linear_model.Ridge", {"alpha": np.arange(3)}),
        ("sklearn.linear_model.Ridge", None),
    ],
)
def test_made_itself_takes_plain_parameters_only(name, parameters):
    with pytest.raises(RunError):
        make(name, parameters)


@pytest.mark.parametrize(
    "description",
    [
        {"type": "function", "name": "mine.rule"},
        {"type": "object", "class": "mine.Rule"},
        {"type": "Holdout", "identity": "3.11:00", "name": "mine.rule"},
    ],
    ids=["function", "object", "identified"],
)
def test_code_of_a_user_is_asked_for(description):
    for each in (description, {"type": "Conformal", "model": description}):
        with pytest.raises(
            RunError, match="mine.[rR]ule.* is not a recipe of candlecast, but code or data of the user who ran"
        ) as error:
            restore(each)
        assert "Give the object in code" in error.value.remedy


@pytest.mark.parametrize(
    "value", ["../x", "/etc/passwd", "C:\\x", "a" * 101, "x\n", ["a", ["../x"]], {"type": "function"}, b"x"]
)
def test_what_is_stored_is_a_word_or_a_number_before_anything_is_imported(value):
    with pytest.raises(RunError, match="expected a (word, no path|number, a word or another estimator)"):
        require_known("sklearn.linear_model.Ridge", {"solver": value})
    require_known("sklearn.linear_model.Ridge", {"solver": "sag", "alpha": 0.5, "max_iter": None})


MADE = {
    "ARIMA",
    "AboveMean",
    "AboveMedian",
    "AbsoluteError",
    "AttentionLSTM",
    "Bernoulli",
    "BottomQuantile",
    "CalendarHAR",
    "CombinatorialPurged",
    "Conformal",
    "Costs",
    "CrossSectionRank",
    "DLinear",
    "Direction",
    "DrawdownStop",
    "Drift",
    "ETS",
    "EWMA",
    "EncoderDecoder",
    "EqualWeight",
    "ExcessReturn",
    "Filters",
    "Fit",
    "FollowDirection",
    "GARCH",
    "GRU",
    "Gaussian",
    "HAR",
    "HierarchicalRiskParity",
    "HoldPosition",
    "Holdout",
    "Huber",
    "InverseVolatility",
    "Kelly",
    "Keras",
    "LSTM",
    "Labels",
    "LightGBM",
    "LinearRegression",
    "MaximumDiversification",
    "MeanVariance",
    "MinGRU",
    "MinLSTM",
    "MinMax",
    "MinimumVariance",
    "NLinear",
    "Naive",
    "NextReturn",
    "NoTradeBand",
    "PatchTST",
    "Policy",
    "Pooled",
    "Price",
    "PurgedKFold",
    "QuantileSpread",
    "Quantiles",
    "RNN",
    "RankWeights",
    "RecurrentModel",
    "RelativeReturn",
    "Ridge",
    "RiskParity",
    "Robust",
    "ScaledReturn",
    "Search",
    "SeasonalNaive",
    "SectorNeutral",
    "Several",
    "Sklearn",
    "SquaredError",
    "Standard",
    "StudentT",
    "TCN",
    "Threshold",
    "ThresholdHAR",
    "TopBottom",
    "TopQuantile",
    "Torch",
    "Transformer",
    "TripleBarrier",
    "TurnoverLimited",
    "Unscaled",
    "Volatility",
    "VolatilityScaled",
    "VolatilityTarget",
    "WalkForward",
    "WhileMember",
    "ZeroShot",
}


def test_recipes_are_frozen_dataclasses_of_candlecast_by_their_public_names():
    """Each may be made of a description by anybody: its constructor must do nothing but look at its parameters."""
    recipes = set()
    for names in MODULES.values():
        for name in names:
            with suppress(RunError):
                recipes.add(_recipe(name))
    assert all(kind.__module__.startswith("candlecast.") for kind in recipes)
    assert {kind.__name__ for kind in recipes} == MADE, "look at what its constructor does, and add it"
    assert not set(FACTORIES) & {"feature", "outside", "standard_features"}


def test_what_was_stored_under_an_old_name_is_restored():
    old = {"type": "Chance", "balanced": True}
    assert restore(old) == Bernoulli(balanced=True)
    assert by_present_names([{"head": old, "window": 1}])[0]["head"]["type"] == "Bernoulli"
    stop = {"type": "DrawdownBrake", "limit": 0.3, "resume": 0.1}
    assert restore(stop) == DrawdownStop(limit=0.3, resume=0.1)
    assert by_present_names([{"rule": stop, "band": 1}])[0]["rule"]["type"] == "DrawdownStop"
    assert set(RENAMED.values()) <= MADE and not set(RENAMED) & MADE


BENCHMARK = synthetic.random_walk(100, seed=1).candles
WHOLE = [
    Study(model=LSTM(head=Quantiles()), features=standard_features(BENCHMARK.interval), rule=Threshold()).recipe(
        BENCHMARK
    ),
    describe(Sklearn(ESTIMATORS[6])),
    describe(Conformal(LinearRegression())),
    describe(Features(rsi(14), scaled_close())),
    describe(Several(ExcessReturn(BENCHMARK), NextReturn(3))),
    describe(PurgedKFold(3)),
]
ODD = [
    None,
    True,
    -1,
    0,
    10**30,
    1e308,
    float("nan"),
    "",
    "os.system",
    "../x",
    "\x1b[2J",
    [],
    {},
    [[]],
    {"type": "LSTM"},
]


def mutated(description, dice):
    """A copy in which a value or two are others, are gone, or lie elsewhere."""
    found = json.loads(json.dumps(description))
    for _ in range(dice.randint(1, 2)):
        places = []

        def note(part, places=places):
            items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
            for key, item in items:
                places.append((part, key))
                note(item)

        note(found)
        if not places:
            break
        part, key = dice.choice(places)
        way = dice.randrange(4)
        if way == 0:
            del part[key]
        elif way == 1:
            part[key] = dice.choice(ODD)
        elif way == 2:
            other, place = dice.choice(places)
            with suppress(KeyError, IndexError):
                part[key] = json.loads(json.dumps(other[place]))
        elif isinstance(part, dict):
            part[dice.choice(["type", "class", "kind", "memory", "name", "x"])] = dice.choice(ODD)
    return found


@pytest.mark.parametrize("whole", range(len(WHOLE)))
def test_what_is_malformed_is_said(whole):
    dice = random.Random(whole)
    outcomes = set()
    for _ in range(300):
        description = mutated(WHOLE[whole], dice)
        for part in description.values() if whole == 0 and isinstance(description, dict) else [description]:
            try:
                restore(part, candles=[BENCHMARK])
                outcomes.add("made")
            except RunError:
                outcomes.add("refused")
    assert outcomes == {"made", "refused"}


@pytest.mark.parametrize("run", range(40))
def test_a_malformed_manifest_is_said(run, stored, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for path in stored.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    dice = random.Random(run)
    manifest = json.loads((folder / "manifest.json").read_text())
    for key in ("verdict", "summary", "accuracy"):  # nothing is read of them
        del manifest[key]
    (folder / "manifest.json").write_text(json.dumps(mutated(manifest, dice)))
    with suppress(RunError):  # and no other
        load_run(folder).fitted()


@pytest.fixture(scope="module")
def stored(market, features, tmp_path_factory):
    study = Study(
        model=Sklearn(linear_model.Ridge()), features=features, folds=WalkForward(folds=1), baselines=(), seeds=1
    )
    return study.run(market).save(tmp_path_factory.mktemp("stored") / "run")


def test_a_manifest_nested_without_end_is_said(stored, tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 2, "recipe": ' + "[" * 200_000)
    with pytest.raises(RunError, match="cannot be read"):
        load_run(tmp_path)


def test_costs_and_targets_of_a_user_are_given_by_the_study(market, features, tmp_path):
    def study(fee):
        costs = Costs(extra=lambda units, price, volume: fee)
        return Study(
            model=LinearRegression(), features=features, folds=WalkForward(folds=1), costs=costs, baselines=(), seeds=1
        )

    result = study(1.0).run(market)
    folder = result.save(tmp_path / "run")
    with pytest.raises(RunError, match=r"by name only.*Give it: load_run\(folder, study=\.\.\.\)"):
        load_run(folder)
    with pytest.raises(RunError, match="this is not the study of the run: the part .costs. differs"):
        load_run(folder, study=study(2.0))
    assert load_run(folder, study=study(1.0)).backtest.equity.equals(result.backtest.equity)


def test_candles_that_were_described_are_those_that_are_taken():
    described = json.loads(json.dumps(describe(ExcessReturn(BENCHMARK))))
    assert restore(described, candles=[BENCHMARK]) == ExcessReturn(BENCHMARK)
    with pytest.raises(RunError, match="are named, not stored.*candles="):
        restore(described)
    assert isinstance(BENCHMARK, Candles)


def test_code_of_another_python_is_said(market, features, tmp_path):
    costs = Costs(extra=lambda units, price, volume: 1.0)
    study = Study(
        model=LinearRegression(), features=features, folds=WalkForward(folds=1), costs=costs, baselines=(), seeds=1
    )
    folder = study.run(market).save(tmp_path / "run")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(PYTHON, "cpython-399"))
    with pytest.raises(
        RunError, match=f"the part 'costs' of the run holds code of cpython-399; expected code of .*{PYTHON}"
    ):
        load_run(folder, study=study)


def test_a_recipe_of_others_names_no_place_of_this_machine(tmp_path):
    model = ZeroShot("fracast", trained_until="2025-01-01", cache=str(tmp_path))
    described = describe(model)
    assert "cache" not in described and restore(described).cache is None
    with pytest.raises(RunError, match="has a ZeroShot with cache, which this version does not know"):
        restore(described | {"cache": str(tmp_path / "elsewhere")})
    assert not list(tmp_path.iterdir())
