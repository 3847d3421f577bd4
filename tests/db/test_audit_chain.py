"""The audit's hash chain: nothing is lost from it, and nothing in it can be touched unnoticed."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import conninfo

import chained
from commenda.audit import (
    EVENTS,
    Anchor,
    Event,
    anchor,
    begin_era,
    record,
    seal,
)
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from world import in_threads

pytestmark = pytest.mark.usefixtures("alone")
KEY = b"the tests' own chain key, 32 byt"
seal_all = partial(chained.seal_all, limit=5000, key=KEY, chain=EVENTS)
findings = partial(chained.findings, key=KEY, chain=EVENTS)
waiting = partial(chained.waiting, chain=EVENTS)
AT = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)


def event(number: int, **details: Any) -> Event:
    return Event(
        kind="test",
        subject=f"subject-{number}",
        correlation_id=ids.derive("test", number),
        result="done",
        actor="test",
        rule_version="test/1",
        at=AT + timedelta(seconds=number),
        details=details,
    )


def record_each(db: Database, *numbers: int) -> None:
    """One event in a transaction of its own for each number."""
    for number in numbers:
        with db.transaction() as tx:
            record(tx, [event(number, amount=number)])


def kept_anchor(db: Database) -> Anchor:
    with db.transaction() as tx:
        end = anchor(tx)
    assert end is not None
    return end


@contextmanager
def tampering(db: Database) -> Iterator[Tx]:
    """The owner's connection: what someone can do who has the database and not the key."""
    with psycopg.connect(db.owner_url) as owner:
        yield owner


def id_of(db: Database, number: int) -> int:
    with db.transaction() as tx:
        row = tx.execute(
            "SELECT id FROM audit_events WHERE subject = %s", (f"subject-{number}",)
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def sealed(db: Database) -> Database:
    """Nine events, sealed in batches of four."""
    record_each(db, *range(1, 10))
    assert seal_all(db, limit=4) == 9
    assert findings(db) == []
    return db


def test_a_digest_is_what_its_description_says(db: Database) -> None:
    """Computed again here from the columns, without the code under test."""
    record_each(db, 1, 2)
    seal_all(db)
    with db.transaction() as tx:
        rows = tx.execute(
            "SELECT e.id, e.transaction_id::text, e.details::text, e.correlation_id, s.digest"
            " FROM audit_events e JOIN audit_seals s ON s.row_id = e.id ORDER BY s.sequence"
        ).fetchall()
    digest = bytes(32)
    for number, (row_id, transaction, details, correlation, stored) in enumerate(rows, start=1):
        text = json.dumps(
            {
                "actor": "test",
                "correlation_id": str(correlation),
                "details": details,
                "era": 0,
                "happened_at": f"2026-01-05T12:30:0{number}.000000+00:00",
                "id": row_id,
                "kind": "test",
                "request_id": "",
                "result": "done",
                "rule_version": "test/1",
                "subject": f"subject-{number}",
                "transaction_id": int(transaction),
            },
            sort_keys=True,
            separators=(",", ":"),
        )
        digest = hmac.new(KEY, digest + text.encode(), hashlib.sha256).digest()
        assert digest == stored


def test_an_empty_record_is_a_sound_chain_without_an_end(db: Database) -> None:
    assert (seal_all(db), findings(db), waiting(db)) == (0, [], 0)
    with db.transaction() as tx:
        assert anchor(tx) is None


def test_events_that_wait_for_their_seal_are_counted_and_no_finding(sealed: Database) -> None:
    record_each(sealed, 10, 11)
    assert findings(sealed) == []
    assert waiting(sealed) == 2
    assert seal_all(sealed) == 2
    assert waiting(sealed) == 0
    assert kept_anchor(sealed).sequence == 11


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("happened_at", "2026-01-05 12:30:05.000001+00"),
        ("kind", "other"),
        ("actor", "somebody else"),
        ("subject", "another subject"),
        ("correlation_id", str(UUID(int=1))),
        ("result", "not done"),
        ("rule_version", "test/2"),
        ("request_id", "another"),
        ("details", '{"amount": 5.0}'),
        ("era", "1"),
        ("transaction_id", "3"),
    ],
)
def test_a_change_of_any_column_is_found_and_named(
    sealed: Database, column: str, value: str
) -> None:
    row_id = id_of(sealed, 5)
    with tampering(sealed) as owner:
        owner.execute(f"UPDATE audit_events SET {column} = %s WHERE id = %s", (value, row_id))
    (found,) = findings(sealed)
    assert found.subject == f"audit event {row_id} (seal 5)"


