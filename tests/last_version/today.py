"""All that the test of the last version's database asks of today's code, in one place."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg

from commenda.audit import begin_era, check_chain, seal
from commenda.kit import clock, durable
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.kit.migrate import migrate
from commenda.operations import CHAINS, JOBS, Clockwork, Operation, reconcile_all
from commenda.settings import Settings
from last_version import story
from world import World

DUMP = Path(__file__).with_name("database.sql.gz")


def restore(url: str) -> None:
    """Make the owner's database that of the last version, with its schema and its rows."""
    with Database.open(_settings(url)):
        pass  # the application's role exists now
    migrate(url, to=0)
    migrate(url, to=story.MIGRATIONS)
    with psycopg.connect(url) as owner, gzip.open(DUMP, "rt", newline="\n") as lines:
        _switch_triggers(owner, "DISABLE")  # entries come only with their journal
        owner.execute("DELETE FROM business_clock")
        for line in lines:
            if line.startswith("COPY "):
                with owner.cursor() as cursor, cursor.copy(line.rstrip(";\n")) as copy:  # type: ignore[arg-type]
                    while (row := next(lines)) != "\\.\n":
                        copy.write(row)
            else:
                owner.execute(line)  # type: ignore[arg-type]
        _switch_triggers(owner, "ENABLE")
        for chain in CHAINS:  # transaction ids begin again in another cluster
            begin_era(owner, chain)


def _switch_triggers(owner: psycopg.Connection[tuple[object, ...]], how: str) -> None:
    for (table,) in owner.execute(
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger t"
        " JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT tgisinternal AND NOT c.relispartition"
    ).fetchall():
        owner.execute(f"ALTER TABLE {table} {how} TRIGGER USER")  # type: ignore[arg-type]


def rows(url: str) -> dict[str, str]:
    """What every table holds, as a digest, whichever order its columns and rows are in.

    Not when a batch was concluded, which is written and never read.
    """
    with psycopg.connect(url) as owner:
        tables = owner.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname IN ('public', 'paper') AND tablename <> 'schema_migrations'"
        ).fetchall()
        held = {}
        for (table,) in tables:
            query = (
                "SELECT md5(string_agg(row::text, ' ' ORDER BY row::text))"
                f" FROM (SELECT to_jsonb(t) - 'concluded_at' AS row FROM {table} t) rows"
            )
            ((held[table],),) = owner.execute(query).fetchall()  # type: ignore[arg-type]
    return held


@contextmanager
def taken_over(url: str) -> Iterator[World]:
    """The business of the last version under today's schema, at a venue that works."""
    with Database.open(_settings(url)) as database:
        durable.prepare(database.owner_url)
        yield World(database, story.PRICES, **story.VENUE, taken_up=True)


def go_on(world: World, hour: int) -> None:
    """Do every tick up to this hour, the one that was cut short first."""
    clockwork = Clockwork(Operation(world.database, world.broker), JOBS, timedelta(hours=1), 0)
    try:
        while world.now < story.moment(hour):
            assert clockwork.poll()
            with world.database.transaction() as tx:
                world.now = clock.business_now(tx)
    finally:
        clockwork.close()


def findings(world: World) -> list[str]:
    """Whatever `verify --chain` and `reconcile` find, and jobs that failed."""
    database, settings = world.database, _settings(world.database.owner_url)
    found = world.findings()
    for chain in CHAINS:
        key = Keys.of(settings).derive(chain.purpose)
        full = True
        while full:
            with database.transaction() as tx:
                full = seal(tx, key, chain=chain).full
        with database.transaction() as tx:
            found += map(str, check_chain(tx, key, chain=chain))
    with database.transaction() as tx:
        found += [str(line) for line in reconcile_all(tx).unexplained]
    with database.transaction() as tx:
        found += [str(line) for line in reconcile_all(tx, broker=world.broker).unexplained]
    return found + world.column(
        "SELECT name || ': ' || last_error FROM schedules WHERE last_error IS NOT NULL"
        " UNION ALL SELECT kind || ': ' || details::text FROM audit_events"
        " WHERE kind IN ('alert.flow_failed', 'alert.copy_failed', 'alert.job_failed',"
        "  'alert.unreconciled')"
    )


def half_done(world: World) -> dict[str, int]:
    """What is begun and not concluded."""
    queries = {
        "orders": "SELECT count(*) FROM orders WHERE terminal_at IS NULL",
        "shares": "SELECT count(*) FROM allocations WHERE quantity IS NULL",
        "signals": "SELECT count(*) FROM trading_signals WHERE status <> 'processed'",
        "transfers": "SELECT count(*) FROM transfers WHERE done_at IS NULL",
        "closings": "SELECT count(*) FROM closings WHERE paid_at IS NULL",
        "attempts": "SELECT count(*) FROM closing_attempts WHERE outcome IS NULL",
        "subscriptions": (
            "SELECT count(*) FROM managed_subscriptions"
            " WHERE status NOT IN ('SETTLED', 'CANCELLED')"
        ),
    }
    return {name: world.one(query) for name, query in queries.items()}


def worked(world: World) -> set[tuple[object, ...]]:
    """What the venue has filled: (client order id, fill, quantity, price)."""
    return set(world.rows("SELECT client_order_id, id, quantity, price FROM paper.fills"))


def _settings(url: str) -> Settings:
    return Settings(
        database_url=url, master_key=story.MASTER_KEY, durable_commits=False, pool_size=4
    )
