"""Live messages: told in the writer's transaction, heard by every process that serves people.

`publish` is PostgreSQL's NOTIFY: a message is sent when its transaction commits, never when it
rolls back. Messages are a convenience beside the tables, not a queue: nobody keeps them, and
whoever may have missed some is told of a *gap* and reads the tables again.

A `Bus` hears the messages of one API process over one connection and hands them to whoever listens
to their topic. With Redis configured a worker's `relay` passes them on, and processes listen there
instead; the relay also sends a beat, so that Redis counts as alive only while messages would
really arrive. Without that, the processes listen to PostgreSQL.

NOTIFY takes a lock of the whole database at the commit: it is for what happens a few times in a
second (bars, signals, alerts), not for each fill. What changes more often than that (wallets,
books) is noted by triggers in the table `changes`, and told from there (`tell_changes`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo

from commenda.kit.db import AWAY, Database, Tx
from commenda.kit.keys import Keys
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.settings import Settings

if TYPE_CHECKING:  # importing redis takes 0.2 s: only those who use it pay for it
    from redis.asyncio.client import PubSub

_log = logging.getLogger(__name__)

CHANNEL = "commenda"
LARGEST = 7_900
"""Bytes of one message: PostgreSQL takes less than 8,000."""
GAP = "*"
"""The topic of a message to everybody: something may have been missed."""
CHANGES = "changes"
"""`changes:<user id>` and `changes:<permission>`: which topics have news for them."""

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
BEAT = 1.0
"""Seconds between two beats of the relay."""
_SILENCE = 3.5 * BEAT
TOLD_EVERY = 0.25
"""Seconds between two looks for changes: what changes ten times in between is told once."""
_MOST_TOLD = 5_000
_RELAY_LOCK = 0x636F6D72  # "comr": held by the process whose relay runs

Deliver = Callable[[str | None], None]
"""Takes a message's JSON, or None for a gap. Called in the event loop: it must not wait."""


def publish(tx: Tx, topic: str, payload: Mapping[str, Any]) -> None:
    """Tell who listens to `topic`, once this transaction commits.

    A payload too large for one message goes out as a gap of its topic.
    """
    body = encode(payload)
    if len(topic) + 1 + len(body.encode()) > LARGEST:
        body = ""
    tx.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{topic} {body}"))


def encode(payload: Mapping[str, Any]) -> str:
    """A payload as JSON: decimals as strings without an exponent, times in ISO 8601."""
    return json.dumps(payload, default=_text, separators=(",", ":"))


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a live message")


def _lasting(url: str, name: str) -> str:
    """The login for a connection that only waits, and still notices that its server is gone."""
    return make_conninfo(
        url,
        application_name=name,
        connect_timeout=5,
        keepalives_idle=15,
        keepalives_interval=5,
        keepalives_count=3,
    )


class Bus:
    """What one API process hears. Connects when somebody first listens, and stays connected."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.source: str | None = None
        """Where messages come from now: postgresql, redis, or None while disconnected."""
        self.gaps = 0
        self._url = database.app_url
        self._redis_url = settings.redis_url
        self._redis_channel = redis_channel(settings)
        self._listeners: dict[str, set[Deliver]] = {}
        self._connected = asyncio.Event()
        self._begun = False
        self._running: asyncio.Task[None] | None = None

    @contextmanager
    def listen(self, topic: str, deliver: Deliver) -> Iterator[None]:
        """Hand every message of `topic` to `deliver`, as long as the block runs."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        self._listeners.setdefault(topic, set()).add(deliver)
        try:
            yield
        finally:
            self._listeners[topic].discard(deliver)
            if not self._listeners[topic]:
                del self._listeners[topic]

    async def connected(self) -> None:
        """Return once what is published from now on will be heard."""
        await self._connected.wait()

    async def close(self) -> None:
        if self._running is not None:
            await end(self._running)

    # --- where messages come from --------------------------------------------------------

    async def _run(self) -> None:
        while True:
            redis = await self._hear_postgresql()
            await self._hear_redis(redis)

    async def _hear_postgresql(self) -> PubSub:
        """Listen there, over restarts of the server, until Redis carries the messages."""
        redis = asyncio.create_task(self._find_redis())
        wait = _FIRST_WAIT
        listening: asyncio.Task[None] | None = None
        try:
            while True:
                listening = asyncio.create_task(self._listen())
                await asyncio.wait({listening, redis}, return_when=asyncio.FIRST_COMPLETED)
                if redis.done():
                    return redis.result()
                if self.source is not None:  # it was connected: begin again soon
                    wait = _FIRST_WAIT
                self._disconnected()
                _log.warning("live messages: PostgreSQL is away: %s", listening.exception())
                await asyncio.wait({redis}, timeout=wait)
                wait = min(wait * 2, _LONGEST_WAIT)
        finally:
            if listening is not None:
                await end(listening)
            if not redis.done():
                await end(redis)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            _lasting(self._url, "commenda bus"), autocommit=True
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}".encode())
            self._arrived("postgresql")
            async for note in connection.notifies():
                self._hand_out(note.payload)
        raise psycopg.OperationalError("the connection has ended")

    async def _find_redis(self) -> PubSub:
        """A subscription in which the relay's beat was heard; waits for ever without Redis."""
        if self._redis_url is None:
            return await asyncio.Future()
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        while True:
            client = Redis.from_url(
                self._redis_url, decode_responses=True, socket_connect_timeout=2
            )
            subscription = client.pubsub(ignore_subscribe_messages=False)
            with suppress(RedisError, OSError):
                await subscription.subscribe(self._redis_channel)
                await subscription.get_message(timeout=_SILENCE)  # of the subscription itself
                if await subscription.get_message(timeout=_SILENCE) is not None:
                    return subscription
            await _leave(subscription)
            await asyncio.sleep(_SILENCE)

    async def _hear_redis(self, subscription: PubSub) -> None:
        """Listen there until it fails, or nothing was heard for longer than the relay's beat."""
        from redis.exceptions import RedisError

        try:
            self._arrived("redis")
            while True:
                message = await subscription.get_message(timeout=_SILENCE)
                if message is None:
                    _log.warning("live messages: the relay is silent")
                    break
                if message["type"] == "message":
                    self._hand_out(message["data"])
        except (RedisError, OSError) as error:
            _log.warning("live messages: Redis is away: %s", error)
        finally:
            self._disconnected()
            await _leave(subscription)

    # --- where they go -------------------------------------------------------------------

    def _arrived(self, source: str) -> None:
        """From now on messages arrive from `source`; what came before may have been missed."""
        self.source = source
        if self._begun:
            self._tell_gap()
        self._begun = True
        self._connected.set()

    def _disconnected(self) -> None:
        self.source = None
        self._connected.clear()

    def _hand_out(self, message: str) -> None:
        topic, _, body = message.partition(" ")
        if topic == GAP:
            self._tell_gap()
        for deliver in tuple(self._listeners.get(topic, ())):
            deliver(body or None)

    def _tell_gap(self) -> None:
        self.gaps += 1
        for listeners in tuple(self._listeners.values()):
            for deliver in tuple(listeners):
                deliver(None)


