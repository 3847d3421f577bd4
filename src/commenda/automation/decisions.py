"""Decisions in the database: stored once, carried on step by step, found by what they made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.audit import record
from commenda.automation.model import Ability, Decision, Proposal, Seen, State
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.rows import first, put, records
from commenda.kit.wire import on_wire, one_of
from commenda.ledger import Author

_SELECT: LiteralString = (
    "SELECT d.id, d.sequence, d.ability, d.rule, d.target_kind, d.target, d.called, d.strategy,"
    " d.evidence, d.terms, d.action, d.change, d.because, d.cause_id, d.state, d.decided_at,"
    " d.acted_at, d.approval_id, d.effect FROM decisions d"
)


@on_wire
@dataclass(frozen=True, slots=True)
class DecisionStep:
    """One step of a decision: when, by whom, and what there was to say."""

    number: int
    state: Annotated[str, one_of(State)]
    at: datetime
    actor: str
    details: Mapping[str, Any]


@on_wire
@dataclass(frozen=True, slots=True)
class DecisionLink:
    """Something that a decision made: `kind` says what, `ref` is its id."""

    kind: str
    ref: str


@on_wire
@dataclass(frozen=True, slots=True)
class DecisionWhole:
    """A decision with its steps, what it made, what led to it and what it led to."""

    decision: Decision
    steps: list[DecisionStep]
    links: list[DecisionLink]
    causes: list[Decision]
    effects: list[Decision]


def lock_ability(tx: Tx, name: str) -> None:
    """Be the only one who decides for an ability until this transaction ends: its budget is one."""
    tx.execute("SELECT pg_advisory_xact_lock(15, hashtext(%s))", (name,))


def decided_lately(tx: Tx, ability: str, target: str, since: datetime) -> bool:
    """Whether an ability has decided about a target since then."""
    row = tx.execute(
        "SELECT 1 FROM decisions WHERE target = %s AND ability = %s AND decided_at > %s LIMIT 1",
        (target, ability, since),
    ).fetchone()
    return row is not None


def spent_today(tx: Tx, ability: str, now: datetime) -> dict[str, int]:
    """Actions of an ability since midnight, UTC, by strategy; '' is all of them."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = tx.execute(
        "SELECT coalesce(strategy, ''), count(*) FROM decisions WHERE ability = %s"
        " AND acted_at >= %s AND acted_at < %s GROUP BY 1",
        (ability, day, day + timedelta(days=1)),
    ).fetchall()
    by_strategy: dict[str, int] = dict(rows)
    return by_strategy | {"": sum(by_strategy.values())}


def id_of(ability: Ability, seen: Seen) -> UUID:
    """Of a decision about what was seen: one for its key."""
    return ids.derive("decision", ability.name, seen.kind, seen.target, seen.key)


def put_decision(
    tx: Tx,
    author: Author,
    ability: Ability,
    seen: Seen,
    terms: Mapping[str, Any],
    proposal: Proposal,
    state: State,
    details: Mapping[str, Any],
) -> Decision:
    """Store a decision with its first step."""
    about = id_of(ability, seen)
    put(
        tx,
        "INSERT INTO decisions",
        {"id": about, "ability": ability.name, "rule": ability.rule}
        | {"target_kind": seen.kind, "target": seen.target, "called": seen.called}
        | {"strategy": seen.strategy, "evidence": Jsonb(seen.evidence), "terms": Jsonb(terms)}
        | {"action": proposal.action, "change": Jsonb(proposal.change)}
        | {"because": Jsonb(list(proposal.because)), "cause_id": seen.cause, "state": state}
        | {"decided_at": author.now},
    )
    _put_step(tx, author, about, 1, state, details)
    decision = decision_by_id(tx, about)
    _note(tx, author, decision, state, {"action": proposal.action, **details})
    return decision


def carry_on(
    tx: Tx,
    author: Author,
    decision: Decision,
    state: State,
    details: Mapping[str, Any],
    *,
    acted: bool = False,
    approval_id: UUID | None = None,
    effect: Mapping[str, Any] | None = None,
) -> Decision:
    """Take a decision one step on."""
    row = tx.execute(
        "UPDATE decisions SET state = %(state)s, steps = steps + 1,"
        " acted_at = CASE WHEN %(acted)s THEN %(now)s ELSE acted_at END,"
        " approval_id = coalesce(%(approval)s, approval_id),"
        " effect = coalesce(%(effect)s, effect) WHERE id = %(id)s RETURNING steps",
        {"state": state, "acted": acted, "now": author.now, "approval": approval_id}
        | {"effect": None if effect is None else Jsonb(effect), "id": decision.id},
    ).fetchone()
    assert row is not None, "a decision stays"
    _put_step(tx, author, decision.id, row[0], state, details)
    _note(tx, author, decision, state, details)
    return decision_by_id(tx, decision.id)


def link(tx: Tx, decision_id: UUID, links: Iterable[tuple[str, object]]) -> None:
    """Keep what a decision made."""
    for kind, ref in links:
        row = {"decision_id": decision_id, "kind": kind, "ref": str(ref)}
        put(tx, "INSERT INTO decision_links", row)


def _put_step(
    tx: Tx, author: Author, about: UUID, number: int, state: State, details: Mapping[str, Any]
) -> None:
    put(
        tx,
        "INSERT INTO decision_steps",
        {"decision_id": about, "number": number, "state": state, "at": author.now}
        | {"actor": author.actor, "details": Jsonb(dict(details))},
    )


