"""Who does the ticks: one worker at a time, the others stand by.

The lead is a session-level advisory lock on a connection of its own: it is free the moment its
process dies, and another worker goes on with the open tick. Should a worker that lost the lock
(its connection broke) still be inside a job, the job runs twice at once: jobs lock what they
change and have natural keys. It looks at its connection before each job, and can neither note a
job nor end a tick that is not the open one any more.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import TupleRow

from commenda.audit import Event, record
from commenda.kit import ids
from commenda.kit.context import request_id
from commenda.kit.db import Tx
from commenda.operations.schedules import (
    RULES,
    Interrupted,
    Operation,
    Schedule,
    Superseded,
    begin_tick,
    due,
    end_tick,
    mark_done,
)

_LEAD = 0x636F6D6C  # "coml"
HEARTBEAT = 1.0
"""Wall seconds between two signs of life."""

_log = logging.getLogger(__name__)


class Clockwork:
    """One worker's part in the ticks: its sign of life and, while it leads, the work."""

    def __init__(
        self, operation: Operation, schedules: Sequence[Schedule], step: timedelta, number: int
    ) -> None:
        self.operation = operation
        self.schedules = schedules
        self.step = step
        self.id = f"{socket.gethostname()}-{os.getpid()}-{number}"
        self.leads = False
        self._session: psycopg.Connection[TupleRow] | None = None
        self._seen = float("-inf")
        self._tick_at: datetime | None = None

    def beat(self) -> bool:
        """Show a sign of life, and do a tick if one is due here; whether one was done."""
        session = self._connected()
        self._notice(session)
        if not self.leads:
            row = session.execute("SELECT pg_try_advisory_lock(%s)", (_LEAD,)).fetchone()
            self.leads = bool(row and row[0])
            if self.leads:
                _log.info("leads", extra={"worker": self.id})
        return self.leads and self._tick(session)

    def close(self) -> None:
        """Give up the lead and say goodbye."""
        if self._session is not None:
            with suppress(psycopg.Error):
                self._session.execute(
                    "UPDATE workers SET stopped_at = clock_timestamp(), leads = false"
                    " WHERE id = %s",
                    (self.id,),
                )
            self._session.close()

    def _connected(self) -> psycopg.Connection[TupleRow]:
        if self._session is None or self._session.closed:
            self.leads = False
            self._session = psycopg.connect(
                self.operation.database.app_url,
                autocommit=True,
                connect_timeout=10,
                application_name="commenda clockwork",
            )
            # When this machine is gone the server knows in 20 s, and another worker leads.
            self._session.execute(
                "SELECT set_config('tcp_keepalives_idle', '10', false),"
                " set_config('tcp_keepalives_interval', '5', false),"
                " set_config('tcp_keepalives_count', '2', false)"
            )
        return self._session

    def _notice(self, session: psycopg.Connection[TupleRow]) -> None:
        """Show a sign of life if it is time; where the session and its lock are gone, raise."""
        if time.monotonic() - self._seen > HEARTBEAT:
            self._show_life(session)
        else:
            session.execute("SELECT 1")

    def _show_life(self, session: psycopg.Connection[TupleRow]) -> None:
        session.execute(
            "INSERT INTO workers (id, started_at, seen_at, leads, tick_at)"
            " VALUES (%(id)s, clock_timestamp(), clock_timestamp(), %(leads)s, %(tick)s)"
            " ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp(), stopped_at = NULL,"
            "  leads = excluded.leads, tick_at = coalesce(excluded.tick_at, workers.tick_at)",
            {"id": self.id, "leads": self.leads, "tick": self._tick_at},
        )
        self._seen = time.monotonic()

    def _tick(self, session: psycopg.Connection[TupleRow]) -> bool:
        operation = self.operation
        with operation.database.transaction() as tx:
            tick = begin_tick(tx, self.step)
            if tick is None:
                return False
            waiting = [one for one in due(tx, self.schedules, tick.at) if one.name not in tick.done]
        try:
            for schedule in waiting:
                if operation.stopping.is_set():
                    return False
                self._notice(session)
                self._run(schedule, tick.at)
            with operation.database.transaction() as tx:
                end_tick(tx, tick.at)
        except (Interrupted, Superseded):
            return False
        self._tick_at = tick.at
        return True

    def _run(self, schedule: Schedule, at: datetime) -> None:
        """Do one job. One that fails is noted, told and tried again when it is next due.

        A lost connection is no failure of the job: the tick stays open and is done again.
        """
        token = request_id.set(f"tick:{at.isoformat()}:{schedule.name}")
        try:
            schedule.job(self.operation, at)
            error = None
        except (Interrupted, psycopg.OperationalError):
            raise
        except Exception as failure:
            _log.exception("the job %s failed", schedule.name)
            error = f"{type(failure).__name__}: {failure}"
        finally:
            request_id.reset(token)
        with self.operation.database.transaction() as tx:
            mark_done(tx, schedule, at, error)
            if error is not None:
                record(tx, [_failed(schedule, at, error)])


def forget_workers(tx: Tx) -> int:
    """Remove workers that were last seen more than a day ago; how many."""
    return tx.execute(
        "DELETE FROM workers WHERE seen_at < clock_timestamp() - interval '1 day'"
    ).rowcount


def _failed(schedule: Schedule, at: datetime, error: str) -> Event:
    return Event(
        "alert.job_failed",
        schedule.name,
        ids.derive("job", schedule.name),
        "failed",
        "operation",
        RULES,
        at,
        {"error": error[:1000]},
    )
