"""Long work of every kind in one list: backtests, studies, settlement batches.

Each kind is a row of WORK: a statement that reads it in one shape, and how it is cancelled. What a
study or a batch is lies where it always lay; how far it is is read off it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from commenda import studies
from commenda.audit import record
from commenda.kit import work
from commenda.kit.db import Tx
from commenda.kit.errors import conflict, unknown
from commenda.kit.rows import first, records
from commenda.kit.work import KEPT, NAMED, Work
from commenda.ledger import Author


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of long work; `cancel` is None where what was begun goes on to its end."""

    name: str
    rows: LiteralString
    cancel: Callable[[Tx, UUID, Author], bool] | None = None


def _cancel_study(tx: Tx, ident: UUID, author: Author) -> bool:
    return studies.cancel(tx, ident, author.now, f"cancelled by {author.actor}")


WORK = (
    Kind("backtest", KEPT, lambda tx, ident, _: work.cancel(tx, ident)),
    Kind(
        "study",
        "SELECT s.id, 'study', s.strategy || ' ' || s.data_name, s.state,"
        " CASE WHEN s.state = 'complete' THEN 1 ELSE least(1, t.ran / (s.plan->>'trials')::float8)"
        " END, t.ran, (s.plan->>'trials')::int, s.state = 'running', s.id::text,"
        " CASE WHEN s.state = 'failed' THEN jsonb_build_object('code', 'study_failed', 'detail',"
        "  s.reason, 'field', NULL, 'value', NULL, 'mend', NULL) END,"
        " s.asked_by, s.created_at, s.created_at, s.finished_at"
        " FROM studies s CROSS JOIN LATERAL (SELECT count(*)::int AS ran FROM study_trials"
        "  WHERE study_id = s.id AND state IN ('complete', 'pruned')) t",
        _cancel_study,
    ),
    # A batch that was approved: each book that it closes is settled by itself, and what is not yet
    # settled is seen to by the clock. To stop it would leave books half closed.
    Kind(
        "settlement",
        "SELECT a.id, 'settlement', a.subject,"
        " CASE WHEN b.left = 0 THEN 'complete' ELSE 'running' END,"
        " CASE WHEN b.total = 0 THEN 1 ELSE (b.total - b.left) / b.total::float8 END,"
        " b.total - b.left, b.total, false, a.id::text, NULL,"
        " (SELECT u.role || ':' || u.id FROM users u WHERE u.id = a.requested_by),"
        " a.requested_at, a.decided_at, CASE WHEN b.left = 0"
        "  THEN greatest(a.decided_at, b.settled_at) END"
        " FROM approvals a CROSS JOIN LATERAL (SELECT count(*)::int AS total,"
        "  (count(*) FILTER (WHERE m.settled_at IS NULL))::int AS left,"
        "  max(m.settled_at) AS settled_at FROM managed_subscriptions m"
        "  WHERE m.status <> 'CANCELLED' AND m.id IN ("
        "   SELECT key::uuid FROM jsonb_each(a.outcome->'states'))) b"
        " WHERE a.kind = 'managed.settle_batch' AND a.status = 'approved'",
    ),
)
_ALL: LiteralString = NAMED + " UNION ALL ".join(one.rows for one in WORK) + ") w"
_MINE: LiteralString = " WHERE (%(actor)s::text IS NULL OR w.asked_by = %(actor)s)"


def list_work(
    tx: Tx,
    actor: str | None,
    *,
    under_way: bool | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Work]:
    """Work of one person, or of all where none is named, the latest first."""
    at, last = after or (None, None)
    return records(
        tx,
        Work,
        _ALL + _MINE + " AND (%(open)s::boolean IS NULL OR (w.ended_at IS NULL) = %(open)s)"
        " AND (%(at)s::timestamptz IS NULL OR (w.asked_at, w.id) < (%(at)s, %(last)s))"
        " ORDER BY w.asked_at DESC, w.id DESC LIMIT %(limit)s",
        {"actor": actor, "open": under_way, "at": at, "last": last, "limit": limit},
    )


def work_by_id(tx: Tx, actor: str | None, ident: UUID) -> Work:
    """One piece of work; code `unknown_work`, also for another's where an `actor` is named."""
    found = first(tx, Work, _ALL + _MINE + " AND w.id = %(id)s", {"actor": actor, "id": ident})
    if found is None:
        raise unknown("work", ident, "workId", "use one of the list of work")
    return found


def cancel_work(tx: Tx, seen_by: str | None, ident: UUID, author: Author) -> Work:
    """Have it stop; what it did so far stays. Work that has ended stays as it is.

    Codes `unknown_work`, `not_cancellable`.
    """
    found = work_by_id(tx, seen_by, ident)
    kind = next(one for one in WORK if one.name == found.kind)
    if kind.cancel is None:
        raise conflict("not_cancellable", "What this began goes on to its end").at(
            "kind", found.kind, "wait for it"
        )
    if kind.cancel(tx, ident, author):
        record(tx, [author.event("work.cancelled", ident, ident, "done", {"kind": found.kind})])
    return work_by_id(tx, seen_by, ident)
