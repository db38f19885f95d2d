"""What a target is called in a sentence; the only place that says it."""

from __future__ import annotations

import re

from candlecast.targets.target import Target

WORDS = {  # one bar ahead, and several
    "return": ("next return", "return over the next {} bars"),
    "price": ("next price", "price {} bars ahead"),
    "direction": ("next direction", "direction over the next {} bars"),
    "volatility": ("next range", "range of the next {} bars"),
    "triple_barrier": ("first barrier touched", "first barrier touched within {} bars"),
    "scaled_return": ("next return in standard deviations", "return over the next {} bars in standard deviations"),
    "above_median": ("chance to beat the median return", "chance to beat the median return over the next {} bars"),
    "above_mean": ("chance to beat the mean return", "chance to beat the mean return over the next {} bars"),
    "relative_return": ("next return relative to the others", "return over the next {} bars relative to the others"),
    "cross_section_rank": ("rank of the next return", "rank of the return over the next {} bars"),
    "top_quantile": ("chance to be among the highest returns", "chance to be among the highest returns over {} bars"),
    "bottom_quantile": ("chance to be among the lowest returns", "chance to be among the lowest returns over {} bars"),
    "excess_return": ("next return beyond the benchmark's", "return beyond the benchmark's over the next {} bars"),
}


def described(target: Target) -> str:
    """A target as it follows the word "the"; one of the user's by its name.

    >>> from candlecast.targets import NextReturn, Price
    >>> described(NextReturn()), described(Price(24))
    ('next return', 'price 24 bars ahead')
    """
    one, many = WORDS.get(target.name, (target.name, target.name + " {} bars ahead"))
    return one if target.horizon == 1 else many.format(target.horizon)


def label_words(label: str) -> str:
    """The label of a target, such as `return_5`, in tables; a target of the user keeps its name.

    >>> label_words("return_1"), label_words("above_median_5"), label_words("my_own_1")
    ('return', 'above median in 5 bars', 'my_own')
    """
    found = re.fullmatch(r"(.+)_(\d+)", label)
    name, horizon = found.groups() if found else (label, "1")
    words = name.replace("_", " ") if name in WORDS else name
    return words if horizon == "1" else f"{words} in {horizon} bars"
