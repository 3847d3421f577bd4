"""Whether the operation works, said truthfully: the database, its schema, workers and the feed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Generic, TypeVar

import psycopg
from psycopg import conninfo
from pydantic import Field, computed_field

from commenda.kit import clock
from commenda.kit.db import Database, Tx
from commenda.kit.migrate import migrations
from commenda.kit.wire import on_wire

T = TypeVar("T")

WORKER_SILENCE = 15
"""Seconds after which a worker that was not seen is taken for gone."""
BARS_LATE = 2
"""Bar intervals of business time after which the feed is late."""
PATIENCE = 2
"""Seconds in which the database has to answer."""


@on_wire
@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one thing works, and what was seen of it."""

    ok: bool
    detail: Annotated[str, Field(examples=["1 seen within 15 s"])]


@on_wire
@dataclass(frozen=True, slots=True)
class Readiness:
    """`ready` when each check is ok: database, schema, workers, feed."""

    checks: dict[str, Verdict]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ready(self) -> bool:
        return all(verdict.ok for verdict in self.checks.values())


class Seldom(Generic[T]):
    """What `look` sees, looked for at most once in `seconds` however many ask."""

    def __init__(
        self, look: Callable[[], T], seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._look = look
        self._seconds = seconds
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._seen: tuple[float, T] | None = None

    def read(self) -> T:
        with self._looking:
            now = self._monotonic()
            if self._seen is None or now - self._seen[0] >= self._seconds:
                self._seen = (now, self._look())
            return self._seen[1]


class Health(Seldom[Readiness]):
    """Whether the operation works, looked at once a second: anybody may ask."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(lambda: readiness(database), 1.0, monotonic)


@contextmanager
def probing(database: Database) -> Iterator[Tx]:
    """A short transaction on a connection of its own: to look must work when the pool is empty."""
    url = conninfo.make_conninfo(
        database.app_url, connect_timeout=PATIENCE, application_name="commenda probe"
    )
    with psycopg.connect(url) as connection:
        connection.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
        yield connection


def readiness(database: Database) -> Readiness:
    """Look now."""
    try:
        with probing(database) as tx:
            checks = {"database": Verdict(True, "reachable"), "schema": _schema(tx)}
            if checks["schema"].ok:
                checks |= {"workers": _workers(tx), "feed": _feed(tx)}
    except psycopg.Error as error:
        # The name of the error only: its text has addresses and names, and anybody may read this.
        checks = {"database": Verdict(False, f"unreachable ({type(error).__name__})")}
    unseen = Verdict(False, "not looked at: see the checks before")
    names = ("database", "schema", "workers", "feed")
    return Readiness({name: checks.get(name, unseen) for name in names})


def workers_seen(tx: Tx) -> int:
    """How many workers were seen a moment ago."""
    row = tx.execute(
        "SELECT count(*) FROM workers WHERE stopped_at IS NULL"
        " AND seen_at > clock_timestamp() - make_interval(secs => %s)",
        (WORKER_SILENCE,),
    ).fetchone()
    return int(row[0]) if row else 0


def _schema(tx: Tx) -> Verdict:
    applied: dict[str, str] = dict(
        tx.execute("SELECT name, digest FROM schema_migrations").fetchall()
    )
    packaged = _packaged()
    if applied == packaged:
        return Verdict(True, f"{len(applied)} migrations, as in this version")
    missing, unknown = len(packaged.keys() - applied.keys()), len(applied.keys() - packaged.keys())
    return Verdict(False, f"another version's: {missing} migrations missing, {unknown} unknown")


@cache
def _packaged() -> dict[str, str]:
    return {migration.name: migration.digest for migration in migrations()}


def _workers(tx: Tx) -> Verdict:
    seen = workers_seen(tx)
    return Verdict(seen > 0, f"{seen} seen within {WORKER_SILENCE} s")


def _feed(tx: Tx) -> Verdict:
    row = tx.execute(
        "SELECT bar.ts + make_interval(secs => bar.interval_seconds) AS closed,"
        "  bar.interval_seconds FROM instruments AS i CROSS JOIN LATERAL ("
        "   SELECT ts, interval_seconds FROM market_bars WHERE instrument_id = i.id"
        "   ORDER BY ts DESC LIMIT 1) AS bar ORDER BY closed DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return Verdict(True, "none: there is no live market")
    closed, interval = row
    age = (clock.business_now(tx) - closed).total_seconds()
    return Verdict(
        age <= BARS_LATE * interval,
        f"the newest bar closed {max(age, 0):.0f} s of business time ago; bars are {interval} s",
    )
