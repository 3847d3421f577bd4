"""A sign that a process is in the midst of something: seen by all, gone when the process is.

It is a session-level advisory lock that is shared, so that it hinders nobody, on a connection of
the process's own. Whoever shows a sign before it looks whether it may begin, and takes it down
once it is done, can be waited for by who has just forbidden it: what is not seen then has not
looked yet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import TupleRow

if TYPE_CHECKING:
    from commenda.kit.db import Tx

Session = psycopg.Connection[TupleRow]


class Signs:
    """One process's signs."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: Session | None = None
        self._talking = threading.Lock()

    @contextmanager
    def shown(self, kind: int, key: int) -> Iterator[None]:
        """Show the sign (kind, key), two numbers of 31 bits, while something is done."""
        with self._talking:
            session = self._put_up(kind, key)
        try:
            yield
        finally:
            with self._talking, suppress(psycopg.OperationalError):
                # Where its connection is gone the sign is, too.
                session.execute("SELECT pg_advisory_unlock_shared(%s, %s)", (kind, key))

    def close(self) -> None:
        with self._talking:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _put_up(self, kind: int, key: int) -> Session:
        statement = "SELECT pg_advisory_lock_shared(%s, %s)"
        if self._session is not None and not self._session.closed:
            with suppress(psycopg.OperationalError):  # the server was restarted meanwhile
                self._session.execute(statement, (kind, key))
                return self._session
        # When this machine is gone the server knows in 20 s, and the sign with it.
        self._session = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=10,
            application_name="commenda signs",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=2,
        )
        self._session.execute(
            "SELECT set_config('tcp_keepalives_idle', '10', false),"
            " set_config('tcp_keepalives_interval', '5', false),"
            " set_config('tcp_keepalives_count', '2', false)"
        )
        self._session.execute(statement, (kind, key))
        return self._session


def seen(tx: Tx, kind: int) -> set[int]:
    """The keys of a kind that anybody shows at this moment."""
    rows = tx.execute(
        "SELECT DISTINCT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND classid = %s::bigint::oid AND objsubid = 2"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (kind,),
    )
    return {int(row[0]) for row in rows}
