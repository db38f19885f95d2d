"""Studies from Python files of the user's."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candlecast.errors import CandlecastError, ConfigError

if TYPE_CHECKING:
    from candlecast.study import Study


def load_study(path: Path) -> tuple[Study, Any]:
    """The `study` that a Python file defines, and its `candles`, None if it has none.

    The file is run, like `python FILE`. Raises ConfigError for a file that fails or defines no study.
    """
    from candlecast.study import Study

    sys.path.insert(0, str(path.resolve().parent))
    try:
        names = runpy.run_path(str(path), run_name="candlecast_study")
    except CandlecastError:
        raise
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path}", expected="a Python file", remedy="Check the path") from error
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{path} fails ({type(error).__name__}: {str(error)[:200]})",
            expected="a Python file that defines a study",
            remedy=f"Run it to see the whole error: python {path}",
        ) from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    study = names.get("study")
    if not isinstance(study, Study):
        raise ConfigError(
            f"{path} defines no study",
            expected="a module-level name study",
            remedy="Write for example: study = cc.Study(model=cc.LSTM(hidden=32))",
        )
    return study, names.get("candles")
