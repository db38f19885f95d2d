"""Identity: what decides what a value does, and nothing else, makes its digest."""

from __future__ import annotations

import functools
import io
import itertools
import json
import logging
import operator
import os
import random
import subprocess
import sys
import threading
import types
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numba import njit

import candlecast as cc
from candlecast.backtesting import Costs
from candlecast.features import Feature, Features, feature, rsi, scaled_close, standard_features
from candlecast.interval import Interval
from candlecast.models import LSTM, Search, Sklearn, Torch
from candlecast.models.architectures.keras import Keras
from candlecast.recipes.describing import FACTORIES, describe, unidentified
from candlecast.recipes.identity import PYTHON, identify
from candlecast.sources import synthetic
from candlecast.targets import NextReturn

logger = logging.getLogger(__name__)


def code(text, name="f", file="<somewhere>"):
    """What some source text defines, as if typed at a prompt: there is no file to read it from."""
    space = {"__name__": "typed", "np": np}
    exec(compile(text, file, "exec"), space)
    return space[name]


def closing_over(value):
    return lambda candles: value


def with_default(value):
    def f(candles, by=value):
        return by

    return f


def with_keyword_default(value):
    def f(candles, *, by=value):
        return by

    return f


def with_attribute(value):
    def f(candles):
        return f.by

    f.by = value
    return f


def with_global(value):
    return code(f"BY = {value!r}\ndef f(candles): return BY")


def with_helper(value):
    return code(f"def helper(): return {value!r}\ndef f(candles): return helper()")


def with_helper_within(value):
    return code(f"def helper(): return {value!r}\ndef f(candles): return [helper() for _ in candles]")


def with_module(value):
    module = types.ModuleType("mine")
    module.by, module.other = value, threading.Lock()  # what is not read there decides nothing
    return code("def make(mine):\n def f(candles): return mine.by\n return f", "make")(module)


def decorated(value):
    @functools.wraps(np.mean)
    def f(candles):
        return value

    return f


@dataclass
class Instance:
    by: object

    def __call__(self, candles):
        return self.by

    def method(self, candles):
        return self.by

    @functools.cached_property
    def costly(self):
        return self.by


class Slotted:
    __slots__ = ("__hidden", "by", "never")

    def __init__(self, by):
        self.by, self.__hidden = by, by


class OfList(list):
    pass


def with_method(value):
    """An instance of a class whose base differs, the class and its state being the same."""
    return code(f"class Base:\n def m(self): return {value!r}\nclass C(Base): pass\nf = C()")


def with_class_attribute(value):
    return code(f"class C:\n by = {value!r}\nf = C()")


def with_enum(value):
    return Enum("E", {"A": value}).A


def compiled(value):
    by = float(value)

    @njit
    def f(x):
        return x * by

    return f


def cached(value):
    @functools.lru_cache(maxsize=2)
    def f(x):
        return value

    return f


def net(value):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(value)
        return torch.nn.Sequential(torch.nn.LSTM(2, 3), torch.nn.Dropout(0.1))


def hooked(value):
    found = net(0)
    found.register_forward_hook(closing_over(value))
    return found


def array(value):
    return np.array([value, 2.0])


def frame(value):
    return pl.DataFrame({"a": [value, None], "b": ["x", "y"], "c": [[1], [value]]})


def pandas(value):
    times = pd.date_range("2024-01-01", periods=2, tz="UTC")
    return pd.DataFrame({"a": [1, value], "b": ["x", "y"]}, index=times)


KINDS = [
    closing_over,
    with_default,
    with_keyword_default,
    with_attribute,
    with_global,
    with_helper,
    with_helper_within,
    with_module,
    decorated,
    Instance,
    Slotted,
    with_method,
    with_class_attribute,
    with_enum,
    compiled,
    cached,
    net,
    hooked,
    array,
    frame,
    pandas,
    lambda value: functools.partial(closing_over, value),
    lambda value: functools.partial(closing_over, value=value),
    lambda value: functools.partial(closing_over(value), 1),
    lambda value: Instance(value).method,
    lambda value: Instance(value).__call__,
    lambda value: Instance([{"deep": {value}}]),
    lambda value: OfList([value]),
    operator.itemgetter,
    lambda value: closing_over(array(value)),
    lambda value: closing_over(synthetic.ar1(50, seed=value, phi=0.1).candles),
    lambda value: closing_over(NextReturn(value)),
    np.random.default_rng,
    random.Random,
    lambda value: torch.full((2,), value, dtype=torch.bfloat16),
    lambda value: pl.col("a") * value,
    lambda value: np.vectorize(closing_over(value)),
    lambda value: [value].count,
    lambda value: np.ma.array([1, 2], mask=[0, value - 1]),
    lambda value: {"a": value, "b": {1, 2}},
    lambda value: frozenset({(value, "x"), (3, "y")}),
    lambda value: types.SimpleNamespace(by=value),
    np.float32,
    slice,
]


