"""The exchange's time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """Milliseconds of the exchange, `pace` for each that passes; at 0 it stands until it is set."""

    start: int
    pace: float = 1.0
    wall: Callable[[], float] = time.time
    _begun: float = 0.0
    _set: int = 0

    def __post_init__(self) -> None:
        self._begun, self._set = self.wall(), self.start

    def now(self) -> int:
        return self._set + int((self.wall() - self._begun) * 1000 * self.pace)

    def set(self, milliseconds: int, pace: float | None = None) -> None:
        self._begun, self._set = self.wall(), milliseconds
        self.pace = self.pace if pace is None else pace

    def kept(self) -> tuple[float, int, float]:
        """What it takes to go on with it in another process, as if it had gone on meanwhile."""
        return self._begun, self._set, self.pace

    def go_on(self, begun: float, since: int, pace: float) -> None:
        self._begun, self._set, self.pace = begun, since, pace

    def wall_now(self) -> int:
        return int(self.wall() * 1000)
