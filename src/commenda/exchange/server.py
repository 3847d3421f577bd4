"""The exchange's front door: REST, WebSockets and the administration, on one port.

Paths and answers are Binance's, those below `/v5` Bybit's and those below `/api/v5` OKX's. What is
ours lies under `/admin`: deposits, fees, faults, clock.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from aiohttp import web

from commenda.exchange import (
    bybit,
    bybit_accounts,
    bybit_market,
    bybit_streams,
    customers,
    okx,
    okx_accounts,
    okx_algos,
    okx_market,
    okx_streams,
    quotes,
    spot_accounts,
    spot_quotes,
    spot_streams,
    spot_trading,
    streams,
    trading,
    transfers,
)
from commenda.exchange.administration import ADMIN, administer
from commenda.exchange.budgets import Budgets
from commenda.exchange.calls import CALLS, Call, is_spot
from commenda.exchange.house import House
from commenda.exchange.manners import BINANCE, Manner, Sent, manner_of
from commenda.exchange.model import Customer
from commenda.exchange.refusals import Refused
from commenda.exchange.signing import Key, check_window
from commenda.kit.errors import CommendaError

BEAT = 0.05
"""Seconds between two looks at the market where nobody asks."""
__all__ = [
    "Server",
    "bybit",
    "bybit_accounts",
    "bybit_market",
    "customers",
    "okx",
    "okx_accounts",
    "okx_algos",
    "okx_market",
    "quotes",
    "spot_accounts",
    "spot_quotes",
    "spot_trading",
    "trading",
    "transfers",
]

SOCKETS = (
    bybit_streams.SOCKETS | okx_streams.SOCKETS | {"/ws-api/v3": spot_streams.SpotApiConnection}
)
"""Those that are not streams of the market."""


class Answer(NamedTuple):
    """What is told to a request."""

    status: int
    body: Any
    headers: dict[str, str]


class Server:
    """Serves a house; `run` until it is cancelled.

    `respond` is all of it but the sockets. `wall` counts the seconds of budgets and bans.
    """

    def __init__(
        self, house: House, admin: str | None = None, wall: Callable[[], float] = time.monotonic
    ) -> None:
        self.house, self.admin, self.wall = house, admin, wall
        self.connections: set[streams.Connection] = set()
        self.budgets = {
            at_spot: Budgets(one.LIMITS, house.allows)
            for at_spot, one in ((False, quotes), (True, spot_quotes))
        }
        house.counts = self.budgets[True].counts
        self.weight, self.orders = self.budgets[False].weight, self.budgets[False].orders
        self.banned_until = 0.0
        self.app = web.Application(client_max_size=1 << 20)
        for method, path in CALLS:
            self.app.router.add_route(method, path, self._rest)
        for prefix in ("", "/public", "/market", "/private"):
            for tail in ("/ws", "/ws/{stream}", "/stream"):
                self.app.router.add_get(prefix + tail, self._socket)
        for path in (*SOCKETS, "/stream/ws", "/stream/ws/{stream}"):
            self.app.router.add_get(path, self._socket)
        self.app.router.add_route("*", "/admin/{what}", self._administer)

    async def beat(self) -> None:
        """Keep the market going."""
        while True:
            self.house.catch_up()
            await asyncio.sleep(BEAT)

    async def run(self, host: str, port: int, ready: Callable[[int], None]) -> None:
        """Serve until cancelled; `ready` is told the port, which 0 lets the system choose."""
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        assert site._server is not None
        ready(site._server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]
        try:
            await self.beat()
        finally:
            await runner.cleanup()

    # --- REST -----------------------------------------------------------------------------------

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        method, path = request.method, request.path
        body = (await request.read()).decode()
        if wait := self.delay(method, path):
            await asyncio.sleep(wait)
        answer = self.respond(method, path, request.headers, request.rel_url.raw_query_string, body)
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)

    def delay(self, method: str, path: str) -> float:
        """Seconds that a request waits before it is read."""
        fault = self.house.script.strike("latency", f"{method} {path}")
        return 0.0 if fault is None else self.house.script.jitter(fault.milliseconds)

    def respond(
        self, method: str, path: str, headers: Mapping[str, str], query: str, body: str
    ) -> Answer | None:
        """Do a request; None where nothing of its answer arrives."""
        found = CALLS[method, path]
        where = f"{method} {path}"
        script = self.house.script
        manner, budgets = manner_of(path), self.budgets[is_spot(path)]
        try:
            values = manner.read(query, body)
            self._refuse(where, values, found, budgets)
            result = self._done(found, manner, headers, values, Sent(query, body, method, path))
        except Refused as refused:
            body, status = manner.refused(refused)
            return Answer(status, body, budgets.headers())
        except _Wait as wait:
            wanted = {"Retry-After": str(max(1, wait.seconds))}
            body, status = manner.refused(Refused(-1003, wait.status, limit=""))
            return Answer(status, body, budgets.headers() | wanted)
        if script.strike("lost_answer", where):
            return None
        if script.strike("unknown", where):
            body, status = manner.refused(Refused(-1007, 503))
            return Answer(status, body, budgets.headers())
        return Answer(200, manner.told(result, self.house.exchange.now), budgets.headers())

    def _refuse(self, where: str, values: Mapping[str, str], found: Call, budgets: Budgets) -> None:
        """Faults and limits that keep a request from being done."""
        script, now = self.house.script, self.wall()
        if script.strike("maintenance", where):
            raise Refused(-1000, 503)
        for kind, status in (("limited", 429), ("banned", 418)):
            if fault := script.strike(kind, where):
                raise _Wait(status, fault.milliseconds // 1000)
        if now < self.banned_until:
            raise _Wait(418, int(self.banned_until - now))
        if script.strike("not_done", where):
            raise Refused(-1001, 503)
        reduces = values.get("reduceOnly") == "true" or values.get("closePosition") == "true"
        if not reduces and script.strike("throttled", where):
            raise Refused(-1008)
        if found.signed and script.strike("clock", where):
            raise Refused(-1021)
        weight = budgets.weight
        if not weight.spend(found.weight, now):
            if weight.used > 2 * weight.limit:  # who does not stop is shut out
                self.banned_until = now + 120
            raise _Wait(429, 60)
        if found.is_order:
            spent = [one for one in budgets.orders if not one.spend(1, now)]
            if spent:
                raise Refused(-1015, limit=spent[-1].limit, interval=spent[-1].name)

    def _done(
        self,
        found: Call,
        manner: Manner,
        headers: Mapping[str, str],
        values: dict[str, str],
        sent: Sent,
    ) -> Any:
        self.house.catch_up()
        account: Customer | None = None
        if found.signed or found.keyed:
            key = self.house.key_of(headers.get(manner.key, ""))
            if found.signed:
                self.check_window(*manner.signed(key, headers, values, sent))
            account = self._account(key, sent.path, found)
            values["apiKey"] = key.key
        return self.house.do(sent.method, sent.path, account, values)

    def _account(self, key: Key, path: str, found: Call) -> Customer:
        if found.is_order and not key.trades:
            raise Refused(-2015)
        return self.house.account_at(path, key.account)

    def check_window(self, stamp: int, window: int) -> None:
        clock, window = self.house.clock, min(60_000, window)
        clocks: tuple[int, ...] = (self.house.exchange.now,)
        if clock.pace != 1.0:  # a time of the wall cannot keep up with a clock that runs
            clocks = *clocks, clock.wall_now()
            window = int(window * max(1.0, clock.pace))
        check_window(stamp, window, clocks)

    # --- sockets --------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self.house.catch_up()
        kind = SOCKETS.get(request.path, streams.Connection)
        if self.house.spot.contracts and request.path.startswith(("/ws", "/stream")):
            kind = SOCKETS.get(request.path, spot_streams.SpotConnection)
        return await streams.serve(self, request, kind)

    def speak(self, connection: streams.ApiConnection, method: str, params: dict[str, Any]) -> Any:
        """A method of the WebSocket API. A signature is over the parameters by name."""
        self.house.catch_up()
        values = {name: _written(value) for name, value in params.items()}
        if method == "session.logon":
            key = self._signed_by(values)
            connection.account = key.account
            now = self.house.exchange.now
            return {"apiKey": key.key, "authorizedSince": now, "connectedSince": now,
                    "returnRateLimits": False, "serverTime": now}  # fmt: skip
        if isinstance(connection, spot_streams.SpotApiConnection):
            if method in ("userDataStream.subscribe", "userDataStream.subscribe.signature"):
                name = connection.account or self._signed_by(values).account
                return {"subscriptionId": connection.subscribe(name)}
            if method == "userDataStream.unsubscribe":
                number = values.get("subscriptionId")
                connection.unsubscribe(None if number is None else int(number))
                return {}
        which = connection.spoken[method]
        found = CALLS[which]
        self._refuse(f"{method}", values, found, self.budgets[connection.at_spot])
        account: Customer | None = None
        if found.signed or found.keyed:
            name = connection.account or ""
            if not name:
                key = self._signed_by(values, found.signed)
                name = key.account
            account = self.house.account_at(which[1], name)
        return self.house.do(which[0], which[1], account, values)

    def _signed_by(self, values: Mapping[str, str], signed: bool = True) -> Key:
        """The key that is named, once its signature is checked where one is needed."""
        key = self.house.key_of(values.get("apiKey", ""))
        if signed:
            payload = "&".join(f"{name}={values[name]}" for name in sorted(values))
            self.check_window(*BINANCE.signed(key, {}, values, Sent(payload, "")))
        return key

    # --- administration -------------------------------------------------------------------------

    async def _administer(self, request: web.Request) -> web.StreamResponse:
        """Who holds the administration's word gives money, sets fees, faults and the clock."""
        if self.admin is not None and request.headers.get("X-Admin") != self.admin:
            return web.json_response({"code": "not_permitted"}, status=403)
        asked: dict[str, Any] = {}
        with suppress(ValueError):
            asked = await request.json() if request.can_read_body else {}
        method, what = request.method, request.match_info["what"]
        if (method, what) not in ADMIN:
            return web.json_response({"code": "unknown_route"}, status=404)
        try:
            return web.json_response(administer(self.house, method, what, asked))
        except CommendaError as error:
            told = {"code": error.code, "title": error.message, "field": error.field}
            told |= {"value": str(error.value), "hint": error.hint}
            return web.json_response(told, status=422)
        except Refused as refused:
            return web.json_response({"code": refused.code, "title": refused.words}, status=422)


class _Wait(Exception):
    """Too much was asked: nothing more for so many seconds."""

    def __init__(self, status: int, seconds: int) -> None:
        self.status, self.seconds = status, seconds


def _written(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | dict | list) else str(value)
