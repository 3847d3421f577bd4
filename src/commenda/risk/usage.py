"""Limits beside what is used of them now, and what they have left of what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.rows import extended, records
from commenda.kit.wire import Amount, Asset, on_wire, one_of
from commenda.risk.exposure import GROUPS, values_of
from commenda.risk.limits import subject_name
from commenda.risk.model import Level, Limit, Measure
from commenda.risk.queries import limits_where
from commenda.risk.rules import WATCHED


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
    in_force = [one for one in limits if one.ended_at is None and one.measure not in WATCHED]
    values = values_of(in_force, now, None, None)
    rows = tx.execute(GROUPS + _USE, values).fetchall() if in_force else []
    used: dict[UUID, tuple[str, Decimal]] = {row[0]: (row[1], row[2]) for row in rows}

    def use(one: Limit) -> LimitUse:
        by, amount = used.get(one.id, (None, None))
        counted = one.measure != Measure.ORDER_NOTIONAL and one.measure not in WATCHED
        if one.ended_at is None and amount is None and counted:
            by, amount = (None, Decimal(0)) if one.id not in used else (by, None)
        return extended(
            one,
            LimitUse,
            called=subject_name(tx, one),
            used=amount,
            headroom=None if amount is None else max(Decimal(0), one.amount - amount),
            used_by=by,
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
_USE: LiteralString = (
    " SELECT DISTINCT ON (n.id) n.id, n.key, round(n.used, 8) FROM ("
    "  SELECT l.id, coalesce(u.key, w.key) AS key, CASE l.measure"
    "    WHEN 'net_notional' THEN greatest(abs(u.high), abs(u.low))"
    "    WHEN 'leverage' THEN u.gross / nullif(greatest(w.equity, 0), 0)"
    "    WHEN 'concentration' THEN u.gross / nullif(greatest(w.equity, 0), 0)"
    "    WHEN 'margin_use' THEN u.gross * %(initial)s / nullif(greatest(w.equity, 0), 0)"
    "    WHEN 'daily_loss' THEN w.lost"
    "    ELSE coalesce(u.gross, u.count) END AS used"
    "  FROM lim l LEFT JOIN used u ON u.id = l.id AND u.asset = l.asset"
    "  LEFT JOIN wealth w ON w.id = l.id AND w.asset = l.asset AND w.key = coalesce(u.key, w.key)"
    "  WHERE u.id IS NOT NULL OR l.measure = 'daily_loss' AND w.id IS NOT NULL) n"
    " ORDER BY n.id, n.used DESC NULLS FIRST, n.key"
)
