"""Whether the operation works, said truthfully: what can be tried is tried."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import psycopg
from psycopg import conninfo
from pydantic import Field, computed_field

from commenda.kit import clock
from commenda.kit.db import Database, Tx
from commenda.kit.migrate import migrations
from commenda.kit.wire import derived, on_wire, one_of
from commenda.market import BARS_LATE

T = TypeVar("T")

WORKER_SILENCE = 15
"""Seconds after which a worker that was not seen is taken for gone."""
PATIENCE = 2
"""Seconds in which the database has to answer."""
LEAST_SPACE = 128 << 20
"""Bytes that must be free beside an embedded database: its log grows by 16 MiB at once."""
MOST_APART = 2
"""Seconds by which two clocks may differ: sessions and codes go by one, the business by another."""
LEAST_LEFT = 3
"""Connections that must be left: a worker that starts again takes as many at once."""


SIGHTS: Mapping[str, str] = {
    "reachable": "reachable",
    "unreachable": "unreachable ({why})",
    "all_taken": "unreachable (every connection is taken)",
    "silent": "no answer within {most} s",
    "unseen": "not looked at: see the checks before",
    "elsewhere": "the database's machine looks after its own",
    "unreadable": "the data directory cannot be read ({why})",
    "space": "{free} MiB are free; {least} are needed at least",
    "refused": "refused ({why})",
    "written": "committed in {ms} ms",
    "no_ticks": "no ticks: {why}",
    "ahead": "business time is {seconds} s ahead of the clock and waits for it",
    "apart": "this process's is {seconds} s from the database's; {most} s at most",
    "taken": "{taken} of {most} are taken",
    "migrations": "{applied} migrations, as in this version",
    "other_version": "another version's: {missing} migrations missing, {unknown} unknown",
    "workers": "{seen} seen within {most} s",
    "no_market": "none: there is no live market",
    "newest_bar": "the newest bar closed {age} s of business time ago; bars are {interval} s",
}
"""What a check may see, so that whoever shows it can say it in their own words."""


@on_wire
@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one thing works, and what was seen of it."""

    ok: bool
    seen: Annotated[str, one_of(SIGHTS)]
    figures: Annotated[
        Mapping[str, str],
        Field(description="What `detail` says, by name: seconds, counts, an error."),
    ]

    @derived
    def detail(self) -> Annotated[str, Field(examples=["1 seen within 15 s"])]:
        return SIGHTS[self.seen].format(**self.figures)


def _saw(ok: bool, seen: str, /, **figures: object) -> Verdict:
    return Verdict(ok, seen, {name: str(value) for name, value in figures.items()})


@on_wire
@dataclass(frozen=True, slots=True)
class Readiness:
    """`ready` when each check is ok: database, schema, write, space, clock, connections, workers,
    feed."""

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

    def read(self) -> Readiness:
        """What was seen within a second. A look that hangs, as on a disk that does, keeps nobody
        else waiting for it longer than it may take."""
        if not self._looking.acquire(timeout=2 * PATIENCE):
            return _seen({"database": _saw(False, "silent", most=2 * PATIENCE)})
        self._looking.release()
        return super().read()


@contextmanager
def probing(database: Database) -> Iterator[Tx]:
    """A short transaction on a connection of its own: to look must work when the pool is empty."""
    url = conninfo.make_conninfo(
        database.app_url, connect_timeout=PATIENCE, application_name="commenda probe"
    )
    with psycopg.connect(url) as connection:
        connection.execute(f"SET statement_timeout = '{PATIENCE}s'")
        yield connection


def readiness(database: Database) -> Readiness:
    """Look now, and write: what is said is what was tried."""
    checks = {"space": _space(database.data)}
    try:
        with probing(database) as tx:
            checks |= {"database": _saw(True, "reachable"), "schema": _schema(tx)}
            if checks["schema"].ok:
                for name, look in _LOOKS.items():
                    checks[name] = look(tx)
                tx.commit()
                checks["write"] = _write(tx)
    except psycopg.Error as error:
        # The name of the error only: its text has addresses and names, and anybody may read this.
        full = any(words in str(error) for words in ("too many clients", "connection slots"))
        checks["database"] = (
            _saw(False, "all_taken")
            if full
            else _saw(False, "unreachable", why=type(error).__name__)
        )
    return _seen(checks)


