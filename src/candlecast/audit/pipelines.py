"""The audit of a pipeline of your own: a function from candles to the tables of its stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from candlecast.audit.findings import FAILED, PASSED, AuditReport, Check, Finding
from candlecast.audit.movements import Movements, after_change
from candlecast.audit.perturbations import PERTURBATIONS, next_bar, noise
from candlecast.audit.stage import Stage, stages_of
from candlecast.candles import Candles
from candlecast.errors import ConfigError, NotEnoughDataError
from candlecast.events import Listener, Progress
from candlecast.text.formatting import count

Pipeline = Callable[[Candles], Mapping[str, object]]
MOMENTS, MINIMUM = 8, 60  # bars after which the candles change, and bars that a pipeline needs
FILLS, DRAWS = 5, 4  # fills that are looked at, and other bars that each is computed with


def audit_pipeline(pipeline: Pipeline, candles: Candles, *, seed: int, progress: Listener) -> AuditReport:
    """The report on a function that gives the tables of its stages, in the order in which they follow from each other."""
    if len(candles) < MINIMUM:
        raise NotEnoughDataError(
            f"{len(candles)} candles for the audit of a pipeline",
            expected=f"{MINIMUM} or more",
            remedy="Give more candles",
        )
    base = stages_of(_tables(pipeline(candles)), candles)
    again = stages_of(_tables(pipeline(candles)), candles)
    found = Movements(candles)
    for name, stage in base.items():
        if after_change(stage, again.get(name), candles.close_time[-1]) is not None:
            raise ConfigError(
                f"the stage {name} of the pipeline gives other values when it is run again",
                expected="the same values for the same candles",
                remedy="Draw random numbers from a generator with a fixed seed",
            )
    generator = np.random.default_rng(seed)
    bars = np.linspace(len(candles) // 4, len(candles) - 3, MOMENTS).astype(int)
    bars[1:-1] += generator.integers(-5, 6, MOMENTS - 2)
    runs = 0
    for bar in bars.tolist():
        for perturbation in PERTURBATIONS:
            progress(Progress("audit", runs, MOMENTS * len(PERTURBATIONS)))
            runs += 1
            changed = perturbation.apply(candles, bar, generator)
            try:
                after = stages_of(_tables(pipeline(changed)), changed)
            except Exception as error:
                found.failed(next(iter(base)), bar, perturbation, error)
                continue
            for name, stage in base.items():
                if found.add(name, stage, after.get(name), bar, perturbation):
                    break
    progress(Progress("audit", runs, runs))
    detail = f"{count(len(bars), 'bar')}, {count(len(PERTURBATIONS), 'kind')} of change"
    findings = found.of(tuple(base))
    checks = []
    for name in base:
        moved = [finding for finding in findings if finding.stage == name]
        checks.append(Check(name, FAILED if moved else PASSED, detail))
        if moved:
            break
    if "fills" in base and not findings:
        late = findings = _filled_at_its_own_close(pipeline, candles, base["fills"], generator)
        checks.append(Check("fills after decisions", FAILED if late else PASSED, f"up to {FILLS} fills"))
    return AuditReport("full", tuple(checks), findings)


def _tables(tables: object) -> Mapping[str, object]:
    if isinstance(tables, Mapping) and tables and all(isinstance(name, str) for name in tables):
        return tables
    raise ConfigError(
        f"the pipeline gave a {type(tables).__name__}",
        expected="the tables of its stages by name, in order",
        remedy='Return for example {"features": array, "positions": table}',
    )


def _filled_at_its_own_close(
    pipeline: Pipeline, candles: Candles, fills: Stage, generator: np.random.Generator
) -> tuple[Finding, ...]:
    """A fill at the close of the very bar that decided it.

    Its price is known at that close (later bars do not move it) and moves with that bar, and with other prices of that bar
    there is no such fill. A market-on-close order that was decided before would still be there, and the price of a limit
    order that was decided before would not move.
    """
    if "price" not in fills.columns:
        return ()
    times = fills.columns["price"].times
    rows = np.flatnonzero(np.isin(times, candles.close_time[1:-2]))
    for row in generator.permutation(rows)[:FILLS].tolist():
        time = times[row]
        bar = int(np.searchsorted(candles.close_time, time))
        price = _prices(pipeline, candles, time)
        if _prices(pipeline, next_bar(candles, bar, generator), time) != price:
            continue
        others = [_prices(pipeline, noise(candles, bar - 1, generator), time) for _ in range(DRAWS)]
        if any(not each for each in others) and any(each and each != price for each in others):
            return (
                Finding(
                    stage="fills",
                    column="price",
                    time=time.astype("datetime64[us]").item(),
                    bar=bar,
                    lead=1,
                    perturbation="other prices of its own bar",
                    before=price[0],
                    after=next(each[0] for each in others if each and each != price),
                    cause="an order is filled at the close of the bar that decided it",
                    remedy="Fill it at the open of the next bar, or later",
                ),
            )
    return ()


def _prices(pipeline: Pipeline, candles: Candles, time: Any) -> list[float]:
    """Prices of the fills at a time."""
    price = stages_of(_tables(pipeline(candles)), candles)["fills"].columns["price"]
    return price.values[price.times == time].tolist()
