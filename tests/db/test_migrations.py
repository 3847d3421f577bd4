"""The schema goes up and down, once, in order, on any PostgreSQL, and refuses what it is not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from commenda.kit.db import APP_ROLE, Database
from commenda.kit.errors import CommendaError
from commenda.kit.migrate import migrate, migrations
from commenda.settings import Settings
from migrated import (
    NAMES,
    applied,
    objects,
    scratch,  # noqa: F401 - fixtures
    url_of,
)
from scripted import D
from world import World, in_threads

SERVER = "host=127.0.0.1 port=5432 user=postgres dbname=postgres connect_timeout=2"


def test_up_down_to_nothing_and_up_again(scratch: str) -> None:
    assert migrate(scratch) == NAMES
    first = objects(scratch)
    assert len(first) > 200
    assert migrate(scratch, to=0) == NAMES[::-1]
    assert applied(scratch) == []
    left = [row for row in objects(scratch) if row[2] != "schema_migrations"]
    assert left == [], "the way back leaves nothing behind"
    assert migrate(scratch) == NAMES
    assert objects(scratch) == first


def test_each_step_can_be_taken_back_alone(scratch: str) -> None:
    shapes = []
    for count in range(len(NAMES) + 1):
        assert migrate(scratch, to=count) == NAMES[count - 1 : count]
        shapes.append(objects(scratch))
    for count in reversed(range(len(NAMES))):
        assert migrate(scratch, to=count) == [NAMES[count]]
        assert objects(scratch) == shapes[count], f"{NAMES[count]} leaves something behind"


def test_migrating_again_changes_nothing(scratch: str) -> None:
    migrate(scratch)
    before = objects(scratch)
    assert migrate(scratch) == []
    assert objects(scratch) == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE schema_migrations SET digest = 'other' WHERE name = '0002_ledger'",
        "INSERT INTO schema_migrations (name, digest) VALUES ('9999_future', 'x')",
    ],
)
def test_a_database_of_another_version_is_refused(scratch: str, change: str) -> None:
    migrate(scratch)
    with psycopg.connect(scratch) as connection:
        connection.execute(change)  # type: ignore[arg-type]
    before = objects(scratch)
    for to in (None, 0):
        with pytest.raises(CommendaError) as caught:
            migrate(scratch, to=to)
        assert caught.value.code == "migration_changed"
        assert caught.value.hint
    assert objects(scratch) == before


def test_a_failing_migration_leaves_nothing_half_done(scratch: str) -> None:
    migrate(scratch, to=1)
    with psycopg.connect(scratch) as connection:  # in the way of the last table of the second
        connection.execute("CREATE TABLE idempotency ()")
    before = objects(scratch)
    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(scratch)
    assert applied(scratch) == NAMES[:1]
    assert objects(scratch) == before
    with psycopg.connect(scratch) as connection:
        connection.execute("DROP TABLE idempotency")
    assert migrate(scratch) == NAMES[1:]


def test_two_migrators_at_once_apply_each_step_once(scratch: str) -> None:
    done = in_threads(*[partial(migrate, scratch)] * 4)
    assert sorted(done, key=len) == [[], [], [], NAMES]
    assert applied(scratch) == NAMES


def test_every_migration_has_its_way_back_and_its_number() -> None:
    numbers = [int(name[:4]) for name in NAMES]
    assert numbers == sorted(set(numbers))
    assert all(migration.down.strip() for migration in migrations())


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A scratch database on the PostgreSQL server of this machine, if there is one."""
    try:
        connection = psycopg.connect(SERVER, autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL answers at 127.0.0.1:5432: {error}")
    name = f"commenda_test_{uuid.uuid4().hex[:12]}"
    with connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (APP_ROLE,))
        ours = known.fetchone() is None
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield url_of(SERVER, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        if ours:
            with suppress(psycopg.errors.DependentObjectsStillExist):  # another database has it
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(APP_ROLE)))


def test_a_business_runs_on_a_postgresql_server(elsewhere: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, database_url=elsewhere, app_password="tests-only")
    with Database.open(settings) as database:
        with database.transaction() as tx:
            row = tx.execute("SELECT current_user, current_database()").fetchone()
        assert row is not None
        assert row[0] == APP_ROLE
        world = World(database)
        flow = world.creator("anna")
        investor = world.investor("ines")
        subscription = world.subscribe(investor, world.product())
        world.activate()
        world.signal(flow, "0.5")
        world.advance(72).mature()
        world.ask(subscription)
        world.liquidate()
        world.settle(subscription)
        world.move_cash()
        world.assert_sound()
        assert world.wallet(investor) > D(9_900)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction() as tx:
            tx.execute("UPDATE entries SET amount = amount")
    # Opened again it is migrated already, and the books are as they were.
    with Database.open(settings) as database:
        with database.transaction() as tx:
            row = tx.execute("SELECT count(*) FROM settlements").fetchone()
        assert row == (1,)
        assert not any(tmp_path.iterdir()), "nothing is embedded"
