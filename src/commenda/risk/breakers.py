"""Breakers: opened by a person or by what is measured, closed by two people or by calm.

Each trigger of each subject has its own, so that one that calms down lets nothing through that
another still holds. A person's (`kill`) never closes by itself. Whoever changes one holds its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import Field

from commenda.alerts import end_alerts, raise_alerts
from commenda.audit import record
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.rows import first, put, records
from commenda.kit.wire import on_wire, one_of
from commenda.ledger import Author
from commenda.risk.model import Effect, Level
from commenda.risk.rules import strength

KILL: Final = "kill"
"""The measure of a breaker that a person opened."""
BAN: Final = "ban"
"""The measure of a breaker that the machine opened over a flow, for a time: it turns it."""
OPENED: Final = "alert.breaker_open"


class Standing(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    """Nothing that it covers is opened or increased."""
    HALF_OPEN = "half_open"
    """What was measured is back: entries of a part of their size are let through, as a trial."""


@on_wire
@dataclass(frozen=True, slots=True)
class Breaker:
    """What stops, or has stopped, the opening of positions."""

    id: UUID
    level: Annotated[str, one_of(Level)]
    subject: Annotated[str, Field(description="Of the level; empty for the platform.")]
    called: Annotated[
        str | None,
        Field(description="What people know the subject by; null where it has no other name."),
    ]
    measure: Annotated[
        str, Field(description="`kill` where a person opened it; else what was breached.")
    ]
    state: Annotated[str, one_of(Standing)]
    effect: Annotated[str, one_of(Effect)]
    opened_at: datetime
    opened_by: Annotated[str, Field(examples=["risk:1f0c4a52-9d3e-8a51-9c1d-3f1f6f0a7f10"])]
    opened_by_name: Annotated[str | None, Field(examples=["grace"])]
    reason: str
    limit_id: UUID | None
    evidence: Annotated[
        Mapping[str, Any], Field(description="What was measured when it opened last.")
    ]
    openings: Annotated[int, Field(description="How often it has opened ever.")]
    relapses: Annotated[int, Field(description="Of them in a row: each doubles the cooldown.")]
    calm_since: Annotated[
        datetime | None, Field(description="Since when what was measured is back.")
    ]
    changed_at: datetime
    version: int
    approval_id: Annotated[
        UUID | None, Field(description="The request to resume that waits for a second person.")
    ]

    @property
    def place(self) -> tuple[str, str, str]:
        return self.level, self.subject, self.measure

    def said(self) -> str:
        """As people name what it covers."""
        whose = (
            "the platform" if not self.subject else f"{self.level} {self.called or self.subject}"
        )
        return f"{self.measure} of {whose}"


@on_wire
@dataclass(frozen=True, slots=True)
class BreakerChange:
    """One change of a breaker."""

    breaker_id: UUID
    version: int
    level: Annotated[str, one_of(Level)]
    subject: str
    called: str | None
    measure: str
    state: Annotated[str, one_of(Standing)]
    effect: Annotated[str, one_of(Effect)]
    at: datetime
    actor: str
    actor_name: str | None
    reason: str
    evidence: Mapping[str, Any]


COVERS: LiteralString = (
    "(CASE b.level WHEN 'platform' THEN true WHEN 'venue' THEN b.subject = o.venue"
    " WHEN 'instrument' THEN b.subject = o.instrument_id::text"
    " WHEN 'scope' THEN b.subject = l.scope_id::text"
    " WHEN 'creator' THEN b.subject = l.creator_id::text"
    " ELSE EXISTS (SELECT FROM flow_subscriptions s JOIN shared_flows f ON f.id = s.flow_id"
    "  WHERE s.leg_id = l.id AND b.subject"
    "   = CASE b.level WHEN 'flow' THEN f.id::text ELSE f.strategy END) END)"
)
"""Whether breaker `b` covers what leg `l` does of `o`, which has a venue and an instrument_id."""
_CALLED: LiteralString = (
    " CASE b.level WHEN 'instrument' THEN (SELECT i.symbol FROM instruments i"
    "   WHERE i.id::text = b.subject)"
    "  WHEN 'flow' THEN (SELECT f.title FROM shared_flows f WHERE f.id::text = b.subject)"
    "  WHEN 'creator' THEN (SELECT u.username FROM users u WHERE u.id::text = b.subject)"
    "  END AS called"
)
_SELECT: LiteralString = (
    "SELECT b.id, b.level, b.subject," + _CALLED + ", b.measure, b.state, b.effect, b.opened_at,"  # noqa: S608 - constants
    " b.opened_by, (SELECT u.username FROM users u"
    "  WHERE u.id::text = split_part(b.opened_by, ':', 2)) AS opened_by_name, b.reason, b.limit_id,"
    " b.evidence, b.openings, b.relapses, b.calm_since, b.changed_at, b.version,"
    " (SELECT a.id FROM approvals a WHERE a.kind = 'risk.resume' AND a.subject = b.id::text"
    "   AND a.status = 'requested' AND a.expires_at > business_now() LIMIT 1) AS approval_id"
    " FROM risk_breakers b "
)


def all_breakers(tx: Tx, *, standing: bool = False) -> list[Breaker]:
    """Every breaker that ever opened (or those that are not closed), the latest changed first."""
    where: LiteralString = "WHERE b.state <> 'closed' " if standing else ""
    return records(tx, Breaker, _SELECT + where + "ORDER BY b.changed_at DESC, b.id")


def find_breaker(tx: Tx, breaker_id: UUID, *, lock: bool = False) -> Breaker:
    """One breaker; code `unknown_breaker`."""
    end: LiteralString = " FOR NO KEY UPDATE OF b" if lock else ""
    found = first(tx, Breaker, _SELECT + "WHERE b.id = %s" + end, (breaker_id,))
    if found is None:
        raise unknown("breaker", breaker_id, "id", "use one of the listed breakers")
    return found


def find_ban(tx: Tx, flow_id: UUID, *, lock: bool = False) -> Breaker | None:
    """The ban of a flow that stands, if one does."""
    end: LiteralString = " FOR NO KEY UPDATE OF b" if lock else ""
    where: LiteralString = "WHERE (b.level, b.subject, b.measure) = ('flow', %s, %s)"
    return first(
        tx, Breaker, _SELECT + where + " AND b.state <> 'closed'" + end, (str(flow_id), BAN)
    )


def changes_of(
    tx: Tx, before: tuple[datetime, UUID] | None, limit: int, breaker_id: UUID | None = None
) -> list[BreakerChange]:
    """What became of the breakers (of one), the latest first."""
    at, last = before or (None, None)
    return records(
        tx,
        BreakerChange,
        "SELECT c.breaker_id, c.version, b.level, b.subject," + _CALLED + ", b.measure,"  # noqa: S608 - constants
        " c.state, c.effect, c.at, c.actor, (SELECT u.username FROM users u"
        "  WHERE u.id::text = split_part(c.actor, ':', 2)) AS actor_name, c.reason, c.evidence"
        " FROM risk_breaker_changes c JOIN risk_breakers b ON b.id = c.breaker_id"
        " WHERE (%(breaker)s::uuid IS NULL OR c.breaker_id = %(breaker)s)"
        "  AND (%(at)s::timestamptz IS NULL OR (c.at, c.breaker_id) < (%(at)s, %(last)s))"
        " ORDER BY c.at DESC, c.breaker_id DESC, c.version DESC LIMIT %(limit)s",
        {"breaker": breaker_id, "at": at, "last": last, "limit": limit},
    )


def trip(
    tx: Tx,
    author: Author,
    level: Level,
    subject: str,
    measure: str,
    effect: Effect,
    reason: str,
    evidence: Mapping[str, Any],
    limit_id: UUID | None = None,
) -> Breaker:
    """Open a breaker. One that is open already is made stronger where that is asked, never weaker;
    from half open it opens again, and waits twice as long."""
    tx.execute("SELECT pg_advisory_xact_lock(14, hashtext(%s))", (f"{level} {subject} {measure}",))
    known = first(
        tx,
        Breaker,
        _SELECT + "WHERE (b.level, b.subject, b.measure) = (%s, %s, %s) FOR NO KEY UPDATE OF b",
        (level, subject, measure),
    )
    if known is not None and known.state == Standing.OPEN:
        if strength(effect) <= strength(known.effect):
            return known
        return _write(
            tx, author, known, Standing.OPEN, reason, evidence, effect=effect, limit_id=limit_id
        )
    if known is not None:
        relapsed = known.state == Standing.HALF_OPEN
        return _write(
            tx,
            author,
            known,
            Standing.OPEN,
            reason,
            evidence,
            effect=effect,
            opens=True,
            relapses=known.relapses + 1 if relapsed else 0,
            limit_id=limit_id,
        )
    breaker = ids.derive("risk-breaker", level, subject, measure)
    new = {
        "id": breaker,
        "level": level,
        "subject": subject,
        "measure": measure,
        "state": Standing.OPEN,
        "effect": effect,
        "opened_at": author.now,
        "opened_by": author.actor,
        "reason": reason,
        "limit_id": limit_id,
        "evidence": Jsonb(dict(evidence)),
        "changed_at": author.now,
    }
    put(tx, "INSERT INTO risk_breakers", new)
    return _noted(tx, author, breaker, reason, evidence)


def let_half(tx: Tx, author: Author, breaker: Breaker, evidence: Mapping[str, Any]) -> Breaker:
    """Let some entries through, as a trial: what was measured has been back for long enough."""
    return _write(tx, author, breaker, Standing.HALF_OPEN, "it has calmed down", evidence)


def note_calm(tx: Tx, breaker: Breaker, since: datetime | None) -> None:
    """Since when what was measured is back; None: it is not any more."""
    if breaker.calm_since != since:
        tx.execute("UPDATE risk_breakers SET calm_since = %s WHERE id = %s", (since, breaker.id))


def close_breaker(
    tx: Tx, author: Author, breaker: Breaker, reason: str, evidence: Mapping[str, Any]
) -> Breaker:
    """Let everything through again."""
    return _write(tx, author, breaker, Standing.CLOSED, reason, evidence)


def is_selling(tx: Tx, breaker_id: UUID) -> bool:
    """Whether orders that reduce what it covers are not over."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM risk_reduction_tries"
        " WHERE breaker_id = %s AND ended_at IS NULL)",
        (breaker_id,),
    ).fetchone()
    return row == (True,)


