"""What every request meets first: an id, a limit, and afterwards a line, a count and headers.

Pure ASGI, because it is paid for by every request (a few microseconds; Starlette's own base class
for middleware would take a hundred).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from commenda.kit.context import request_id
from commenda.kit.forwarded import TrustedProxies
from commenda.kit.problems import problem
from commenda.kit.rate import Buckets, RateLimit

LARGEST_BODY = 1024 * 1024
BODY_WITHIN = 30.0
"""Seconds that a request's body may take to arrive."""
EXEMPT = frozenset({"/healthz", "/readyz", "/metrics"})
"""Not limited: whoever watches must not be turned away when it matters."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
"""What a page may load: this host's files, and nothing inline. `connect-src 'self'` holds its
WebSockets, too."""
METRICS_TYPE = CONTENT_TYPE_LATEST

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _READS | {"POST", "PUT", "PATCH", "DELETE"}
_SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5, 10)

_log = logging.getLogger("commenda.http")
disable_created_metrics()  # type: ignore[no-untyped-call]


class HttpFigures:
    """Counts and times of one application's requests, and of its process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("method", "route")
        self._requests = Counter(
            "http_requests_total",
            "Requests that were answered.",
            (*labels, "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "http_request_seconds",
            "From a request's arrival to the end of its answer.",
            labels,
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_progress = 0
        Gauge(
            "http_requests_in_progress", "Requests that are being answered.", registry=self.registry
        ).set_function(lambda: self.in_progress)
        self._known: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        known = self._known.get((method, route, status))
        if known is None:  # finding a metric by its labels takes longer than counting
            known = (
                self._requests.labels(method, route, str(status)),
                self._seconds.labels(method, route),
            )
            self._known[method, route, status] = known
        known[0].inc()
        known[1].observe(seconds)


Labels = tuple[str, ...]
Figure = tuple[str, str, Mapping[Labels, float], Labels]
"""(name, text, numbers by their labels' values, labels): what was read. `_total` counts up."""


class _Read(Collector):
    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, text, values, labels in self._figures:
            counts = name.endswith("_total")
            family = (CounterMetricFamily if counts else GaugeMetricFamily)(
                name, text, labels=labels
            )
            for value, number in values.items():
                family.add_metric(value, number)
            yield family


def exposition(http: HttpFigures, figures: Iterable[Figure]) -> Response:
    """Everything that Prometheus asks for."""
    registry = CollectorRegistry()
    registry.register(_Read(figures))
    return Response(
        generate_latest(http.registry) + generate_latest(registry), media_type=METRICS_TYPE
    )


class Observe:
    """The outermost middleware but CORS. `requests_per_minute` 0 is no limit."""

    def __init__(
        self,
        app: ASGIApp,
        figures: HttpFigures,
        requests_per_minute: int = 0,
        clock: Callable[[], float] = time.monotonic,
        proxies: TrustedProxies = TrustedProxies(),  # noqa: B008 - it is frozen
    ) -> None:
        self.app = app
        self.proxies = proxies
        self.figures = figures
        self.limit = RateLimit(Buckets(requests_per_minute, clock)) if requests_per_minute else None
        self._routes: dict[int, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        peer = scope.get("client")
        if peer and self.proxies.networks:  # everything behind this sees the client, not the proxy
            scope["client"] = (self.proxies.client(peer[0], scope["headers"]), peer[1])
        credential, length, given = _read(scope)
        if credential is not None and self.limit is not None:  # not kept in memory as it is
            credential = hashlib.blake2b(credential, digest_size=16).digest()
        token = request_id.set(given or os.urandom(12).hex())
        try:
            if scope["type"] == "websocket":
                if self._wait(scope, None):  # by its address: who it is, is asked later
                    await send({"type": "websocket.close", "code": 1013})
                else:
                    await self.app(scope, receive, send)
            else:
                await self._answer(scope, receive, send, credential, length)
        finally:
            request_id.reset(token)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, credential: bytes | None, length: int
    ) -> None:
        begun = time.perf_counter()
        status = 0
        path = scope["path"]

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_headers(message.get("headers", ()), path)
            await send(message)

        self.figures.in_progress += 1
        try:
            refusal = self._refusal(scope, credential, length)
            if refusal is not None:
                await refusal(scope, receive, answer)
            elif scope["method"] in _READS:
                await self.app(scope, receive, answer)
            else:
                await self.app(scope, _Limited(receive), answer)
        except Exception:
            if status:  # the answer has begun: the server can only break it off
                raise
            _log.exception("a request failed: %s %s", scope["method"], path)
            failed = problem(500, "internal_error", "Something failed that should not have")
            await failed(scope, receive, answer)
        finally:
            self.figures.in_progress -= 1
            if credential is not None and status == 401 and self.limit is not None:
                self.limit.refused(credential)
            self._account(scope, status or 499, time.perf_counter() - begun)

    def _refusal(self, scope: Scope, credential: bytes | None, length: int) -> Response | None:
        """What stops a request at the door."""
        if length > LARGEST_BODY:
            return problem(
                413,
                "body_too_large",
                f"A request's body has at most {LARGEST_BODY} bytes",
                field="Content-Length",
                value=length,
                headers={"Connection": "close"},
            )
        wait = 0.0 if scope["path"] in EXEMPT else self._wait(scope, credential)
        if not wait:
            return None
        return problem(
            429,
            "too_many_requests",
            "Too many requests in a minute",
            hint="wait as long as Retry-After says",
            headers={"Retry-After": str(int(wait) + 1)},
        )

    def _wait(self, scope: Scope, credential: bytes | None) -> float:
        """0, or in how many seconds this may be asked again."""
        if self.limit is None:
            return 0.0
        client = scope.get("client")
        return self.limit.wait(credential, client[0] if client else "")

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        """Count the request, and log it if it changed something or went wrong."""
        method = scope["method"]
        route = self._route(scope)
        self.figures.count(method if method in _METHODS else "other", route, status, seconds)
        level = logging.DEBUG
        if scope["path"] in EXEMPT:
            pass  # asked every few seconds; a failure has its own line
        elif status >= 500:
            level = logging.ERROR
        elif status >= 400 or method not in _READS:
            level = logging.INFO
        if not _log.isEnabledFor(level):
            return
        principal = scope.get("state", {}).get("principal")
        client = scope.get("client")
        _log.log(
            level,
            "%s %s %s",
            method,
            scope["path"],
            status,
            extra={
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 2),
                "actor": principal.actor if principal is not None else None,
                "address": client[0] if client else None,
            },
        )

    def _route(self, scope: Scope) -> str:
        """The template of the path, such as /api/v1/managed-subscriptions/{id}."""
        route = scope.get("route")
        if route is None:
            return "unknown"
        template = self._routes.get(id(route))
        if template is None:
            # An included router's route does not know its prefix: what the path has before it.
            own = str(getattr(route, "path", ""))
            parts = [] if ":path}" in own else scope["path"].split("/")
            prefix = parts[: max(len(parts) - own.count("/"), 0)]
            template = self._routes[id(route)] = "/".join(prefix) + own
        return template


class _Limited:
    """A request's body, refused when it grows too large or takes too long."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0
        self._deadline: float | None = asyncio.get_running_loop().time() + BODY_WITHIN

    async def __call__(self) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None
        self._size += len(message.get("body", b""))
        if self._size > LARGEST_BODY:
            raise HTTPException(413, headers={"Connection": "close"})
        if not message.get("more_body", False):
            self._deadline = None  # what is waited for from here on is that the client goes away
        return message


def _read(scope: Scope) -> tuple[bytes | None, int, str]:
    """(who says who they are, length of the body, the request's own id)"""
    credential, length, given = None, 0, ""
    for name, value in scope["headers"]:
        if name == b"authorization" or (name == b"x-api-key" and credential is None):
            credential = value.strip().rpartition(b" ")[2]  # however the scheme is spelt
        elif name == b"content-length":
            length = int(value) if value.isdigit() else 0
        elif name == b"x-request-id" and _SANE_ID.fullmatch(value):
            given = value.decode("ascii")
    return credential, length, given


def _with_headers(headers: Iterable[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    """What every answer says beside what it says itself."""
    own = dict(headers)
    added = [(b"x-request-id", request_id.get().encode())]
    if b"x-content-type-options" not in own:
        added.append((b"x-content-type-options", b"nosniff"))
    if b"referrer-policy" not in own:
        added.append((b"referrer-policy", b"no-referrer"))
    if path.startswith("/api/") and b"cache-control" not in own:
        added.append((b"cache-control", b"no-store"))
    if own.get(b"content-type", b"").startswith(b"text/html") and (
        b"content-security-policy" not in own
    ):
        added.append((b"content-security-policy", PAGE_POLICY.encode()))
    return [*headers, *added]
