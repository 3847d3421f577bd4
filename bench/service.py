"""The HTTP API under load: three reads and the subscription, 32 connections against one process.

The API runs as `commenda api`, a process of its own beside PostgreSQL; the load comes from this
one, over real sockets. With two cores the three of them share what there is.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg

from bench.bare_api import TABLE
from bench.kit import Figure, durability, machine, show, spread, vacuum
from bench.population import ASSET, HOUR, START, author, fund_investors, open_broker, open_flow
from commenda.books import carry_out_transfers, record_nav
from commenda.copying import Flow, follow
from commenda.funding import deposit
from commenda.identity import Role
from commenda.identity.tokens import Tokens
from commenda.kit import clock, ids
from commenda.kit.db import Database, Tx
from commenda.kit.keys import Keys
from commenda.ledger import Owner, OwnerKind
from commenda.managed import (
    ExpectedReturn,
    FeeTerms,
    Offer,
    Profile,
    SubscriptionOrder,
    activate_due,
    authorise_custody,
    list_flow,
    publish_offer,
    subscribe,
)
from commenda.settings import Settings

CONNECTIONS = 32
SECONDS = 5.0
ROUNDS = 3
INVESTORS = 1_000
FLOWS = 24
LOG_ENTRIES = 500
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
PRODUCT = ids.derive("product", "bench")
ORDER = json.dumps({"productId": str(PRODUCT), "amount": "2000"})
READER = ids.derive("user", "investor", 0)
AIMS = {"reads": ">= 0.8 of bare", "p99": "< 80", "subscribe": ">= 0.35 of bare", "healthy": "< 4"}


def main() -> None:
    """Print requests a second and p99 of each route, and how soon a process is healthy."""
    with tempfile.TemporaryDirectory(prefix="commenda-bench-") as folder:
        settings = Settings(data=Path(folder), requests_per_minute=0)
        with Database.open(settings) as database:
            subscriptions = _build(database)
            vacuum(database)
            tokens = Tokens(Keys.of(settings).derive("access-tokens"))
            note = machine(database)
            bare = [sys.executable, "-m", "bench.bare_api", database.app_url]
            with psycopg.connect(database.owner_url, autocommit=True) as owner:
                owner.execute(TABLE)
            with serving(bare) as (port, _):
                base = _rates(port, lambda: _get("/one-query", ""), 200)
                bare_post = _rates(port, lambda: _post("/orders", "", ORDER, ""), 201)
            api = [sys.executable, "-m", "commenda", "api", "--data", str(settings.data), "--port"]
            with serving(api) as (port, healthy):
                figures = _measure(port, tokens, subscriptions, base, bare_post)
    show(
        f"service: {CONNECTIONS} connections against one API process",
        [
            *_lines("bare: FastAPI, one query", base, "", "", ""),
            *_lines("bare POST, as many rows", bare_post, "", "", ""),
            *figures,
            Figure("start to healthy, new process", healthy, "s", "", AIMS["healthy"]),
        ],
        f"median of {ROUNDS} rounds of {SECONDS:.0f} s; the load generator has the same two cores",
        durability(durable=True),
        note,
    )


def _measure(
    port: int, tokens: Tokens, subscriptions: list[UUID], base: _Rounds, bare_post: _Rounds
) -> list[Figure]:
    own = itertools.cycle(subscriptions)
    reader = _token(tokens, READER)

    def detail() -> bytes:
        subscription = next(own)
        return _get(f"/api/v1/managed-subscriptions/{subscription}", reader)

    log, flows = (
        _get(path, reader)
        for path in ("/api/v1/wallet/asset-log?limit=50", "/api/v1/co-trading/flows?limit=20")
    )
    number = itertools.count()

    # Written before they are sent, and signed in once, as clients do: a token lives 15 minutes.
    orders = [
        _post("/api/v1/managed-subscriptions", _token(tokens, investor), ORDER, "%d").split(b"%d")
        for investor in (ids.derive("user", "investor", n) for n in range(INVESTORS))
    ]

    def order() -> bytes:
        place = next(number)
        before, after = orders[place % INVESTORS]
        return b"%bb%d%b" % (before, place, after)

    figures = []
    for name, request, status, aim in (
        ("GET subscription", detail, 200, AIMS["reads"]),
        ("GET asset-log page (50 rows)", lambda: log, 200, AIMS["reads"]),
        ("GET flows list (20 flows)", lambda: flows, 200, AIMS["reads"]),
        ("POST subscribe", order, 201, AIMS["subscribe"]),
    ):
        got = _rates(port, request, status)
        ratio = f"{got.median.rate / base.median.rate:.2f} of bare"
        figures += _lines(name, got, ratio, aim, AIMS["p99"])
    ratio = f"{got.median.rate / bare_post.median.rate:.2f}"
    return [*figures, Figure("    of the bare POST", got.median.rate, "requests/s", ratio)]


def _lines(name: str, got: _Rounds, ratio: str, aim: str, p99: str) -> list[Figure]:
    named = f"{name} ({spread([one.rate for one in got])})"
    return [
        Figure(named, got.median.rate, "requests/s", ratio, aim),
        Figure("    p99", got.median.percentile(0.99), "ms", "", p99),
        Figure("    median", got.median.percentile(0.5), "ms"),
    ]


def _rates(port: int, request: Callable[[], bytes], status: int) -> _Rounds:
    """Rounds, after one that warms caches and connections."""
    asyncio.run(_load(port, request, status, 1.0))
    return _Rounds(asyncio.run(_load(port, request, status, SECONDS)) for _ in range(ROUNDS))


# --- The load --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Round:
    seconds: float
    milliseconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.milliseconds) / self.seconds

    def percentile(self, part: float) -> float:
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class _Rounds(list[_Round]):
    @property
    def median(self) -> _Round:
        return sorted(self, key=lambda one: one.rate)[len(self) // 2]


class _Connection(asyncio.Protocol):
    """One keep-alive connection that asks again as soon as it is answered."""

    def __init__(
        self, request: Callable[[], bytes], status: int, until: float, into: list[float]
    ) -> None:
        self.request, self.status, self.until, self.into = request, status, until, into
        self.finished = asyncio.get_running_loop().create_future()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self.request())

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end].lower()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(self._received) < end + 4 + length:
            return
        if f" {self.status} ".encode() not in head[:16] + b" ":
            self._end(RuntimeError(self._received.decode(errors="replace")))
            return
        self._received = b""
        now = time.perf_counter()
        self.into.append((now - self._asked) * 1000)
        if now < self.until:
            self._ask()
        else:
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or RuntimeError("the API closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if self.finished.done():
            return
        if error is None:
            self.finished.set_result(None)
        else:
            self.finished.set_exception(error)
        self._transport.close()


async def _load(port: int, request: Callable[[], bytes], status: int, seconds: float) -> _Round:
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    done = _Round(seconds)
    connections = [
        (
            await loop.create_connection(
                lambda: _Connection(request, status, begun + seconds, done.milliseconds),
                "127.0.0.1",
                port,
            )
        )[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(one.finished for one in connections))
    done.seconds = time.perf_counter() - begun
    return done


def _get(path: str, token: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def _post(path: str, token: str, body: str, key: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _token(tokens: Tokens, user: UUID) -> str:
    session = ids.derive("bench-session", user)
    return tokens.issue(user, Role.INVESTOR, session, True, datetime.now(UTC))


# --- The process -----------------------------------------------------------------------------


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def serving(command: list[str]) -> Iterator[tuple[int, float]]:
    """A running server, told its port last: the port, and the seconds until it was healthy."""
    port = free_port()
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*command, str(port)],
        env={**os.environ, "COMMENDA_REQUESTS_PER_MINUTE": "0", "COMMENDA_LOG_LEVEL": "warning"},
    )
    try:
        while not is_healthy(port):
            assert process.poll() is None, "the API ended"
            time.sleep(0.02)
        yield port, time.perf_counter() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def is_healthy(port: int) -> bool:
    """Whether a server on this port says that it lives."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


