"""Raising alerts: the same one once, and read as it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from commenda.alerts import KINDS, count_alerts, latest_alerts, raise_alerts
from commenda.audit import Event, record
from commenda.identity import Permission
from commenda.kit import ids
from commenda.kit.db import Database, Tx

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def event(kind: str, subject: str = "one", after: timedelta = timedelta(0)) -> Event:
    return Event(kind, subject, ids.derive(subject), "raised", "test", "test/1", START + after, {})


def raised(db: Database, *alerts: Event) -> int:
    with db.transaction() as tx:
        return raise_alerts(tx, alerts)


def test_a_missed_deadline_is_raised_once_for_each_subject(db: Database) -> None:
    kind = "alert.matured_not_settled"
    assert raised(db, event(kind), event(kind, "other")) == 2
    assert raised(db, event(kind, after=timedelta(days=400))) == 0
    assert raised(db, event("alert.liquidating_too_long", after=MINUTE)) == 1


def test_a_failing_job_is_raised_once_an_hour(db: Database) -> None:
    kind = "alert.job_failed"
    told = [raised(db, event(kind, after=n * MINUTE)) for n in (0, 59, 60, 61, 119, 120)]
    assert told == [1, 0, 1, 0, 0, 1]


def test_what_has_no_quiet_time_is_raised_each_time_and_a_repeated_step_raises_it_once(
    db: Database,
) -> None:
    kind = "alert.unreconciled"
    told = [raised(db, event(kind, after=n * MINUTE)) for n in (0, 0, 1)]
    assert told == [1, 0, 1]


def test_a_kind_without_a_row_is_a_mistake_and_nothing_is_recorded(db: Database) -> None:
    with pytest.raises(KeyError):
        raised(db, event("alert.job_failed"), event("settlement.done"))
    with db.transaction() as tx:
        assert tx.execute("SELECT count(*) FROM audit_events").fetchone() == (0,)


def test_the_latest_come_first_with_their_severity_and_no_other_events(db: Database) -> None:
    raised(db, event("liquidation.failed"), event("alert.copy_failed", after=MINUTE))
    with db.transaction() as tx:
        record(tx, [event("settlement.done", after=2 * MINUTE)])
        found = latest_alerts(tx, Permission.OVERVIEW, 10)
        assert [(one["kind"], one["severity"]) for one in found] == [
            ("alert.copy_failed", "critical"),
            ("liquidation.failed", "warning"),
        ]
        assert latest_alerts(tx, Permission.OVERVIEW, 1) == found[:1]
        assert latest_alerts(tx, Permission.FLOWS, 10) == []


def test_alerts_are_counted_by_kind(db: Database) -> None:
    raised(db, event("alert.unreconciled"), event("alert.unreconciled", "other"))
    with db.transaction() as tx:
        counted = {kind.name: number for kind, number in count_alerts(tx).items()}
    assert counted == {kind.name: 0 for kind in KINDS} | {"alert.unreconciled": 2}


def test_the_index_finds_alerts_in_a_long_trail(db: Database) -> None:
    with db.transaction() as tx:
        record(tx, [event("settlement.done", str(number)) for number in range(3_000)])
        raise_alerts(tx, [event("alert.unreconciled")])

    def scans(tx: Tx) -> int:
        query = (
            "SELECT pg_stat_get_xact_numscans(oid) FROM pg_class"
            " WHERE relname = 'audit_events_alerts'"
        )
        (number,) = tx.execute(query).fetchone() or (0,)
        return int(number)

    with db.transaction() as tx:
        tx.execute("SET LOCAL enable_seqscan = off")
        before = scans(tx)
        latest_alerts(tx, Permission.OVERVIEW, 10)
        assert scans(tx) == before + 1
