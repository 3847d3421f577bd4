"""Who does the ticks and the runs of schedules: one worker at a time, the others stand by.

The lead is a session-level advisory lock on a connection of its own: it is free the moment its
process dies, and another worker goes on with the open tick. Should a worker that lost the lock
(its connection broke) still be inside a job, the job runs twice at once: jobs lock what they
change and have natural keys. It looks at its connection before each job, and can neither note a
job nor end a tick that is not the open one any more.

Runs that are asked for by hand are done between ticks, when no work of a tick is half done.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from commenda.kit import clock
from commenda.kit.context import request_id
from commenda.kit.db import AWAY, Tx
from commenda.kit.errors import CommendaError
from commenda.operations.heeding import heed
from commenda.operations.runs import (
    Turn,
    begin_due,
    begin_requested,
    begin_to_lead,
    due,
    end_turn,
    said,
    tell_outcome,
)
from commenda.operations.ticks import (
    Interrupted,
    Job,
    Operation,
    Step,
    Superseded,
    begin_tick,
    end_tick,
    mark_done,
)

_LEAD = 0x636F6D6C  # "coml"
HEARTBEAT = 1.0
"""Wall seconds between two signs of life."""
JUMP = 300.0
"""Seconds by which the database's clock may go ahead of this machine's count of them from one look
to the next. Beyond, it was set: a business that went by it would let a year pass at once, and
could not go back."""
AT_ONCE = 100
"""Moments of one schedule that are made up for in one tick; the others wait for the next ticks."""

_log = logging.getLogger(__name__)


def seconds_lived() -> float:
    """Seconds as this machine counts them, sleep included, whatever its clock is set to."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Clockwork:
    """One worker's part in the ticks: its sign of life and, while it leads, the work."""

    def __init__(
        self,
        operation: Operation,
        jobs: Sequence[Step | Job],
        step: timedelta,
        number: int,
        lived: Callable[[], float] = seconds_lived,
    ) -> None:
        self.operation = replace(operation, pulse=self._go_on)
        self.jobs = jobs
        self.step = step
        self.id = f"{socket.gethostname()}-{os.getpid()}-{number}"
        self.leads = False
        self._session: psycopg.Connection[TupleRow] | None = None
        self._seen = float("-inf")
        self._tick_at: datetime | None = None
        self._lived = lived
        self._looked: tuple[float, float] | None = None
        self._ahead = 0.0

    def poll(self) -> bool:
        """Show a sign of life, and work if there is any here: a tick, or a run that is asked for.

        Whether a tick or a run was done.
        """
        session = self._connected()
        self._notice()
        if not self.leads:
            self.operation.broker.hints.take()  # who leads heeds them
            row = session.execute("SELECT pg_try_advisory_lock(%s)", (_LEAD,)).fetchone()
            if not row or not row[0]:
                return False
            with self.operation.database.transaction() as tx:
                begin_to_lead(tx, self.jobs)
            self.leads = True
            _log.info("leads", extra={"worker": self.id})
        try:
            self._heed()
            ticked = self._tick()
            return self._run_requested() or ticked
        except BaseException as cut:
            self.leads = False  # the next poll puts in order what this one leaves behind
            if isinstance(cut, Interrupted | Superseded):
                return False
            raise

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

    def _notice(self) -> None:
        """Show a sign of life if it is time; where the session and its lock are gone, raise."""
        session = self._session
        assert session is not None, "a poll connects first"
        row = session.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        assert row is not None
        self._compare(row[0])
        if time.monotonic() - self._seen <= HEARTBEAT:
            return
        session.execute(
            "INSERT INTO workers (id, started_at, seen_at, leads, tick_at, waits_for)"
            " VALUES (%(id)s, clock_timestamp(), clock_timestamp(), %(leads)s, %(tick)s, %(why)s)"
            " ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp(), stopped_at = NULL,"
            "  leads = excluded.leads, tick_at = coalesce(excluded.tick_at, workers.tick_at),"
            "  waits_for = excluded.waits_for",
            {"id": self.id, "leads": self.leads, "tick": self._tick_at, "why": self._waits_for()},
        )
        self._seen = time.monotonic()

    def _compare(self, wall: float) -> None:
        """Count by how much the database's clock was set ahead while this worker lived."""
        lived = self._lived()
        if self._looked is not None:
            leap = (wall - self._looked[0]) - (lived - self._looked[1])
            if abs(leap) > 1.0:
                waited = self._waits_for()
                self._ahead += leap
                if self._waits_for() != waited:
                    self._seen = float("-inf")  # told at once
                    _log.error(
                        "the database's clock went %+.0f s; %s",
                        leap,
                        self._waits_for() or "the ticks go on",
                    )
        self._looked = wall, lived

    def _waits_for(self) -> str | None:
        if self._ahead <= JUMP:
            return None
        return (
            f"the database's clock was set ahead by {self._ahead:.0f} s: set it back, or start the"
            " workers again if it is right now"
        )

    def _tick(self) -> bool:
        database = self.operation.database
        with database.transaction() as tx:
            if self._ahead > JUMP and clock.mode(tx) == "wall":
                return False
            tick = begin_tick(tx, self.step)
            if tick is None:
                return False
            waiting = due(tx, tick.at)
        for one in self.jobs:
            if isinstance(one, Job):
                for schedule_id in waiting.pop(one.name, ()):
                    self._catch_up(schedule_id, tick.at)
            elif one.name not in tick.done:
                self._go_on()
                self._do_step(one, tick.at)
        for schedule_id in chain.from_iterable(waiting.values()):  # whose job is gone: that is told
            self._catch_up(schedule_id, tick.at)
        with database.transaction() as tx:
            end_tick(tx, tick.at)
        self._tick_at = tick.at
        return True

    def _heed(self) -> None:
        """Look at once where streams hint at something; what cannot be seen now, a tick sees."""
        woken = self.operation.broker.hints.take()
        if not woken:
            return
        self._go_on()
        with self.operation.database.transaction() as tx:
            now = clock.business_now(tx)

        def act(operation: Operation, moment: datetime) -> None:
            heed(operation, moment, woken)

        self._try("heed:" + ",".join(sorted(woken)), act, now)

    def _go_on(self) -> None:
        if self.operation.stopping.is_set():
            raise Interrupted
        self._notice()

    def _do_step(self, step: Step, at: datetime) -> None:
        error = self._try(f"tick:{at.isoformat()}:{step.name}", step.act, at)
        with self.operation.database.transaction() as tx:
            mark_done(tx, step, at)
            tell_outcome(tx, step.name, at, error)

    def _catch_up(self, schedule_id: UUID, at: datetime) -> None:
        for _ in range(AT_ONCE):
            self._go_on()
            with self.operation.database.transaction() as tx:
                turn = begin_due(tx, schedule_id, at)
            if turn is None or not self._take(turn, at):
                return

    def _run_requested(self) -> bool:
        self._go_on()
        with self.operation.database.transaction() as tx:
            turn = begin_requested(tx)
        if turn is not None:
            self._take(turn, turn.at)
        return turn is not None

    def _take(self, turn: Turn, at: datetime) -> bool:
        """Do one run; whether another moment of its schedule is due."""

        def act(operation: Operation, moment: datetime) -> None:
            for job in self.jobs:
                if isinstance(job, Job) and job.name == turn.run.target:
                    return job.act(operation, moment, job.told(turn.run.parameter))
            raise CommendaError("bad_target", "There is no such job").at("target", turn.run.target)

        error = self._try(f"run:{turn.run.id}:{turn.name}", act, turn.at)
        with self.operation.database.transaction() as tx:
            return end_turn(tx, turn, at, error)

    def _try(
        self, request: str, act: Callable[[Operation, datetime], None], at: datetime
    ) -> str | None:
        """Do one piece of work; how it failed, or None.

        A lost connection is no failure of the work: the tick stays open and is done again.
        """
        token = request_id.set(request)
        try:
            act(self.operation, at)
        except (Interrupted, *AWAY):
            raise
        except Exception as failure:
            _log.exception("%s failed", request)
            return said(failure)
        finally:
            request_id.reset(token)
        return None


def forget_workers(tx: Tx) -> int:
    """Remove workers that were last seen more than a day ago; how many."""
    return tx.execute(
        "DELETE FROM workers WHERE seen_at < clock_timestamp() - interval '1 day'"
    ).rowcount
