"""The schema goes up and down, once, in order, on any PostgreSQL, and refuses what it is not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from commenda.identity import Principal, Role, register_users
from commenda.kit import clock, ids
from commenda.kit.db import APP_ROLE, Database
from commenda.kit.errors import CommendaError
from commenda.kit.migrate import migrate, migrations
from commenda.operations import approve_and_carry_out, reject_and_give_back, verify
from commenda.settings import Settings
from world import START, D, World, in_threads

NAMES = [migration.name for migration in migrations()]
SERVER = "host=127.0.0.1 port=5432 user=postgres dbname=postgres connect_timeout=2"


def url_of(server: str, name: str) -> str:
    return conninfo.make_conninfo(server, dbname=name)


@pytest.fixture
def scratch(database: Database) -> Iterator[str]:
    """An empty database of the owner's on the tests' server."""
    admin = conninfo.make_conninfo(database.owner_url, user="postgres", dbname="postgres")
    name = f"scratch_{uuid.uuid4().hex[:12]}"
    owner = conninfo.conninfo_to_dict(database.owner_url)["user"]
    try:
        connection = psycopg.connect(admin, autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"databases are created by the superuser of the tests' server: {error}")
    with connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(str(owner))
            )
        )
        yield url_of(database.owner_url, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def objects(url: str) -> list[tuple[str, ...]]:
    """Every table, column, function, index, constraint and grant that the schema made."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT 'column', table_schema, table_name, column_name, data_type,"
            "  coalesce(column_default, '') FROM information_schema.columns"
            " WHERE table_schema IN ('public', 'paper')"
            " UNION ALL SELECT 'index', schemaname, tablename, indexname, indexdef, ''"
            "  FROM pg_indexes WHERE schemaname IN ('public', 'paper')"
            " UNION ALL SELECT 'constraint', n.nspname, coalesce(r.relname, ''), c.conname,"
            "  pg_get_constraintdef(c.oid), ''"
            "  FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace"
            "  LEFT JOIN pg_class r ON r.oid = c.conrelid WHERE n.nspname IN ('public', 'paper')"
            " UNION ALL SELECT 'function', n.nspname, p.proname, '', pg_get_functiondef(p.oid),"
            "  coalesce(p.proacl::text, '') FROM pg_proc p JOIN pg_namespace n"
            "  ON n.oid = p.pronamespace WHERE n.nspname IN ('public', 'paper')"
            " UNION ALL SELECT 'grant', table_schema, table_name, grantee, privilege_type, ''"
            "  FROM information_schema.role_table_grants"
            "  WHERE table_schema IN ('public', 'paper')"
            " UNION ALL SELECT 'column grant', table_schema, table_name,"
            "  grantee || '.' || column_name, privilege_type, ''"
            "  FROM information_schema.column_privileges"
            "  WHERE table_schema IN ('public', 'paper')"
            " UNION ALL SELECT 'trigger', '', c.relname, t.tgname, pg_get_triggerdef(t.oid), ''"
            "  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal"
            " ORDER BY 1, 2, 3, 4, 5, 6"
        ).fetchall()


