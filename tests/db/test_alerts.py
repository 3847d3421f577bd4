"""Raising alerts: the same one counts while it is open, and ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest

from commenda.alerts import (
    KINDS,
    count_alerts,
    end_alerts,
    end_quiet_alerts,
    latest_alerts,
    open_alerts,
    raise_alerts,
)
from commenda.audit import Event, record
from commenda.identity import Permission
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.migrate import migrate
from commenda.operations.jobs import job_named
from commenda.operations.ticks import Operation
from migrated import (
    NAMES,
    scratch,  # noqa: F401 - fixtures
)
from world import World, in_threads

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def event(kind: str, subject: str = "one", after: timedelta = timedelta(0)) -> Event:
    return Event(kind, subject, ids.derive(subject), "raised", "test", "test/1", START + after, {})


def raised(db: Database, *alerts: Event) -> int:
    with db.transaction() as tx:
        return raise_alerts(tx, alerts)


def test_what_is_raised_while_it_is_open_counts_and_is_told_once(db: Database) -> None:
    kind = "alert.matured_not_settled"
    assert raised(db, event(kind), event(kind, "other")) == 2
    told = [raised(db, event(kind, after=n * MINUTE)) for n in (15, 30, 30, 20, 45)]
    assert told == [0, 0, 0, 0, 0]
    assert raised(db, event("alert.liquidating_too_long", after=MINUTE)) == 1
    with db.transaction() as tx:
        rows = {(one.kind, one.subject): one for one in latest_alerts(tx, Permission.OVERVIEW, 10)}
        events = tx.execute("SELECT count(*) FROM audit_events WHERE kind = %s", (kind,)).fetchone()
    one = rows[kind, "one"]
    # At 0, 15, 30 and 45: what is raised twice at 30, and late at 20, is counted once and not.
    assert (one.count, one.at, one.last_at) == (4, START, START + 45 * MINUTE)
    assert rows[kind, "other"].count == 1
    assert events == (2,)


def test_an_alert_that_ended_is_opened_anew(db: Database) -> None:
    kind = "alert.job_failed"
    assert raised(db, event(kind), event(kind, "other")) == 2
    with db.transaction() as tx:
        assert end_alerts(tx, kind, START + MINUTE, about=["one", "nobody"]) == 1
        assert end_alerts(tx, kind, START + MINUTE, about=["one"]) == 0
        assert open_alerts(tx, kind, "alert.unreconciled") == {
            kind: ["other"],
            "alert.unreconciled": [],
        }
    assert raised(db, event(kind, after=2 * MINUTE), event(kind, "other", 2 * MINUTE)) == 1
    with db.transaction() as tx:
        assert end_alerts(tx, kind, START + 3 * MINUTE, but=["one"]) == 1
        found = latest_alerts(tx, Permission.OVERVIEW, 10)
        ended = tx.execute(
            "SELECT subject, details FROM audit_events WHERE kind = 'alerts.ended' ORDER BY id"
        ).fetchall()
    assert {(one.subject, one.count, one.closed_at) for one in found} == {
        ("one", 1, START + MINUTE),
        ("one", 1, None),
        ("other", 2, START + 3 * MINUTE),
    }
    assert ended == [
        ("alert.job_failed one", {"count": 1, "firstAt": "2026-01-05T00:00:00Z"}),
        ("alert.job_failed other", {"count": 2, "firstAt": "2026-01-05T00:00:00Z"}),
    ]


def test_another_result_is_told_and_is_the_same_alert(db: Database) -> None:
    kind = "alert.flow_failed"
    assert raised(db, event(kind)) == 1
    assert raised(db, replace(event(kind, after=MINUTE), result="paused")) == 0
    with db.transaction() as tx:
        (one,) = latest_alerts(tx, Permission.OVERVIEW, 10)
        told = tx.execute("SELECT result FROM audit_events WHERE kind = %s ORDER BY id", (kind,))
        assert told.fetchall() == [("raised",), ("paused",)]
    assert (one.result, one.count, one.at) == ("paused", 2, START)


def test_what_nobody_ends_is_over_once_it_was_quiet_for_its_time(db: Database) -> None:
    kind, day = "alert.withdrawal_refused", timedelta(days=1)
    told = [raised(db, event(kind, after=n * day / 2)) for n in (0, 1, 2, 4, 5)]
    assert told == [1, 0, 0, 1, 0]
    raised(db, event("alert.unreconciled"))
    with db.transaction() as tx:
        assert end_quiet_alerts(tx, START + 3.4 * day) == 0
        assert end_quiet_alerts(tx, START + 3.5 * day) == 1
        assert open_alerts(tx, kind, "alert.unreconciled")["alert.unreconciled"] == ["one"]


def test_a_job_ends_what_was_quiet_whatever_domain_raised_it(db: Database) -> None:
    kinds = [one.name for one in KINDS if one.quiet]
    assert {"alert.staff_at_machine", "alert.bank_unmatched"} < set(kinds)
    raised(db, event("alert.unreconciled"), *map(event, kinds))
    job = job_named("overdue")
    assert job is not None
    job.act(Operation(db, World(db).broker), START + timedelta(days=31), {})
    with db.transaction() as tx:
        still = {kind: number for kind, (_, number) in count_alerts(tx).items() if number}
    assert [kind.name for kind in still] == ["alert.unreconciled"]


def test_two_who_raise_the_same_at_once_open_one(db: Database) -> None:
    kind = "alert.unreconciled"
    subjects = [f"line {n}" for n in range(40)]

    def raise_all(turn: int) -> int:
        order = subjects if turn % 2 else subjects[::-1]
        return raised(db, *(event(kind, one, turn * MINUTE) for one in order))

    in_threads(*(partial(raise_all, turn) for turn in range(1, 9)))
    with db.transaction() as tx:
        found = latest_alerts(tx, Permission.OVERVIEW, 100)
    assert sorted(one.subject for one in found) == sorted(subjects)
    assert {one.last_at for one in found} == {START + 8 * MINUTE}


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
        assert [(one.kind, one.severity) for one in found] == [
            ("alert.copy_failed", "critical"),
            ("liquidation.failed", "warning"),
        ]
        assert latest_alerts(tx, Permission.OVERVIEW, 1) == found[:1]
        assert latest_alerts(tx, Permission.FLOWS, 10) == []


def test_alerts_are_counted_by_kind(db: Database) -> None:
    raised(db, event("alert.unreconciled"), event("alert.unreconciled", "other"))
    raised(db, event("alert.unreconciled", after=MINUTE))
    with db.transaction() as tx:
        end_alerts(tx, "alert.unreconciled", START + MINUTE, about=["other"])
        counted = {kind.name: numbers for kind, numbers in count_alerts(tx).items()}
    assert counted == {kind.name: (0, 0) for kind in KINDS} | {"alert.unreconciled": (2, 1)}


@pytest.fixture
def before(scratch: str) -> str:
    migrate(scratch, to=NAMES.index("0028_investors"))
    return scratch


def test_alerts_of_before_are_kept_as_what_they_were(before: str) -> None:
    with psycopg.connect(before) as owner:
        for number, kind in enumerate(("alert.job_failed", "liquidation.failed", "login.failed")):
            owner.execute(
                "INSERT INTO audit_events (happened_at, kind, actor, subject, correlation_id,"
                " result, rule_version, details, request_id)"
                " VALUES (%s, %s, 'x', 'one', %s, 'failed', 'x/1', '{}', '')",
                (START + number * MINUTE, kind, ids.derive(kind)),
            )
    migrate(before)
    with psycopg.connect(before) as owner:
        rows = owner.execute("SELECT kind, first_at, count, closed_at FROM alerts ORDER BY id")
        assert rows.fetchall() == [
            ("alert.job_failed", START, 1, START),
            ("liquidation.failed", START + MINUTE, 1, START + MINUTE),
        ]
