"""What is known now and forgotten soon: one value for each name, for every process to read.

A process that knows something keeps it with a `Keeper`; others read the latest with a `Hearer`, and
are told of each new value. Nothing here is a record: a value that is not renewed within its
lifetime is gone, and of several in a row only the last matters, so a slow reader skips some.

Values lie in Redis where the settings name one, as hashes (`HGET md:book:BTCUSDT binance_usdm`).
Without it, and while it is away, they lie in the table `cache_entries` and are told with the live
messages (`bus`), at a slower pace. A keeper goes over and back by itself, with all that it knows; a
hearer listens both ways at once, so it need not know which one is taken.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from commenda.kit.bus import CHANNEL, LARGEST, Bus, end, redis_channel
from commenda.kit.db import AWAY, Database, Tx
from commenda.kit.rows import columns
from commenda.settings import Settings

if TYPE_CHECKING:  # importing redis takes 0.2 s: only those who use it pay for it
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

_log = logging.getLogger(__name__)

LIFETIME = 5.0
"""Seconds after which a value that was not renewed is gone; keepers renew each second."""
RENEWED = 1.0
PACE = {"redis": 0.05, "database": 0.25}
"""Seconds between two writes: what changes ten times in between is written once."""
RETRY = 3.0
"""Seconds until Redis is tried again."""
_PATIENCE = 1.0
"""Seconds that one answer of Redis may take: a hung one is as good as none."""
_KEEP = """
for i, key in ipairs(KEYS) do
  local field, value = ARGV[2 * i + 1], ARGV[2 * i + 2]
  redis.call('HSET', key, field, value)
  redis.call('PEXPIRE', key, ARGV[2])
  redis.call('PUBLISH', ARGV[1] .. ':' .. key .. '@' .. field, value)
end
"""
# One command for all: a pipeline of three for each takes six times the processor time.


class Name(NamedTuple):
    """What a value is of: a key as `md:book:BTCUSDT`, and whose of several, such as a venue."""

    key: str
    field: str

    @property
    def topic(self) -> str:
        return f"{self.key}@{self.field}"


Made = Callable[[], str | None]


class Keeper:
    """Keeps what one process knows. `entries` make each value when it is written, or None while
    there is nothing to tell: what was touched ten times since is made once.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        entries: Mapping[Name, Made],
    ) -> None:
        self.source: str | None = None
        """Where values are kept now: redis, database, or None while neither takes them."""
        self.written = 0
        self._entries = entries
        self._database = database
        self._redis_url = settings.redis_url
        self._channel = redis_channel(settings)
        self._client: Redis | None = None
        self._touched: set[Name] = set()
        self._renewed_at = 0.0
        self._try_at = 0.0

    def touch(self, name: Name) -> None:
        """Have a value written soon: it is another one."""
        self._touched.add(name)

    async def keep(self) -> None:
        """Write what is touched, and everything once a second, until cancelled."""
        try:
            while True:
                begun = time.monotonic()
                if begun - self._renewed_at >= RENEWED:
                    self._renewed_at = begun
                    self._touched.update(self._entries)
                await self._write(begun)
                _stay_cancelled()
                pace = PACE[self.source or "database"]
                await asyncio.sleep(max(0.0, begun + pace - time.monotonic()))
        finally:
            if self._client is not None:
                await self._client.aclose()

    async def _write(self, now: float) -> None:
        touched, self._touched = self._touched, set()
        if not touched:
            return
        if self._redis_url is not None and now >= self._try_at:
            # What Redis has not seen yet comes with what is new: it was away, or it is another one.
            wanted = touched if self.source == "redis" else self._entries
            if await self._to_redis(self._redis_url, self._made(wanted)):
                return self._kept_in("redis")
            self._try_at = now + RETRY
        wanted = touched if self.source == "database" else self._entries
        try:
            rows = self._made(wanted)
            await asyncio.to_thread(self._to_database, rows, self.source != "database")
            self._kept_in("database")
        except AWAY as error:
            _log.warning("what is known now can be kept nowhere: %s", error)
            self.source = None

    def _made(self, names: Iterable[Name]) -> list[tuple[Name, str]]:
        made = ((name, self._entries[name]()) for name in names)
        return [(name, value) for name, value in made if value is not None]

    def _kept_in(self, source: str) -> None:
        if self.source != source:
            _log.info("what is known now is kept in %s", source)
        self.source = source

    async def _to_redis(self, url: str, made: list[tuple[Name, str]]) -> bool:
        """Whether Redis took them."""
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        if self._client is None:
            self._client = Redis.from_url(
                url,
                socket_connect_timeout=_PATIENCE,
                socket_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 0),  # the database is the other try
            )
        try:
            keys = [name.key for name, _ in made]
            told = [part for name, value in made for part in (name.field, value)]
            lifetime = int(LIFETIME * 1000)
            await self._client.eval(_KEEP, len(keys), *keys, self._channel, lifetime, *told)
        except (RedisError, OSError, TimeoutError) as error:
            if self.source == "redis":
                _log.warning("Redis is away: %s", error)
            return False
        self.written += len(made)
        return True

    def _to_database(self, made: list[tuple[Name, str]], first: bool) -> None:
        # In one order, or two keepers of the same names could wait for each other.
        rows = [(name.key, name.field, value) for name, value in sorted(made)]
        told = [
            f"{name.topic} {value if len(name.topic) + len(value.encode()) < LARGEST else ''}"
            for name, value in made
        ]
        with self._database.transaction() as tx:
            tx.execute("SET LOCAL synchronous_commit TO off")
            if first:
                tx.execute(
                    "DELETE FROM cache_entries WHERE ctid IN (SELECT ctid FROM cache_entries"
                    " WHERE expires_at < clock_timestamp() FOR UPDATE SKIP LOCKED)"
                )
            tx.execute(
                "INSERT INTO cache_entries (key, field, value, expires_at)"
                " SELECT key, field, value, clock_timestamp() + %s"
                "  FROM unnest(%s::text[], %s::text[], %s::text[]) AS n (key, field, value)"
                " ON CONFLICT (key, field) DO UPDATE"
                "  SET value = excluded.value, expires_at = excluded.expires_at",
                (timedelta(seconds=LIFETIME), *columns(rows, 3)),
            )
            tx.execute("SELECT pg_notify(%s, t) FROM unnest(%s::text[]) t", (CHANNEL, told))
        self.written += len(made)


