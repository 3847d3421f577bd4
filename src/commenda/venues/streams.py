"""An account's own stream: a hint that something happened there, and never what.

What is heard may come twice, late, in another order, or not at all, so nothing is read from it: it
wakes whoever asks, and what is asked is the truth (`operations.heeding`). A stream that is open
and says nothing is found out there, by what was asked.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from commenda.market.ingest import Connection
from commenda.venues.desk import Desk
from commenda.venues.dialect import Channel, Params, Refusal
from commenda.venues.hints import Hints
from commenda.venues.model import VenueUnavailable

_log = logging.getLogger(__name__)

KEPT = 1200.0
"""Seconds between two signs that a stream is wanted: a third of what a key lives without one."""
PINGS = 20.0
BEAT = 10.0
A_DAY = 86_400.0
_LOOK = 0.25
"""Seconds between two looks at which accounts there are."""


@dataclass(slots=True, kw_only=True)
class AccountStream(Connection):
    """The stream of one desk's account, opened with another key each time. `hear` is told of news
    alone."""

    desk: Desk
    heartbeat: float | None = BEAT
    silence: float = A_DAY
    url: str = ""
    streams: tuple[str, ...] = ()
    _channel: Channel = field(default_factory=lambda: Channel(""))
    _socket: aiohttp.ClientWebSocketResponse | None = None
    _answering: asyncio.Task[None] | None = None

    async def drop(self) -> None:
        """End a connection that is open and tells nothing; it is opened anew."""
        if self._socket is not None:
            with suppress(ConnectionError):
                await self._socket.close()

    async def _address(self) -> str:
        try:
            self._channel = await asyncio.to_thread(self.desk.channel)
        except (VenueUnavailable, Refusal) as error:
            raise ConnectionError(str(error)) from None
        self.silence = A_DAY if self._channel.ping is None else 3 * PINGS
        return self._channel.url

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Say what is wanted, and for how long: until it ends."""
        self._socket = socket
        for one in self._channel.hello:
            await socket.send_json(one)
        if not self._channel.hello:
            self._open()
        waited = 0.0
        while True:
            await asyncio.sleep(PINGS)
            waited += PINGS
            ping = self._channel.ping
            if ping is not None:
                await (socket.send_str(ping) if isinstance(ping, str) else socket.send_json(ping))
            if waited >= KEPT:
                waited = 0.0
                try:
                    await asyncio.to_thread(self.desk.keep_channel)
                except Refusal:
                    await socket.close()
                except VenueUnavailable:
                    waited = KEPT - PINGS  # asked again soon: the key lives for two more of these

    async def _say(self, what: Sequence[Params]) -> None:
        assert self._socket is not None
        with suppress(ConnectionError):
            for one in what:
                await self._socket.send_json(one)

    def _take(self, told: dict[str, Any]) -> None:
        self.messages += 1
        news = self.desk.dialect.news(told)
        if news is None:
            raise ValueError(f"the exchange ended the stream: {told}"[:200])
        if news.begins and not self.is_open:
            self._open()
        if news.then:
            self._answering = asyncio.create_task(self._say(news.then))
        if news.happened:
            self.hear(told, int(self.wall() * 1000))

    def _open(self) -> None:
        self.is_open = True
        self.opened()


def listen(
    desks: Callable[[], Mapping[str, Desk]], hints: Hints, stopping: threading.Event
) -> None:
    """Keep the streams of a process's accounts open, those that come into use too, until
    `stopping`: a thread's work."""
    asyncio.run(_listen(desks, hints, stopping))


async def _listen(
    desks: Callable[[], Mapping[str, Desk]], hints: Hints, stopping: threading.Event
) -> None:
    heard: dict[str, tuple[AccountStream, asyncio.Task[None]]] = {}
    async with aiohttp.ClientSession(trust_env=True) as session:
        while not stopping.is_set():
            for name, desk in desks().items():
                if name not in heard:
                    stream = _stream_of(name, desk, hints)
                    heard[name] = stream, asyncio.create_task(stream.keep(session))
            for name in hints.take_deaf() & heard.keys():
                _log.warning("the stream of %s is open and tells nothing", name)
                await heard[name][0].drop()
            await asyncio.sleep(_LOOK)
        for _, task in heard.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in heard.values()), return_exceptions=True)


def _stream_of(name: str, desk: Desk, hints: Hints) -> AccountStream:
    return AccountStream(
        desk=desk,
        hear=lambda _told, _at: hints.happened(name),
        opened=lambda: hints.opened(name),
        lost=lambda why: hints.lost(name, why),
    )