def _seen(checks: Mapping[str, Verdict]) -> Readiness:
    unseen = _saw(False, "unseen")
    names = ("database", "schema", "write", "space", *_LOOKS)
    return Readiness({name: checks.get(name, unseen) for name in names})


def free_bytes(data: Path) -> int:
    """How much may be written yet to the disk on which the data directory lies."""
    return shutil.disk_usage(data).free


def _space(data: Path | None) -> Verdict:
    if data is None:
        return _saw(True, "elsewhere")
    try:
        free = free_bytes(data)
    except OSError as error:
        return _saw(False, "unreadable", why=type(error).__name__)
    return _saw(free >= LEAST_SPACE, "space", free=free >> 20, least=LEAST_SPACE >> 20)


def _write(tx: Tx) -> Verdict:
    """Have the server write a file that needs space, and commit a row to its disk."""
    begun = time.monotonic()
    try:
        with tx.transaction():
            tx.execute("SET LOCAL synchronous_commit = on")
            tx.execute("SET LOCAL work_mem = '64kB'")
            tx.execute("SELECT count(*) FROM generate_series(1, 50000)")  # kept in a file
            tx.execute(
                "INSERT INTO write_probe (written_at) VALUES (clock_timestamp())"
                " ON CONFLICT (single) DO UPDATE SET written_at = excluded.written_at"
            )
    except psycopg.Error as error:
        return _saw(False, "refused", why=type(error).__name__)
    return _saw(True, "written", ms=f"{1000 * (time.monotonic() - begun):.0f}")


def _clock(tx: Tx) -> Verdict:
    """This process's clock against the database's, and the business's against both."""
    asked = time.time()
    row = tx.execute(
        "SELECT extract(epoch FROM clock_timestamp())::float8,"
        " (SELECT extract(epoch FROM now_at - clock_timestamp())::float8 FROM business_clock"
        "  WHERE mode = 'wall'),"
        " (SELECT waits_for FROM workers WHERE leads AND waits_for IS NOT NULL"
        "  AND stopped_at IS NULL ORDER BY seen_at DESC LIMIT 1),"
        " (SELECT mode = 'wall' FROM business_clock)"
    ).fetchone()
    assert row is not None
    told, ahead, waits_for, by_wall = row
    answered = time.time()
    apart = (asked + answered) / 2 - told
    if by_wall and waits_for:
        return _saw(False, "no_ticks", why=waits_for)
    if ahead is not None and ahead > MOST_APART:
        return _saw(False, "ahead", seconds=f"{ahead:.0f}")
    return _saw(
        abs(apart) <= MOST_APART + (answered - asked) / 2,
        "apart",
        seconds=f"{apart:+.1f}",
        most=MOST_APART,
    )


def _connections(tx: Tx) -> Verdict:
    row = tx.execute(
        "SELECT current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int"
        " - coalesce(current_setting('reserved_connections', true)::int, 0),"
        " count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    ).fetchone()
    assert row is not None
    most, taken = row
    return _saw(most - taken >= LEAST_LEFT, "taken", taken=taken, most=most)


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
        return _saw(True, "migrations", applied=len(applied))
    missing, unknown = len(packaged.keys() - applied.keys()), len(applied.keys() - packaged.keys())
    return _saw(False, "other_version", missing=missing, unknown=unknown)


@cache
def _packaged() -> dict[str, str]:
    return {migration.name: migration.digest for migration in migrations()}


def _workers(tx: Tx) -> Verdict:
    seen = workers_seen(tx)
    return _saw(seen > 0, "workers", seen=seen, most=WORKER_SILENCE)


def _feed(tx: Tx) -> Verdict:
    row = tx.execute(
        "SELECT bar.ts + make_interval(secs => bar.interval_seconds) AS closed,"
        "  bar.interval_seconds FROM instruments AS i CROSS JOIN LATERAL ("
        "   SELECT ts, interval_seconds FROM market_bars WHERE instrument_id = i.id"
        "   ORDER BY ts DESC LIMIT 1) AS bar ORDER BY closed DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return _saw(True, "no_market")
    closed, interval = row
    age = (clock.business_now(tx) - closed).total_seconds()
    return _saw(
        age <= BARS_LATE * interval,
        "newest_bar",
        age=f"{max(age, 0):.0f}",
        interval=interval,
    )


_LOOKS: Mapping[str, Callable[[Tx], Verdict]] = {
    "clock": _clock,
    "connections": _connections,
    "workers": _workers,
    "feed": _feed,
}
