"""Raising alerts, ending them, and reading the latest."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from commenda.alerts.model import KINDS, Kind, kind_named, topic_of
from commenda.audit import Event, record
from commenda.identity import Permission
from commenda.kit import bus
from commenda.kit.db import Tx
from commenda.kit.rows import columns
from commenda.kit.times import iso

RULES = "alerts/1"


def raise_alerts(tx: Tx, alerts: Iterable[Event]) -> int:
    """Open alerts, or count them to those that are open about the same; how many are new.

    Each one's `kind` is the name of a row of KINDS: KeyError for another. One that is new, or whose
    result is another than before, is recorded in the audit trail and told once this transaction
    commits. What a repeated step raises again at the same moment counts once.
    """
    raised = {(one.kind, one.subject): one for one in sorted(alerts, key=lambda one: one.at)}
    kinds = {kind: kind_named(kind) for kind, _ in raised}
    if not raised:
        return 0
    latest = max(one.at for one in raised.values())
    for kind in kinds.values():
        if kind.quiet is not None:
            end_alerts(tx, kind.name, latest, quiet=kind.quiet)
    keys = sorted(raised)
    known = {
        (kind, subject): result
        for kind, subject, result in tx.execute(
            "SELECT kind, subject, result FROM alerts WHERE closed_at IS NULL"
            " AND (kind, subject) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
            columns(keys, 2),
        )
    }
    rows = [
        (*key, one.correlation_id, one.result, Jsonb(dict(one.details)), one.at)
        for key, one in ((key, raised[key]) for key in keys)
    ]
    with tx.cursor(row_factory=dict_row) as cursor:
        # In the order of their keys: two that count the same do not wait in a circle.
        written = cursor.execute(
            "INSERT INTO alerts AS a (kind, subject, correlation_id, result, details, first_at,"
            "  last_at) SELECT n.*, n.at FROM unnest(%s::text[], %s::text[], %s::uuid[],"
            "   %s::text[], %s::jsonb[], %s::timestamptz[])"
            "   AS n (kind, subject, correlation_id, result, details, at)"
            " ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO UPDATE SET"
            "  count = a.count + (excluded.last_at > a.last_at)::integer,"
            "  last_at = greatest(a.last_at, excluded.last_at), result = excluded.result,"
            "  details = excluded.details RETURNING a.*",
            columns(rows, 6),
        ).fetchall()
    news = [row for row in written if known.get((row["kind"], row["subject"])) != row["result"]]
    record(tx, [raised[row["kind"], row["subject"]] for row in news])
    _tell(tx, news)
    return sum(key not in known for key in keys)


def end_alerts(
    tx: Tx,
    kind: str,
    at: datetime,
    *,
    about: Collection[str] | None = None,
    but: Collection[str] = (),
    quiet: timedelta | None = None,
) -> int:
    """End what is over of a kind; how many alerts.

    All that is open: `about` these subjects, if given, `but` for those, and only what was `quiet`
    for so long.
    """
    values = {
        "kind": kind,
        "at": at,
        "about": None if about is None else list(about),
        "but": list(but),
        "quiet": quiet,
    }
    with tx.cursor(row_factory=dict_row) as cursor:
        ended = cursor.execute(
            "UPDATE alerts SET closed_at = greatest(last_at, %(at)s)"
            " WHERE closed_at IS NULL AND kind = %(kind)s AND subject <> ALL (%(but)s)"
            "  AND (%(about)s::text[] IS NULL OR subject = ANY (%(about)s))"
            "  AND (%(quiet)s::interval IS NULL OR last_at + %(quiet)s <= %(at)s) RETURNING *",
            values,
        ).fetchall()
    record(
        tx,
        [
            Event(
                "alerts.ended",
                f"{row['kind']} {row['subject']}",
                row["correlation_id"],
                "over",
                "alerts",
                RULES,
                row["closed_at"],
                {"count": row["count"], "firstAt": iso(row["first_at"])},
            )
            for row in ended
        ],
    )
    _tell(tx, ended)
    return len(ended)


def end_quiet_alerts(tx: Tx, at: datetime) -> int:
    """End alerts that nobody ends: of kinds that are over once they were quiet for so long."""
    return sum(end_alerts(tx, one.name, at, quiet=one.quiet) for one in KINDS if one.quiet)


def open_alerts(tx: Tx, *kinds: str) -> dict[str, list[str]]:
    """The subjects of what is open, of each of these kinds."""
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    for kind, subject in tx.execute(
        "SELECT kind, subject FROM alerts WHERE closed_at IS NULL AND kind = ANY (%s)",
        (list(kinds),),
    ):
        found[kind].append(subject)
    return found


def latest_alerts(tx: Tx, told: Permission, limit: int) -> list[dict[str, Any]]:
    """The last alerts for whoever has a permission, newest first, in the form of live messages."""
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT * FROM alerts WHERE kind = ANY (%s) ORDER BY last_at DESC, id DESC LIMIT %s",
            ([kind.name for kind in KINDS if kind.told is told], limit),
        ).fetchall()
    return [_shown(row) for row in rows]


def count_alerts(tx: Tx) -> dict[Kind, tuple[int, int]]:
    """How many of each kind were ever raised, and how many are open."""
    found = {
        kind: (number, still)
        for kind, number, still in tx.execute(
            "SELECT kind, count(*), count(*) FILTER (WHERE closed_at IS NULL) FROM alerts"
            " GROUP BY kind"
        )
    }
    return {kind: found.get(kind.name, (0, 0)) for kind in KINDS}


def _tell(tx: Tx, rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        bus.publish(tx, topic_of(kind_named(row["kind"]).told), _shown(row))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "alert",
        "kind": row["kind"],
        "severity": kind_named(row["kind"]).severity,
        "subject": row["subject"],
        "correlationId": row["correlation_id"],
        "result": row["result"],
        "at": row["first_at"],
        "lastAt": row["last_at"],
        "count": row["count"],
        "closedAt": row["closed_at"],
        "details": row["details"],
    }
