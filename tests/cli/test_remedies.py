"""What a message says to do can be done where the user is: with parameters and methods in Python, with options in the shell.

Every remedy of the packages that read and hold candles is examined as it stands in the source. Those that propose something
are provoked by a file, and the proposals are carried out: they open the file, or lead to another remedy.
"""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import candlecast
from candlecast.candles import Candles
from candlecast.cli import _options, cli, main
from candlecast.cli.wording import in_shell
from candlecast.errors import CandlecastError
from candlecast.interval import Interval
from candlecast.sources import read_candles, synthetic
from candlecast.store import Store

ROOT = Path(candlecast.__file__).parent
PACKAGES = ("reading", "candles", "sources", "store")
PARAMETER = re.compile(r"(?<![\w.(])(\w+)=(\"[^\"]*\"|\{[^}]*\}|True|False|\d+|\.\.\.)")
METHOD = re.compile(r"candles\.(\w+)(\([^()]*\))")
OPTION = re.compile(r"--([\w-]+)(?: ('[^']*'|\S+?))?(?=[.,;)]?(?:\s|$))")
OF_PYTHON = re.compile(r"\w=[\"{]|\bcandles\.\w|\bTrue\b|=\.\.\.")
READING = ("run", "compare", "audit", "candles")  # the commands that read files
SMALL = ["--model", "linear", "--window", "5", "--folds", "2", "--seeds", "1"]
BARS, COUNT = synthetic.random_walk(40, seed=5, interval="1h").candles.frame.drop("close_time"), 40
VALUES = [[round(70 * value, 2) for value in row] for row in BARS.select("open", "high", "low", "close").iter_rows()]
START = datetime(2024, 3, 4, tzinfo=UTC)