async def _leave(subscription: PubSub) -> None:
    from redis.exceptions import RedisError

    with suppress(RedisError, OSError):
        await subscription.aclose()  # type: ignore[no-untyped-call]
    with suppress(RedisError, OSError):
        await subscription.connection_pool.disconnect()


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


# --- From PostgreSQL to Redis ----------------------------------------------------------------


def relay(settings: Settings, database: Database, stopping: threading.Event) -> None:
    """Pass messages on to Redis until `stopping`: in one process at a time, over any failure.

    Every worker calls it in a thread of its own; the others wait for the lock. Without Redis in
    the settings it returns at once.
    """
    if settings.redis_url is None:
        return
    from redis.exceptions import RedisError

    wait = _FIRST_WAIT
    while not stopping.is_set():
        try:
            _relay(settings.redis_url, redis_channel(settings), database.app_url, stopping)
            wait = _FIRST_WAIT
        except (psycopg.Error, RedisError, OSError) as error:
            _log.warning("live messages: the relay begins again: %s", error)
            wait = min(wait * 2, _LONGEST_WAIT)
        stopping.wait(wait)


def _relay(redis_url: str, channel: str, app_url: str, stopping: threading.Event) -> None:
    from redis import Redis

    connection = psycopg.connect(_lasting(app_url, "commenda relay"), autocommit=True)
    redis = Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=5)
    with connection, redis:
        while not _locked(connection):
            if stopping.wait(BEAT):
                return
        connection.execute(f"LISTEN {CHANNEL}".encode())
        redis.publish(channel, GAP)
        while not stopping.is_set():
            for note in connection.notifies(timeout=BEAT):
                redis.publish(channel, note.payload)
            redis.publish(channel, "")


def _locked(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_RELAY_LOCK,)).fetchone()
    return bool(row and row[0])


def redis_channel(settings: Settings) -> str:
    """This installation's own channel: its processes share a master key, and others do not."""
    if settings.redis_url is None:
        return CHANNEL
    return f"{CHANNEL}:{Keys.of(settings).derive('live-messages').hex()[:16]}"


# --- What changed ----------------------------------------------------------------------------


def tell_changes(tx: Tx) -> int:
    """Tell what the table `changes` holds, once this transaction commits; how many rows it took."""
    row = tx.execute("SELECT tell_changes(%s)", (_MOST_TOLD,)).fetchone()
    return int(row[0]) if row else 0


def keep_telling(database: Database, stopping: threading.Event) -> None:
    """Tell changes until `stopping`, over any failure of the database.

    Every worker calls it in a thread of its own: they take turns at the rows.
    """
    wait = TOLD_EVERY
    while not stopping.wait(wait):
        try:
            with database.transaction() as tx:
                more = tell_changes(tx) >= _MOST_TOLD
            wait = 0.0 if more else TOLD_EVERY
        except AWAY as error:
            _log.warning("changes cannot be told: %s", error)
            wait = _LONGEST_WAIT