@pytest.mark.parametrize("kind", KINDS, ids=range(len(KINDS)))
def test_a_kind_is_told_apart_by_what_it_holds(kind):
    first, again, other = (identify(kind(value)) for value in (1, 1, 2))
    assert first == again and not first.unknown
    assert first.digest != other.digest and not other.unknown
    assert first.digest.startswith(f"{PYTHON}:")


PAIRS = [
    (lambda x: x + 1, lambda x: x + 2),  # on one line: their source text is the same
    (lambda x: x.open, lambda x: x.close),
    (lambda x: x in {"a", "b"}, lambda x: x in {"a", "c"}),
    (lambda x: lambda: 1, lambda x: lambda: 2),
    (lambda x: np.abs(x) + 1, lambda x: np.exp(x) + 1),
    (lambda *, a: a, lambda *, b: b),
    (np.abs, np.exp),
    (len, sum),
    ("x".upper, "y".upper),
    (Instance, Slotted),
    (1, True),
    (1, 1.0),
    (0.0, -0.0),
    ("1", b"1"),
    ((1,), [1]),
    (("ab", "c"), ("a", "bc")),
    (np.arange(2), np.arange(2.0)),
    (np.zeros((2, 1)), np.zeros((1, 2))),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),  # code may read it in its order
    (pl.Series([1, 0]), pl.Series([1, None])),
    (torch.nn.Dropout(0.1), torch.nn.Dropout(0.2)),
    (torch.nn.ReLU(), torch.nn.Tanh()),
    (rsi(14), rsi(15)),
    (rsi(14).compute, rsi(15).compute),
]


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_two_are_two(pair):
    assert identify(pair[0]).digest != identify(pair[1]).digest


def test_comments_lines_and_files_decide_nothing():
    plain = code("def f(candles):\n return candles.close * 2")
    moved = code("\n\n# a thought\ndef f(candles):  # twice\n\n    return candles.close*2\n", file="/elsewhere.py")
    assert identify(plain) == identify(moved)


def test_the_code_that_runs_counts_and_not_the_text_of_its_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "edited_since.py").write_text("def f(candles): return 1\n")
    import edited_since

    before = identify(edited_since.f)
    (tmp_path / "edited_since.py").write_text("def f(candles): return 2\n")
    assert identify(edited_since.f) == before


def test_a_module_that_is_imported_when_it_is_needed_counts_by_its_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    late = code("def f(candles):\n from needed_late import by\n return by")
    found = []
    for text in ("by = 1", "by = 1", "by = 2"):
        (tmp_path / "needed_late.py").write_text(text)
        found.append(identify(late))
    assert found[0] == found[1] != found[2]
    assert "needed_late" not in sys.modules  # nothing is imported for it


def counting():
    calls = [0]

    def f(candles):
        calls[0] += 1
        return candles.close

    return f


def test_state_that_changed_is_another():
    f = counting()
    before = identify(f)
    f(synthetic.ar1(50, seed=1, phi=0.1).candles)
    assert identify(f) != before


def test_a_function_that_ran_is_the_same():
    """Python rewrites the bytecode of what runs often; numba compiles, and a cache fills."""
    plain, fast, kept = closing_over(1), compiled(1), cached(1)
    before = [identify(each) for each in (plain, fast, kept)]
    for _ in range(2_000):
        plain(None)
    assert fast(2.0) == 2.0 and kept(3) == 1
    assert [identify(each) for each in (plain, fast, kept)] == before


def test_what_a_cached_property_keeps_is_no_state():
    one = Instance(1)
    before = identify(one)
    assert one.costly == 1 and identify(one) == before


def logging_and_random(candles):
    logger.info("seen")
    return random.random() + np.random.rand()  # noqa: NPY002


def test_loggers_and_installed_packages_are_known_by_name():
    found = [identify(each) for each in (logging_and_random, np.mean, torch.nn.Linear, json.dumps, random.random)]
    random.random()
    assert found == [
        identify(each) for each in (logging_and_random, np.mean, torch.nn.Linear, json.dumps, random.random)
    ]
    assert not any(each.unknown for each in found)


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


class Chained:
    def __init__(self, after):
        self.after = after

    def more(self):
        return Chained(self)


def test_cycles_end():
    ring = Chained(None)
    ring.after = ring
    for value in (even, ring, Chained.more):
        assert identify(value) == identify(value) and not identify(value).unknown
    assert identify(even) != identify(odd)


