"""WebSockets: live bars, signals, alerts and what changed, pushed to whoever may see them.

A socket is told, in this order: a `snapshot` of the latest, then each `update`; a `heartbeat` when
its time has come; and after a moment in which something may have been missed, `gap` and a new
snapshot. Every message carries a number, `seq`, that counts this connection's messages.

Who is there is asked as soon as it connects: an access token or API key in the header
Authorization, in Sec-WebSocket-Protocol as `bearer.<token>` (what a browser can do), or in a first
message `{"type": "auth", "token": "…"}`. The same message with a newer token lengthens the session;
a token that expires, or whose session ends, closes the socket: nothing is told to it later than
three seconds after.

Nobody waits for a slow reader. Of what changes many times in a second and is told whole each time
(`Channel.now`) it is told the latest when it comes to reading, and that it is `gone` where nobody
renews it; the rest waits in a bounded inbox, and whoever lets that fill is dropped. Closing codes:
4400 not understood, 4401 not signed in, 4403 not permitted, 4404 unknown, 4408 too slow, 1013 try
again later.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from commenda.identity import Permission, Principal
from commenda.identity.access import Gate, require
from commenda.kit.bus import Bus, encode
from commenda.kit.cache import Hearer, Name
from commenda.kit.db import AWAY, Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.times import iso
from commenda.market import supersedes
from commenda.operations.live import Message, require_listener
from commenda.settings import Settings

T = TypeVar("T")
_log = logging.getLogger(__name__)

PROTOCOL = "commenda"
"""The subprotocol to offer beside `bearer.<token>`; it is the one that is answered."""
HEARTBEAT = 15.0
"""Seconds between heartbeats; each also asks whether token and following still stand."""
CHECKED_FOR = 1.0
"""Seconds in which news is told without asking again whether the token still stands."""
MOST_SOCKETS = 2_000
MOST_OF_A_USER = 20
INBOX = 256
"""Messages that a reader may be behind."""
TO_SIGN_IN = 5.0
TO_TAKE_LEAVE = 5.0
"""Seconds in which a slow reader can still be told why it is dropped."""
LONGEST_REQUEST = 8_192

_BEARER = "bearer."
_CODES = {401: 4401, 403: 4403, 404: 4404}


class _Closed(Exception):
    """This socket is to be closed, and why."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason


@dataclass(slots=True, eq=False)
class Sockets:
    """The open sockets of one API process, and how many there may be."""

    bus: Bus
    hearer: Hearer
    gate: Gate
    database: Database
    settings: Settings
    heartbeat: float = HEARTBEAT
    inbox: int = INBOX
    most: int = MOST_SOCKETS
    most_of_a_user: int = MOST_OF_A_USER
    open: int = 0
    opened: int = 0
    sent: int = 0
    skipped: int = 0
    """Values that a newer one took the place of before they were sent."""
    closed: Counter[int] = field(default_factory=Counter)
    """By closing code: those that the server ended. 4408 are the readers that were too slow."""
    _of_user: Counter[UUID] = field(default_factory=Counter)
    # A database that comes back must not meet every socket's questions at once.
    _asking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))

    @contextmanager
    def seat(self) -> Iterator[None]:
        if self.open >= self.most:
            raise _Closed(1013, "this server has all the sockets it takes")
        self.open += 1
        self.opened += 1
        try:
            yield
        finally:
            self.open -= 1

    @contextmanager
    def seat_of(self, user: UUID) -> Iterator[None]:
        if self._of_user[user] >= self.most_of_a_user:
            raise _Closed(1013, "too many sockets of one user")
        self._of_user[user] += 1
        try:
            yield
        finally:
            self._of_user -= Counter([user])

    async def principal(self, secret: str) -> Principal:
        """Who a token or key speaks for now; code `not_authenticated`."""
        async with self._asking:
            return await self.gate.principal(f"Bearer {secret}", None)

    async def read(self, ask: Callable[[Tx], T]) -> T:
        async with self._asking:
            return await run_in_threadpool(self._read, ask)

    def _read(self, ask: Callable[[Tx], T]) -> T:
        with self.database.transaction() as tx:
            return ask(tx)

    async def close(self) -> None:
        await self.hearer.close()
        await self.bus.close()


# --- What can be listened to: `channels` lists it ---------------------------------------------


