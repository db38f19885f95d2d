"""`candlecast scan`: every cell of a plan: assets x intervals x targets x models x costs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from candlecast.cli import model_registry
from candlecast.cli.command import Command
from candlecast.cli.console import print_json, progress, prose, say, wrapped
from candlecast.cli.options import common, runs_option, seed_option
from candlecast.cli.pricing import GivenCosts, cost_options
from candlecast.cli.scan_plan import plan_of, read_plan
from candlecast.cli.source_registry import store_option
from candlecast.errors import ConfigError

if TYPE_CHECKING:
    from candlecast.scan import Plan, Scan
    from candlecast.scan.outlook import Outlook

EXAMPLES = """
    candlecast scan --symbols BTCUSDT ETHUSDT --interval 1h 1d --dry-run
    candlecast scan --model lstm gru --target return volatility
    candlecast scan PLAN.toml --workers 8
    candlecast scan PLAN.toml --shard 1/4
"""


@click.command(cls=Command, short_help="Study every cell of a plan, and say which hold.", epilog=EXAMPLES)
@click.argument("plan_file", required=False, metavar="[PLAN.toml]", type=click.Path(path_type=Path))
@click.option("--symbols", multiple=True, help="Symbols of the store; all of them when not given.")
@click.option("--files", multiple=True, help="Files of candles, or samples, instead of the store.")
@click.option(
    "--interval", "intervals", multiple=True, help="Lengths of one candle; longer ones are made of stored ones."
)
@click.option("--model", "models", multiple=True, help=f"Any of {', '.join(model_registry.MODELS)}; lstm if none.")
@click.option("--target", "targets", multiple=True, help=f"Any of {', '.join(model_registry.TARGETS)}; return if none.")
@click.option("--horizon", type=int, default=1, show_default=True, help="Bars ahead, of all targets.")
@click.option("--folds", type=int, help="Walk-forward test parts; 5 when not given.")
@click.option("--seeds", type=int, help="Trainings per fold; 3 when not given.")
@click.option("--largest", type=int, help="Only so many assets: the largest by value traded before each test part.")
@click.option("--source", help="That of the symbols in the store, where several have them.")
@click.option("--since", help="First day or time, UTC.")
@click.option("--until", help="End, UTC.")
@click.option("--as-of", help="Day on which this list of assets was chosen, UTC.")
@cost_options
@store_option
@seed_option
@click.option(
    "--dry-run", is_flag=True, help="Stop after the plan: what it takes, and the smallest edge that it can find."
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; one for each core when not given.")
@click.option("--ray", metavar="ADDRESS", help='A Ray cluster: its address, "auto", or "local" to start one.')
@click.option("--shard", metavar="I/N", help="Compute only that share of the cells, and judge nothing.")
@click.option("--join", is_flag=True, help="Judge the cells that shards computed; compute nothing.")
@click.option("--reports", type=click.IntRange(min=0), default=24, show_default=True, help="Cells that get a report.")
@click.option("--open", "open_report", is_flag=True, help="Open the page in the browser.")
@runs_option
@common
def scan(
    plan_file: Path | None,
    *,
    seed: int,
    dry_run: bool,
    workers: int | None,
    ray: str | None,
    shard: str | None,
    join: bool,
    reports: int,
    open_report: bool,
    runs: Path,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Study every asset x interval x target x model of a plan, and judge all of them among each other.

    The plan is a TOML file, or made by the options. It is printed first: what it takes, by a timed sample, and the smallest
    edge that it can find after paying for its own breadth. Finished cells are kept: stopped at any moment, the same command
    continues, and another plan computes only what no scan has computed.
    """
    from candlecast.ledger import Inbox, Ledger
    from candlecast.scan.scanning import compute_cells, finish, open_plan, outlook_of, require_finished, working

    began = time.monotonic()
    part = _shard(shard)
    alone = [name for name, is_given in (("--join", join), ("--shard", shard), ("--dry-run", dry_run)) if is_given]
    if len(alone) > 1:
        raise ConfigError(
            f"{alone[0]} with {alone[1]}", expected="one of them", remedy="Run --dry-run, then the shards, then --join"
        )
    plan = _plan(plan_file, options)
    ledger = Ledger(runs)
    begun = ledger if part is None else Inbox(runs)  # several hosts must not open one ledger
    begun.require_writable()
    with progress(quiet) as listener:
        folder, opened = open_plan(plan, runs=runs, seed=seed, progress=listener)
        failures, cells = {}, opened.shard(part)
        if join:
            require_finished(opened, folder)
        else:
            with working(opened, folder, workers=workers, ray=ray) as pool:
                if part is None:
                    outlook = outlook_of(opened, folder, pool, ledger, progress=listener)
                    if dry_run:
                        _print_outlook(outlook, as_json=as_json)
                        return
                    say(f"{prose(str(outlook))}\n", is_error=True)
                failures = compute_cells(opened, cells, folder, pool, ledger=begun, progress=listener)
        if part is not None:
            done = len(cells) - len(failures)
            if as_json:
                print_json({"shard": shard, "cells": done, "failures": len(failures)})
            else:
                say(f"Shard {shard}: {done:,} cells are finished, {len(failures):,} failed. When all are: --join")
            return
        found = finish(opened, folder, ledger, failures=failures, progress=listener)
        page = found.report(cells=reports)
    if as_json:
        print_json(as_object(found, page, time.monotonic() - began))
    else:
        _show(found, page, time.monotonic() - began)
    if open_report:
        click.launch(str(page))