# --- The business ----------------------------------------------------------------------------


def _build(database: Database) -> list[UUID]:
    """Investors with money, flows that are led, a reader with a long log; the reader's own
    subscriptions."""
    broker = open_broker(database, SYMBOLS, 24 * 4)
    now = START + HOUR
    with database.transaction() as tx:
        publish_offer(tx, _offer())
        for number in range(FLOWS):
            instrument = broker.feed.instruments[number % len(SYMBOLS)]
            flow = open_flow(tx, f"creator-{number}", instrument)
            _lead(tx, flow)
        investors = fund_investors(tx, [Decimal(100_000_000)] * INVESTORS)
        for investor in investors:
            authorise_custody(tx, author(), investor, ASSET, Decimal(100_000_000))
        for number in range(LOG_ENTRIES):
            owner = Owner(OwnerKind.INVESTOR, READER)
            deposit(tx, author(), owner, ASSET, Decimal(1 + number), f"bench-{number}")
    subscriptions = []
    with database.transaction() as tx:
        for number in range(20):
            order = SubscriptionOrder(product_id=PRODUCT, amount=Decimal(2_000))
            made = subscribe(tx, author(), READER, order, f"reader-{number}", b"bench")
            subscriptions.append(made.subscription_id)
    with database.transaction() as tx:
        activate_due(tx, author(now))
    carry_out_transfers(database, broker, author(now))
    with database.transaction() as tx:
        for day in range(3):
            record_nav(tx, now + day * 24 * HOUR, broker.marks(now + day * 24 * HOUR))
        clock.advance(tx, now + 3 * 24 * HOUR)
    return subscriptions


def _lead(tx: Tx, flow: Flow) -> None:
    owner = Owner(OwnerKind.CREATOR, flow.creator_id)
    deposit(tx, author(), owner, ASSET, Decimal(20_000), f"creator:{flow.id}")
    follow(
        tx,
        author(),
        flow=flow,
        follower=owner,
        amount=Decimal(20_000),
        asset=ASSET,
        key="vault",
        is_leader=True,
    )
    list_flow(tx, flow.id, Profile.BALANCED, START)


def _offer() -> Offer:
    return Offer(
        PRODUCT,
        Profile.BALANCED,
        7,
        "silver",
        ASSET,
        Decimal(2_000),
        Decimal(10_000),
        False,
        FeeTerms(),
        ExpectedReturn(Decimal("0.12"), Decimal(2), Decimal(5)),
        START,
    )
