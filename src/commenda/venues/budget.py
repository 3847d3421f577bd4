"""How much an exchange may still be asked, and who goes first.

What it counts it says in the headers of each answer. The nearer that comes to what it allows, the
fewer may ask: reads stop first, then what opens something; exits may use all there is.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from itertools import count
from typing import NamedTuple


class Priority(IntEnum):
    """Who goes before whom; the smallest first."""

    EXIT = 0
    """What closes or reduces something, and cancellations."""
    ENTRY = 1
    READ = 2


SHARES = {Priority.EXIT: Decimal(1), Priority.ENTRY: Decimal("0.85"), Priority.READ: Decimal("0.7")}
"""How far what is counted may go before a call of each kind is left out."""


class Gauge(NamedTuple):
    """Something that an exchange counts: where it says so, over how many seconds, what it allows.
    What counts orders concerns nobody else."""

    header: str
    seconds: int
    allows: int
    of_orders: bool = False


@dataclass(slots=True)
class Budget:
    """What was told last of each gauge."""

    gauges: tuple[Gauge, ...]
    _told: dict[str, tuple[int, float]] = field(default_factory=dict)

    def note(self, headers: Mapping[str, str], now: float) -> None:
        """Read the headers of an answer, however they are spelt."""
        known = {name.lower(): value for name, value in headers.items()}
        for gauge in self.gauges:
            said = known.get(gauge.header.lower(), "")
            if said.isdigit():
                self._told[gauge.header] = int(said), now

    def used(self, gauge: Gauge, now: float) -> int:
        """What is known to be used; what was told longer ago than is counted, is over."""
        used, at = self._told.get(gauge.header, (0, now))
        return used if now - at < gauge.seconds else 0

    def spent(self, priority: Priority, now: float, *, is_order: bool) -> Gauge | None:
        """The gauge of which nothing is left for a call of that kind; None where it may be sent."""
        for gauge in self.gauges:
            if gauge.of_orders and not is_order:
                continue
            if self.used(gauge, now) >= gauge.allows * SHARES[priority]:
                return gauge
        return None


class Turns:
    """One at a time. Of those who wait the most urgent is next, then who came first."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._waiting: list[tuple[Priority, int]] = []
        self._numbers = count()
        self._is_taken = False

    @contextmanager
    def take(self, priority: Priority) -> Iterator[None]:
        with self._change:
            mine = priority, next(self._numbers)
            heapq.heappush(self._waiting, mine)
            while self._is_taken or self._waiting[0] != mine:
                self._change.wait()
            heapq.heappop(self._waiting)
            self._is_taken = True
        try:
            yield
        finally:
            with self._change:
                self._is_taken = False
                self._change.notify_all()
