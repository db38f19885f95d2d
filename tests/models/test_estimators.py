"""scikit-learn's estimators, and a user's own forecasters, in the same walk."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import linear_model, svm
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor, RandomTreesEmbedding
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from candlecast.dataset.folds import WalkForward
from candlecast.errors import ConfigError, RunError
from candlecast.models import LinearRegression, Sklearn
from candlecast.recipes import describe, restore
from candlecast.study import Study
from candlecast.study.loading import load_run
from candlecast.targets import Direction, NextReturn, Several
from candlecast.walkforward import plan_jobs, walk_forward


class Up:
    """The next return's label by the sign of it: -1 below, 1 above, 0 in between."""

    name, horizon, kind, scaling = "up", 1, "label", NextReturn().scaling

    def values(self, candles):
        returns = NextReturn().values(candles)
        return np.where(np.isnan(returns), np.nan, np.sign(np.where(np.abs(returns) < 0.005, 0.0, returns)))

    def naive(self, candles):
        return np.zeros(len(candles))

    def expected_return(self, forecast, candles):
        return np.full(len(candles), np.nan)

    def change(self, values, naive):
        return values - naive


def fitted(model, candles, features, target=None, seed=0):
    jobs = plan_jobs(
        model, candles, features=features, target=target or NextReturn(), folds=WalkForward(folds=1), seeds=[seed]
    )
    return next(iter(model.fit(jobs)))


def said(model, candles, features, target=None, seed=0):
    result = fitted(model, candles, features, target, seed)
    return result.forecast(result.job.samples, result.job.test_rows)


def test_least_squares_is_the_linear_baseline(market, features):
    ours = said(LinearRegression(window=2), market, features).mean
    theirs = said(Sklearn(linear_model.LinearRegression(), window=2), market, features).mean
    assert np.array_equal(ours, theirs)


def test_a_classifier_gives_chances_of_direction(market, features):
    ours = said(LinearRegression(), market, features, Direction()).mean
    theirs = said(Sklearn(linear_model.LogisticRegression()), market, features, Direction()).mean
    assert np.array_equal(ours, theirs)


def test_a_classifier_gives_the_chance_of_each_label(market, features):
    found = said(Sklearn(linear_model.LogisticRegression()), market, features, Up())
    chances = np.column_stack([found.columns[name] for name in ("p_down", "p_flat", "p_up")])
    np.testing.assert_allclose(chances.sum(1), 1.0)
    np.testing.assert_allclose(found.mean, chances[:, 2] - chances[:, 0])
    result = fitted(Sklearn(linear_model.LogisticRegression()), market, features, Up())
    plain = linear_model.LogisticRegression()
    inputs = (result.job.samples.inputs - result.job.samples.inputs[result.job.fold.fit.array].mean(0)) / (
        result.job.samples.inputs[result.job.fold.fit.array].std(0)
    )
    plain.fit(inputs[result.job.fit_rows], result.job.samples.outcomes[result.job.fit_rows])
    np.testing.assert_allclose(chances, plain.predict_proba(inputs[result.job.test_rows]), rtol=1e-6)


