"""Words for bars that were computed from longer ones, in the objection to their prices."""

from __future__ import annotations

from candlecast.evaluation.tradability import Tradability
from candlecast.text.formatting import percent


def computed_words(found: Tradability) -> str:
    """Why the bars seem to be computed from longer ones, or weekends to be of quotes that come back; "" where neither does."""
    if found.has_block_lines:
        return (
            f"moves go on within a {found.line_block} and not from one to the next: its variance is "
            f"{percent(found.block_excess, 0)} too large for that, {found.block_statistic:.1f} standard errors; prices within it "
            "were computed from its end, as where a vendor fills the time between known prices; take the known prices alone"
        )
    if found.has_block_paths:
        return (
            f"of each {found.path_block} that ends near its beginning, the order of low and high tells whether it rises, in "
            f"{percent(found.path_share, 0)} of them (in real ones 55 to 76 %): these bars were generated from longer ones, "
            "whose ends were not known yet"
        )
    if found.has_returning_weekends:
        return (
            "what prices move at weekends they take back before Monday: the variance ratio of a weekend is "
            f"{percent(found.weekend_ratio, 0)} of that of its halves; these quotes are only indicative; leave these bars out"
        )
    return ""
