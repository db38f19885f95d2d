"""`confirm`: is an edge in the candles of a second source, too?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from candlecast.backtesting.validation import require_kind
from candlecast.confirmation.confirmation import Confirmation
from candlecast.confirmation.of_panel import confirm_panel
from candlecast.confirmation.of_study import confirm_study
from candlecast.events import Listener, ignore
from candlecast.panel import PanelStudy
from candlecast.panel.loading import is_panel_run, load_panel_run
from candlecast.panel.result import PanelResult
from candlecast.sources.files import as_candles
from candlecast.study import Study, StudyResult
from candlecast.study.loading import load_run


def confirm(
    run: StudyResult | PanelResult | str | Path,
    other: Any,
    *,
    study: Study | PanelStudy | None = None,
    progress: Listener = ignore,
) -> Confirmation:
    """The same study on the candles of a second source, and on nothing else: is the edge there too?

    Candles of one source cannot show that one could have traded at their prices, nor that they knew no more than their times
    say; a second source, which recorded its candles itself, is evidence. The study is trained again on those alone, without
    baselines, and judged among the trials of the run if it is the first repetition of its assets since then, else as one more
    trial; the verdict on the run stays as it is. Without an edge nothing is repeated.

    Args:
        run: a result, or the folder of a run.
        other: candles of the same asset and interval from another source: candles, a frame or the path of a file. For a panel,
            several assets by the symbols of the run, as `PanelStudy.run` takes them; those that the second source lacks are left
            out when the study is repeated. Bars before the first and after the last of the run are left out.
        study: that of the run, needed where its model, features or rule are functions of yours.
        progress: receives events.

    Raises:
        ConfigError: for a copy, another asset or interval, other dates, unadjusted splits, and a model of several assets.
        NotEnoughDataError: for fewer than 30 bars in common, or fewer than half of the tested ones; for assets that make less
            than half of the weights of a panel; for candles that lack what the features need.
        CandleError, SourceError: for what cannot be read.
        RunError: where the study has to be given, and for a ledger that cannot be written.
    """
    if isinstance(run, (str, Path)):
        run = _loaded(run, study)
    if isinstance(run, PanelResult):
        require_kind("study", study, PanelStudy | None, "Give the PanelStudy that was run")
        assert not isinstance(study, Study)
        return confirm_panel(run, other, study=study, progress=progress)
    require_kind("run", run, StudyResult, "Give a result, or the folder of a run")
    require_kind("study", study, Study | None, "Give the Study that was run")
    assert not isinstance(study, PanelStudy)
    return confirm_study(run, as_candles(other), study=study, progress=progress)


def _loaded(folder: str | Path, study: Study | PanelStudy | None) -> StudyResult | PanelResult:
    if is_panel_run(Path(folder)):
        return load_panel_run(folder)
    return load_run(folder, study=study if isinstance(study, Study) else None)
