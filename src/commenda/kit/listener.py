"""How a connection is listened to: its headers come whole within a time and a size, or it ends.

uvicorn waits for a request's headers for ever, and keeps whatever it is sent of them: a stranger
would hold as many connections, and as much memory, as they open.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_WITHIN = 10.0
"""Seconds from a connection, or from a request's first byte, to the end of its headers."""
LARGEST_HEADERS = 64 * 1024
"""Bytes of a request line and its headers."""


class Listener(HttpToolsProtocol):
    """An HTTP connection that waits for headers for so long and no longer."""

    _timer: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
            self._received += len(data)
        super().data_received(data)
        if self._timer is not None and self._received > LARGEST_HEADERS:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._heard()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEADERS_WITHIN, self.transport.close)

    def _heard(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._received = None, 0
