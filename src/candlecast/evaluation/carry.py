"""The objection to gains that may be a carry which the costs leave out, and the words on it."""

from __future__ import annotations

from candlecast.evaluation.evidence import Evidence
from candlecast.evaluation.objection import Objection

HIGHEST_CARRY = (
    330.0  # percent a year that a market may charge: funding of 0.3 % in 8 hours, the limit of large perpetuals
)


def of_carry(evidence: Evidence) -> Objection | None:
    """The price of what costs its holder a carry rises by it on average, and tables of rates tell the carry beforehand."""
    conditions = evidence.conditions
    if not conditions.tables or not conditions.stresses.carry_percent <= HIGHEST_CARRY:
        return None
    return Objection(
        "No edge found: the gain may be a carry that the costs leave out.",
        f"{carry_words(evidence)}; the forecast uses data from outside ({', '.join(conditions.tables)}), and where these are "
        "rates of funding, interest or borrowing, prices move by what holders pay; state what the market charges: "
        "Costs(funding_bps=...), or borrow_percent of shorts, interest_percent of cash or loan_percent of what is held on loan",
    )


def carry_words(evidence: Evidence) -> str:
    """The rate that would take all of the growth, as a clause."""
    return (
        f"a carry of {evidence.conditions.stresses.carry_percent:.0f} % a year on what is held, such as funding, interest that "
        "cash would have earned or a fee for borrowing, would take all of the growth, and the costs charge none"
    )