# --- Writing ---------------------------------------------------------------------------------


def _write(
    tx: Tx,
    author: Author,
    breaker: Breaker,
    state: Standing,
    reason: str,
    evidence: Mapping[str, Any],
    *,
    effect: str | None = None,
    opens: bool = False,
    relapses: int | None = None,
    limit_id: UUID | None = None,
) -> Breaker:
    values = {
        "id": breaker.id,
        "state": state,
        "effect": effect or breaker.effect,
        "reason": reason,
        "evidence": Jsonb(dict(evidence)),
        "now": author.now,
        "actor": author.actor,
        "opens": opens,
        "stronger": opens or effect is not None,
        "relapses": breaker.relapses if relapses is None else relapses,
        "limit": limit_id or breaker.limit_id,
    }
    tx.execute(
        "UPDATE risk_breakers SET state = %(state)s, effect = %(effect)s, changed_at = %(now)s,"
        " version = version + 1, relapses = %(relapses)s, calm_since = NULL, limit_id = %(limit)s,"
        " openings = openings + CASE WHEN %(opens)s THEN 1 ELSE 0 END,"
        " opened_at = CASE WHEN %(opens)s THEN %(now)s ELSE opened_at END,"
        " opened_by = CASE WHEN %(stronger)s THEN %(actor)s ELSE opened_by END,"
        " reason = CASE WHEN %(stronger)s THEN %(reason)s ELSE reason END,"
        " evidence = CASE WHEN %(stronger)s THEN %(evidence)s ELSE evidence END"
        " WHERE id = %(id)s",
        values,
    )
    return _noted(tx, author, breaker.id, reason, evidence)


def _noted(
    tx: Tx, author: Author, breaker_id: UUID, reason: str, evidence: Mapping[str, Any]
) -> Breaker:
    """Keep a change in its history and the trail, and tell of it while it lasts."""
    one = find_breaker(tx, breaker_id)
    change = {
        "breaker_id": one.id,
        "version": one.version,
        "state": one.state,
        "effect": one.effect,
        "at": author.now,
        "actor": author.actor,
        "reason": reason,
        "evidence": Jsonb(dict(evidence)),
    }
    put(tx, "INSERT INTO risk_breaker_changes", change)
    correlation = ids.derive("risk-breaker", breaker_id)
    about = {
        "level": one.level,
        "subject": one.subject,
        "called": one.called,
        "measure": one.measure,
        "effect": one.effect,
        "reason": reason,
        "evidence": dict(evidence),
    }
    record(tx, [author.event(f"risk.{one.state}", one.id, correlation, one.state, about)])
    if one.state == Standing.CLOSED:
        end_alerts(tx, OPENED, author.now, about=[str(one.id)])
    else:
        raise_alerts(tx, [author.event(OPENED, one.id, correlation, one.state, about)])
    return one
