"""A horizontal axis of dates: moments as decimal years, and ticks at the beginnings of years, months, days or hours."""

from __future__ import annotations

import numpy as np

MICROSECONDS_A_YEAR = 365.25 * 86_400 * 1e6
STEPS = (  # unit of NumPy, how many of them, characters of an ISO moment that are written
    *(("h", step, slice(5, 16)) for step in (1, 2, 3, 6, 12)),
    *(("D", step, slice(0, 10)) for step in (1, 2, 5, 10)),
    *(("M", step, slice(0, 7)) for step in (1, 2, 3, 6)),
    *(("Y", step, slice(0, 4)) for step in (1, 2, 5, 10, 20, 50)),
)


def decimal_years(times: np.ndarray) -> np.ndarray:
    """Moments (datetime64, any unit) as years with a fraction; years of equal length, so that time is drawn evenly.

    >>> decimal_years(np.array(["1970-01-01", "1974-01-01"], "datetime64[us]")).tolist()
    [1970.0, 1974.0]
    """
    return 1970.0 + np.asarray(times).astype("datetime64[us]").astype(np.int64) / MICROSECONDS_A_YEAR


def date_ticks(low: float, high: float, most: int = 5) -> dict[float, str]:
    """Ticks between two moments in decimal years, with their words: at most `most`, at round moments.

    >>> list(date_ticks(2016.1, 2016.9).values())
    ['2016-03', '2016-05', '2016-07', '2016-09', '2016-11']
    >>> list(date_ticks(1999.0, 2019.0).values()), list(date_ticks(2016.0, 2016.01).values())
    (['2000', '2005', '2010', '2015'], ['2016-01-02', '2016-01-03', '2016-01-04', '2016-01-05'])
    """
    ends = np.round((np.array([low, high]) - 1970.0) * MICROSECONDS_A_YEAR).astype("datetime64[us]")
    found: dict[float, str] = {}
    for unit, step, part in STEPS:
        first, last = ends.astype(f"datetime64[{unit}]").astype(np.int64)
        if (last - first) / step > most + 1:
            continue
        moments = (np.arange(-(-first // step), last // step + 1) * step).astype(f"datetime64[{unit}]")
        places = decimal_years(moments)
        shown = (places >= low - 1e-9) & (places <= high + 1e-9)
        found = {
            float(place): str(moment)[part]
            for place, moment in zip(places[shown], moments[shown].astype("datetime64[m]"), strict=True)
        }
        if len(found) <= most:
            break
    return found