def sites() -> Iterator[tuple[str, int, int, ast.expr]]:
    """File, first and last line, and remedy of each error that the packages make."""
    for path in sorted(path for name in PACKAGES for path in (ROOT / name).glob("*.py")):
        constants = {
            target.id: node.value
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(ast.parse(path.read_text())):
            for keyword in node.keywords if isinstance(node, ast.Call) else ():
                if keyword.arg == "remedy":
                    value = constants.get(keyword.value.id) if isinstance(keyword.value, ast.Name) else keyword.value
                    yield str(path.relative_to(ROOT)), node.lineno, node.end_lineno or 0, value or keyword.value


def texts(remedy: ast.expr) -> list[str]:
    """The texts that a remedy may be made of, with 1 in place of values, and a parameter in place of names."""
    found = []
    for node in ast.walk(remedy):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "1" for part in node.values]
            found.append(re.sub(r"\b1=", "interval=", "".join(parts)))
    inside = {id(part) for node in ast.walk(remedy) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    found += [
        node.value
        for node in ast.walk(remedy)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside
    ]
    return found


SITES = list(sites())
CALLABLES = (
    read_candles, Candles.from_frame, Candles.mended, Candles.resample, Store.update, Store.read, Store.rename,
    Interval.parse, candlecast.Binance, candlecast.Yahoo, candlecast.AlphaVantage,
)  # fmt: skip
KNOWN = {name for each in CALLABLES for name in inspect.signature(each).parameters}


@pytest.mark.parametrize("file", sorted({site[0] for site in SITES}))
def test_remedies_name_what_there_is(file):
    """Parameters and methods that exist; in the shell options that exist, and nothing of Python where a file is read."""
    known = KNOWN | _parameters(file)
    for _, line, _, remedy in (site for site in SITES if site[0] == file):
        for text in texts(remedy):
            for name, _ in PARAMETER.findall(text):
                assert name in known, (file, line, text)
            for name, _ in METHOD.findall(text):
                assert callable(getattr(Candles, name)), (file, line, text)
            for name, _ in OPTION.findall(shown := in_shell(text, _options())):
                assert f"--{name}" in _options(), (file, line, shown)
            if file.startswith("reading/"):
                assert not OF_PYTHON.search(shown), (file, line, shown)


def _parameters(file: str) -> set[str]:
    """Parameters of the functions of a file, which its own remedies may name."""
    nodes = ast.walk(ast.parse((ROOT / file).read_text()))
    return {
        argument.arg
        for node in nodes
        if isinstance(node, ast.FunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
    }


@dataclass(frozen=True)
class Refused:
    """A file, what is said beside it, and words of the message. `rest`: of the command in the shell, which may be None."""

    content: str | bytes
    words: str
    told: dict[str, Any] = field(default_factory=dict)
    rest: tuple[str, ...] | None = ("candles",)
    method: str = ""
    name: str = "ABC.csv"


def table(
    header: str | None, stamps: list[str], *, form=str, order=(0, 1, 2, 3), extra: list[str] | None = None
) -> str:
    rows = [
        ",".join([stamp, *(form(bar[place]) for place in order), *([extra[number]] if extra else [])])
        for number, (stamp, bar) in enumerate(zip(stamps, VALUES, strict=False))
    ]
    return "\n".join([*([header] if header else []), *rows, ""])


def stamps(form: str, step: timedelta = timedelta(days=1), first: datetime = START, count: int = COUNT) -> list[str]:
    return [(first + number * step).strftime(form) for number in range(count)]


def packed(frame: pl.DataFrame, folder: Path) -> bytes:
    frame.write_parquet(folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


def level(count: int, price: float, first: datetime) -> list[str]:
    days = [first + timedelta(days=number) for number in range(count)]
    return [
        f"{day:%Y-%m-%d},{price},{price + 1},{price - 1},{price + (number % 3) / 4}" for number, day in enumerate(days)
    ]


OHLC, HOUR = "Date,Open,High,Low,Close", timedelta(hours=1)
DAYS = stamps("%Y-%m-%d")
HOURS = stamps("%Y-%m-%dT%H:%M:%SZ", HOUR)
SUNDAYS = [datetime(2024, 3, 10, tzinfo=UTC), datetime(2024, 11, 3, tzinfo=UTC)]  # New York's clocks change
FALSE_HOURS, DOUBLE_HOURS = (stamps("%Y-%m-%d %H:%M", HOUR, first) for first in SUNDAYS)
JUMBLED = table(OHLC, HOURS).splitlines()
REFUSED = {
    "several symbols": Refused(
        table(f"{OHLC},Symbol", DAYS + DAYS, extra=["AA"] * 20 + ["BB"] * 20), "2 symbols"
    ),
    "no close": Refused(table("Date,Open,High,Low,Thing", DAYS), "no column for close"),
    "no adjusted prices": Refused(table(OHLC, DAYS), "no adjusted prices", {"adjusted": True}),
    "a counter for times": Refused(
        table(OHLC.replace("Date", "time"), [str(number * number + 1) for number in range(COUNT)]), "has time 1 in row"
    ),
    "an hour that does not exist": Refused(
        table(OHLC, FALSE_HOURS), "does not exist in America/New_York", {"zone": "America/New_York"}
    ),
    "an hour that occurs twice": Refused(
        table(OHLC, DOUBLE_HOURS), "occurs twice in America/New_York", {"zone": "America/New_York"}
    ),
    "no such zone": Refused(table(OHLC, FALSE_HOURS), "Mars/Base", {"zone": "Mars/Base"}),
    "no header": Refused(
        "\n".join(f"{day},{o},{h},{lo},{c},{o},{h},{lo},{c}" for day, (o, h, lo, c) in zip(DAYS, VALUES, strict=True)),
        "no header",
    ),
    "no zone": Refused(table(OHLC, FALSE_HOURS), "times without a zone"),
    "an order of dates that is none": Refused(table(OHLC, DAYS), "dates is 'day first'", {"dates": "day first"}),
    "a decimal mark that is none": Refused(table(OHLC, DAYS), "decimal is ';'", {"decimal": ";"}),
    "columns that are none": Refused(table(OHLC, DAYS), "columns is", {"columns": {"open": 1}}, None),
    "dates of two readings": Refused(
        table(OHLC, ["01/02/2024", "02/03/2024", "03/04/2024", "04/05/2024", "05/06/2024", "06/07/2024"]), "2 ways"
    ),
    "another interval": Refused(table(OHLC, DAYS), "open 1d apart", {"interval": "1w"}, None),
    "a longer name for shorter candles": Refused(table(OHLC, DAYS), "open 1d apart", {"interval": "1h"}, None),
    "high and low exchanged": Refused(table("Date,Open,Low,High,Close", DAYS), "the high lies below"),
    "times in another column": Refused(
        table(OHLC, [day for day in DAYS[:8] for _ in range(5)]), "open at the time of the row before"
    ),
    "a mark that may be either": Refused(
        table(OHLC, DAYS, form=lambda value: f'"{value / 70:.3f}"'.replace(".", ",")), "2 ways"
    ),
    "out of order": Refused(
        "\n".join([JUMBLED[0], *JUMBLED[21:], *JUMBLED[1:21]]), "opens before the previous bar",
        rest=("candles", "--interval", "4h"),
    ),
    "repeated": Refused(
        "\n".join([*JUMBLED[:21], *JUMBLED[20:]]), "repeat", rest=("candles", "--interval", "4h")
    ),
    "no multiple": Refused(
        table(OHLC, HOURS), "no multiple of 1h", rest=("candles", "--interval", "90m"), method='candles.resample("90m")'
    ),
    "a number of bars below zero": Refused(
        table(OHLC, HOURS), "max_gap is -1", rest=("candles", "--max-gap", "-1"), method="candles.mended(max_gap=-1)"
    ),
    "a mend that is none": Refused(table(OHLC, HOURS), "mend is", rest=None, method='candles.mended("all")'),
    "a gap that is none": Refused(table(OHLC, HOURS), "bars is -1", rest=None, method="candles.with_max_gap(-1)"),
    "a symbol of two assets": Refused(
        "\n".join([OHLC, *level(150, 10, START), *level(150, 900, START + timedelta(days=900)), ""]),
        "may be another asset",
        rest=("run", *SMALL, "-q"),
        method="candles.require_one_asset()",
    ),
}  # fmt: skip


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(case: Refused) -> Path:
        path = Path(case.name)
        path.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
        return path

    return write


def refusal(case: Refused, path: Path, told: dict[str, Any], method: str) -> CandlecastError | None:
    """The error of reading a file so and calling a method of the candles; None where they are sound."""
    try:
        candles = read_candles(path, **told)
        if method:
            candles = eval(method, {"candles": candles})  # of this file alone
        if isinstance(candles, Candles):
            candles.require_sound()
    except CandlecastError as error:
        return error
    return None


def require_another(found: CandlecastError | str | None, remedy: str, proposal: object) -> None:
    """What was proposed has helped, or something else is to be done."""
    after = found.remedy if isinstance(found, CandlecastError) else found
    assert after is None or after != remedy, proposal


@pytest.mark.parametrize("name", REFUSED)
def test_in_python(name, written):
    case = REFUSED[name]
    path = written(case)
    error = refusal(case, path, case.told, case.method)
    assert error is not None and case.words in str(error), error
    remedy, proposed = error.remedy, 0
    for parameter, value in PARAMETER.findall(remedy):
        if parameter == "since":  # of what loads the candles
            continue
        proposed += 1
        if parameter in inspect.signature(Candles.mended).parameters:
            require_another(refusal(case, path, case.told, f"candles.mended({parameter}={value})"), remedy, value)
            continue
        assert parameter in inspect.signature(read_candles).parameters
        told = {**case.told, parameter: ast.literal_eval(value)}
        if "Leave out" in remedy:
            del told[parameter]
        require_another(refusal(case, path, told, case.method), remedy, told)
    for method, arguments in METHOD.findall(remedy):
        if method == "check":
            continue
        proposed += 1
        told = {} if method == "resample" else case.told
        require_another(refusal(case, path, told, f"candles.{method}{arguments}"), remedy, method)
    assert proposed, remedy


@pytest.mark.parametrize("name", [name for name, case in REFUSED.items() if case.rest is not None])
def test_in_the_shell(name, written, capsys):
    case = REFUSED[name]
    path = written(case)
    given = [word for option, value in case.told.items() for word in (f"--{option}", value) if word is not True]
    command, *rest = case.rest or ()

    def call(*words: str) -> str | None:
        """What is to be done after the command; None where it works."""
        try:
            main([command, str(path), *last_of(command, [*rest, *words])])
        except SystemExit as ended:
            code, said = ended.code, capsys.readouterr().err
        else:
            return None
        assert code == 1, said
        return said

    message = call(*given)
    assert message is not None
    assert message.startswith("Error: ") and "; expected " in message
    assert not OF_PYTHON.search(message), message
    remedy = message.split("; expected ", 1)[1].split(". ", 1)[1]
    for option in (f"--{name}" for name, _ in OPTION.findall(remedy)):
        for each in READING:
            assert option in {word for parameter in cli.commands[each].params for word in parameter.opts}, (
                each,
                option,
            )
    proposals = list(groups(remedy))
    assert proposals, message
    for proposal in proposals:
        kept = given if "Leave out" not in remedy else [word for word in given if word not in proposal]
        words = () if "Leave out" in remedy else proposal
        after = call(*kept, *words)
        assert after is None or after != message, (proposal, after)


def last_of(command: str, words: list[str]) -> list[str]:
    """The words with each option once, but for those that may be repeated: what is given last counts."""
    several = {name for each in cli.commands[command].params if getattr(each, "multiple", False) for name in each.opts}
    found: dict[str, list[str]] = {}
    option = ""
    for word in words:
        if word.startswith("--"):
            option = word
            found[word] = found.get(word, []) if word in several else []
        else:
            found[option].append(word)
    return [word for name, values in found.items() for word in (name, *values)]


def groups(remedy: str) -> Iterator[list[str]]:
    """Options that a remedy proposes, those together that only blanks separate."""
    flags = {
        word
        for command in cli.commands.values()
        for each in command.params
        if getattr(each, "is_flag", False)
        for word in each.opts
    }
    group: list[str] = []
    end = -2
    for match in OPTION.finditer(remedy):
        option, value = f"--{match[1]}", match[2]
        if group and match.start() > end + 1:
            yield group
            group = []
        is_flag = option in flags
        group += [option] if is_flag or value is None else [option, *shlex.split(value)]
        end = match.end(1) if is_flag else match.end()
    if group:
        yield group


def numberless(folder: Path) -> Refused:
    """A typed column of prices that holds no numbers."""
    frame = BARS.with_columns(close=pl.Series([True, False] * (COUNT // 2)), other=pl.col("close"))
    return Refused(packed(frame, folder), "", name="ABC.parquet")


def test_a_column_that_holds_no_numbers(tmp_path, written):
    case = numberless(tmp_path)
    path = written(case)
    error = refusal(case, path, {}, "")
    assert error is not None and 'columns={"close": "NAME"}' in error.remedy
    assert refusal(case, path, {"columns": {"close": "other"}}, "") is None


def test_everything_that_is_proposed_is_tried_here(tmp_path, written, monkeypatch):
    """Each place that proposes something and is of reading or of candles makes the error of a file above."""
    make, reached = CandlecastError.__init__, set()

    def noted(self, wrong, **parts):
        frame = inspect.currentframe()
        while frame is not None and not frame.f_code.co_filename.startswith(str(ROOT)):
            frame = frame.f_back
        assert frame is not None
        reached.add((str(Path(frame.f_code.co_filename).relative_to(ROOT)), frame.f_lineno))
        make(self, wrong, **parts)

    monkeypatch.setattr(CandlecastError, "__init__", noted)
    for case in (*REFUSED.values(), numberless(tmp_path)):
        assert refusal(case, written(case), case.told, case.method) is not None
    proposing = [
        (file, first, last)
        for file, first, last, remedy in SITES
        if file.startswith(("reading/", "candles/"))
        and any(PARAMETER.search(text) or METHOD.search(text) for text in texts(remedy))
        and "zone=..." not in "".join(texts(remedy))  # of `resample` alone, which no command calls with a zone
        and "with_activity" not in "".join(texts(remedy))  # which no command calls, and no file asks for
        and "Candles.from_frame" not in "".join(texts(remedy))  # of `Candles` called by hand, which no file leads to
    ]
    assert len(proposing) > 15
    for file, first, last in proposing:
        assert any(other == file and first <= line <= last for other, line in reached), (file, first)
