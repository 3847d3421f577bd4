"""When a breaker opens, lets a trial through and closes again. Pure.

It opens above the amount and knows calm only at or below where it resets: between the two nothing
changes, so what moves about one edge does not open and close it. Calm must last for the cooldown,
twice as long after each relapse; then entries of a part of their size are tried; and after another
calm time of that length everything is let through.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import Final, NamedTuple

COOLDOWN: Final = timedelta(minutes=15)
"""Where a limit does not say."""
MOST_RELAPSES: Final = 4
"""After so many in a row the cooldown grows no more: 16 times itself."""
TRIAL: Final = Decimal("0.25")
"""Of what would open, this part is let through while a breaker is half open."""


class Turn(Enum):
    STAY = auto()
    TRIP = auto()
    HALF = auto()
    CLOSE = auto()


class Verdict(NamedTuple):
    turn: Turn
    calm_since: datetime | None


@dataclass(frozen=True, slots=True)
class Band:
    """Above `amount` it opens; at or below `resets_at` it is calm."""

    amount: Decimal
    resets_at: Decimal | None = None
    cooldown: timedelta = COOLDOWN

    @property
    def calm(self) -> Decimal:
        return self.amount if self.resets_at is None else self.resets_at


def turn(
    state: str,
    calm_since: datetime | None,
    relapses: int,
    value: Decimal,
    band: Band,
    now: datetime,
) -> Verdict:
    """What becomes of a breaker, which is `closed`, `open` or `half_open`, at a value."""
    if state != "open" and value > band.amount:
        return Verdict(Turn.TRIP, None)
    if state == "closed":
        return Verdict(Turn.STAY, None)
    if value > band.calm:
        return Verdict(Turn.STAY, None)
    since = now if calm_since is None else calm_since
    if now - since < band.cooldown * 2 ** min(relapses, MOST_RELAPSES):
        return Verdict(Turn.STAY, since)
    return Verdict(Turn.HALF if state == "open" else Turn.CLOSE, None)
