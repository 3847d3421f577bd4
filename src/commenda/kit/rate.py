"""Rate limits: one token bucket for each user, key or address, in the memory of one process."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache

Seconds = float


@dataclass(slots=True)
class Buckets:
    """Full buckets hold a minute's worth and are filled evenly. No more than `capacity` are kept.

    A bucket is one number, the moment at which it is full again; one that nobody knows is full.
    """

    per_minute: int
    clock: Callable[[], Seconds] = time.monotonic
    capacity: int = 100_000
    _full_at: OrderedDict[Hashable, Seconds] = field(default_factory=OrderedDict)

    def take(self, key: Hashable) -> Seconds:
        """Take one token: 0, or in how many seconds there will be one."""
        now = self.clock()
        full_at = max(self._full_at.get(key, now), now) + 60 / self.per_minute
        lacking = full_at - now - 60
        if lacking > 1e-9:
            return lacking
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self.capacity:
            self._full_at.popitem(last=False)  # whoever has been silent for longest
        return 0.0

    def knows(self, key: Hashable) -> bool:
        return key in self._full_at

    def forget(self, key: Hashable) -> None:
        self._full_at.pop(key, None)

    def __len__(self) -> int:
        return len(self._full_at)


@lru_cache(maxsize=10_000)
def neighbourhood(address: str) -> str:
    """What one party has of the net: an IPv4 address, or 64 bits of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))


class RateLimit:
    """Whose bucket a request is taken from.

    A credential has a bucket of its own. It is not verified here: one that is seen for the first
    time is charged to its address as well, and one that was refused is forgotten, so invented
    credentials gain nothing.
    """

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def wait(self, credential: bytes | None, address: str) -> Seconds:
        """0, or in how many seconds the request may be sent again."""
        if credential is None:
            return self._buckets.take(neighbourhood(address))
        if not self._buckets.knows(credential):
            wait = self._buckets.take(neighbourhood(address))
            if wait:
                return wait
        return self._buckets.take(credential)

    def refused(self, credential: bytes) -> None:
        """The credential of a request was not valid."""
        self._buckets.forget(credential)
