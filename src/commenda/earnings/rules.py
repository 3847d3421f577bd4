"""The two rates of what somebody earned. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from commenda.kit.errors import CommendaError
from commenda.returns import TimeWeighted, time_weighted_return, xirr

ZERO = Decimal(0)
PLACES = 10


class Flow(NamedTuple):
    """Money from outside at a moment (below 0: to outside), and what there was just before it."""

    at: datetime
    amount: Decimal
    before: Decimal = ZERO


def by_day(flows: Sequence[Flow]) -> list[Flow]:
    """The flows of each day as one at the time of its first: books are valued once a day."""
    days: dict[object, Flow] = {}
    for flow in flows:
        first = days.get(flow.at.date())
        days[flow.at.date()] = (
            flow if first is None else first._replace(amount=first.amount + flow.amount)
        )
    return list(days.values())


def time_weighted(opening: Decimal, flows: Sequence[Flow], closing: Decimal) -> TimeWeighted | None:
    """The chain between flows; None where nothing was there at any time.

    One that begins with nothing begins with its first money.
    """
    start, rest = opening, list(flows)
    while rest and start <= 0 and rest[0].before <= 0:
        start += rest.pop(0).amount
    if start <= 0:
        return None
    chain = [(float(flow.before), float(flow.amount)) for flow in rest]
    found = time_weighted_return(float(start), [*chain, (float(closing), 0.0)])
    return found if found.periods else None


def money_weighted(
    begun: datetime, opening: Decimal, flows: Sequence[Flow], ended: datetime, closing: Decimal
) -> tuple[Decimal | None, str | None]:
    """(the yearly rate, or why there is none); what was there before counts as paid in."""
    dated = [(flow.at.date(), -float(flow.amount)) for flow in flows]
    if opening:
        dated.insert(0, (begun.date(), -float(opening)))
    try:
        # What is owed beyond everything is not the investor's to pay.
        rate = xirr([*dated, (ended.date(), float(max(ZERO, closing)))])
    except CommendaError as refused:
        return None, f"{refused.code}: {refused.message}" + (
            f" ({refused.hint})" if refused.code == "xirr_ambiguous" else ""
        )
    return rounded(rate), None


def rounded(rate: float) -> Decimal | None:
    """A rate for the wire; None for one that no amount holds."""
    return round(Decimal(repr(rate)), PLACES) if abs(rate) < 1e18 else None