def as_object(found: Scan, page: Path, seconds: float) -> dict[str, Any]:
    """The scan for programs."""
    return {
        "scan": str(found.folder),
        "text": found.text,
        "cells": found.frame.to_dicts(),
        "failures": found.failures.to_dicts(),
        "smallest_edges": [vars(each) for each in found.smallest_edges],
        "trials": found.trial_count.to_dict(),
        "report": str(page),
        "seconds": round(seconds, 3),
    }


def _print_outlook(outlook: Outlook, *, as_json: bool) -> None:
    if as_json:
        edges = [vars(each) for each in outlook.edges]
        print_json(vars(outlook) | {"edges": edges})
    else:
        say(prose(str(outlook)))


def _show(found: Scan, page: Path, seconds: float) -> None:
    answer, *tables = str(found).split("\n\n")
    say(f"\n{prose(answer)}\n", is_bold=True)
    say("\n\n".join(tables))
    if found.failures.height:
        kinds = found.failures["kind"].value_counts(sort=True)
        words = ", ".join(f"{count:,} {kind}" for kind, count in kinds.rows())
        say("\n" + wrapped(f"Without a result: {words}; the first: {found.failures['sentence'][0]}"))
    say(f"\nScan    {found.folder}\nReport  {page}\n{seconds:.1f} s")


def _plan(path: Path | None, options: dict[str, Any]) -> Plan:
    """The plan of a file, or of the options."""
    given_costs: GivenCosts = options.pop("given_costs")
    store, horizon = options.pop("store"), options.pop("horizon")
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if path is not None:
        has_costs = given_costs.venue is not None or given_costs.rates
        if given or has_costs:
            name = next(iter(given), "costs").replace("_", "-").removesuffix("s")
            raise ConfigError(
                f"the plan {path} and --{name}", expected="one or the other", remedy="Write it in the plan instead"
            )
        return read_plan(path)
    values: dict[str, Any] = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    if "files" not in values:
        values["store"] = store
    if horizon != 1 or "targets" in values:
        values["targets"] = [{"name": name, "horizon": horizon} for name in values.get("targets", ["return"])]
    rates = given_costs.rates | ({} if given_costs.venue is None else {"venue": given_costs.venue})
    return plan_of(values | ({"costs": [rates]} if rates else {}), folder=Path())


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    number, slash, shards = text.partition("/")
    if not (slash and number.isdigit() and shards.isdigit() and 1 <= int(number) <= int(shards)):
        raise ConfigError(
            f"--shard {text}", expected="1/4 to 4/4, or another number of shards", remedy="Use --shard 1/4"
        )
    return int(number), int(shards)