Deliver = Callable[[Name, str | None], None]
"""Takes a value, or None where it is gone. Called in the event loop: it must not wait."""


Reading = Callable[[Callable[[Tx], list[tuple[Name, str]]]], Awaitable[list[tuple[Name, str]]]]
"""Asks the database, out of the event loop."""


class Hearer:
    """What one process reads. `supersedes` says whether a value is to take the place of one that is
    still alive: two keepers may tell of the same thing."""

    def __init__(
        self, settings: Settings, bus: Bus, supersedes: Callable[[str, str], bool]
    ) -> None:
        self.redis = False
        """Whether it is heard now."""
        self._bus = bus
        self._supersedes = supersedes
        self._redis_url = settings.redis_url
        self._channel = redis_channel(settings)
        self._listeners: dict[Name, set[Deliver]] = {}
        self._held: dict[Name, tuple[str, float]] = {}
        self._subscription: PubSub | None = None
        self._running: asyncio.Task[None] | None = None
        self._following: set[asyncio.Task[Any]] = set()

    @contextmanager
    def listen(self, names: Iterable[Name], deliver: Deliver) -> Iterator[None]:
        """Hand each new value to `deliver`, as long as the block runs."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        with ExitStack() as listening:
            for name in names:
                heard = partial(self._hear_message, name)
                listening.enter_context(self._bus.listen(name.topic, heard))
                listening.enter_context(self._listener(name, deliver))
            yield

    @contextmanager
    def _listener(self, name: Name, deliver: Deliver) -> Iterator[None]:
        if name not in self._listeners:
            self._listeners[name] = set()
            self._follow("subscribe", name)
        self._listeners[name].add(deliver)
        try:
            yield
        finally:
            self._listeners[name].discard(deliver)
            if not self._listeners[name]:
                del self._listeners[name]
                self._held.pop(name, None)
                self._follow("unsubscribe", name)

    async def latest(self, names: Sequence[Name], read: Reading) -> list[str]:
        """The values that there are of names that are listened to: as they were heard, else as
        Redis or the database, which `read` asks, has them."""
        missing = [name for name in names if not self._alive(name)]
        for name, value in await self._from_redis(missing):
            self._hear(name, value)
        missing = [name for name in missing if not self._alive(name)]
        if missing:
            for name, value in await read(partial(_stored, names=missing)):
                self._hear(name, value)
        return [self._held[name][0] for name in names if self._alive(name)]

    async def close(self) -> None:
        if self._running is not None:
            await end(self._running)

    # --- hearing ------------------------------------------------------------------------------

    def _alive(self, name: Name) -> bool:
        held = self._held.get(name)
        return held is not None and time.monotonic() - held[1] < LIFETIME

    def _hear_message(self, name: Name, value: str | None) -> None:
        if value is not None:  # what a gap left out is renewed within a second
            self._hear(name, value)

    def _hear(self, name: Name, value: str) -> None:
        if name not in self._listeners:
            return
        held = self._held[name][0] if self._alive(name) else None
        if held is not None and held != value and not self._supersedes(held, value):
            return
        self._held[name] = value, time.monotonic()
        if held != value:
            for deliver in tuple(self._listeners[name]):
                deliver(name, value)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_for_gone())
            if self._redis_url is not None:
                group.create_task(self._hear_redis(self._redis_url))

    async def _look_for_gone(self) -> None:
        while True:
            await asyncio.sleep(RENEWED)
            for name in [one for one in self._held if not self._alive(one)]:
                del self._held[name]
                for deliver in tuple(self._listeners.get(name, ())):
                    deliver(name, None)

    # --- Redis --------------------------------------------------------------------------------

    async def _hear_redis(self, url: str) -> None:
        """Listen there, over its restarts."""
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        while True:
            client = Redis.from_url(url, decode_responses=True, socket_connect_timeout=_PATIENCE)
            subscription = client.pubsub(ignore_subscribe_messages=True)
            try:
                # One that nobody tells anything, so that there is always a subscription.
                await subscription.subscribe(f"{self._channel}:*")
                self._subscription = subscription
                for name in tuple(self._listeners):
                    await subscription.subscribe(f"{self._channel}:{name.topic}")
                self.redis = True
                while True:
                    message = await subscription.get_message(timeout=None)
                    _stay_cancelled()
                    if message is not None:
                        key, _, field = message["channel"][len(self._channel) + 1 :].partition("@")
                        self._hear(Name(key, field), message["data"])
            except (RedisError, OSError) as error:
                if self.redis:
                    _log.warning("Redis is not heard: %s", error)
            finally:
                self.redis, self._subscription = False, None
                with suppress(RedisError, OSError):
                    await subscription.aclose()  # type: ignore[no-untyped-call]
                with suppress(RedisError, OSError):
                    await client.aclose()
            _stay_cancelled()
            await asyncio.sleep(RETRY)

    def _follow(self, verb: str, name: Name) -> None:
        """Subscribe to a name, or leave it, beside the loop that listens."""
        if self._subscription is not None:
            work = getattr(self._subscription, verb)(f"{self._channel}:{name.topic}")
            task = asyncio.ensure_future(work)
            self._following.add(task)
            task.add_done_callback(self._followed)

    def _followed(self, task: asyncio.Task[Any]) -> None:
        self._following.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("Redis did not take a subscription: %s", error)  # it comes back with all

    async def _from_redis(self, names: list[Name]) -> list[tuple[Name, str]]:
        if self._redis_url is None or not names:
            return []
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        client = Redis.from_url(
            self._redis_url,
            decode_responses=True,
            socket_connect_timeout=_PATIENCE,
            socket_timeout=_PATIENCE,
        )
        try:
            async with client:
                pipeline = client.pipeline(transaction=False)
                for name in names:
                    pipeline.hget(name.key, name.field)
                found = await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("Redis does not answer: %s", error)
            return []
        return [(name, value) for name, value in zip(names, found, strict=True) if value]


def _stay_cancelled() -> None:
    """Redis' client (8.1) can take a cancellation for its own timeout, and go on: this does not."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _stored(tx: Tx, names: Sequence[Name]) -> list[tuple[Name, str]]:
    rows = tx.execute(
        "SELECT c.key, c.field, c.value FROM cache_entries c"
        " JOIN unnest(%s::text[], %s::text[]) AS n (key, field) USING (key, field)"
        " WHERE c.expires_at > clock_timestamp()",
        columns(names, 2),
    )
    return [(Name(key, field), value) for key, field, value in rows]
