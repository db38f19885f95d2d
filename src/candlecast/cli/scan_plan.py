"""Plans of scans as TOML: every key is checked, and nothing in a file is executed.

    store = "data"                      # all symbols of a store; or files = ["btc.csv", "spy.parquet"]
    symbols = "symbols.txt"             # of the store: a list, or a file with one a line
    intervals = ["1h", "1d"]
    targets = ["return", {name = "volatility", horizon = 5}]
    models = ["linear", {name = "lstm", hidden = 16, label = "small"}]
    baselines = ["ewma", "linear"]      # besides naive and drift; all that fit when left out
    costs = [{fee_bps = 10}, {venue = "binance-perpetual"}]
    folds = 5                           # or train = "4y" and test = "1y"; refit = "1w"
    seeds = 3
    largest = 100                       # by value traded in the volume_span before each test part

Paths are relative to the folder of the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candlecast.cli import model_registry
from candlecast.cli.pricing import RATES, VENUES, GivenCosts
from candlecast.cli.study_options import as_length
from candlecast.errors import ConfigError, near_misses

if TYPE_CHECKING:
    from candlecast.backtesting import Costs
    from candlecast.models import Model
    from candlecast.scan import Plan
    from candlecast.targets import Target

LARGEST = 1 << 20  # bytes of a file
PLAIN = (bool, int, float, str)
KEYS = (
    "store",
    "files",
    "symbols",
    "source",
    "intervals",
    "targets",
    "models",
    "baselines",
    "costs",
    "folds",
    "train",
    "test",
    "refit",
    "seeds",
    "cash",
    "largest",
    "volume_span",
    "since",
    "until",
    "as_of",
)
FIT = ("epochs", "batch", "lr", "patience")  # of a model, as they are called in its training


def read_plan(path: Path) -> Plan:
    """The plan of a TOML file. Raises ConfigError for anything in it that is not understood."""
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"{path} is larger than {LARGEST:,} bytes", expected="a plan", remedy="Check the file")
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            f"the plan {path} cannot be read ({error})",
            expected="a TOML file",
            remedy="See `candlecast scan -h` for an example",
        ) from error
    return plan_of(values, folder=path.parent)


def plan_of(values: Mapping[str, Any], *, folder: Path) -> Plan:
    """The plan that values of a TOML file, or of options, describe. Raises ConfigError."""
    from candlecast.scan import Plan
    from candlecast.store import Store

    _require_keys(values, KEYS, "the plan")
    given: dict[str, Any] = {}
    if ("store" in values) == ("files" in values):
        raise ConfigError(
            "the plan has both a store and files" if "store" in values else "the plan has neither a store nor files",
            expected="one of them",
            remedy='Write store = "data", or files = ["btc.csv"]',
        )
    if "files" in values:
        given["assets"] = [_asset(each, folder) for each in _texts(values, "files")]
    else:
        place = _text(values, "store")
        given["assets"] = Store(place if "://" in place else folder / Path(place).expanduser())
    makers: dict[str, Callable[[], Any]] = {
        "symbols": lambda: _symbols(values["symbols"], folder),
        "targets": lambda: [target_of(each) for each in _items(values, "targets")],
        "models": lambda: models_of(_items(values, "models")),
        "baselines": lambda: tuple(models_of(_items(values, "baselines")).values()),
        "costs": lambda: [costs_of(each) for each in _items(values, "costs")],
        "intervals": lambda: _texts(values, "intervals"),
    }
    given |= {name: make() for name, make in makers.items() if name in values}
    if folds := {name: values[name] for name in ("folds", "train", "test", "refit") if name in values}:
        given["folds"] = _folds(folds)
    for name, kinds in {
        "source": (str,),
        "seeds": (int,),
        "cash": (int, float),
        "largest": (int,),
        "volume_span": (str,),
        "since": (str,),
        "until": (str,),
        "as_of": (str,),
    }.items():
        if name in values:
            given[name] = _of_kind(name, values[name], kinds)
    if "cash" in given:
        given["cash"] = float(given["cash"])
    return Plan(**given)


def models_of(items: list[Any]) -> dict[str, Model]:
    """Models by their labels: names, or tables with a `name`, a `label` and parameters."""
    found: dict[str, Model] = {}
    for item in items:
        values = {"name": item} if isinstance(item, str) else dict(_table("a model", item))
        model: Any = model_registry.model(_of_kind("name of a model", values.pop("name", None), (str,)))
        label = _of_kind("label", values.pop("label", model.name), (str,))
        fit = {name: values.pop(name) for name in FIT if name in values and hasattr(model, "training")}
        if fit:
            model = _with(model, "training", replace(model.training, **_plain(fit)))
        parameters = [name for name, each in getattr(model, "__dataclass_fields__", {}).items() if each.init]
        _require_keys(values, parameters, f"the model {label}")
        for name, value in _plain(values).items():
            model = _with(model, name, value)
        if label in found:
            raise ConfigError(
                f"two models are called {label}", expected="a label each", remedy='Add label = "small" to one of them'
            )
        found[label] = model
    return found


def target_of(item: Any) -> Target:
    """A target: its name, or a table with `name` and parameters."""
    values = {"name": item} if isinstance(item, str) else dict(_table("a target", item))
    target: Any = model_registry.target(_of_kind("name of a target", values.pop("name", None), (str,)))
    _require_keys(values, list(target.__dataclass_fields__), f"the target {target.name}")
    return replace(target, **_plain(values)) if values else target


def costs_of(item: Any) -> Costs:
    """Costs: the name of a venue, or a table with a `venue` to begin with and rates."""
    from candlecast.backtesting import Costs

    values = {"venue": item} if isinstance(item, str) else dict(_table("costs", item))
    _require_keys(values, ("venue", *RATES), "costs")
    venue = values.pop("venue", None)
    if venue is not None:
        _of_kind(f"venue (one of {', '.join(VENUES)})", venue, (str,))
    rates = {name: float(_of_kind(name, value, (int, float))) for name, value in values.items()}
    return GivenCosts(venue, rates).of(Costs())


def _folds(values: Mapping[str, Any]) -> Any:
    from candlecast.dataset.folds import WalkForward

    if "folds" in values and ("train" in values or "test" in values):
        raise ConfigError("folds with train and test", expected="one or the other", remedy="Leave folds out")
    given: dict[str, Any] = {name: _of_kind(name, value, (int, str)) for name, value in values.items()}
    lengths: dict[str, Any] = {name: as_length(each) if isinstance(each, str) else each for name, each in given.items()}
    return WalkForward(**lengths)


def _asset(name: str, folder: Path) -> Any:
    from candlecast.sources.sample import SAMPLES, sample

    return sample(name.lower()) if name.lower() in SAMPLES else folder / Path(name).expanduser()


def _symbols(value: Any, folder: Path) -> list[str]:
    if isinstance(value, str):
        path = folder / Path(value).expanduser()
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the file of symbols {path} cannot be read ({error})",
                expected="a text file with one symbol a line",
                remedy='Give a list, such as symbols = ["BTCUSDT"], or another file',
            ) from error
        return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return _texts({"symbols": value}, "symbols")


def _with(model: Any, name: str, value: Any) -> Any:
    if isinstance(value, list):
        value = tuple(value)
    return replace(model, **{name: value})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of plain types, or lists of them."""
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            _of_kind(name, each, PLAIN)
    return dict(values)


def _items(values: Mapping[str, Any], name: str) -> list[Any]:
    value = values[name]
    return value if isinstance(value, list) else [value]


def _texts(values: Mapping[str, Any], name: str) -> list[str]:
    return [_of_kind(name, each, (str,)) for each in _items(values, name)]


def _text(values: Mapping[str, Any], name: str) -> str:
    return _of_kind(name, values[name], (str,))


def _table(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{what} is {value!r:.80}", expected="a name or a table", remedy='Use {name = "lstm"}')
    return value


def _of_kind(name: str, value: Any, kinds: tuple[type, ...]) -> Any:
    if type(value) not in kinds:
        words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        raise ConfigError(
            f"{name} is {value!r:.80}",
            expected=" or ".join(words[kind] for kind in kinds),
            remedy="Correct it in the plan",
        )
    return value


def _require_keys(values: Mapping[str, Any], known: Any, what: str) -> None:
    for name in values:
        if name not in known:
            raise ConfigError(
                f"{what} has no {name!r}",
                expected=f"one of {', '.join(known)}",
                remedy=near_misses(name, known, are_listed=True),
            )