@dataclass(frozen=True, slots=True)
class Channel:
    topic: str
    permission: Permission
    latest: Callable[[Tx], list[Message]] = lambda _tx: []
    flow: UUID | None = None
    """Whose followers alone may listen."""
    personal: bool = False
    """Whether `topic` has parts: each user's, and each permission's."""
    now: Sequence[Name] = ()
    """What is told beside it: values of the cache, the latest of each."""
    found: Callable[[Tx], Channel] | None = None
    """Which one it is, where an address does not say it: asked once, of whoever was let in."""

    def topics(self, who: Principal) -> list[str]:
        parts = (who.user_id, *who.permissions)
        return [f"{self.topic}:{one}" for one in parts] if self.personal else [self.topic]

    def require(self, tx: Tx, who: Principal) -> None:
        """Code `unknown_flow` for whoever may not hear of this flow."""
        if self.flow is not None:
            require_listener(tx, self.flow, None if who.may(Permission.OVERVIEW) else who.user_id)


# --- One socket ------------------------------------------------------------------------------


async def serve(websocket: WebSocket, channel: Channel) -> None:
    sockets: Sockets = websocket.app.state.sockets
    await websocket.accept(subprotocol=_answered(websocket))
    try:
        with sockets.seat():
            _require_origin(websocket, sockets.settings)
            secret = await _secret(websocket)
            who = await sockets.principal(secret)
            require(who, channel.permission, second_factor=False)
            with sockets.seat_of(who.user_id):
                await _Stream(sockets, websocket, channel, secret, who).run()
    except WebSocketDisconnect:
        return
    except _Closed as closed:
        code, reason = closed.code, closed.reason
    except CommendaError as error:
        code, reason = _CODES.get(error.status, 4400), error.message
    except AWAY as error:
        _log.warning("a socket was closed, the database is away: %s", error)
        code, reason = 1013, "the database cannot be reached"
    except Exception:
        _log.exception("a socket failed")
        code, reason = 1011, "something failed that should not have"
    sockets.closed[code] += 1
    # A reader whose buffers are full cannot even be told: do not wait for ever.
    with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(TO_TAKE_LEAVE):
            await websocket.close(code, reason)


def _answered(websocket: WebSocket) -> str | None:
    """The subprotocol to answer with: a browser that offered some wants one of them back."""
    offered: list[str] = websocket.scope["subprotocols"]
    return PROTOCOL if PROTOCOL in offered else next(iter(offered), None)


def _require_origin(websocket: WebSocket, settings: Settings) -> None:
    """A page of another host may not connect, unless it is named in the settings."""
    origin = websocket.headers.get("origin")
    if origin is None or origin in settings.cors_origins or "*" in settings.cors_origins:
        return
    if urlsplit(origin).netloc != websocket.headers.get("host"):
        raise _Closed(4403, "this origin is not allowed")


async def _secret(websocket: WebSocket) -> str:
    """The token or key that a socket comes with, or sends first."""
    scheme, _, credential = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credential:
        return credential.strip()
    if key := websocket.headers.get("x-api-key"):
        return key.strip()
    for protocol in websocket.scope["subprotocols"]:
        if protocol.startswith(_BEARER):
            return str(protocol.removeprefix(_BEARER))
    try:
        async with asyncio.timeout(TO_SIGN_IN):
            return await _asked(websocket)
    except TimeoutError:
        raise _Closed(4401, "sign in first") from None


