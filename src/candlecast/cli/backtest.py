"""`candlecast backtest`: the forecasts of a run under other costs, rules and dates, without training again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli.answer import show_verdict
from candlecast.cli.command import Command
from candlecast.cli.completion import folders
from candlecast.cli.console import print_json, print_table, progress
from candlecast.cli.options import common
from candlecast.cli.pricing import GivenCosts, cost_options
from candlecast.cli.rules import GivenRule, of_run, rule_options
from candlecast.events import Progress
from candlecast.text.cells import number, percent

if TYPE_CHECKING:
    from candlecast.study.result import StudyResult

SHOWN: dict[str, Callable[[float | None], str]] = {  # statistics and how they are written
    "total return": percent,
    "annual return": percent,
    "Sharpe ratio": number,
    "maximum drawdown": percent,
    "trades": partial(number, digits=0),
    "total cost": number,
}


@click.command(
    cls=Command,
    short_help="Price the forecasts of a run again: other costs or rules.",
    epilog="""
    candlecast backtest runs/SP500-1d-lstm-return-1a2b3c4d --fee-bps 5
    candlecast backtest runs/SP500-1d-lstm-return-1a2b3c4d --rule kelly --cap 1
    """,
)
@click.argument("run", type=click.Path(path_type=Path), shell_complete=folders("runs"))
@cost_options
@rule_options
@click.option("--cash", type=float, help="Initial cash, quote currency.")
@click.option("--since", help="First day or time, UTC, on which a position is decided.")
@click.option("--until", help="End, UTC, of what is traded.")
@common
def backtest(
    run: Path,
    *,
    given_costs: GivenCosts,
    given_rule: GivenRule,
    cash: float | None,
    since: str | None,
    until: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Price the forecasts of a RUN again. Each way of trading is one more trial in the ledger of its folder.

    Nothing is trained and the run stays as it is.
    """
    from candlecast.ledger import Ledger
    from candlecast.study.loading import load_run

    before = load_run(run)
    with progress(quiet) as listener:
        listener(Progress("price", 0, 2))
        costs = given_costs.of(before.costs)
        after = before.between(since, until).rebacktest(
            rule=given_rule.of(of_run(before.recipe), costs),
            costs=costs,
            cash=cash,
            ledger=Ledger(run.parent),
        )
        listener(Progress("price", 1, 2, f"{len(after.summary())} statistics with their intervals"))
        listener(Progress("price", 2, 2, str(after.verdict)))
    if as_json:
        print_json(_as_object(after, run))
    else:
        _show(before, after)


def _show(before: StudyResult, after: StudyResult) -> None:
    show_verdict(after.verdict)
    was, now = _values(before), _values(after)
    rows = [
        [name, *map(written, (was[name]["value"], now[name]["value"], now[name]["benchmark"]))]
        for name, written in SHOWN.items()
    ]
    print_table(rows, ["", "as it ran", "now", "buy-and-hold now"])
    first, last = after.backtest.equity["time"][0], after.backtest.equity["time"][-1]
    click.echo(
        f"\n{after.costs.per_side_bps:g} bp a side; {first:%Y-%m-%d} to {last:%Y-%m-%d}; "
        f"trial {after.counted.trials:,} of this folder"
    )


def _as_object(after: StudyResult, run: Path) -> dict[str, Any]:
    from candlecast.recipes import describe

    return {
        "run": str(run),
        "verdict": after.verdict.to_dict(),
        "backtest": _values(after),
        "costs": describe(after.costs),
        "rule": after.recipe["rule"],
        "first": str(after.backtest.equity["time"][0]),
        "last": str(after.backtest.equity["time"][-1]),
        "trials": after.counted.to_dict(),
    }


def _values(result: StudyResult) -> dict[str, dict[str, Any]]:
    return {row.pop("statistic"): row for row in result.summary().to_dicts()}
