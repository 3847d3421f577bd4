"""The database of one test process: where it lies, and how it is emptied between tests."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from commenda.kit.db import Database
from commenda.kit.embedded import EmbeddedServer
from commenda.settings import Settings

NAMED = os.environ.get("COMMENDA_TEST_DATABASE_URL")
"""The owner's URL of a database to use, on a server that is not started here."""

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
"""This process among several that share out the tests; None for one that runs them all."""


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    """The migrated database of this process: on a server of its own under `folder`, the named one,
    or for one of several workers a copy beside the named one.

    Embedded servers are not shared: sealing a chain waits for every older transaction of a server,
    whatever its database.
    """
    with _named() if NAMED else _embedded(folder) as url, Database.open(_settings(url)) as database:
        try:
            yield database
        finally:
            _let_go()


def never_sync(url: str) -> None:
    """Let an embedded server leave its files to the system: they need not outlive the machine.

    Every table that was emptied is a file to sync (measured: 17 s at the end of 200 tests).
    """
    superuser = conninfo.make_conninfo(url, user="postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


def _settings(url: str) -> Settings:
    return Settings(database_url=url, durable_commits=False, pool_size=24)


@contextmanager
def _embedded(folder: Path) -> Iterator[str]:
    server = EmbeddedServer.start(folder / "postgres")
    url = server.prepare()
    never_sync(url)
    try:
        yield url
    finally:
        server.release()


@contextmanager
def _named() -> Iterator[str]:
    assert NAMED
    if WORKER is None:
        yield NAMED
        return
    name = str(conninfo.conninfo_to_dict(NAMED)["dbname"])
    copy = f"{name}_{WORKER}"
    with (Path(tempfile.gettempdir()) / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a template is copied while nobody is connected to it
        Database.open(_settings(NAMED)).close()
        with psycopg.connect(NAMED, autocommit=True) as owner:
            _drop(owner, copy)
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            owner.execute(statement.format(sql.Identifier(copy), sql.Identifier(name)))
    try:
        yield conninfo.make_conninfo(NAMED, dbname=copy)
    finally:
        with psycopg.connect(NAMED, autocommit=True) as owner:
            _drop(owner, copy)


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    )


SMALL = 1 << 20
"""Bytes up to which the rows of a table are deleted, rather than the table truncated."""

_WRITTEN = """
SELECT string_agg(name, ', ') FILTER (WHERE size > %(small)s) AS large,
    string_agg('DELETE FROM ' || name, ';') FILTER (WHERE size <= %(small)s) AS small
FROM (
    SELECT format('%%I.%%I', n.nspname, top.relname) AS name, sum(pg_relation_size(c.oid)) AS size
    FROM pg_class c
    JOIN pg_class top ON top.oid = coalesce(pg_partition_root(c.oid), c.oid)
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'paper') AND c.relkind = 'r'
      AND c.relname NOT IN ('schema_migrations', 'stop_templates')
    GROUP BY 1
) written
WHERE size > 0
"""

_RESTART = """
SELECT setval(s.seqrelid, s.seqstart, false)
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
WHERE c.relnamespace IN ('public'::regnamespace, 'paper'::regnamespace)
  AND pg_sequence_last_value(s.seqrelid) IS NOT NULL
"""


_SHIPPED = """
DELETE FROM stop_templates WHERE valid_from > 'epoch';
UPDATE stop_templates SET ended_at = NULL, ended_by = NULL WHERE ended_at IS NOT NULL
"""
"""What comes with the schema stays as it came."""


def empty(database: Database) -> None:
    """Empty every table and begin every sequence anew; the schema and all connections stay.

    A table that nobody wrote to takes no space and is left alone. To truncate a table costs files:
    250 ms for the 27 that a small business writes to, on a busy machine, against 35 to delete their
    rows, which takes the superuser's right to pass over foreign keys and what forbids it. Where
    nobody has that right, all that was written to is truncated as the owner.
    """
    try:
        _sweep(*_sweeper(database.owner_url))
    except psycopg.OperationalError:  # a test had the server end connections, or end itself
        _let_go()
        _sweep(*_sweeper(database.owner_url))
    database.forget()


def _sweep(sweeper: psycopg.Connection, may_delete: bool) -> None:
    row = sweeper.execute(_WRITTEN, {"small": SMALL if may_delete else 0}).fetchone()
    assert row is not None
    large, small = row
    if large:
        sweeper.execute(f"TRUNCATE {large} CASCADE")
    if small:
        sweeper.execute(small)
    sweeper.execute(_SHIPPED)
    sweeper.execute(_RESTART)


_SWEEPERS: dict[str, tuple[psycopg.Connection, bool]] = {}
"""A new connection reads the catalogue first, which takes ten times as long as what is asked."""


def _sweeper(owner_url: str) -> tuple[psycopg.Connection, bool]:
    """A connection that may empty tables, and whether it may delete past every trigger."""
    if owner_url not in _SWEEPERS:
        superuser = conninfo.make_conninfo(owner_url, user="postgres")
        try:
            connection, may_delete = psycopg.connect(superuser, autocommit=True), True
            connection.execute("SET session_replication_role = replica")
        except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege):
            connection, may_delete = psycopg.connect(owner_url, autocommit=True), False
        _SWEEPERS[owner_url] = connection, may_delete
    return _SWEEPERS[owner_url]


def _let_go() -> None:
    while _SWEEPERS:
        _SWEEPERS.popitem()[1][0].close()