def test_what_lies_too_deep_is_unknown():
    chain = None
    for _ in range(5_000):
        chain = Chained(chain)
    assert "more than 100 levels deep" in identify(chain).unknown[0]


class Sulking:
    @property
    def __dict__(self):
        raise OSError("no")


UNKNOWN = {
    "open file": lambda: open(os.devnull),  # noqa: SIM115
    "generator": lambda: (x for x in ()),
    "lock": threading.Lock,
    "iterator": lambda: iter([1]),
    "count": itertools.count,
    "stream": io.BytesIO,
    "view": lambda: memoryview(b""),
    "local": threading.local,
    "frame": lambda: sys._getframe(),  # noqa: PLW0108
    "lazy": lambda: pl.LazyFrame({"a": [1]}),
    "ufunc": lambda: np.frompyfunc(len, 1, 1),
    "raises": Sulking,
}


@pytest.mark.parametrize("make", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_identified_is_said_and_equals_itself_alone(make):
    one, other = make(), make()
    found = [identify(closing_over(each)) for each in (one, one, other)]
    assert found[0].unknown and all(sentence.startswith("<lambda>.value is a ") for sentence in found[0].unknown)
    assert found[0] == found[1] and found[0].digest != found[2].digest
    for each in (one, other):
        getattr(each, "close", lambda: None)()


PROGRAM = """
import functools, json, logging, re, sys, threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import singledispatch, total_ordering
from typing import Generic, NamedTuple, Protocol, TypeVar
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from zoneinfo import ZoneInfo
import numpy as np, pandas as pd, polars as pl, torch
import candlecast as cc
from candlecast.recipes.identity import identify

T = TypeVar("T")
NAMES = {"alpha", "beta", "gamma", "delta"}
logger = logging.getLogger("mine")

def helper(x): return x in NAMES or x in {"one", "two", "three"}
def f(candles, by={"x", "y", "z"}): return [helper(each) for each in candles]

@dataclass(frozen=True)
class Rule:
    names: frozenset = frozenset({"p", "q", "r"})
    def __call__(self, forecast): return logger and f
class Colour(Enum):
    RED = "red"
    def shade(self): return {"dark", "light"}
class Base(ABC, Generic[T]):
    @abstractmethod
    def split(self): ...
    @property
    def names(self): return {"aa", "bb", "cc"}
class Split(Base[int]):
    def split(self): return self.names | super().names
class Row(NamedTuple):
    a: int = 1
    def __call__(self): return {"mm", "nn"}
class Shape(Protocol):
    area: float
    def of(self) -> int: ...
@dataclass(slots=True)
class Held:
    found: list = field(default_factory=list)
    kept: set = field(default_factory=lambda: {"s1", "s2", "s3"})
@total_ordering
class Ranked:
    def __lt__(self, other): return id(self) in {1, 2}
    def __eq__(self, other): return True
@singledispatch
def by_kind(x): return x
class Meta(type):
    def __call__(cls, *a): return super().__call__(*a)
class Made(metaclass=Meta): pass
class Slots:
    __slots__ = ("b", "a", "c")
    def __init__(self): self.a, self.b = {"k", "l", "m"}, object()

torch.manual_seed(1)
kinds = [
    f, helper, Rule(), Rule, Colour.RED, Slots(), functools.partial(f, by=NAMES), Rule().__call__, lambda x: x in {"u", "v"},
    {"a": {1, 2}, "b": frozenset({"i", "j"})}, np.arange(3), np.mean, torch.nn.LSTM(2, 3), torch.nn.Linear,
    pl.DataFrame({"a": [1, None], "d": [date(2024, 1, 1)] * 2}), pd.DataFrame({"a": [1], "b": ["x"]}), pl.col("a") > 1,
    re.compile("a+"), datetime(2024, 1, 1, tzinfo=timezone.utc), Decimal("1.5"), Path("/x"), ZoneInfo("Europe/Berlin"),
    Colour, Split, Split(), Row, Row(), Shape, Held, Held(), Ranked, Ranked(), Made, Made(), list[Split], T,
    cc.rsi(14), cc.LSTM(), cc.Features(cc.macd()), cc.feature(warmup=1)(f), {helper, f, len}, Exception("x", {"s", "t"}),
]
print(json.dumps([identify(kind).digest for kind in kinds]))
print(json.dumps([identify(threading.Lock()).digest]))
"""


def test_two_processes_agree(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    found = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        found.append([json.loads(line) for line in done.stdout.splitlines()])
    (first, unknown), (second, other) = found
    assert first == second and len(set(first)) == len(first)
    assert unknown != other


# descriptions


def mine(by):
    @feature(warmup=1)
    def same_name(candles):
        return candles.close * by

    return same_name


def test_features_of_one_name_are_told_apart():
    one, again, other = (describe(Features(mine(by))) for by in (1, 1, 2))
    assert one == again != other
    assert one["features"][0]["kind"] == "same_name" and one["features"][0]["identity"].startswith(PYTHON)
    assert describe(replace(mine(1), warmup=3)) != one["features"][0]
    json.dumps(one)


def test_candlecasts_own_features_are_described_by_kind_and_parameters():
    clocks = [cc.calendar(), cc.intraday_calendar(), cc.session_time()]
    activity = [cc.taker_imbalance(), cc.trades_change(), cc.trade_size_change()]
    stock = [
        rsi(14),
        scaled_close(),
        cc.leverage_effect(),
        cc.trend_strength(),
        *clocks,
        *activity,
        *standard_features(Interval.parse("1h")).features,
    ]
    assert not any("identity" in describe(each) for each in stock)
    assert set(FACTORIES) == {each.kind for each in stock} | {"atr", "ema_ratio"}


@pytest.mark.parametrize(
    "passed_off",
    [
        Feature("rsi", lambda candles: candles.close, rsi(14).warmup, {"period": 14}),
        replace(rsi(14), compute=rsi(15).compute),
        replace(rsi(14), warmup=3),
        replace(rsi(14), parameters={"period": 15}),
        replace(rsi(14), parameters={"window": 14}),
        replace(rsi(14), kind="atr"),
        replace(rsi(14), parameters={"period": np.arange(2)}),
        Feature("feature", lambda candles: candles.close, 1, {"warmup": 1}),
    ],
    ids=range(8),
)
def test_a_feature_that_passes_for_candlecasts_own_is_found(passed_off):
    described = describe(passed_off)
    assert "identity" in described
    json.dumps(described)


class Folded:
    def __init__(self, by):
        self.by = by

    def split(self, times, rows, *, horizon, memory):
        return []


class Scaled:
    def __init__(self, by):
        self.by = by

    def measure(self, values):
        return 0.0, self.by


class Estimating:
    """As scikit-learn's, but for what it keeps outside its parameters."""

    def __init__(self, by):
        self.hidden = by

    def get_params(self, deep=True):
        return {}

    def fit(self, x, y):
        return self

    def predict(self, x):
        return x[:, 0] * self.hidden


def follow(by):
    """A recipe's subclass of one name and parameters that does something else."""
    return code(
        "from dataclasses import dataclass\nfrom candlecast.signals import FollowDirection\n"
        f"@dataclass(frozen=True)\nclass Follow(FollowDirection):\n def __call__(self, forecast): return {by}\nf = Follow()"
    )


RECIPES = {
    "rule": closing_over,
    "rule of a class": Instance,
    "subclass": follow,
    "partial": lambda by: functools.partial(closing_over, by),
    "costs": lambda by: Costs(extra=lambda units, price, volume: by),
    "torch": lambda by: Torch(lambda inputs: torch.nn.Linear(inputs, by)),
    "keras": lambda by: Keras(lambda inputs: by),
    "search": lambda by: Search(lambda trial: LSTM(hidden=by)),
    "estimator": lambda by: Sklearn(Estimating(by)),
    "estimators": lambda by: Sklearn(lambda: Estimating(by)),
    "weights": lambda by: Sklearn(Estimating, sample_weight=lambda outcomes: outcomes * by),
    "folds": Folded,
    "scaling": lambda by: rsi(14).scaled(Scaled(by)),
    "target": with_method,
    "array": array,
    "named tuple": lambda by: code(
        f"from typing import NamedTuple\nclass R(NamedTuple):\n a: int = 1\n def __call__(self, x): return {by}\nf = R()"
    ),
}


@pytest.mark.parametrize("make", RECIPES.values(), ids=RECIPES)
def test_recipes_with_code_of_a_user_are_told_apart(make):
    one, again, other = (json.dumps(describe(make(by))) for by in (1, 1, 2))
    assert one == again != other
    assert "identity" in one and not unidentified(json.loads(one))


def test_what_makes_a_description_unidentified_is_in_it():
    lock = threading.Lock()

    @feature(warmup=0)
    def locked(candles):
        with lock:
            return candles.close

    described = describe({"inside": [Features(rsi(14), locked)]})
    assert unidentified(described) == ["compute.locked.lock is a lock"]
    assert described == describe({"inside": [Features(rsi(14), locked)]})
    assert describe(locked)["identity"] != describe(mine(1))["identity"]
