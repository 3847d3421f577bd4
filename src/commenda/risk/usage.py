"""Limits beside what is used of them now, and what they have left of what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.money import quantise
from commenda.kit.rows import extended, records
from commenda.kit.wire import Amount, Asset, on_wire, one_of
from commenda.risk.held import BOUNDLESS, readings
from commenda.risk.limits import subject_name
from commenda.risk.model import Level, Limit, Measure
from commenda.risk.queries import limits_where
from commenda.risk.watching import Reading


@on_wire
@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse(Limit):
    """A limit, and of one in force how much of it is used now.

    Of one that holds for each of its level it is the one that uses the most.
    """

    called: Annotated[str, Field(description="The subject, as people know it.", examples=["ada"])]
    used: Annotated[
        Amount | None,
        Field(
            description="In the limit's unit, rounded to 8 decimals; what is in flight counts as"
            " done. Null: it ended, each order is judged by itself, or no equity is left."
        ),
    ]
    headroom: Annotated[Amount | None, Field(description="What is left of it: never below 0.")]
    used_by: Annotated[
        str | None, Field(description="Whose it is, as a subject of the level.", examples=["3"])
    ]


@on_wire
@dataclass(frozen=True, slots=True)
class LimitFinding:
    """What a limit left of what a signal, or another cause, asked for."""

    number: int
    limit_id: UUID
    level: Annotated[str, one_of(Level)]
    subject: str
    measure: Annotated[str, one_of(Measure)]
    instrument_id: int
    symbol: str
    asset: Asset
    cause: Annotated[str, Field(examples=["signal"])]
    cause_id: UUID
    cut: Annotated[int, Field(description="Books of which something was left.")]
    refused: Annotated[int, Field(description="Books of which nothing was.")]
    wanted: Annotated[Amount, Field(description="What all of them asked for, in money.")]
    granted: Annotated[Amount, Field(description="What they got of it.")]
    found_at: datetime


def limits_and_use(
    tx: Tx,
    now: datetime,
    *,
    state: str,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[LimitUse]:
    """Limits in force, past ones or all, the last that were set first."""
    limits = limits_where(tx, state, before, limit)
    in_force = [one for one in limits if one.ended_at is None]
    used: dict[UUID, Reading] = {}
    for reading in readings(tx, in_force, now):
        if reading.limit_id not in used or reading.value > used[reading.limit_id].value:
            used[reading.limit_id] = reading

    def use(one: Limit) -> LimitUse:
        most, amount = used.get(one.id), None
        if one.ended_at is None and one.measure != Measure.ORDER_NOTIONAL:
            amount = Decimal(0) if most is None else quantise(most.value, 8)
        if most is not None and most.value >= BOUNDLESS:
            amount = None
        return extended(
            one,
            LimitUse,
            called=subject_name(tx, one),
            used=amount,
            headroom=None if amount is None else max(Decimal(0), one.amount - amount),
            used_by=None if most is None else most.key,
        )

    return [use(one) for one in limits]


def findings(tx: Tx, before: int | None, limit: int) -> list[LimitFinding]:
    """What limits have left, the latest first, before a number."""
    return records(tx, LimitFinding, _FINDINGS, {"before": before, "limit": limit})


def count_findings(tx: Tx) -> dict[tuple[str, ...], float]:
    """How many requests limits have (cut | refused), by measure."""
    rows = tx.execute(
        "SELECT l.measure, sum(f.cut), sum(f.refused) FROM risk_findings f"
        " JOIN risk_limits l ON l.id = f.limit_id GROUP BY l.measure"
    )
    return {
        (outcome, measure): float(number)
        for measure, *numbers in rows
        for outcome, number in zip(("cut", "refused"), numbers, strict=True)
    }


_FINDINGS: LiteralString = (
    "SELECT f.number, f.limit_id, l.level, l.subject, l.measure, f.instrument_id, i.symbol,"
    "  i.quote AS asset, f.cause, f.cause_id, f.cut, f.refused, f.wanted, f.granted, f.found_at"
    " FROM risk_findings f JOIN risk_limits l ON l.id = f.limit_id"
    " JOIN instruments i ON i.id = f.instrument_id"
    " WHERE %(before)s::bigint IS NULL OR f.number < %(before)s"
    " ORDER BY f.number DESC LIMIT %(limit)s"
)
