"""Whose work is whose: every worker holds a slot, and all sweep up what the dead ones left.

A worker recovers only the workflows that carry its own executor id, and two live workers with one
id run the same steps twice. So the id is a slot, held by a session-level advisory lock on a
connection of its own: nobody can share it, and it is free the moment its process dies.

Workflows belong to a version of the code, and only workers of the newest version take new work.
Workers of an older release that is started again would idle for ever; so a version becomes the
newest when no worker of a newer one is alive. The newest also continues what others left behind.
"""

from __future__ import annotations

import logging
from collections.abc import Set
from itertools import count
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

SLOTS = 0x636F6D77  # "comw": the worker in slot n holds the advisory lock (SLOTS, n)

_log = logging.getLogger(__name__)


class Slot:
    """One worker's place. `held` turns False for good when another worker has taken it over."""

    def __init__(self, app_url: str, version: str) -> None:
        self.held = True
        self._app_url = app_url
        self._version = version
        self._session = self._connect()
        self._suspects: set[tuple[str, str]] = set()
        self.number = next(number for number in count() if self._take(number))

    @property
    def executor_id(self) -> str:
        return f"worker-{self.number}"

    def close(self) -> None:
        """Free the slot."""
        self._session.close()

    def sweep(self, running: Set[str]) -> int:
        """Put abandoned workflows back into their queues, at their old place; how many.

        Abandoned are the workflows of free slots, and those of this one that are not `running`
        here (the server went down between claim and start). Two sweeps in a row must find them
        so, under the same claim: a worker whose connection broke has that long to take its slot
        again, and a workflow that somebody has claimed meanwhile is his.
        """
        if not self._keep():
            return 0
        values = {"own": self.executor_id, "version": self._version, "slots": SLOTS}
        self._session.execute(_BECOME_NEWEST, values)
        suspects = {
            (workflow_id, claim)
            for workflow_id, claim, executor_id in self._session.execute(_UNATTENDED, values)
            if executor_id != self.executor_id or workflow_id not in running
        }
        abandoned = suspects & self._suspects
        self._suspects = suspects
        if not abandoned:
            return 0
        workflow_ids, claims = zip(*abandoned, strict=True)
        adopted = self._session.execute(
            _PUT_BACK, {"version": self._version, "ids": list(workflow_ids), "claims": list(claims)}
        ).rowcount
        _log.warning("%s puts back %s abandoned workflows", self.executor_id, adopted)
        return adopted

    def _keep(self) -> bool:
        """Take the slot again if its connection broke; whether it is still ours."""
        if self.held and self._session.closed:
            self._session = self._connect()
            self.held = self._take(self.number)
            if not self.held:
                _log.error("%s was taken over by another worker", self.executor_id)
        return self.held

    def _take(self, number: int) -> bool:
        lock = "SELECT pg_try_advisory_lock(%s, %s)"
        return self._session.execute(lock, (SLOTS, number)).fetchone() == (True,)

    def _connect(self) -> psycopg.Connection[TupleRow]:
        """A session named by its version; when this machine is gone the server knows in 20 s."""
        return psycopg.connect(
            self._app_url,
            autocommit=True,
            application_name=f"commenda worker {self._version}",
            options="-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5"
            " -c tcp_keepalives_count=2",
        )


_BECOME_NEWEST: LiteralString = """
    UPDATE dbos.application_versions AS own
    SET version_timestamp = extract(epoch FROM clock_timestamp()) * 1000
    WHERE version_name = %(version)s
      AND EXISTS (
            SELECT FROM dbos.application_versions AS newer
            WHERE newer.version_timestamp > own.version_timestamp)
      AND NOT EXISTS (
            SELECT FROM dbos.application_versions AS newer
            JOIN pg_stat_activity AS live
              ON live.application_name = 'commenda worker ' || newer.version_name
            WHERE newer.version_timestamp > own.version_timestamp
              AND live.datname = current_database())
"""

# Claimed, or put back by another version and not claimed since; of this version, or of any if this
# is the newest; by this worker, or by a slot that nobody holds.
_UNATTENDED: LiteralString = """
    SELECT workflow_uuid, coalesce(owner_xid, ''), executor_id
    FROM dbos.workflow_status
    WHERE executor_id LIKE 'worker-%%'
      AND (status = 'PENDING' OR status = 'ENQUEUED' AND application_version <> %(version)s)
      AND %(version)s IN (application_version, (
            SELECT version_name FROM dbos.application_versions
            ORDER BY version_timestamp DESC LIMIT 1))
      AND (executor_id = %(own)s OR executor_id NOT IN (
            SELECT 'worker-' || objid
            FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
            WHERE datname = current_database() AND locktype = 'advisory' AND classid = %(slots)s))
"""

# What DBOS's own recovery does, to one claim and not to the next: each has a token of its own.
_PUT_BACK: LiteralString = """
    UPDATE dbos.workflow_status
    SET status = 'ENQUEUED', owner_xid = NULL, started_at_epoch_ms = NULL,
        application_version = %(version)s,
        updated_at = extract(epoch FROM clock_timestamp()) * 1000
    WHERE status IN ('PENDING', 'ENQUEUED')
      AND (workflow_uuid, coalesce(owner_xid, '')) IN (
            SELECT * FROM unnest(%(ids)s::text[], %(claims)s::text[]))
"""