async def _asked(websocket: WebSocket) -> str:
    """The token of the next message, which must be an `auth`."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text = message.get("text") or ""
    with suppress(ValueError, RecursionError):
        request = json.loads(text) if len(text) <= LONGEST_REQUEST else None
        if isinstance(request, dict) and request.get("type") == "auth":
            return str(request.get("token"))
    raise _Closed(4400, 'send {"type": "auth", "token": "…"} or nothing')


_GAP, _EXTENDED, _NOW = object(), object(), object()


class _Stream:
    """What one signed-in socket is sent."""

    def __init__(
        self, sockets: Sockets, websocket: WebSocket, channel: Channel, secret: str, who: Principal
    ) -> None:
        self.sockets = sockets
        self.websocket = websocket
        self.channel = channel
        self.secret = secret
        self.who = who
        self.inbox: asyncio.Queue[object] = asyncio.Queue(sockets.inbox)
        self.overrun = asyncio.Event()
        self.waiting: dict[Name, str | None] = {}
        self.told: frozenset[str] = frozenset()
        self.checked_at = 0.0
        self.seq = 0

    async def run(self) -> None:
        """Send and receive until either ends, or the reader falls behind."""
        if self.channel.found is not None:
            self.channel = await self.sockets.read(self.channel.found)
        with ExitStack() as listening:
            listening.enter_context(self.sockets.hearer.listen(self.channel.now, self.deliver_now))
            for topic in self.channel.topics(self.who):
                listening.enter_context(self.sockets.bus.listen(topic, self.deliver))
            try:
                async with asyncio.timeout(10):
                    await self.sockets.bus.connected()
            except TimeoutError:
                raise _Closed(1013, "live messages cannot be reached") from None
            works = self.send(), self.receive(), self.overrun.wait()
            sides = [asyncio.create_task(work) for work in works]
            try:
                await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
                if self.overrun.is_set():
                    raise _Closed(4408, "too slow")
            finally:
                for side in sides:
                    side.cancel()
                ended = await asyncio.gather(*sides, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    def deliver(self, message: str | None) -> None:
        """From the bus: never waits."""
        if message is None:  # a snapshot will stand in for whatever is waiting
            self.waiting.clear()
            while not self.inbox.empty():
                self.inbox.get_nowait()
        self.put(_GAP if message is None else message)

    def deliver_now(self, name: Name, value: str | None) -> None:
        """From the cache: never waits, and takes one place however often it comes."""
        if not self.waiting:
            self.put(_NOW)
        self.sockets.skipped += name in self.waiting
        self.waiting[name] = value

    def put(self, item: object) -> None:
        try:
            self.inbox.put_nowait(item)
        except asyncio.QueueFull:
            self.overrun.set()

    async def receive(self) -> None:
        """A newer token, again and again, until the other side leaves."""
        while True:
            secret = await _asked(self.websocket)
            who = await self.sockets.principal(secret)
            if who.user_id != self.who.user_id:
                raise _Closed(4403, "this socket is another user's")
            self.require_same(who)
            self.secret = secret
            self.put(_EXTENDED)

    async def send(self) -> None:
        loop = asyncio.get_running_loop()
        await self.send_snapshot()
        beat_at = loop.time() + self.sockets.heartbeat
        while True:
            item: object = None
            if loop.time() < beat_at:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(beat_at):
                        item = await self.inbox.get()
            if item is None:
                await self.check(listener=True)
                await self.tell(f'"type":"heartbeat","at":"{iso(datetime.now(UTC))}"')
                beat_at = loop.time() + self.sockets.heartbeat
            elif item is _GAP:
                await self.check()
                await self.tell('"type":"gap"')
                await self.send_snapshot()
            elif item is _EXTENDED:
                await self.tell('"type":"authenticated"')
            elif item is _NOW:
                waiting, self.waiting = self.waiting, {}
                for name, value in waiting.items():
                    await self.news(value or f'{{"type":"gone","key":"{name.key}"}}')
            else:
                await self.news(item)

    async def news(self, data: object) -> None:
        if data in self.told:
            return
        if asyncio.get_running_loop().time() - self.checked_at > CHECKED_FOR:
            await self.check()
        await self.tell(f'"type":"update","topic":"{self.channel.topic}","data":{data}')

    async def send_snapshot(self) -> None:
        def read(tx: Tx) -> list[Message]:
            self.channel.require(tx, self.who)
            return self.channel.latest(tx)

        items = [encode(one) for one in await self.sockets.read(read)]
        items += await self.sockets.hearer.latest(self.channel.now, self.sockets.read)
        # News that came while this was read is in it already.
        self.told, whole = frozenset(items), ",".join(items)
        await self.tell(f'"type":"snapshot","topic":"{self.channel.topic}","items":[{whole}]')

    async def check(self, *, listener: bool = False) -> None:
        """Whether the token still stands and is enough, and perhaps whether its user still follows;
        a database that is away for a moment says nothing."""
        self.checked_at = asyncio.get_running_loop().time()
        try:
            who = await self.sockets.principal(self.secret)
            self.require_same(who)
            if listener and self.channel.flow is not None:
                await self.sockets.read(lambda tx: self.channel.require(tx, who))
        except AWAY as error:
            _log.warning("a socket's session could not be checked: %s", error)

    def require_same(self, who: Principal) -> None:
        """Who came back may hear this, and neither more nor less than is listened to for them."""
        require(who, self.channel.permission, second_factor=False)
        if set(self.channel.topics(who)) != set(self.channel.topics(self.who)):
            raise _Closed(4403, "what you may see has changed: connect again")

    async def tell(self, fields: str) -> None:
        self.seq += 1
        self.sockets.sent += 1
        await self.websocket.send_text(f'{{"seq":{self.seq},{fields}}}')


def sockets_of(gate: Gate, database: Database, settings: Settings, **limits: Any) -> Sockets:
    """The sockets of an API process that works with these."""
    hearer = Hearer(settings, bus := Bus(settings, database), supersedes)
    return Sockets(bus, hearer, gate, database, settings, **limits)
