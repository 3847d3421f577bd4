"""The database of one test process: copied from a template, emptied where it was written to."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from commenda.kit.db import Database
from commenda.kit.embedded import OWNER_ROLE, EmbeddedServer
from commenda.settings import Settings

NAMED = os.environ.get("COMMENDA_TEST_DATABASE_URL")
"""The owner's URL of a database to use, on a server that is not started here."""


@contextmanager
def opened(worker: str | None, shared: Path) -> Iterator[Database]:
    """The migrated database of this process, on a server embedded under `shared` or the named one.

    A process that runs alone has that database itself. One of several workers, who have the folder
    `shared` in common, has a copy beside it: it is the template, and migrated once.
    """
    with (
        _server(shared) as url,
        _copied(url, worker, shared) as own,
        Database.open(_settings(own, shared)) as database,
    ):
        yield database


def _settings(url: str, data: Path) -> Settings:
    return Settings(data=data, database_url=url, durable_commits=False, pool_size=24)


@contextmanager
def _server(shared: Path) -> Iterator[str]:
    """The owner's URL of the named database, or of an embedded server's that stops with its last
    process."""
    if NAMED:
        yield NAMED
        return
    server = EmbeddedServer.start(shared / "postgres")
    url = server.prepare()
    with psycopg.connect(_as_superuser(url), autocommit=True) as connection:
        # Nothing here need outlive the machine, and every table that was emptied is a file to sync
        # (measured: 17 s at the end of 200 tests).
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield url
    finally:
        server.release()


@contextmanager
def _copied(template: str, worker: str | None, shared: Path) -> Iterator[str]:
    if worker is None:
        yield template
        return
    named = str(conninfo.conninfo_to_dict(template)["dbname"])
    copy = f"{named}_{worker}"
    # The embedded owner may create no databases; a named one's owner must.
    creator, owner = (template, None) if NAMED else (_as_superuser(template), OWNER_ROLE)
    with (shared / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a template is copied while nobody is connected to it
        Database.open(_settings(template, shared)).close()
        with psycopg.connect(creator, autocommit=True) as connection:
            _drop(connection, copy)
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                    sql.Identifier(copy),
                    sql.Identifier(named),
                    sql.Identifier(owner) if owner else sql.SQL("CURRENT_USER"),
                )
            )
    try:
        yield conninfo.make_conninfo(template, dbname=copy)
    finally:
        with psycopg.connect(creator, autocommit=True) as connection:
            _drop(connection, copy)


def _as_superuser(url: str) -> str:
    return conninfo.make_conninfo(url, user="postgres")


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    )


_WRITTEN = """
SELECT string_agg(DISTINCT format('%I.%I', n.nspname, top.relname), ', ')
FROM pg_class c
JOIN pg_class top ON top.oid = coalesce(pg_partition_root(c.oid), c.oid)
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'paper') AND c.relkind = 'r' AND c.relname <> 'schema_migrations'
  AND pg_relation_size(c.oid) > 0
"""

_RESTART = """
SELECT setval(s.seqrelid, s.seqstart, false)
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
WHERE c.relnamespace IN ('public'::regnamespace, 'paper'::regnamespace)
  AND pg_sequence_last_value(s.seqrelid) IS NOT NULL
"""


def empty(database: Database) -> None:
    """Empty every table and begin every sequence anew, as the owner; the schema stays.

    A table that nobody wrote to since it was emptied takes no space and is left alone: to truncate
    all of them costs 75 ms a test, to ask 2.
    """
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        row = owner.execute(_WRITTEN).fetchone()
        if row and row[0]:
            owner.execute(f"TRUNCATE {row[0]} CASCADE")
        owner.execute(_RESTART)
