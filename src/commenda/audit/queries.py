"""Reading the record of events: a page of it, newest first, or all of a period, oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row
from pydantic import Field

from commenda.kit.db import Database, Tx
from commenda.kit.wire import Internal, on_wire

EXPORT_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: those that agree with whatever is given, in `begin` <= at < `end`."""

    kind: str | None = None
    subject: str | None = None
    correlation_id: UUID | None = None
    actor: str | None = None
    begin: datetime | None = None
    end: datetime | None = None


@on_wire
@dataclass(frozen=True, slots=True)
class LogEntry:
    """Who did what, when, by which rules, with which result; and its seal where it has one."""

    id: int
    at: datetime
    kind: Annotated[str, Field(examples=["subscription settled"])]
    actor: Annotated[str, Field(examples=["operator:0b2f6a2c-2f5d-8b52-8d0e-0d1f6c1f1a11"])]
    actor_name: Annotated[
        str | None, Field(description="Of whoever it was; null for a job.", examples=["ada"])
    ]
    subject: str
    correlation_id: UUID
    result: str
    rule_version: Annotated[str, Field(examples=["settlement/1"])]
    request_id: str
    details: dict[str, Any]
    sequence: Internal[int | None]
    digest: Internal[str | None]
    sealed: Annotated[bool, Field(description="Whether the hash chain vouches for it already.")]


_SELECT = sql.SQL(
    "SELECT e.id, e.happened_at AS at, e.kind, e.actor, name_of(e.actor) AS actor_name, e.subject,"
    " e.correlation_id, e.result, e.rule_version, e.request_id, e.details, s.sequence,"
    " encode(s.digest, 'hex') AS digest,"
    " s.sequence IS NOT NULL AS sealed"
    " FROM audit_events AS e LEFT JOIN audit_seals AS s ON s.row_id = e.id WHERE {}"
)
_CONDITIONS = {
    "kind": sql.SQL("e.kind = %(kind)s"),
    "subject": sql.SQL("e.subject = %(subject)s"),
    "correlation_id": sql.SQL("e.correlation_id = %(correlation_id)s"),
    "actor": sql.SQL("e.actor = %(actor)s"),
    "begin": sql.SQL("e.happened_at >= %(begin)s"),
    "end": sql.SQL("e.happened_at < %(end)s"),
}

Place = tuple[datetime, int]
"""Where an event stands in time: (at, id)."""


def latest_events(tx: Tx, wanted: Wanted, before: Place | None, limit: int) -> list[LogEntry]:
    """Events newest first, from the one that comes `before` on."""
    conditions, values = _agreeing(wanted)
    if before is not None:
        conditions.append(sql.SQL("(e.happened_at, e.id) < (%(at)s, %(id)s)"))
        values |= {"at": before[0], "id": before[1]}
    query = _where(conditions) + sql.SQL(" ORDER BY e.happened_at DESC, e.id DESC LIMIT %(limit)s")
    return _read(tx, query, values | {"limit": limit})


def export_events(database: Database, wanted: Wanted) -> Iterator[list[LogEntry]]:
    """Batches of events, oldest first, up to what is recorded now.

    Each batch has a transaction of its own: a slow reader keeps no connection and no snapshot.
    """
    with database.transaction() as tx:
        row = tx.execute("SELECT coalesce(max(id), 0) FROM audit_events").fetchone()
    assert row is not None
    conditions, values = _agreeing(wanted)
    conditions.append(sql.SQL("e.id <= %(newest)s"))
    values["newest"] = row[0]
    order = sql.SQL(" ORDER BY e.happened_at, e.id LIMIT {}").format(EXPORT_BATCH)
    query = _where(conditions) + order
    further = _where([*conditions, sql.SQL("(e.happened_at, e.id) > (%(at)s, %(id)s)")]) + order
    while True:
        with database.transaction() as tx:
            batch = _read(tx, query, values)
        yield batch
        if len(batch) < EXPORT_BATCH:
            return
        query = further
        values |= {"at": batch[-1].at, "id": batch[-1].id}


def _agreeing(wanted: Wanted) -> tuple[list[sql.SQL], dict[str, Any]]:
    given = {name: getattr(wanted, name) for name in _CONDITIONS}
    values = {name: value for name, value in given.items() if value is not None}
    return [_CONDITIONS[name] for name in values], values


def _where(conditions: list[sql.SQL]) -> sql.Composed:
    return _SELECT.format(sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true"))


def _read(tx: Tx, query: sql.Composed, values: dict[str, Any]) -> list[LogEntry]:
    with tx.cursor(row_factory=class_row(LogEntry)) as cursor:
        return cursor.execute(query, values).fetchall()
