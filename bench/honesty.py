"""How often an edge is found where there is none, and where there is one: worlds whose truth is known.

    python bench/honesty.py [--worlds 400] [--processes 2] [--only PART or FAMILY ...] [--records FILE] [--json]

Four parts. `verdict`: `--worlds` without an edge, and as many with one, over a ladder of strengths, each judged as a
workspace of its own by the verdict of `Study`: an LSTM, a linear regression, and the oracle, the best forecast that there can
be; the usual recipes (`usual_recipes.py`) see the same worlds. `tutorial`: a sixteenth of them go through the tutorial's net.
`families`: a quarter of `--worlds` for each kind of untradable or dangerous market and each kind of user. `sequence`: five
times as many users with fifty trials each. `--only` takes parts, or words in the names of families. With `--records`, each
batch is appended to FILE as it ends, and batches that FILE holds are not run again: an interrupted run continues.
Repeatable: every world is named by its family, strength and seed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
TUTORIAL_SHARE = 16  # one world in so many goes through the tutorial's own net
FAMILY_SHARE, SEQUENCE_TIMES = 4, 5  # worlds of each family, and users who try in sequence, against `--worlds`
BATCH = 8  # worlds whose nets train as one fleet
USERS = 20  # of a batch


@dataclass(frozen=True)
class Batch:
    """Worlds of one family and strength (NaN: no edge), by their seeds; `part` of the benchmark."""

    family: str
    strength: float
    seeds: tuple[int, ...]
    part: str = "verdict"


def run(batch):
    """The records of a batch, and the seconds that it took."""
    import honesty_models
    import honesty_users

    began = time.perf_counter()
    if batch.part == "verdict":
        records = honesty_models.judged(batch)
    elif batch.part == "tutorial":
        records = honesty_models.by_the_tutorial(batch)
    else:
        family = honesty_users.FAMILIES[batch.family]
        records = [{"family": batch.family, "seed": seed} | family.claims(seed) for seed in batch.seeds]
    return batch, records, time.perf_counter() - began


def planned(worlds, only=()):
    """All batches that are asked for, the slow ones first, so that all processes end at about the same time."""
    return [
        batch
        for batch in (*planned_models(worlds), *planned_users(worlds))
        if not only or any(word in (batch.part, batch.family) or word in batch.family for word in only)
    ]


def planned_models(worlds):
    """As many worlds without an edge as with one, and a share of both for the tutorial's net."""
    from honesty_worlds import LADDERS, NULL

    cells = [(family, float("nan")) for family in NULL]
    ladder = [(family, strength) for family, strengths in LADDERS.items() for strength in strengths]
    batches = []
    for kind, group in enumerate((cells, ladder)):
        each = -(-worlds // len(group))
        for place, (family, strength) in enumerate(group):
            first = 1_000_000 * kind + 10_000 * place
            seeds = range(first, first + each)
            batches += [Batch(family, strength, tuple(seeds[at : at + BATCH])) for at in range(0, each, BATCH)]
    whole = [batch for batch in batches for _ in batch.seeds]
    seeds = [seed for batch in batches for seed in batch.seeds]
    chosen = range(0, len(whole), TUTORIAL_SHARE)
    tutorial = [Batch(whole[i].family, whole[i].strength, (seeds[i],), "tutorial") for i in chosen]
    return tutorial + batches


def planned_users(worlds):
    """Users of each family, and users with fifty trials, each in a workspace of its own."""
    from honesty_users import FAMILIES, SEQUENCES

    batches = []
    for place, (name, family) in enumerate(FAMILIES.items()):
        is_sequence = name in SEQUENCES
        total = -(-worlds * SEQUENCE_TIMES // len(SEQUENCES)) if is_sequence else -(-worlds // FAMILY_SHARE)
        first = 2_000_000 + 10_000 * place
        seeds, part = range(first, first + total), "sequence" if is_sequence else "families"
        batches += [Batch(name, family.strength, tuple(seeds[at : at + USERS]), part) for at in range(0, total, USERS)]
    return sorted(batches, key=lambda batch: batch.part, reverse=True)


def kept(path):
    """The batches of a file of records, with their records and seconds."""
    if not path or not os.path.exists(path):
        return {}
    with open(path) as lines:
        rows = [json.loads(line) for line in lines]
    return {key(row["batch"]): (row["records"], row["seconds"]) for row in rows}


def keep(path, batch, records, seconds):
    """Append a batch to a file of records."""
    row = {"batch": asdict(batch), "records": records, "seconds": seconds}
    with open(path, "a") as lines:
        lines.write(json.dumps(row, default=lambda value: value.item()) + "\n")


def key(batch):
    """What distinguishes a batch, as text: NaN differs from itself."""
    return json.dumps(batch, sort_keys=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=400, help="without an edge, and as many with one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=(), help="parts, or words in the names of families")
    parser.add_argument("--records", help="a file of finished batches, which is continued")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for name in ONE_THREAD:  # a process a core
        os.environ[name] = "1"
    from honesty_tables import figures_of, show

    began = time.perf_counter()
    batches = planned(arguments.worlds, arguments.only)
    if not batches:
        parser.error(f"no part or family is called {' or '.join(arguments.only)}")
    found = {"verdict": [], "tutorial": [], "families": [], "sequence": []}
    known, left, earlier = kept(arguments.records), [], 0.0
    for batch in batches:
        if key(asdict(batch)) in known:
            records, seconds = known[key(asdict(batch))]
            found[batch.part].extend(records)
            earlier += seconds / arguments.processes
        else:
            left.append(batch)
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        for done, (batch, records, seconds) in enumerate(pool.map(run, left), start=1):
            found[batch.part].extend(records)
            if arguments.records:
                keep(arguments.records, batch, records, seconds)
            elapsed = time.perf_counter() - began
            line = f"{done}/{len(left)} {batch.part} {batch.family} {batch.strength:g}: {seconds:.1f} s"
            words = f"{line}; {elapsed:.0f} s gone, about {elapsed / done * (len(left) - done):.0f} s left"
            print(words, file=sys.stderr, flush=True)
    records, tutorial, users = found["verdict"], found["tutorial"], found["families"] + found["sequence"]
    figures = figures_of(records, tutorial, users, earlier + time.perf_counter() - began)
    if arguments.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"bench": "honesty", "machine": machine, "figures": figures}))
    else:
        show(records, tutorial, users, figures)


if __name__ == "__main__":
    main()
