"""Studies from Python files of the user's: one way to read them, for every command that takes one."""

from __future__ import annotations

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candlecast.errors import CandlecastError, ConfigError, near_misses

if TYPE_CHECKING:
    from candlecast.candles import Candles
    from candlecast.panel import PanelStudy
    from candlecast.study import Study


@dataclass(frozen=True)
class StudyFile:
    """What a Python file defines.

    study: of one asset, or of a panel. candles: those of one asset. assets: those of a panel, as `PanelStudy.run` takes them.
    Both are None where the file has none.
    """

    path: Path
    study: Study | PanelStudy
    candles: Any
    assets: Any


def is_study_file(subject: str | None) -> bool:
    """Whether an argument names a Python file.

    >>> is_study_file("study.py"), is_study_file("btc_1h.csv"), is_study_file(None)
    (True, False, False)
    """
    return subject is not None and subject.lower().endswith(".py")


def read_study_file(path: Path) -> StudyFile:
    """The `study` that a Python file defines, with its `candles` or `assets`.

    The file is run, like `python FILE`, but as a module of another name than `__main__`. Raises ConfigError for a file that fails
    or defines no study.
    """
    names = _run(path)
    return StudyFile(path, _study(path, names), names.get("candles"), names.get("assets"))


def load_study(path: Path) -> tuple[Study, Candles | None]:
    """The study of one asset that a Python file defines, and its `candles`, None if it has none.

    Candles may be given as everywhere: also as a frame, or as the path of a file. Raises ConfigError as `read_study_file`, and
    for the study of a panel.
    """
    return of_one_asset(read_study_file(path))


def of_one_asset(file: StudyFile) -> tuple[Study, Candles | None]:
    """The study of one asset and its candles, None if it has none. Raises ConfigError for the study of a panel."""
    from candlecast.panel import PanelStudy
    from candlecast.sources.files import as_candles

    if isinstance(file.study, PanelStudy):
        raise ConfigError(
            f"study of {file.path} is a PanelStudy",
            expected="a Study of one asset",
            remedy="candlecast run, forecast RUN --study and replay RUN --study take it",
        )
    return file.study, None if file.candles is None else as_candles(file.candles)


def _run(path: Path) -> dict[str, Any]:
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        return runpy.run_path(str(path), run_name="candlecast_study")
    except CandlecastError:
        raise
    except FileNotFoundError as error:
        if path.exists():
            raise _failed(path, error) from error
        others = [each.name for each in path.parent.glob("*.py")]
        raise ConfigError(
            f"there is no file {path}",
            expected="a Python file that defines a study",
            remedy=near_misses(path.name, others) if others else f"Write one with: candlecast init {path}",
        ) from error
    except (Exception, SystemExit) as error:
        raise _failed(path, error) from error
    finally:
        sys.path.remove(folder)


def _failed(path: Path, error: BaseException) -> ConfigError:
    return ConfigError(
        f"{path} fails ({type(error).__name__}: {str(error)[:200]})",
        expected="a Python file that defines a study",
        remedy=f"Run it to see the whole error: python {path}",
    )


def _study(path: Path, names: dict[str, Any]) -> Study | PanelStudy:
    from candlecast.panel import PanelStudy
    from candlecast.study import Study

    study = names.get("study")
    if isinstance(study, Study | PanelStudy):
        return study
    others = [name for name, value in names.items() if isinstance(value, Study | PanelStudy)]
    if study is None:
        raise ConfigError(
            f"{path} defines no study",
            expected="a module-level name study",
            remedy=f"Rename {others[0]} to study"
            if others
            else "Write for example: study = cc.Study(model=cc.LSTM(hidden=32))",
        )
    raise ConfigError(
        f"study of {path} is of type {type(study).__name__}",
        expected="a Study or a PanelStudy",
        remedy="Write for example: study = cc.Study(model=cc.LSTM(hidden=32))",
    )