def _note(
    tx: Tx, author: Author, decision: Decision, state: State, details: Mapping[str, Any]
) -> None:
    said = {"ability": decision.ability, "target": decision.target, **details}
    record(
        tx, [author.event(f"automation.{state}", decision.id, decision.id, decision.ability, said)]
    )


# --- Reading ---------------------------------------------------------------------------------


def decision_by_id(tx: Tx, decision_id: UUID, *, lock: bool = False) -> Decision:
    """A decision; code `unknown_decision`."""
    locked: LiteralString = " FOR NO KEY UPDATE" if lock else ""
    found = first(tx, Decision, _SELECT + " WHERE d.id = %s" + locked, (decision_id,))
    if found is None:
        raise unknown("decision", decision_id, "decisionId")
    return found


def decisions_where(
    tx: Tx,
    before: int | None,
    limit: int,
    *,
    ability: str | None = None,
    target: str | None = None,
    state: str | None = None,
) -> list[Decision]:
    """Decisions, the latest first, that agree with whatever is given."""
    return records(
        tx,
        Decision,
        _SELECT + " WHERE (%(before)s::bigint IS NULL OR d.sequence < %(before)s)"
        " AND (%(ability)s::text IS NULL OR d.ability = %(ability)s)"
        " AND (%(target)s::text IS NULL OR d.target = %(target)s)"
        " AND (%(state)s::text IS NULL OR d.state = %(state)s)"
        " ORDER BY d.sequence DESC LIMIT %(limit)s",
        {"before": before, "limit": limit} | {"ability": ability, "target": target, "state": state},
    )


def counts_by_state(tx: Tx) -> dict[str, dict[str, int]]:
    """How many decisions each ability made, by how far they went."""
    counted: dict[str, dict[str, int]] = {}
    for ability, state, number in tx.execute(
        "SELECT ability, state, count(*) FROM decisions GROUP BY ability, state"
    ):
        counted.setdefault(ability, {})[state] = number
    return counted


def waiting_since(tx: Tx, since: datetime) -> list[Decision]:
    """Decisions that a person was asked about at or before then, and that wait still."""
    return records(
        tx,
        Decision,
        _SELECT + " JOIN decision_steps s ON s.decision_id = d.id AND s.number = d.steps"
        " WHERE d.state = 'waiting' AND s.at <= %s ORDER BY d.sequence",
        (since,),
    )


def whole_of(tx: Tx, decision_id: UUID) -> DecisionWhole:
    """A decision with all that belongs to it; code `unknown_decision`."""
    decision = decision_by_id(tx, decision_id)
    steps = records(
        tx,
        DecisionStep,
        "SELECT number, state, at, actor, details FROM decision_steps WHERE decision_id = %s"
        " ORDER BY number",
        (decision_id,),
    )
    links = records(
        tx,
        DecisionLink,
        "SELECT kind, ref FROM decision_links WHERE decision_id = %s ORDER BY kind, ref",
        (decision_id,),
    )
    causes = _with_causes(tx, [decision_id])
    effects = records(
        tx, Decision, _SELECT + " WHERE d.cause_id = %s ORDER BY d.sequence", (decision_id,)
    )
    return DecisionWhole(
        decision, steps, links, [one for one in causes if one.id != decision_id], effects
    )


def _with_causes(tx: Tx, found: Sequence[UUID]) -> list[Decision]:
    """Decisions with all that led to them, the first first."""
    rows = tx.execute(
        "WITH RECURSIVE up AS (SELECT id, cause_id FROM decisions WHERE id = ANY (%s)"
        " UNION SELECT c.id, c.cause_id FROM up JOIN decisions c ON c.id = up.cause_id)"
        " SELECT id FROM up",
        (found,),
    ).fetchall()
    known = [row[0] for row in rows]
    return records(tx, Decision, _SELECT + " WHERE d.id = ANY (%s) ORDER BY d.sequence", (known,))


def chain_of_order(tx: Tx, order_id: UUID) -> list[Decision]:
    """The decisions behind an order, the first first: of what it trades, done before it.

    An order is of a signal's flow, of the books that it was allocated to, or of a breaker's
    reduction; whatever made or changed one of these before is behind it, and what led to that.
    Code `unknown_order`.
    """
    if tx.execute("SELECT FROM orders WHERE id = %s", (order_id,)).fetchone() is None:
        raise unknown("order", order_id, "orderId")
    rows = tx.execute(_BEHIND, {"order": order_id}).fetchall()
    return _with_causes(tx, [row[0] for row in rows])


_BEHIND: LiteralString = (
    "WITH o AS (SELECT id, cause_id, created_at FROM orders WHERE id = %(order)s), refs AS ("
    " SELECT id::text AS ref FROM o UNION SELECT cause_id::text FROM o"
    " UNION SELECT s.flow_id::text FROM o JOIN trading_signals s ON s.id = o.cause_id"
    " UNION SELECT l.scope_id::text FROM o JOIN allocations a ON a.order_id = o.id"
    "  JOIN legs l ON l.id = a.leg_id"
    " UNION SELECT t.breaker_id::text FROM o JOIN risk_reduction_tries t ON t.id = o.cause_id)"
    " SELECT DISTINCT d.id FROM o, refs JOIN decision_links k ON k.ref = refs.ref"
    " JOIN decisions d ON d.id = k.decision_id WHERE d.acted_at <= o.created_at"
)
