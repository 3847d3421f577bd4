"""A WebSocket that is kept open: subscribed anew each time, later and later while it fails."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

SILENCE = 20.0
"""Seconds without any message after which a connection that looks open is taken for dead."""
PONG = "pong"
"""What some answer to a ping, and no JSON."""
_AT_ONCE = 100
"""Streams of one SUBSCRIBE."""
_BETWEEN = 0.25
"""Seconds between two of them: an exchange takes ten messages in a second."""
_LASTED = 30.0
"""Seconds after which a connection was a good one: it is opened anew as if for the first time."""
_FAILURES = (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError)


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next try: twice as long each time, and by chance less.

    By chance, or all who lost the same exchange would come back at once.
    """

    first: float = 0.25
    longest: float = 30.0
    draw: random.Random = field(default_factory=random.Random)
    tries: int = 0

    def next(self) -> float:
        whole = min(self.longest, self.first * 2.0**self.tries)
        self.tries = min(self.tries + 1, 32)
        return whole * (0.5 + 0.5 * self.draw.random())

    def reset(self) -> None:
        self.tries = 0


@dataclass(slots=True)
class Connection:
    """One socket and its streams. `hear` is told each event with the time it came (ms)."""

    url: str
    streams: Sequence[str]
    hear: Callable[[dict[str, Any], int], None]
    opened: Callable[[], None]
    lost: Callable[[str], None]
    silence: float = SILENCE
    heartbeat: float | None = None
    """Seconds between two pings of the socket's own; one that is not answered ends it."""
    wall: Callable[[], float] = time.time
    backoff: Backoff = field(default_factory=Backoff)
    is_open: bool = False
    why: str = "not connected yet"
    """It is not open."""
    losses: int = 0
    messages: int = 0
    _heard: float = 0.0

    async def keep(self, session: aiohttp.ClientSession) -> None:
        """Stay connected until cancelled."""
        while True:
            begun = time.monotonic()
            try:
                url = await self._address()
                async with session.ws_connect(
                    url, max_msg_size=0, heartbeat=self.heartbeat
                ) as socket:
                    self.why = await self._listen(socket)
            except _FAILURES as error:
                self.why = f"{type(error).__name__}: {error}"[:200]
            finally:
                self.is_open = False
            if time.monotonic() - begun > _LASTED:
                self.backoff.reset()
            self.losses += 1
            self.lost(self.why)
            await asyncio.sleep(self.backoff.next())

    async def _address(self) -> str:
        """Where to connect this time."""
        return self.url

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        """Hear until the socket ends; why it did."""
        self._heard = time.monotonic()
        watching = asyncio.create_task(self._watch(socket))
        subscribing = asyncio.create_task(self._subscribe(socket))
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._heard = time.monotonic()
                    if message.data != PONG:
                        self._take(json.loads(message.data))
        finally:
            watching.cancel()
            subscribing.cancel()
            ended = await asyncio.gather(watching, subscribing, return_exceptions=True)
        silent = ended[0] is None
        return f"silent for {self.silence:.0f} s" if silent else f"closed ({socket.close_code})"

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        for first in range(0, len(self.streams), _AT_ONCE):
            asked = list(self.streams[first : first + _AT_ONCE])
            last = first + _AT_ONCE >= len(self.streams)
            await socket.send_json({"method": "SUBSCRIBE", "params": asked, "id": int(last)})
            if not last:
                await asyncio.sleep(_BETWEEN)

    def _take(self, told: dict[str, Any]) -> None:
        event = told.get("data", told)
        if "e" in event:
            self.messages += 1
            self.hear(event, int(self.wall() * 1000))
        elif "error" in told or "code" in told:
            raise ValueError(f"the exchange refused the streams: {told}")
        elif told.get("id") == 1:  # the last SUBSCRIBE is done: nothing is missed from here on
            self.is_open = True
            self.opened()

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Close a socket that says nothing: a peer that is gone does not."""
        while time.monotonic() - self._heard < self.silence:
            await asyncio.sleep(min(1.0, self.silence / 4))
        with suppress(ConnectionError):
            await socket.close()