def test_the_seed_of_an_estimator_is_the_jobs(market, features):
    pipeline = make_pipeline(PolynomialFeatures(2), RandomForestRegressor(n_estimators=3, max_depth=2))
    model = Sklearn(pipeline)
    assert model.is_seeded and not Sklearn(linear_model.LinearRegression()).is_seeded
    first, again, other = (said(model, market, features, seed=seed).mean for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert pipeline[-1].random_state is None and not hasattr(pipeline[-1], "estimators_")  # the user's is untouched


class Noisy(RegressorMixin, BaseEstimator):
    """Forecasts random numbers of its seed."""

    def fit(self, x, y):
        (seed,) = (
            value for name, value in self.get_params().items() if name in {"seed", "random_state", "random_seed"}
        )
        self.generator_ = np.random.default_rng(seed)
        return self

    def predict(self, x):
        return 0.01 * self.generator_.standard_normal(len(x))


class BySeed(Noisy):
    def __init__(self, seed=None):
        self.seed = seed


class ByRandomSeed(Noisy):
    def __init__(self, random_seed=0):
        self.random_seed = random_seed


class Unlisted(Noisy):
    """Lists the parameters that were set alone, and refuses two aliases of the seed, as CatBoost does."""

    def __init__(self, seed=None, random_state=None):
        self.seed, self.random_state = seed, random_state

    def get_params(self, deep=True):
        return {name: value for name, value in super().get_params(deep).items() if value is not None}

    def set_params(self, **parameters):
        vars(self).update(parameters)
        return self


@pytest.mark.parametrize("nest", [lambda each: each, lambda each: make_pipeline(PolynomialFeatures(2), each)])
@pytest.mark.parametrize("estimator", [BySeed(), ByRandomSeed(), ByRandomSeed(random_seed=0), Unlisted()])
def test_a_seed_of_any_usual_name_is_the_jobs(market, features, estimator, nest):
    model = Sklearn(nest(estimator))
    assert model.is_seeded
    first, again, other = (said(model, market, features, seed=seed).mean for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize(
    "estimator", [BySeed(3), ByRandomSeed(3), Unlisted(random_state=3), RandomForestRegressor(3, random_state=0)]
)
def test_a_seed_that_the_user_set_stays(market, features, estimator):
    model = Sklearn(estimator)
    assert not model.is_seeded
    assert np.array_equal(*(said(model, market, features, seed=seed).mean for seed in (0, 1)))


def test_two_seeds_in_a_pipeline_are_told_apart():
    pipeline = make_pipeline(RandomTreesEmbedding(random_state=5), RandomForestRegressor())
    made = Sklearn(pipeline)._fresh(7)
    assert Sklearn(pipeline).is_seeded
    assert (made[0].random_state, made[1].random_state) == (5, 7)


@pytest.mark.parametrize("make", [BySeed, ByRandomSeed, RandomForestRegressor, lambda: make_pipeline(BySeed())])
def test_a_function_that_makes_an_estimator_is_given_the_seed(make):
    made = Sklearn(make)._fresh(7)
    assert Sklearn(make).is_seeded
    assert 7 in made.get_params().values()


def test_a_forecaster_that_lists_its_parameters_in_its_own_way_is_given_the_seed():
    """`get_params` without `deep`, of an object that a function makes."""

    class Plain:
        def __init__(self, seed=None):
            self.seed = seed

        def get_params(self):
            return {"seed": self.seed}

        def set_params(self, **parameters):
            vars(self).update(parameters)
            return self

        def fit(self, x, y): ...

        def predict(self, x): ...

    assert Sklearn(lambda: Plain(None))._fresh(7).seed == 7
    assert Sklearn(lambda: Plain(3))._fresh(7).seed == 3


def test_the_usual_libraries_have_a_seed_to_set():
    lightgbm = pytest.importorskip("lightgbm")
    assert Sklearn(lightgbm.LGBMRegressor())._fresh(7).random_state == 7
    assert not Sklearn(lightgbm.LGBMRegressor(seed=3)).is_seeded


def test_weights_reach_the_fit(market, features):
    """A weight of zero for a row is as if it were not there; through a pipeline too."""
    late = lambda outcomes: np.where(np.arange(len(outcomes)) < 200, 0.0, 1.0)  # noqa: E731
    weighted = Sklearn(make_pipeline(PolynomialFeatures(1), linear_model.LinearRegression()), sample_weight=late)
    result = fitted(weighted, market, features)
    rows = result.job.fit_rows[200:]
    plain = linear_model.LinearRegression().fit(result.job.samples.inputs[rows], result.job.samples.outcomes[rows])
    test = result.job.test_rows
    np.testing.assert_allclose(
        result.forecast(result.job.samples, test).mean, plain.predict(result.job.samples.inputs[test]), rtol=1e-6
    )


class Ranks:
    """A forecaster of somebody's own: no scikit-learn in it."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, x, y):
        self.slope = float(x[:, 0] @ y / (x[:, 0] @ x[:, 0]))

    def predict(self, x):
        return self.slope * x[:, 0]


def test_a_forecaster_of_ones_own(market, features):
    model = Sklearn(Ranks, name="ranks")
    assert model.is_seeded
    forecast = walk_forward(model, market, features=features, target=Several(NextReturn(), NextReturn(2)))
    assert forecast.frame["model"].unique().to_list() == ["ranks"]
    mean = said(model, market, features).mean
    assert np.corrcoef(mean, market.close[-len(mean) :])[0, 1] < 1 and np.isfinite(mean).all() and mean.std() > 0


class Broken(Ranks):
    def __init__(self, answer):
        self.answer = answer

    def predict(self, x):
        return self.answer(x)


def sick(answer):
    return Sklearn(lambda: Broken(answer), name="sick")


@pytest.mark.parametrize(
    ("model", "target", "message"),
    [
        (sick(lambda x: np.zeros((len(x), 2))), None, r"sick's predict gave \(\d+, 2\) for \d+ rows; expected numbers"),
        (sick(lambda x: np.where(np.arange(len(x)) == 3, np.nan, 0.0)), None, "gave nan for row 3 of"),
        (sick(lambda x: ["up"] * len(x)), None, r"sick's predict gave \(\d+,\) for"),
        (
            sick(lambda x: 1 / 0),
            None,
            r"sick failed in predict on AR\(1\), fold 0, seed 0.*ZeroDivisionError: division",
        ),
        (sick(lambda x: np.full(len(x), 1.5)), Direction(), r"forecasts 1.5 for the target direction.*in \[0, 1\]"),
        (Sklearn(object), None, "made a object without predict; expected an object with fit"),
        (Sklearn(RandomForestClassifier()), None, "is a classifier, and the target is a value; expected a regressor"),
        (Sklearn(svm.LinearSVC()), Direction(), "LinearSVC has no predict_proba.*CalibratedClassifierCV"),
        (
            Sklearn(linear_model.LinearRegression(), sample_weight=lambda outcomes: outcomes[:3]),
            None,
            r"sample_weight gave \(3,\) numbers",
        ),
        (
            Sklearn(Ranks, sample_weight=np.abs),
            None,
            "Ranks.fit takes no sample_weight; expected an estimator whose fit does",
        ),
    ],
)
def test_what_is_wrong_with_an_estimator_is_said(model, target, message, market, features):
    with pytest.raises(ConfigError, match=message):
        said(model, market, features, target)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"estimator": 3}, "estimator is 3; expected a scikit-learn estimator such as"),
        ({"estimator": Ranks, "window": 0}, "window is 0"),
        ({"estimator": Ranks, "sample_weight": 1}, "sample_weight is 1; expected a function"),
    ],
)
def test_recipes_that_mean_nothing(parameters, message):
    with pytest.raises(ConfigError, match=message):
        Sklearn(**parameters)


def test_an_estimator_is_kept_as_class_and_parameters(market, features, tmp_path):
    forest = RandomForestClassifier(n_estimators=3, max_depth=2, class_weight={0.0: 1.0, 1.0: 2.0})
    model = Sklearn(make_pipeline(PolynomialFeatures(2), forest), name="forest")
    text = json.dumps(describe(model))
    assert '"class": "sklearn.ensemble._forest.RandomForestClassifier"' in text and '"n_estimators": 3' in text
    assert describe(restore(json.loads(text))) == describe(model)
    study = Study(model=model, features=features, target=Direction(), folds=WalkForward(folds=1), baselines=(), seeds=2)
    again = load_run(study.run(market).save(tmp_path / "run"))
    result = again.fitted(seed=1)
    mean = result.forecast(result.job.samples, result.job.test_rows).mean
    assert np.array_equal(mean, again.forecast.frame.filter(seed=1)["mean"].to_numpy())


def test_a_manifest_makes_no_foreign_class():
    with pytest.raises(RunError, match="os.system is not an estimator of scikit-learn"):
        restore({"type": "Estimator", "class": "os.system", "parameters": {}})
    with pytest.raises(RunError, match="sklearn.utils.Bunch is not an estimator"):
        restore({"type": "Estimator", "class": "sklearn.utils.Bunch", "parameters": {}})
