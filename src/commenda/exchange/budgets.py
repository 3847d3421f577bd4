"""What requests weigh and how many orders come, held against the limits of a market."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

_SECONDS = {"DAY": 86_400, "MINUTE": 60, "SECOND": 1}


class Budget:
    """What was used in a span of seconds."""

    def __init__(self, limit: Mapping[str, Any], allows: int) -> None:
        self.told = limit
        self.name = f"{limit['intervalNum']} {limit['interval']}"
        self.seconds: int = limit["intervalNum"] * _SECONDS[limit["interval"]]
        self.limit: int = limit["limit"] * allows
        self.used = 0
        self._spent: deque[tuple[float, int]] = deque()

    def spend(self, weight: int, now: float) -> bool:
        """Use so much; whether it was still within the limit."""
        while self._spent and self._spent[0][0] <= now - self.seconds:
            self.used -= self._spent.popleft()[1]
        self._spent.append((now, weight))
        self.used += weight
        return self.used <= self.limit

    def header(self) -> str:
        number, name = self.name.split()
        return f"{number}{name[0]}"


class Budgets:
    """Of one market: what requests weigh, and how many orders came."""

    def __init__(self, limits: Iterable[Mapping[str, Any]], allows: int) -> None:
        self.weight, *self.orders = (Budget(one, allows) for one in limits)

    def counts(self) -> list[dict[str, Any]]:
        """How many orders came, by limit."""
        return [{**one.told, "limit": one.limit, "count": one.used} for one in self.orders]

    def headers(self) -> dict[str, str]:
        counts = {f"X-MBX-ORDER-COUNT-{one.header()}": str(one.used) for one in self.orders}
        return {f"X-MBX-USED-WEIGHT-{self.weight.header()}": str(self.weight.used), **counts}
