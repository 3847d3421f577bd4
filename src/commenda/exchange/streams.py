"""WebSockets: the market's streams, an account's own, and the API that is spoken over one.

Addresses: `/ws/<stream>` and `/stream?streams=a/b` under `/public`, `/market` and `/private`, and
without a prefix where the house trades no spot, whose they are else (`spot_streams`);
`/private/ws?listenKey=…`; `/ws-fapi/v1`. Methods: SUBSCRIBE, UNSUBSCRIBE,
LIST_SUBSCRIPTIONS.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from commenda.exchange.refusals import Refused

if TYPE_CHECKING:
    from commenda.exchange.server import Server

BEHIND = 20_000
"""Messages that a reader may be behind before it is dropped."""


SPOKEN = {
    "order.place": ("POST", "/fapi/v1/order"),
    "order.modify": ("PUT", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "algoOrder.place": ("POST", "/fapi/v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "/fapi/v1/algoOrder"),
    "account.status": ("GET", "/fapi/v3/account"),
    "account.position": ("GET", "/fapi/v3/positionRisk"),
    "account.balance": ("GET", "/fapi/v3/balance"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "userDataStream.start": ("POST", "/fapi/v1/listenKey"),
    "userDataStream.ping": ("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": ("DELETE", "/fapi/v1/listenKey"),
    "time": ("GET", "/fapi/v1/time"),
    "ping": ("GET", "/fapi/v1/ping"),
    "depth": ("GET", "/fapi/v1/depth"),
    "ticker.price": ("GET", "/fapi/v1/ticker/price"),
    "ticker.book": ("GET", "/fapi/v1/ticker/bookTicker"),
}
"""Methods of the WebSocket API, and the calls they are."""


class Connection:
    """One socket: what it listens to, and what waits to be sent."""

    def __init__(self, server: Server, socket: web.WebSocketResponse, combined: bool) -> None:
        self.server, self.socket, self.combined = server, socket, combined
        self.streams: set[str] = set()
        self.account: str | None = None
        self._out: asyncio.Queue[str | None] = asyncio.Queue()

    def send(self, stream: str, told: dict[str, Any]) -> None:
        """Queue a message, unless a fault silences or ends this connection."""
        script, where = self.server.house.script, f"{stream} {told['e']}"
        if script.strike("silent_stream", where):
            self.leave()
            return
        for one in self.shaped(stream, told):
            self.put(one)
        if script.strike("drop_stream", where) or self._out.qsize() > BEHIND:
            self.end()

    def shaped(self, stream: str, told: dict[str, Any]) -> list[dict[str, Any]]:
        """What is sent of a message."""
        return [{"stream": stream, "data": told} if self.combined else told]

    def end(self) -> None:
        """Send what is queued, and close."""
        self.leave()
        self._out.put_nowait(None)

    def put(self, told: Any) -> None:
        self._out.put_nowait(json.dumps(told, separators=(",", ":")))

    def place(self, stream: str) -> str:
        """Under which name the house knows a stream."""
        return stream

    def join(self, streams: list[str]) -> None:
        for one in streams:
            self.streams.add(one)
            self.server.house.listeners[self.place(one)].add(self.send)

    def leave(self, streams: list[str] | None = None) -> None:
        for one in list(self.streams if streams is None else streams):
            self.streams.discard(one)
            self.server.house.listeners[self.place(one)].discard(self.send)

    async def write(self) -> None:
        """Send what is queued, in order; a None ends the connection."""
        while (told := await self._out.get()) is not None:
            await self.socket.send_str(told)
        await self.socket.close()

    async def read(self) -> None:
        async for message in self.socket:
            if message.type is WSMsgType.TEXT:
                self.answer(message.data)

    def answer(self, text: str) -> None:
        try:
            asked = json.loads(text)
            method, params = asked["method"], asked.get("params") or []
        except (ValueError, KeyError, TypeError):
            self.put({"error": {"code": 2, "msg": "Invalid request: not what a stream takes"}})
            return
        if method == "SUBSCRIBE":
            self.join([str(one) for one in params])
            self.server.house.tell_depth()
        elif method == "UNSUBSCRIBE":
            self.leave([str(one) for one in params])
        found = sorted(self.streams) if method == "LIST_SUBSCRIPTIONS" else None
        self.put({"result": found, "id": asked.get("id")})


class ApiConnection(Connection):
    """A socket that is spoken to as the REST API is, once it has logged on or signs each call."""

    at_spot = False
    spoken: Mapping[str, tuple[str, str]] = SPOKEN

    def __init__(self, server: Server, socket: web.WebSocketResponse, combined: bool) -> None:
        super().__init__(server, socket, combined)
        self.subscribed: dict[str, int] = {}
        """Streams of accounts by the number under which they are told."""

    def answer(self, text: str) -> None:
        asked: dict[str, Any] = {}
        try:
            told = json.loads(text)
            asked = told if isinstance(told, dict) else {}
            params = asked.get("params") or {}
            if not isinstance(params, dict):
                raise TypeError("params")
            result = self.server.speak(self, asked["method"], params)
            self.put({"id": asked.get("id"), "status": 200, "result": result, "rateLimits": []})
        except Refused as refused:
            said = {"id": asked.get("id"), "status": refused.status, "error": refused.told()}
            self.put(said)
        except (ValueError, KeyError, TypeError):
            error = {"code": -1130, "msg": "Not a request of this API."}
            self.put({"id": asked.get("id"), "status": 400, "error": error})


async def serve(
    server: Server, request: web.Request, kind: type[Connection]
) -> web.WebSocketResponse:
    """Take a socket until it ends."""
    socket = web.WebSocketResponse(heartbeat=180.0, max_msg_size=1 << 20)
    await socket.prepare(request)
    connection = kind(server, socket, combined=request.path.endswith("/stream"))
    asked = request.query.get("streams", "").split("/")
    asked += [request.match_info.get("stream", ""), request.query.get("listenKey", "")]
    connection.join([one for one in asked if one])
    server.connections.add(connection)
    writer = asyncio.create_task(connection.write())
    try:
        with suppress(ConnectionResetError):
            await connection.read()
    finally:
        connection.leave()
        server.connections.discard(connection)
        writer.cancel()
    return socket
