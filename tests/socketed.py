"""One API process, or several, and clients that listen to it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from commenda.app import create_app
from commenda.identity import Role, register_users
from commenda.identity.tokens import ACCESS_LIFETIME, Tokens
from commenda.kit import bus, ids
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.settings import Settings
from commenda.sockets import Sockets

SETTINGS = Settings(
    master_key="the sockets' own master key, 32 characters or more",
    cors_origins=("https://console.example",),
    requests_per_minute=0,
)
REDIS = "redis://127.0.0.1:6379/0"
MARKET = "market:simulated:AAAUSDT"
TOO_SLOW = 4408


@dataclass(frozen=True)
class Server:
    """One API process, and what a client needs to reach it."""

    port: int
    sockets: Sockets

    def connect(self, path: str, token: str | None = None, **options: Any) -> ClientConnection:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        options.setdefault("additional_headers", headers)
        return connect(f"ws://127.0.0.1:{self.port}{path}", open_timeout=10, **options)


@contextmanager
def serving(db: Database, settings: Settings = SETTINGS, **limits: object) -> Iterator[Server]:
    """A server in a thread; `limits` replace those of its sockets."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # so that slowness shows soon
    listening.bind(("127.0.0.1", 0))
    app = create_app(settings, db)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    for name, value in limits.items():
        setattr(app.state.sockets, name, value)
    try:
        yield Server(listening.getsockname()[1], app.state.sockets)
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()


def token(db: Database, role: str, name: str = "", *, left: timedelta = ACCESS_LIFETIME) -> str:
    """An access token of a user of this role, in a session of their own; valid for `left`."""
    user, now = ids.derive("socket-user", role, name), datetime.now(UTC)
    with db.transaction() as tx:
        register_users(tx, [(user, f"{role}{name}")], role, now)
    issued = now - ACCESS_LIFETIME + left
    tokens = Tokens(Keys.of(SETTINGS).derive("access-tokens"))
    return tokens.issue(user, Role(role), ids.derive("socket-session", user), True, issued)


def tell(db: Database, topic: str, **payload: object) -> None:
    with db.transaction() as tx:
        bus.publish(tx, topic, payload)


def hear(reader: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(reader.recv(timeout=10))
    return message


def hear_until(reader: ClientConnection, kind: str) -> dict[str, Any]:
    while (message := hear(reader))["type"] != kind:
        pass
    return message


def closing(reader: ClientConnection) -> tuple[int, str]:
    """The code and reason with which the server ends this connection."""
    with pytest.raises(ConnectionClosed) as closed:
        _read_on(reader)
    frame = closed.value.rcvd
    assert frame is not None, closed.value
    return frame.code, frame.reason


def _read_on(reader: ClientConnection) -> None:
    end = time.monotonic() + 15  # heartbeats may go on
    while time.monotonic() < end:
        reader.recv(timeout=15)


def wait_until(met: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def listeners(database: Database) -> int:
    with psycopg.connect(database.owner_url) as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'commenda bus' AND datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])
