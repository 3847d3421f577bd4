"""A database without a schema, and all that a schema consists of."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import conninfo, sql

from commenda.kit.db import Database
from commenda.kit.migrate import migrations

NAMES = [migration.name for migration in migrations()]


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
