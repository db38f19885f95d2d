"""`candlecast candles`: what there is, and what is wrong with it."""

from __future__ import annotations

import click

from candlecast.cli import assets
from candlecast.cli.console import print_json
from candlecast.cli.options import common


@click.command(epilog="Example: candlecast candles btc_1h.csv.gz --interval 1h")
@click.argument("asset", required=False, metavar="[SYMBOL or FILE]")
@click.option("--interval", help="Length of one candle, such as 1h; taken from the file when not given.")
@click.option("--zone", help="Zone of the file's times, if they name none, such as UTC.")
@common
def candles(asset: str | None, *, interval: str | None, zone: str | None, as_json: bool, quiet: bool) -> None:
    """Describe candles and list their faults: gaps, duplicates, off-grid and impossible bars. Nothing is changed.

    Without an argument: the samples that come with the installation.
    """
    from candlecast.sources.sample import SAMPLES

    reports = []
    for name in [asset] if asset else SAMPLES:
        table = assets.load(name, interval=interval, zone=zone)
        report = table.check()
        reports.append(
            {
                "symbol": table.symbol,
                "interval": str(table.interval),
                "bars": len(table),
                "first": table.open_time.min().item().isoformat(),
                "last": table.close_time.max().item().isoformat(),
                "is_sound": report.is_sound,
                "faults": report.faults.to_dicts(),
            }
        )
        if not as_json:
            click.echo(f"{table!r}\n{report}")
    if as_json:
        print_json({"candles": reports})