def applied(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT name FROM schema_migrations ORDER BY name").fetchall()
    return [name for (name,) in rows]


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
    assert [name[:4] for name in NAMES] == [f"{n:04d}" for n in range(1, len(NAMES) + 1)]
    assert all(migration.down.strip() for migration in migrations())


# --- a PostgreSQL that is not ours -----------------------------------------------------------


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


# --- what was stored before a migration ------------------------------------------------------

HELD = NAMES.index("0019_withdrawals_are_held")
INES, JON = uuid.UUID(int=1), uuid.UUID(int=2)
OUTSIDE = ("external", ids.derive("platform"))


def ask_as_before(owner: psycopg.Connection, user: uuid.UUID, amount: str, number: int) -> None:
    """A large withdrawal as it was asked for until then: its money moved to `withdrawing`."""
    request, approval = uuid.UUID(int=100 + number), uuid.UUID(int=200 + number)
    at = "2026-01-05 12:00:00+00"
    owner.execute(
        "INSERT INTO approvals (id, kind, subject, payload, correlation_id, requested_by,"
        " requested_at, expires_at) VALUES (%s, 'funding.withdrawal', %s, '{}', %s, %s, %s,"
        " '2026-01-08 12:00:00+00')",
        (approval, str(request), request, user, at),
    )
    owner.execute(
        "INSERT INTO funding_requests (id, user_id, asset, direction, amount, status,"
        " approval_id, created_at) VALUES (%s, %s, 'USDT', 'withdrawal', %s, 'pending', %s, %s)",
        (request, user, amount, approval, at),
    )
    move(owner, f"withdrawal_request:{request}", ("wallet", user), ("withdrawing", user), amount)


def move(
    owner: psycopg.Connection,
    key: str,
    source: tuple[str, uuid.UUID],
    target: tuple[str, uuid.UUID],
    amount: str,
    at: str = "2026-01-05 12:00:00+00",
) -> None:
    for kind, of in (source, target):
        owner.execute(
            "INSERT INTO accounts (kind, owner_kind, owner_id, asset)"
            " VALUES (%s, 'investor', %s, 'USDT') ON CONFLICT DO NOTHING",
            (kind, of),
        )
    row = owner.execute(
        "SELECT outcome FROM post_journals(ARRAY[%s], ARRAY[split_part(%s, ':', 1)],"
        " ARRAY[gen_random_uuid()], ARRAY[%s::timestamptz], 'test', 'test/1',"
        " %s::timestamptz, ARRAY[1, 1], ARRAY["
        "  (SELECT id FROM accounts WHERE kind = %s AND owner_id = %s),"
        "  (SELECT id FROM accounts WHERE kind = %s AND owner_id = %s)],"
        " ARRAY[-%s::numeric, %s::numeric])",
        (key, key, at, at, *source, *target, amount, amount),
    ).fetchone()
    assert row == ("posted",)


@pytest.fixture
def waiting(scratch: str) -> str:
    """A database of the version before, in which three large withdrawals wait."""
    migrate(scratch, to=HELD)
    with psycopg.connect(scratch) as owner:
        owner.execute("INSERT INTO business_clock (now_at) VALUES ('2026-01-06 12:00:00+00')")
        for user, name in ((INES, "ines"), (JON, "jon")):
            owner.execute(
                "INSERT INTO users (id, username, role, created_at)"
                " VALUES (%s, %s, 'investor', '2026-01-05 00:00:00+00')",
                (user, name),
            )
            move(owner, f"deposit:{name}", OUTSIDE, ("wallet", user), "50000")
        ask_as_before(owner, INES, "10000", 1)
        ask_as_before(owner, INES, "12000.5", 2)
        ask_as_before(owner, JON, "50000", 3)
    return scratch


def decide(database: Database, number: int, *, approved: bool) -> None:
    somebody = Principal(uuid.UUID(int=9), Role.RISK, frozenset(), None, True)
    with database.transaction() as tx:
        register_users(tx, [(somebody.user_id, "somebody")], "risk", START)
        now = clock.business_now(tx)
        if approved:
            approve_and_carry_out(tx, uuid.UUID(int=200 + number), somebody, now)
        else:
            reject_and_give_back(tx, uuid.UUID(int=200 + number), somebody, now, "no")


def wallets(url: str) -> list[tuple[Decimal, Decimal]]:
    with psycopg.connect(url) as owner:
        return owner.execute(
            "SELECT balance, held FROM accounts WHERE kind = 'wallet' ORDER BY owner_id"
        ).fetchall()


def test_withdrawals_that_wait_become_holds_and_are_decided_afterwards(
    waiting: str, tmp_path: Path
) -> None:
    assert wallets(waiting) == [(D("27999.5"), 0), (0, 0)]
    migrate(waiting, to=HELD + 1)
    assert wallets(waiting) == [(50_000, D("22000.5")), (50_000, 50_000)]
    settings = Settings(data=tmp_path, database_url=waiting)
    with Database.open(settings) as database:
        with database.transaction() as tx:
            assert list(verify(tx)) == []
        decide(database, 1, approved=True)
        decide(database, 3, approved=False)
        assert wallets(waiting) == [(40_000, D("12000.5")), (50_000, 0)]
        with database.transaction() as tx:
            assert list(verify(tx)) == []
            paid = tx.execute(
                "SELECT amount, created_at FROM asset_log WHERE remark = 'withdrawal'"
            ).fetchall()
    assert paid == [(D(-10_000), datetime(2026, 1, 6, 12, tzinfo=UTC))]


def test_the_way_back_from_holds_is_refused_while_withdrawals_wait(
    waiting: str, tmp_path: Path
) -> None:
    migrate(waiting, to=HELD + 1)
    with pytest.raises(psycopg.errors.RaiseException, match="withdrawals wait for a decision"):
        migrate(waiting, to=HELD)
    assert applied(waiting) == NAMES[: HELD + 1]
    with Database.open(Settings(data=tmp_path, database_url=waiting)) as database:
        for number in (1, 2, 3):
            decide(database, number, approved=number == 2)
    assert migrate(waiting, to=HELD) == NAMES[HELD:][::-1]
    assert wallets(waiting) == [(D("37999.5"), 0), (50_000, 0)]
    assert migrate(waiting) == NAMES[HELD:]


def test_money_that_nobody_asked_for_keeps_withdrawals_from_becoming_holds(waiting: str) -> None:
    with psycopg.connect(waiting) as owner:
        owner.execute("DELETE FROM funding_requests WHERE user_id = %s", (JON,))
    with pytest.raises(psycopg.errors.RaiseException, match="not what waits for a decision"):
        migrate(waiting)
    assert applied(waiting) == NAMES[:HELD]
    assert wallets(waiting) == [(D("27999.5"), 0), (0, 0)]


PROVED = NAMES.index("0015_ledger_proof")


def test_times_that_went_back_along_an_account_do_so_no_more(scratch: str, tmp_path: Path) -> None:
    """Until then a posting had its author's time, and two could commit in the other order."""
    migrate(scratch, to=PROVED)
    ines, jon, kim = (("wallet", uuid.UUID(int=number)) for number in (1, 2, 3))
    with psycopg.connect(scratch) as owner:
        for key, source, target, second in (
            ("deposit:1", OUTSIDE, ines, 5),
            ("deposit:2", OUTSIDE, ines, 3),
            ("pass:1", ines, jon, 4),
            ("pass:2", jon, kim, 1),
            ("pass:3", kim, jon, 6),
        ):
            move(owner, key, source, target, "1", f"2026-01-05 12:00:0{second}+00")
    migrate(scratch)
    settings = Settings(data=tmp_path, database_url=scratch)
    with Database.open(settings) as database, database.transaction() as tx:
        assert list(verify(tx)) == []
        posted = tx.execute(
            "SELECT extract(second FROM posted_at)::integer,"
            " extract(second FROM effective_at)::integer FROM journals ORDER BY id"
        ).fetchall()
        held_at_five = tx.execute(
            "SELECT balance_posted(id, '2026-01-05 12:00:05+00') FROM accounts"
            " WHERE kind = 'wallet' ORDER BY owner_id"
        ).fetchall()
    assert posted == [(5, 5), (5, 3), (5, 4), (5, 1), (6, 6)]
    assert held_at_five == [(1,), (0,), (1,)]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (
            "INSERT INTO accounts (kind, owner_kind, owner_id, asset, stripe)"
            " VALUES ('external', 'platform', gen_random_uuid(), 'USDT', 3)",
            "kept in stripes",
        ),
        (
            "WITH wallet AS (INSERT INTO accounts (kind, owner_kind, owner_id, asset)"
            "  VALUES ('wallet', 'investor', gen_random_uuid(), 'USDT') RETURNING id)"
            " INSERT INTO holds (group_key, account_id, amount, purpose, actor, rule_version,"
            "  correlation_id, placed_at)"
            " SELECT 'freeze', id, 1, 'freeze', 'test', 'test/1', gen_random_uuid(), now()"
            " FROM wallet",
            "money is on hold",
        ),
        (
            "WITH product AS (INSERT INTO pool_products (id, name, asset, scale, kind, cadence,"
            "   total_quota, minimum, accrued_through, created_at) VALUES (gen_random_uuid(), 'p',"
            "   'USDT', 8, 'flexible', 'daily', 10, 1, '2026-01-05', now()) RETURNING id),"
            " investor AS (INSERT INTO users (id, username, role, created_at)"
            "  VALUES (gen_random_uuid(), 'ines', 'investor', now()) RETURNING id),"
            " account AS (INSERT INTO accounts (kind, owner_kind, owner_id, asset)"
            "  SELECT 'holding', 'investor', id, 'USDT' FROM investor RETURNING id)"
            " INSERT INTO pool_holdings (product_id, id, user_id, account_id, amount,"
            "  accrued_through, start_at, created_at)"
            " SELECT p.id, gen_random_uuid(), i.id, a.id, 1, '2026-01-05', now(), now()"
            " FROM product p, investor i, account a",
            "people hold pool products",
        ),
    ],
)
def test_a_way_back_that_would_lose_something_is_refused_and_changes_nothing(
    scratch: str, made: str, why: str
) -> None:
    migrate(scratch)
    with psycopg.connect(scratch) as owner:
        owner.execute(made)
    before = objects(scratch)
    with pytest.raises(psycopg.errors.RaiseException, match=why):
        migrate(scratch, to=PROVED)
    assert applied(scratch) == NAMES
    assert objects(scratch) == before
