"""What a run says in a few lines: market, settings, answers and figures, by its manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from candlecast.evaluation.answers import figure_words
from candlecast.parameters import is_number
from candlecast.text.cells import number, percent
from candlecast.text.formatting import CELL
from candlecast.ui.runs import interval_of, market_of, model_of, target_of
from candlecast.ui.workspace import Run

RANK_IC = "rank IC"  # what the answer of a panel measures


def lines_of(run: Run) -> dict[str, str]:
    """Figures in words, by their headings."""
    manifest = run.manifest or {}
    candles = manifest["candles"]
    forecast, pays = run.answers
    returned = "Annual" if run.is_annual else "Total"
    return {
        "Market": f"{market_of(run)} {interval_of(run)}",
        "Candles": f"{candles['bars']:,} bars, {_day(candles.get('first'))} to {_day(candles.get('last'))}",
        "Model": model_of(run),
        "Target": target_of(run),
        "Seeds": ", ".join(map(str, manifest["seeds"])),
        "Can it be forecast?": forecast,
        "Does it pay after costs?": pays,
        **_forecast(run),
        f"{returned} return": _statistic(run, "annual return", percent),
        "Sharpe ratio": _statistic(run, "Sharpe ratio", number),
        "Maximum drawdown": _statistic(run, "maximum drawdown", percent),
        "Trades": number(run.statistic("trades"), 0),
        f"Buy-and-hold, {returned.lower()} return": percent(run.statistic("annual return", "benchmark")),
        "Buy-and-hold, Sharpe ratio": number(run.statistic("Sharpe ratio", "benchmark")),
        "Trials counted": _trials(manifest),
    }


def sentences_of(run: Run) -> list[str]:
    """Why both questions were answered so."""
    found = [each.get("sentence") for each in _answers(run)]
    return [each for each in found if isinstance(each, str)]


def figures_of(run: Run) -> list[str]:
    """The number of each answer with its 95 % CI, as the report has it; empty where the run does not say."""
    return [_figure(each) for each in _answers(run)]


def _answers(run: Run) -> list[Mapping[str, Any]]:
    verdict: Mapping[str, Any] = (run.manifest or {})["verdict"]
    given = verdict.get("answers")
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def _figure(answer: Mapping[str, Any]) -> str:
    measure = answer.get("measure")
    value, low, high = (float(each) if is_number(each) else None for each in map(answer.get, ("value", "low", "high")))
    return figure_words(measure, value, low, high) if isinstance(measure, str) else ""


def headline_of(run: Run) -> str:
    """The verdict in a sentence."""
    held = (run.manifest or {})["verdict"].get("headline")
    return held if isinstance(held, str) else ""


def _forecast(run: Run) -> dict[str, str]:
    """The measures of the forecast: R2 and hit rate of one asset, the rank IC of a panel."""
    for answer in _answers(run)[:1]:
        if answer.get("measure") == RANK_IC:
            values = (answer.get(name) for name in ("value", "low", "high"))
            return {
                "Rank IC": _with_interval(*(number(float(each), 3) if is_number(each) else CELL for each in values))
            }
    return {"R2 against naive": _score(run, "r2", 2), "Hit rate": _score(run, "hit_rate", 1)}


def _statistic(run: Run, name: str, words: Callable[[float | None], str]) -> str:
    low, high = (words(run.statistic(name, edge)) for edge in ("low", "high"))
    return _with_interval(words(run.statistic(name)), low, high)


def _score(run: Run, name: str, digits: int) -> str:
    value, low, high = (percent(run.score(name + edge), digits) for edge in ("", "_low", "_high"))
    return _with_interval(value, low, high)


def _with_interval(value: str, low: str, high: str) -> str:
    """A value with its 95 % CI, if it is known; the unit stands once."""
    return value if CELL in (low, high) else f"{value} [{low.removesuffix(' %')}, {high.removesuffix(' %')}]"


def _trials(manifest: Mapping[str, Any]) -> str:
    counted = manifest.get("trial_count")
    held = counted.get("trials") if isinstance(counted, dict) else None
    return f"{held:,}" if isinstance(held, int) else CELL


def _day(time: Any) -> str:
    return str(time)[:10] if isinstance(time, str) else CELL
