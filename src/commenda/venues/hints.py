"""What accounts' own streams hint at: that something happened at one, and whether it is heard.

Between the thread that listens and those who ask. A hint is no fact: what it makes somebody ask for
is, and it is asked for now and then without one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Ear:
    """One account's stream, as far as anybody here listens to it."""

    is_open: bool = False
    why: str = "not heard yet"
    """It is not open."""
    news: int = 0
    known: int = 0
    """Of them those that were told when the account was last read."""
    is_new: bool = True
    """It was opened after that."""
    is_doubted: bool = False
    """Something had happened there, and it had told nothing."""


@dataclass(slots=True)
class Hints:
    """Of all accounts of one process."""

    ears: dict[str, Ear] = field(default_factory=dict)
    _woken: set[str] = field(default_factory=set)
    _deaf: set[str] = field(default_factory=set)
    _told: int = 0
    _change: threading.Condition = field(default_factory=threading.Condition)

    def opened(self, venue: str) -> None:
        """It is heard from now on: what happened before has to be asked for."""
        with self._change:
            ear = self.ears.setdefault(venue, Ear())
            ear.is_open, ear.is_new, ear.is_doubted = True, True, False
            self._wake(venue)

    def lost(self, venue: str, why: str) -> None:
        with self._change:
            ear = self.ears.setdefault(venue, Ear())
            ear.is_open, ear.why = False, why

    def happened(self, venue: str) -> None:
        with self._change:
            self.ears.setdefault(venue, Ear()).news += 1
            self._wake(venue)

    def _wake(self, venue: str) -> None:
        self._woken.add(venue)
        self._told += 1
        self._change.notify_all()

    def take(self) -> set[str]:
        """The accounts at which something may have happened since this was last asked."""
        with self._change:
            woken, self._woken = self._woken, set()
            return woken

    def wait(self, seconds: float) -> bool:
        """Until something happens at any of them, or for so long; whether it did."""
        with self._change:
            told = self._told
            return self._change.wait_for(lambda: self._told != told, seconds)

    def read(self, venue: str, *, found: bool) -> None:
        """Hold a stream against what was read of its account. One that told nothing of what was
        found, and nothing until the next reading either, is open and silent."""
        with self._change:
            ear = self.ears.get(venue)
            if ear is None or not ear.is_open:
                return
            told = ear.news != ear.known
            if ear.is_doubted and not told:
                self._deaf.add(venue)
            ear.is_doubted = found and not told and not ear.is_new
            ear.known, ear.is_new = ear.news, False

    def take_deaf(self) -> set[str]:
        """Those whose streams are to be opened anew."""
        with self._change:
            deaf, self._deaf = self._deaf, set()
            return deaf