def test_a_sealed_event_cannot_be_deleted_while_its_seal_stands(sealed: Database) -> None:
    with tampering(sealed) as owner, pytest.raises(psycopg.errors.ForeignKeyViolation):
        owner.execute("DELETE FROM audit_events WHERE id = %s", (id_of(sealed, 5),))


def test_an_event_deleted_with_the_constraints_switched_off_is_named(sealed: Database) -> None:
    row_id = id_of(sealed, 5)
    try:
        superuser = psycopg.connect(conninfo.make_conninfo(sealed.owner_url, user="postgres"))
    except psycopg.OperationalError as error:
        pytest.skip(f"only the superuser of the tests' server may do this: {error}")
    with superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM audit_events WHERE id = %s", (row_id,))
    (found,) = findings(sealed)
    assert (found.subject, found.found) == (f"audit event {row_id} (seal 5)", "deleted")


def test_an_event_deleted_with_its_seal_leaves_a_gap(sealed: Database) -> None:
    row_id = id_of(sealed, 5)
    with tampering(sealed) as owner:
        owner.execute("DELETE FROM audit_seals WHERE row_id = %s", (row_id,))
        owner.execute("DELETE FROM audit_events WHERE id = %s", (row_id,))
    (found,) = findings(sealed)
    assert (found.subject, found.found) == ("seal 5", "deleted; the next is 6")


def test_closing_the_gap_by_new_numbers_is_found_at_the_next_event(sealed: Database) -> None:
    row_id, following = id_of(sealed, 5), id_of(sealed, 6)
    with tampering(sealed) as owner:
        owner.execute("DELETE FROM audit_seals WHERE row_id = %s", (row_id,))
        owner.execute("DELETE FROM audit_events WHERE id = %s", (row_id,))
        for sequence in range(6, 10):
            owner.execute(
                "UPDATE audit_seals SET sequence = sequence - 1 WHERE sequence = %s", (sequence,)
            )
    (found,) = findings(sealed)
    assert found.subject == f"audit event {following} (seal 5)"


def test_an_event_inserted_in_the_middle_is_named(sealed: Database) -> None:
    with tampering(sealed) as owner:
        row = owner.execute(
            "INSERT INTO audit_events (happened_at, kind, actor, subject, correlation_id, result,"
            "  transaction_id)"
            " SELECT happened_at, kind, actor, 'forged', correlation_id, result, transaction_id"
            " FROM audit_events WHERE id = %s RETURNING id",
            (id_of(sealed, 5),),
        ).fetchone()
    assert row is not None
    (found,) = findings(sealed)
    assert found.subject == f"audit event {row[0]}"
    assert seal_all(sealed) == 0  # and the sealer does not make an honest event of it
    assert len(findings(sealed)) == 1


def test_an_event_inserted_with_a_seal_of_its_own_is_named(sealed: Database) -> None:
    with tampering(sealed) as owner:
        row = owner.execute(
            "INSERT INTO audit_events (happened_at, kind, actor, subject, correlation_id, result)"
            " VALUES (now(), 'test', 'test', 'forged', gen_random_uuid(), 'done') RETURNING id"
        ).fetchone()
        owner.execute(
            "INSERT INTO audit_seals SELECT 10, id, era, transaction_id, '\\x00', now()"
            " FROM audit_events WHERE subject = 'forged'"
        )
    assert row is not None
    (found,) = findings(sealed)
    assert found.subject == f"audit event {row[0]} (seal 10)"


def test_two_events_that_changed_places_are_both_named(sealed: Database) -> None:
    third, seventh = id_of(sealed, 3), id_of(sealed, 7)
    with tampering(sealed) as owner:
        owner.execute("UPDATE audit_seals SET sequence = -1 WHERE row_id = %s", (third,))
        owner.execute("UPDATE audit_seals SET sequence = 3 WHERE row_id = %s", (seventh,))
        owner.execute("UPDATE audit_seals SET sequence = 7 WHERE row_id = %s", (third,))
    subjects = [found.subject for found in findings(sealed)]
    assert subjects[0] == f"audit event {seventh} (seal 3)"
    assert f"audit event {third} (seal 7)" in subjects


def test_the_whole_chain_made_anew_with_another_key_is_found(sealed: Database) -> None:
    with tampering(sealed) as owner:
        owner.execute("DELETE FROM audit_seals")
    with sealed.transaction() as tx:
        assert seal(tx, b"a key of whoever wants to forge ").rows == 9
    assert len(findings(sealed)) >= 1
    assert findings(sealed)[0].subject.endswith("(seal 1)")


