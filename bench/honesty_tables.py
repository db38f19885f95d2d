"""What was counted, as shares with exact intervals: the tables of `docs/honesty.md`, and the figures that have a goal."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from honesty_users import FAMILIES, NO_EDGE, SEQUENCES, WITH_EDGE
from honesty_worlds import NULL

MAX_FALSE = 5.0  # percent, of each family
MIN_FOUND = 80.0  # percent, of what the oracle finds
LONGEST_MINUTES = 15.0


def share(records, *path):
    """How many of how many records say yes."""
    found = 0
    for record in records:
        value = record
        for key in path:
            value = value[key]
        found += bool(value)
    return found, len(records)


def interval(found, of):
    """Clopper and Pearson's 95 % interval of a share."""
    from scipy.stats import binomtest

    bounds = binomtest(found, of).proportion_ci(method="exact")
    return bounds.low, bounds.high


def words(found, of):
    if not of:
        return "-"
    low, high = interval(found, of)
    return f"{100 * found / of:.1f} % ({100 * low:.1f} .. {100 * high:.1f})"


def figure(name, counts, *, goal, better="lower", against=""):
    """One figure of the benchmark, a share in percent; `goal` None where it is there to compare with."""
    value = 100 * counts[0] / counts[1] if counts[1] else None
    bounds = [100 * bound for bound in interval(*counts)] if counts[1] else None
    found = {"name": name, "value": value, "unit": "%", "goal": goal, "better": better, "against": against}
    return found | {"interval": bounds, "worlds": counts[1]}


def figures_of(records, tutorial, users, seconds):
    """The figures that have a goal, and those of the usual recipes beside them."""
    found = figures_of_worlds(records, tutorial) + figures_of_users(users)
    minutes = {"name": "whole benchmark", "value": seconds / 60, "unit": "minutes", "goal": LONGEST_MINUTES}
    return [each for each in found if each["worlds"]] + [minutes | {"better": "lower", "against": ""}]


def figures_of_worlds(records, tutorial):
    null = [record for record in records if np.isnan(record["strength"])]
    no_edge = [record for record in tutorial if np.isnan(record["strength"])]
    found = []
    for model in ("lstm", "linear"):
        found.append(figure(f"false edges, {model}", share(null, model, "edge"), goal=MAX_FALSE))
        found.append(figure(f"false forecasts, {model}", share(null, model, "forecastable"), goal=MAX_FALSE))
    found.append(figure("false edges, tutorial preset", share(no_edge, "preset", "edge"), goal=MAX_FALSE))
    for question in ("forecastable", "edge"):
        clear = [rung for rung in rungs(records) if rung_share(rung, "oracle", question) >= 0.95]
        for model in ("lstm", "linear"):
            least = min((rung_share(rung, model, question) for rung in clear), default=None)
            pooled = share([record for rung in clear for record in rung], model, question)
            name = f"found where the oracle is: {question}, {model}"
            found.append(
                figure(name, pooled, goal=MIN_FOUND, better="higher", against="oracle at 95 % or above")
                | {"strengths": len(clear), "lowest_of_a_strength": None if least is None else 100 * least}
            )
    for name, claims in claims_of(null, no_edge).items():
        found.append(figure(f"claimed without an edge: {name}", claims, goal=None))
    return found


def figures_of_users(users):
    """False edges of each family, and false forecasts where nothing can be forecast either; edges found after other studies."""
    found = []
    for name, family in FAMILIES.items():
        group = of_family(users, name)
        if family.has_edge:
            fresh = [record for record in group if record["fresh"]["edge"]]
            against = "the same edges in a fresh workspace"
            found.append(
                figure(f"found: {name}", share(fresh, "edge"), goal=MIN_FOUND, better="higher", against=against)
            )
            continue
        found.append(figure(f"false edges: {name}", share(group, "edge"), goal=MAX_FALSE))
        if family.is_null:
            found.append(figure(f"false forecasts: {name}", share(group, "forecastable"), goal=MAX_FALSE))
    everybody = [record for name in SEQUENCES for record in of_family(users, name)]
    for question, kind in (("edge", "edges"), ("forecastable", "forecasts")):
        found.append(figure(f"false {kind}: 50 trials, all markets", share(everybody, question), goal=MAX_FALSE))
    return found


def of_family(users, name):
    return [record for record in users if record["family"] == name]


def claims_of(records, tutorial):
    """What the usual recipes would have claimed, as counts."""
    return {
        "tutorial, chart (R2 of price above 0.9)": share(tutorial, "written", "chart"),
        "tutorial, profit of its signals": share(tutorial, "written", "profit"),
        "best of 100 crossovers beats holding": share(records, "crossover"),
        "lagged regression, error below 5 %": share(records, "regression"),
    }


