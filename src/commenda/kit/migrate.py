"""Plain SQL migrations, applied in order under an advisory lock.

A migration is `schema/NNNN_name.sql` with `schema/NNNN_name.down.sql` beside it. Each runs in one
transaction with its row in `schema_migrations`, so a failure leaves nothing half-done.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg.rows import TupleRow

from commenda.kit.errors import CommendaError

_LOCK = 0x636F6D6D  # "comm": one migrator at a time in a database


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema and its way back."""

    name: str
    up: str
    down: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.up.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """Every migration of the package, in order."""
    files = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in resources.files("commenda.schema").iterdir()
        if entry.name.endswith(".sql")
    }
    ups = sorted(name for name in files if not name.endswith(".down.sql"))
    return tuple(
        Migration(name[: -len(".sql")], files[name], files[name.replace(".sql", ".down.sql")])
        for name in ups
    )


def migrate(owner_url: str, *, to: int | None = None) -> list[str]:
    """Bring the schema up (or down) to the first `to` migrations, all by default.

    Returns the names applied or reverted. Code `migration_changed` when an applied migration's
    text differs from the package's.
    """
    wanted = migrations()
    keep = len(wanted) if to is None else to
    done: list[str] = []
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        try:
            applied = _applied(connection)
            _refuse_changed(wanted, applied)
            for migration in wanted[len(applied) : keep]:
                with connection.transaction():
                    connection.execute(migration.up)
                    connection.execute(
                        "INSERT INTO schema_migrations (name, digest) VALUES (%s, %s)",
                        (migration.name, migration.digest),
                    )
                done.append(migration.name)
            with connection.transaction():  # a way down that is refused changes nothing
                for migration in reversed(wanted[keep : len(applied)]):
                    connection.execute(migration.down)
                    connection.execute(
                        "DELETE FROM schema_migrations WHERE name = %s", (migration.name,)
                    )
                    done.append(migration.name)
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
    return done


def _applied(connection: psycopg.Connection[TupleRow]) -> dict[str, str]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " name text PRIMARY KEY, digest text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    return dict(
        connection.execute("SELECT name, digest FROM schema_migrations ORDER BY name").fetchall()
    )


def _refuse_changed(wanted: tuple[Migration, ...], applied: dict[str, str]) -> None:
    known = {migration.name: migration.digest for migration in wanted}
    for name, digest in applied.items():
        if known.get(name) != digest:
            raise CommendaError(
                "migration_changed", "This database was migrated by another version of Commenda"
            ).at(
                "migration",
                name,
                "run the version that made it, or migrate with a package that contains it",
            )
