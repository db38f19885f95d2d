"""The command line of the slips."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from .catalogue import SLIPS
from .runner import BROKEN, CAUGHT, STALE, SURVIVED, Outcome, run


def main() -> None:
    """Run the slips that are named, print what became of them, and fail if any was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.slips", description="Run small faults against their tests.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="beginnings of the names of slips; all when not given")
    parser.add_argument("--jobs", type=int, default=1, help="slips at once; 1 when not given")
    parser.add_argument("--list", action="store_true", help="print the names only")
    given = parser.parse_args()
    for name in given.names:
        if not any(slip.name.startswith(name) for slip in SLIPS):
            parser.error(f"no slip begins with {name!r}: --list prints their names, such as {SLIPS[0].name}")
    chosen = [slip for slip in SLIPS if not given.names or slip.name.startswith(tuple(given.names))]
    if given.list:
        print("\n".join(slip.name for slip in chosen))
        return
    outcomes = run(chosen, jobs=given.jobs, tell=_tell)
    counts = {package: Counter() for package in dict.fromkeys(slip.package for slip in chosen)}
    for outcome in outcomes:
        counts[outcome.slip.package][outcome.state] += 1
    print(f"\n{'package':<14}{'slips':>8}" + "".join(f"{state:>10}" for state in (CAUGHT, SURVIVED, STALE, BROKEN)))
    for package, states in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        numbers = "".join(f"{states[state]:>10}" for state in (CAUGHT, SURVIVED, STALE, BROKEN))
        print(f"{package:<14}{states.total():>8}{numbers}")
    sys.exit(any(outcome.state != CAUGHT for outcome in outcomes))


def _tell(outcome: Outcome) -> None:
    print(f"{outcome.state:<9} {outcome.slip.name:<50} {outcome.seconds:5.0f} s  {outcome.words}", flush=True)


if __name__ == "__main__":
    main()