def rungs(records):
    """Injected worlds by family and strength, one list each."""
    grouped = defaultdict(list)
    for record in records:
        if not np.isnan(record["strength"]):
            grouped[record["family"], record["strength"]].append(record)
    return list(grouped.values())


def rung_share(rung, model, question):
    found, of = share(rung, model, question)
    return found / of


def show(records, tutorial, users, figures):
    """Every table for which something was measured, under its heading in `docs/honesty.md`."""
    if records:
        show_worlds(records, tutorial)
    if users:
        show_users(users)
    show_figures(figures)


def show_worlds(records, tutorial):
    null = [record for record in records if np.isnan(record["strength"])]
    print("## Worlds without an edge\n")
    print("| no edge in them | worlds | LSTM: edge | LSTM: forecastable | linear: edge | linear: forecastable |")
    print("| --- | --- | --- | --- | --- | --- |")
    for family in (*NULL, None):
        group = [record for record in null if family in (record["family"], None)]
        cells = [words(*share(group, model, key)) for model in ("lstm", "linear") for key in ("edge", "forecastable")]
        print(f"| {family or 'all'} | {len(group)} | {' | '.join(cells)} |")
    print("\n## Worlds with an edge\n")
    print("| injected | strength | worlds | oracle: forecastable | linear | LSTM | oracle: edge | linear | LSTM |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for rung in rungs(records):
        shares = [
            f"{100 * rung_share(rung, model, key):.0f} %"
            for key in ("forecastable", "edge")
            for model in ("oracle", "linear", "lstm")
        ]
        print(f"| {rung[0]['family']} | {rung[0]['strength']:g} | {len(rung)} | {' | '.join(shares)} |")
    print("\n## Usual recipes on the same worlds\n")
    print("| usual recipe | claims success without an edge | with one |")
    print("| --- | --- | --- |")
    injected = [record for record in records if not np.isnan(record["strength"])]
    halves = [
        claims_of(group, [record for record in tutorial if np.isnan(record["strength"]) == is_null])
        for group, is_null in ((null, True), (injected, False))
    ]
    for name in halves[0]:
        print(f"| {name} | {words(*halves[0][name])} | {words(*halves[1][name])} |")


def show_users(users):
    rows = []
    for name, family in NO_EDGE.items():
        if group := of_family(users, name):
            cells = [words(*share(group, question)) for question in ("edge", "forecastable")]
            rows.append([name, len(group), *cells, "yes" if family.is_null else "no"])
    columns = ("market or user without an edge", "worlds", "edge", "forecastable", "is that a false claim")
    show_table("Markets and users without an edge", columns, rows)
    everybody, rows = [record for name in SEQUENCES for record in of_family(users, name)], []
    for name in (*SEQUENCES, "all"):
        if group := everybody if name == "all" else of_family(users, name):
            cells = [words(*share(group, question)) for question in ("edge", "forecastable")]
            rows.append([name.removeprefix("50 trials on "), len(group), *cells])
    columns = ("50 trials in one workspace, on", "users", "edge, at least once", "forecastable, at least once")
    show_table("Fifty trials in one workspace", columns, rows)
    rows = [
        [name, len(group), words(*share(group, "fresh", "edge")), words(*share(group, "edge"))]
        for name in WITH_EDGE
        if (group := of_family(users, name))
    ]
    columns = ("true edge", "worlds", "found in a fresh workspace", "found after other studies")
    show_table("An edge after other studies", columns, rows)


def show_table(heading, columns, rows):
    """One Markdown table under its heading; nothing where nothing was measured."""
    if rows:
        print(f"\n## {heading}\n")
        for row in (columns, ["---"] * len(columns), *rows):
            print(f"| {' | '.join(map(str, row))} |")


def show_figures(figures):
    print("\n## The figures with a goal\n\n| figure | value | goal |\n| --- | --- | --- |")
    for each in figures:
        value = "-" if each["value"] is None else f"{each['value']:.1f} {each['unit']}"
        if each.get("interval"):
            value += f" ({each['interval'][0]:.1f} .. {each['interval'][1]:.1f}; {each['worlds']} worlds)"
        if each.get("lowest_of_a_strength") is not None:
            value += f", lowest of {each['strengths']} strengths {each['lowest_of_a_strength']:.0f} %"
        sign = "at most" if each["better"] == "lower" else "at least"
        goal = "" if each["goal"] is None else f"{sign} {each['goal']:g}"
        print(f"| {each['name']} | {value} | {goal} |")
