"""Alpha spending: adjusts p-values for a sequence of tests whose length is not known in advance.

Of a family-wise error rate of 5 %, the first k tests of a sequence get S(k) = k / (k + 1/9): the first test 90 %, the second
4.7 %, the third 1.7 %, the tenth 0.12 %. The shares add up to 1, so the rate stays below 5 % wherever the sequence stops, and
later tests never change an earlier result. (Bonferroni over the tests so far, 5 % / k each, gives 20 % in 50 independent tests.)

Any shares that add up to 1 keep the rate. These serve two users. Most studies are the first of their workspace: with 90 %, a
test of 80 % power at a level of 5 % keeps 79 % (with the 61 % of k^-2 / zeta(2), 73 %). Later shares fall as 1 / k^2, slowly
enough that a strong edge is still found: the tenth test needs 3.8 standard errors, the fiftieth 4.6.

Dependent tests count as an effective number of independent tests, which need not be an integer: the share of the tests after
the first a, up to b, is S(b) - S(a). In simulated sequences of 50 tests, with correlations of 0.3 to 0.999 with all others or
with the one before, the family-wise error rate is 4.5 to 5.5 % (with shares that fall as k^-2.5, 4.1 to 6.7 %).

Foster and Stine (2008), Alpha-Investing; Tian and Ramdas (2021), Online Control of the Familywise Error Rate.
"""

from __future__ import annotations

import math

from candlecast.errors import ConfigError

FIRST_SHARE = 0.9  # of the family-wise error rate, for the first test


def spent_share(before: float, after: float) -> float:
    """The share of the family-wise error rate for the tests after the first `before`, up to `after`.

    At least the share of one whole test that ends at `after`. Raises ConfigError unless 0 <= before <= after and after >= 1.

    >>> round(spent_share(0, 1), 3), round(spent_share(1, 2), 3), round(spent_share(0, 1e9), 3)
    (0.9, 0.047, 1.0)
    """
    if not (0.0 <= before <= after and after >= 1.0):
        raise ConfigError(
            f"tests from {before} to {after}", expected="0 <= before <= after, after of 1 or more", remedy="Count all"
        )
    first, half = min(before, after - 1.0), 1.0 / FIRST_SHARE - 1.0
    return half * (after - first) / ((after + half) * (first + half))  # S(after) - S(first)


def level_of_next(before: float, *, level: float = 0.05) -> float:
    """The p-value below which one more test, after `before` others, is significant with a family-wise error rate of `level`.

    level x `spent_share`(before, before + 1): `adjusted_p_value` of it is `level`. Raises ConfigError as `spent_share`.

    >>> round(level_of_next(0.0), 3), round(level_of_next(10.0), 6)
    (0.045, 4.9e-05)
    """
    return level * spent_share(before, before + 1.0)


def adjusted_p_value(p_value: float, *, before: float, after: float) -> float:
    """A p-value adjusted for multiple testing: for the tests before it, those of its batch, and all later ones.

    (1 - (1 - p)^m) / `spent_share` (Sidak 1967 within the batch), at most 1, with m = max(after - before, 1) the effective
    number of tests in the batch. Rejecting below 5 % keeps the family-wise error rate at 5 %. NaN stays NaN. Raises
    ConfigError as `spent_share`.

    >>> round(adjusted_p_value(0.01, before=0, after=1), 4), round(adjusted_p_value(0.001, before=4, after=5), 2)
    (0.0111, 0.19)
    """
    if math.isnan(p_value):
        return math.nan
    tests = max(after - before, 1.0)
    within_batch = -math.expm1(tests * math.log1p(-min(p_value, 1.0 - 1e-12)))
    return min(within_batch / spent_share(before, after), 1.0)


def corrected_level(*, before: float, after: float, level: float = 0.05) -> float:
    """The unadjusted p-value below which a test of a batch is rejected at `level`, once `adjusted_p_value` has adjusted it.

    1 - (1 - level s)^(1 / m), with s = `spent_share` and m = max(after - before, 1). Raises ConfigError as `spent_share`.

    >>> level = corrected_level(before=0, after=100)
    >>> round(level, 6), round(adjusted_p_value(level, before=0, after=100), 6)
    (0.000512, 0.05)
    """
    tests = max(after - before, 1.0)
    return -math.expm1(math.log1p(-level * spent_share(before, after)) / tests)
