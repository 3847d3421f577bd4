"""Raising alerts, ending them, and reading the latest."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, LiteralString

from psycopg.types.json import Jsonb

from commenda.alerts.model import (
    KINDS,
    Alert,
    AlertState,
    Kind,
    Severity,
    Standing,
    kind_named,
    topic_of,
)
from commenda.audit import Event, record
from commenda.identity import Permission, Principal
from commenda.kit import bus
from commenda.kit.db import Tx
from commenda.kit.errors import conflict, unknown
from commenda.kit.rows import columns, first, records
from commenda.kit.times import iso
from commenda.kit.wire import wire

RULES = "alerts/1"

Place = tuple[datetime, int]
"""Where an alert stands in a list: (last_at, id)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts: those that agree with whatever is given. `open` is new or acknowledged."""

    state: AlertState | Literal["open"] | None = None
    kind: str | None = None
    severity: Severity | None = None
    subject: str | None = None


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
    # In the order of their keys: two that count the same do not wait in a circle.
    raising: LiteralString = (
        "INSERT INTO alerts AS a (kind, subject, correlation_id, result, details, first_at,"
        "  last_at) SELECT n.*, n.at FROM unnest(%s::text[], %s::text[], %s::uuid[],"
        "   %s::text[], %s::jsonb[], %s::timestamptz[])"
        "   AS n (kind, subject, correlation_id, result, details, at)"
        " ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO UPDATE SET"
        "  count = a.count + (excluded.last_at > a.last_at)::integer,"
        "  last_at = greatest(a.last_at, excluded.last_at), result = excluded.result,"
        "  details = excluded.details RETURNING "
    )
    written = records(tx, Alert, raising + _COLUMNS, columns(rows, 6))
    news = [one for one in written if known.get((one.kind, one.subject)) != one.result]
    record(tx, [raised[one.kind, one.subject] for one in news])
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
    ending: LiteralString = (
        "UPDATE alerts AS a SET closed_at = greatest(last_at, %(at)s)"
        " WHERE closed_at IS NULL AND kind = %(kind)s AND subject <> ALL (%(but)s)"
        "  AND (%(about)s::text[] IS NULL OR subject = ANY (%(about)s))"
        "  AND (%(quiet)s::interval IS NULL OR last_at + %(quiet)s <= %(at)s) RETURNING "
    )
    ended = records(tx, Alert, ending + _COLUMNS, values)
    record(
        tx,
        [
            Event(
                "alerts.ended",
                f"{one.kind} {one.subject}",
                one.correlation_id,
                "over",
                "alerts",
                RULES,
                one.closed_at or at,
                {"count": one.count, "firstAt": iso(one.at)},
            )
            for one in ended
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


def acknowledge(tx: Tx, who: Principal, alert_id: int, note: str, now: datetime) -> Alert:
    """Note that somebody has seen an alert, and what they say of it; it stays open.

    Codes `unknown_alert`, also for one that they are not told of, `alert_closed`, and
    `already_acknowledged` for whoever comes second.
    """
    found = first(tx, Alert, _SELECT + "WHERE a.id = %s FOR UPDATE", (alert_id,))
    if found is None or kind_named(found.kind).told not in who.permissions:
        raise unknown("alert", alert_id, "alertId")
    if found.closed_at is not None:
        raise conflict("alert_closed", "What this alert was about is over").at(
            "alertId", alert_id, "one that comes back is an alert of its own"
        )
    if found.acknowledged_at is not None:
        by = found.acknowledged_by_name or found.acknowledged_by
        raise conflict("already_acknowledged", f"{by} has acknowledged this alert").at(
            "alertId", alert_id, "read their note"
        )
    tx.execute(
        "UPDATE alerts SET acknowledged_at = %s, acknowledged_by = %s, note = %s WHERE id = %s",
        (now, who.actor, note, alert_id),
    )
    subject, said = f"{found.kind} {found.subject}", {"alertId": alert_id, "note": note}
    of = found.correlation_id
    record(
        tx,
        [Event("alerts.acknowledged", subject, of, "acknowledged", who.actor, RULES, now, said)],
    )
    (known,) = records(tx, Alert, _SELECT + "WHERE a.id = %s", (alert_id,))
    _tell(tx, [known])
    return known


def alerts_where(
    tx: Tx, wanted: Wanted, told: Collection[Permission], before: Place | None, limit: int
) -> list[Alert]:
    """Alerts for whoever has these permissions, the last raised first, from the one that comes
    `before` on."""
    kinds = [
        one.name
        for one in KINDS
        if one.told in told
        and wanted.severity in (None, one.severity)
        and wanted.kind in (None, one.name)
    ]
    return records(
        tx,
        Alert,
        _SELECT + "WHERE a.kind = ANY (%(kinds)s)"
        " AND (%(subject)s::text IS NULL OR a.subject = %(subject)s) AND (%(state)s::text IS NULL"
        "  OR a.closed_at IS NULL AND %(state)s = 'open'"
        "  OR a.closed_at IS NOT NULL AND %(state)s = 'closed'"
        "  OR a.closed_at IS NULL AND a.acknowledged_at IS NULL AND %(state)s = 'new'"
        "  OR a.closed_at IS NULL AND a.acknowledged_at IS NOT NULL"
        "   AND %(state)s = 'acknowledged')"
        " AND (%(at)s::timestamptz IS NULL OR (a.last_at, a.id) < (%(at)s, %(id)s))"
        " ORDER BY a.last_at DESC, a.id DESC LIMIT %(limit)s",
        {
            "kinds": kinds,
            "subject": wanted.subject,
            "state": wanted.state,
            "at": before[0] if before else None,
            "id": before[1] if before else 0,
            "limit": limit,
        },
    )


def latest_alerts(tx: Tx, told: Permission, limit: int) -> list[Alert]:
    """The last alerts that whoever has this permission is told of, newest first."""
    return alerts_where(tx, Wanted(), (told,), None, limit)


def standing(tx: Tx, told: Collection[Permission]) -> Standing:
    """How many are open, for whoever has these permissions."""
    kinds = [one for one in KINDS if one.told in told]
    (found,) = records(
        tx,
        Standing,
        "SELECT count(*) AS open, count(*) FILTER (WHERE acknowledged_at IS NULL)"
        "  AS unacknowledged, count(*) FILTER (WHERE kind = ANY (%s)) AS critical"
        " FROM alerts WHERE closed_at IS NULL AND kind = ANY (%s)",
        (
            [one.name for one in kinds if one.severity is Severity.CRITICAL],
            [one.name for one in kinds],
        ),
    )
    return found


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


def _tell(tx: Tx, alerts: Iterable[Alert]) -> None:
    for one in alerts:
        bus.publish(tx, topic_of(kind_named(one.kind).told), wire(one))


_COLUMNS: LiteralString = (
    "a.id, a.kind, a.subject, a.correlation_id, a.result, a.details, a.first_at AS at, a.last_at,"
    " a.count, a.acknowledged_at, a.acknowledged_by,"
    " name_of(a.acknowledged_by) AS acknowledged_by_name, a.note, a.closed_at"
)
_SELECT: LiteralString = "SELECT " + _COLUMNS + " FROM alerts a "  # noqa: S608 - constants
