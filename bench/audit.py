"""The audit on pipelines with one known leak each and on clean ones, beside other tools; its time beside the study's.

    python bench/audit.py --rivals FOLDER      the league table: detection and false alarms
    python bench/audit.py --only time          the full and the quick audit of the default study, as shares of its time

Other tools judge a function from prices to one value for each bar: of the pipelines here, features and positions. Targets,
models, rules and fills they cannot express, and are counted apart.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

import candlecast as cc
from candlecast.testing.pipelines import CLEAN, LEAKY, PipelineCase

SEEDS = 3


def column_of(case):
    """The pipeline as a function of candles that gives one value for each bar; None where it is none."""
    made = case.make()
    if not hasattr(made, "model"):
        if "fills" in made(case.candles()):
            return None
        return lambda candles: np.reshape(list(made(candles).values())[-1], (len(candles), -1))[
            :, 0
        ]  # of the first asset
    own = [feature for feature in made.features.features if feature.name == "own"]
    return None if not own else lambda candles: own[0](candles)[:, 0]


def league(seeds):
    """One row for each pipeline and market: what the audit and the other tools say."""
    from audit_rivals import verdicts

    rows = []
    for case in (*LEAKY, *CLEAN):
        for seed in range(seeds):
            candles = PipelineCase.candles(seed)
            report = cc.audit(case.make(), candles, ledger=cc.Ledger.in_memory())
            column = column_of(case)
            said = verdicts(column, candles) if column else {}
            stage = report.findings[0].stage if report.findings else None
            rows.append({"case": case.name, "stage": case.stage, "found": stage, "passed": report.passed, **said})
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def table_of(rows):
    """Detection and false alarms by tool, in Markdown."""
    tools = [name for row in rows for name in row if name not in ("case", "stage", "found", "passed")]
    lines = [
        "| tool | leaks found | false alarms | cannot be expressed |",
        "| --- | --- | --- | --- |",
    ]
    leaky, clean = ([row for row in rows if (row["stage"] is not None) is is_leaky] for is_leaky in (True, False))
    named = sum(row["found"] == row["stage"] for row in leaky)
    lines.append(
        f"| candlecast | {sum(not row['passed'] for row in leaky)} of {len(leaky)}, {named} at the right stage "
        f"| {sum(not row['passed'] for row in clean)} of {len(clean)} | 0 |"
    )
    for name in dict.fromkeys(tools):
        counts = []
        for part in (leaky, clean):
            said = [row[name] for row in part if isinstance(row.get(name), bool)]
            counts.append(f"{sum(said)} of {len(said)}")
        absent = sum(not isinstance(row.get(name), bool) for row in rows)
        lines.append(f"| {name} | {counts[0]} | {counts[1]} | {absent} of {len(rows)} |")
    return "\n".join(lines)


def timings(rounds):
    """Processor seconds of the default study and of its audits, the least of several rounds."""
    from candlecast.study import study as module

    candles, study = cc.sample("sp500"), cc.Study(model=cc.LSTM(hidden=32))
    ledger, quick_audit, found = cc.Ledger.in_memory(), module.quick_audit, {}

    def timed(name, work, *given):
        began = time.process_time()
        made = work(*given)
        found.setdefault(name, []).append(time.process_time() - began)
        return made

    study.run(candles, ledger=ledger)  # compiles
    cc.audit(study, candles)
    module.quick_audit = lambda *given: timed("quick audit", quick_audit, *given)
    for _ in range(rounds):
        timed("study", lambda: study.run(candles, ledger=ledger))
        timed("full audit", lambda: cc.audit(study, candles))
    module.quick_audit = quick_audit
    return {name: min(seconds) for name, seconds in sorted(found.items())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=["league", "time"], default=["league", "time"])
    parser.add_argument("--rivals", type=Path, help="Folder with the other tools; see bench/requirements-audit.txt")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="Markets for each pipeline")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="Write all rows here")
    options = parser.parse_args()
    if options.rivals:
        sys.path.append(str(options.rivals))
    results = {}
    if "league" in options.only:
        results["league"] = league(options.seeds)
        print(table_of(results["league"]))
    if "time" in options.only:
        results["time"] = timings(options.rounds)
        base = results["time"]["study"]
        for name, seconds in results["time"].items():
            print(f"{name:12} {seconds:6.2f} s  {seconds / base:.3f} of the study")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
