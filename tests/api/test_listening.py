"""Connections that keep the server waiting, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
import uvicorn
from starlette.websockets import WebSocket

from commenda.kit import listener, observe
from commenda.kit.db import Database
from probed import probed
from processes import free_port

WITHIN = 0.6
Connect = Callable[[], socket.socket]


@pytest.fixture
def connect(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """New connections to a running server, which waits for headers and bodies for 0.6 s."""
    monkeypatch.setattr(listener, "HEADERS_WITHIN", WITHIN)
    monkeypatch.setattr(observe, "BODY_WITHIN", WITHIN)
    app = probed(db)

    @app.websocket("/probe/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    port = free_port()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, http=listener.Listener, log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield lambda: socket.create_connection(("127.0.0.1", port), timeout=10)
    server.should_exit = True
    thread.join(10)


def closed_after(one: socket.socket, begun: float) -> float:
    """Seconds until the server closed a connection on which it said nothing."""
    with suppress(ConnectionResetError):
        assert one.recv(1) == b""
    return time.monotonic() - begun


def request(method: str = "GET", path: str = "/probe/fine", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: here\r\n{more}\r\n".encode()


def answer(one: socket.socket) -> bytes:
    """The answer's head, and what of its body has come with it."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        part = one.recv(4096)
        assert part, heard
        heard += part
    return heard


def test_who_says_nothing_is_hung_up_on(connect: Connect) -> None:
    with closing(connect()) as one:
        assert WITHIN - 0.1 < closed_after(one, time.monotonic()) < WITHIN + 3


def test_who_sends_headers_slowly_is_hung_up_on_though_something_always_comes(
    connect: Connect,
) -> None:
    begun = time.monotonic()
    with closing(connect()) as one:
        one.sendall(b"GET /probe/fine HTTP/1.1\r\nHost: here\r\n")
        with suppress(ConnectionError):
            while time.monotonic() - begun < 10:
                one.sendall(b"X-Filler: y\r\n")
                time.sleep(0.05)
        assert WITHIN - 0.1 < time.monotonic() - begun < WITHIN + 3


def test_a_second_request_has_no_more_time_than_the_first(connect: Connect) -> None:
    with closing(connect()) as one:
        for _ in range(3):
            one.sendall(request())
            assert answer(one).startswith(b"HTTP/1.1 200")
            time.sleep(WITHIN / 2)
        one.sendall(b"GET /probe")
        assert WITHIN - 0.1 < closed_after(one, time.monotonic()) < WITHIN + 3


def test_headers_without_end_are_not_kept(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HEADERS_WITHIN", 60.0)
    with closing(connect()) as one:
        one.sendall(b"GET /probe/fine HTTP/1.1\r\nHost: here\r\n")
        sent = 0
        with suppress(ConnectionError):
            while sent < 50_000_000:
                sent += one.send(b"X-Filler: " + b"y" * 1000 + b"\r\n")
        assert sent < 50_000_000


def test_headers_of_sixty_kilobytes_are_taken(connect: Connect) -> None:
    with closing(connect()) as one:
        one.sendall(request(more="".join(f"X-{n}: {'y' * 990}\r\n" for n in range(60))))
        assert answer(one).startswith(b"HTTP/1.1 200")


def test_a_body_that_does_not_come_is_a_problem_and_the_connection_ends(connect: Connect) -> None:
    with closing(connect()) as one:
        begun = time.monotonic()
        head = "Content-Length: 100\r\nContent-Type: application/json\r\n"
        one.sendall(request("POST", "/probe/body", head) + b'{"text":')
        heard = answer(one)
        assert WITHIN - 0.1 < time.monotonic() - begun < WITHIN + 3
        assert heard.startswith(b"HTTP/1.1 408")
        while part := one.recv(4096):
            heard += part
        assert b'"code":"body_too_slow"' in heard


def test_a_websocket_stays_open_for_longer(connect: Connect) -> None:
    """A text of two letters, masked with zeros (RFC 6455, section 5.2), comes back unmasked."""
    with closing(connect()) as one:
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        one.sendall(
            request(
                path="/probe/echo",
                more="Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n",
            )
        )
        # The key and its answer are the example of RFC 6455, section 1.3.
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer(one)
        time.sleep(2 * WITHIN)
        one.sendall(b"\x81\x82\0\0\0\0hi")
        assert one.recv(16) == b"\x81\x02hi"
