"""Alpha spending: what a test among many costs that are made one after the other, without knowing how many will follow.

Of a chance of false alarm of 5 %, the k-th test in a sequence gets the share k^(-5/2) / zeta(5/2): the first 75 %, the second
13 %, the tenth 0.2 %. The shares add up to 1, so that the chance of any false alarm stays below 5 %, whenever somebody stops,
and a result once found is not taken back by what is tried later. (Each test at 5 % of 1 / k, as if the sequence ended with it,
gives 20 % in 50 independent tests.) A smaller power leaves more for later tests and less for the first: at 2 it has 61 %.

Tests that depend on each other are counted by the number of independent ones that they are equal to, which need not be whole:
the shares from a to b are (zeta(5/2, a + 1) - zeta(5/2, b + 1)) / zeta(5/2), with Hurwitz's zeta(s, q) = sum_n (n + q)^-s.
Foster and Stine (2008), Alpha-Investing; Tian and Ramdas (2021), Online Control of the Familywise Error Rate.
"""

from __future__ import annotations

import math

from candlecast.errors import ConfigError

POWER = 2.5


def spent_share(before: float, after: float) -> float:
    """The share of the chance of false alarm that goes to the tests after the first `before`, up to `after`.

    A batch always gets as much as one whole test at its end. Raises ConfigError unless 0 <= before <= after and after >= 1.

    >>> round(spent_share(0, 1), 3), round(spent_share(0, 1e9), 3)
    (0.745, 1.0)
    """
    if not (0.0 <= before <= after and after >= 1.0):
        raise ConfigError(
            f"tests from {before} to {after}", expected="0 <= before <= after, after of 1 or more", remedy="Count all"
        )
    from scipy.special import zeta

    first = min(before, after - 1.0)
    return float((zeta(POWER, first + 1.0) - zeta(POWER, after + 1.0)) / zeta(POWER))


def paid_p_value(p_value: float, *, before: float, after: float) -> float:
    """A p-value that has paid for the tests before it, beside it, and to come: below 5 %, the alarm may be raised.

    1 - (1 - p)^m (Sidak 1967) over `spent_share`, at most 1, with m = max(after - before, 1) the independent tests that were
    made at once. NaN stays NaN. Raises ConfigError as `spent_share`.

    >>> round(paid_p_value(0.01, before=0, after=1), 4), round(paid_p_value(0.01, before=4, after=5), 2)
    (0.0134, 0.75)
    """
    if math.isnan(p_value):
        return math.nan
    tests = max(after - before, 1.0)
    among = -math.expm1(tests * math.log1p(-min(p_value, 1.0 - 1e-12)))
    return min(among / spent_share(before, after), 1.0)
