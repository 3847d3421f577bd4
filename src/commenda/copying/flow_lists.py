"""The list of flows is asked for far more often than it changes: its pages are kept for moments."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LIST_SECONDS = 3.0
"""How long a process shows a page of flows before it reads it again. The specification allows five
minutes; what this process itself writes shows at once, what another writes within this time."""
_MOST_PAGES = 512


class FlowLists:
    """Pages of the list of flows as they were last written down. One for each API process."""

    def __init__(self) -> None:
        self._pages: dict[object, tuple[float, bytes]] = {}
        self._changes = 0
        self._lock = threading.Lock()

    def page(self, key: object, read: Callable[[], bytes]) -> bytes:
        """The page of this key, read again once it is too old or something has changed."""
        kept = self._pages.get(key)
        if kept is not None and time.monotonic() - kept[0] < LIST_SECONDS:
            return kept[1]
        changes, begun = self._changes, time.monotonic()
        written = read()
        with self._lock:
            # What was read before a change is not kept past it.
            if changes == self._changes:
                if len(self._pages) >= _MOST_PAGES:
                    self._pages.clear()
                self._pages[key] = (begun, written)
        return written

    def forget(self) -> None:
        """Read everything again: something was written."""
        with self._lock:
            self._changes += 1
            self._pages.clear()