def test_an_end_that_was_cut_off_shows_against_a_kept_anchor(sealed: Database) -> None:
    kept = kept_anchor(sealed)
    assert findings(sealed, kept) == []
    with tampering(sealed) as owner:
        owner.execute("DELETE FROM audit_seals WHERE sequence > 6")
        owner.execute("DELETE FROM audit_events WHERE id NOT IN (SELECT row_id FROM audit_seals)")
    assert findings(sealed) == []  # without the anchor nobody can tell
    (found,) = findings(sealed, kept)
    assert (found.subject, found.found) == ("seal 9", "a chain that ends at seal 6")


def test_other_events_in_place_of_the_end_show_against_a_kept_anchor(sealed: Database) -> None:
    kept = kept_anchor(sealed)
    with tampering(sealed) as owner:
        owner.execute("DELETE FROM audit_seals WHERE sequence > 6")
        owner.execute("DELETE FROM audit_events WHERE id NOT IN (SELECT row_id FROM audit_seals)")
    record_each(sealed, 20, 21, 22)
    seal_all(sealed)
    (found,) = findings(sealed, kept)
    assert found.subject == "seal 9"


@pytest.mark.parametrize("table", ["audit_events", "audit_seals"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET era = era", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_application_cannot_rewrite_the_record(
    sealed: Database, table: str, statement: str
) -> None:
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        sealed.transaction() as tx,
    ):
        tx.execute(statement.format(table))  # type: ignore[arg-type]


def test_an_event_of_a_long_transaction_holds_back_all_that_begin_after_it(db: Database) -> None:
    record_each(db, 1)
    with psycopg.connect(db.app_url) as slow:
        record(slow, [event(2)])
        record_each(db, 3, 4)
        assert seal_all(db) == 1  # only what is certain to stand before the slow one
        assert waiting(db) == 2
        slow.commit()
    assert seal_all(db) == 3
    with db.transaction() as tx:
        order = tx.execute(
            "SELECT e.subject FROM audit_seals s JOIN audit_events e ON e.id = s.row_id"
            " ORDER BY s.sequence"
        ).fetchall()
    assert [row[0] for row in order] == [f"subject-{n}" for n in (1, 2, 3, 4)]
    assert findings(db) == []


def test_no_event_of_concurrent_writers_is_lost_from_the_chain(db: Database) -> None:
    """Writers that roll back now and then, one that stays open, and two sealers all the while."""
    writing = threading.Event()

    def write(writer: int) -> int:
        kept = 0
        for turn in range(60):
            first = writer * 1000 + turn * 3
            with db.transaction() as tx:
                record(tx, [event(first), event(first + 1)])
                if turn % 4 == 3:
                    raise psycopg.Rollback
                record(tx, [event(first + 2)])
                kept += 3
        return kept

    def stay_open() -> int:
        with psycopg.connect(db.app_url) as slow:
            record(slow, [event(90_001)])
            writing.wait(0.5)
            record(slow, [event(90_002)])
            slow.commit()
        return 2

    def seal_meanwhile() -> int:
        sealed = 0
        while not writing.is_set():
            with db.transaction() as tx:
                sealed += seal(tx, KEY, limit=17).rows
        return sealed

    def write_all() -> int:
        try:
            return sum(in_threads(*[lambda n=n: write(n) for n in range(4)], stay_open))
        finally:
            writing.set()

    kept, *sealed = in_threads(write_all, seal_meanwhile, seal_meanwhile)
    assert kept == 4 * 45 * 3 + 2
    assert sum(sealed) + seal_all(db) == kept
    assert sum(sealed) > 0
    assert waiting(db) == 0
    assert findings(db) == []
    with db.transaction() as tx:
        assert tx.execute("SELECT count(*) FROM audit_events").fetchone() == (kept,)


def test_a_restored_record_goes_on_in_a_new_era(db: Database) -> None:
    """Another cluster counts transactions from the beginning: its ids are smaller than those kept.

    Transaction ids far ahead of this server's stand for those of the one that was lost.
    """
    record_each(db, 1, 2)
    with tampering(db) as owner:
        owner.execute("UPDATE audit_events SET transaction_id = '900000000000'")
    assert seal_all(db) == 0
    try:
        with tampering(db) as owner:
            assert begin_era(owner) == 1
        record_each(db, 3)
        assert seal_all(db) == 3
        record_each(db, 4)
        assert seal_all(db) == 1
        assert findings(db) == []
        with tampering(db) as owner:
            owner.execute("UPDATE audit_events SET result = 'no' WHERE id = %s", (id_of(db, 2),))
        (found,) = findings(db)
        assert found.subject == f"audit event {id_of(db, 2)} (seal 2)"
    finally:
        with tampering(db) as owner:
            owner.execute("ALTER TABLE audit_events ALTER era SET DEFAULT 0")
