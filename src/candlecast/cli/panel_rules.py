"""Rules across assets by name: a plain rule, and rules that size, limit or group the positions of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from candlecast.errors import ConfigError, near_misses

if TYPE_CHECKING:
    from candlecast.signals import RuleAcross

TOP_BOTTOM = "top-bottom"
PLAIN = {
    TOP_BOTTOM: "TopBottom",
    "quantiles": "QuantileSpread",
    "ranks": "RankWeights",
    "equal": "EqualWeight",
}
WRAPPERS = {
    "minimum-variance": "MinimumVariance",
    "mean-variance": "MeanVariance",
    "maximum-diversification": "MaximumDiversification",
    "risk-parity": "RiskParity",
    "hierarchical-risk-parity": "HierarchicalRiskParity",
    "volatility-scaled": "VolatilityScaled",
    "sector-neutral": "SectorNeutral",
    "turnover-limited": "TurnoverLimited",
}
RULES = (*PLAIN, *WRAPPERS)


def rule_of_names(names: Sequence[str], *, usual: RuleAcross, k: int | None = None) -> RuleAcross:
    """The rule that names describe, from the innermost to the outermost, with their default parameters.

    Args:
        names: of RULES, however they are written; `usual` where there are none.
        usual: the rule within a wrapper that no plain rule is named before, and the source of `gross`.
        k: assets on each side, of `top-bottom` and of a `usual` one.

    Raises:
        ConfigError: for an unknown name, a plain rule after another rule, and `k` for a rule without it.
    """
    from candlecast import signals

    known = [_known(name) for name in names]
    rule: RuleAcross = usual
    for place, name in enumerate(known):
        if name in WRAPPERS:
            rule = getattr(signals, WRAPPERS[name])(rule)
            continue
        if place:
            raise ConfigError(
                f"--rule {name} after --rule {known[place - 1]}",
                expected="one plain rule, before the others",
                remedy=f"Rules that read another rule are {', '.join(WRAPPERS)}",
            )
        if name != TOP_BOTTOM and k is not None:
            raise ConfigError(
                f"--k {k} with --rule {name}", expected=f"--rule {TOP_BOTTOM}", remedy="Leave one of them out"
            )
        if name != TOP_BOTTOM or not isinstance(usual, signals.TopBottom):
            made: Any = getattr(signals, PLAIN[name])
            rule = made(gross=usual.gross, **({} if k is None else {"k": k}))
    return rule


def _known(name: str) -> str:
    """A rule's name as it is listed, however it is written."""
    chosen = {each.replace("-", ""): each for each in RULES}.get(name.lower().replace("-", "").replace("_", ""))
    if chosen is None:
        raise ConfigError(
            f"there is no rule {name!r} across assets",
            expected=f"one of {', '.join(RULES)}",
            remedy=near_misses(name, RULES, are_listed=True),
        )
    return chosen
