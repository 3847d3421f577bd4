"""Who sends at this moment, and whether anything is stopped.

Whoever sends an order shows a sign before it looks at the breakers, and takes it down once the
venue has answered. So whoever has opened a breaker and then sees no sign of an order knows: it was
sent before, or its sender will find the breaker.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final
from uuid import UUID

from commenda.kit import signs
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import Author
from commenda.risk.breakers import KILL, Breaker, trip
from commenda.risk.limits import find_place
from commenda.risk.model import EACH, Effect, Level, Measure, Terms

SENDING: Final = 0x636F6D73  # "coms": whoever sends order n shows the sign (SENDING, n)
_LOOK = 0.01
"""Wall seconds between two looks."""


def stop(
    tx: Tx, author: Author, level: Level, subject: str, effect: Effect, reason: str
) -> Breaker:
    """Open the breaker of a person: once this commits, nobody begins to send what it covers and
    opens something.

    Codes `bad_subject`, and `unknown_<level>` for one that is not there.
    """
    if subject == EACH or (level is Level.PLATFORM) != (subject == ""):
        mend = f"name one {level}" if level is not Level.PLATFORM else "leave it out"
        raise CommendaError("bad_subject", "Such a level has another subject").at(
            "subject", subject, mend
        )
    known = find_place(tx, Terms(level, subject, Measure.OPEN_ORDERS, None, None)).subject
    return trip(tx, author, level, known, KILL, effect, reason, {})


def sign_of(order_id: UUID) -> int:
    """The number that stands for an order: two may share one, and are both waited for then."""
    return order_id.int & 0x7FFFFFFF


def any_standing(tx: Tx) -> bool:
    """Whether any breaker is not closed."""
    row = tx.execute("SELECT EXISTS (SELECT FROM risk_breakers WHERE state <> 'closed')").fetchone()
    return row == (True,)


def senders(database: Database, orders: Collection[UUID], patience: float) -> tuple[set[UUID], int]:
    """Wait until nobody sends any of these orders, `patience` wall seconds at most: those that are
    still being sent then, and for how many milliseconds was waited.

    The caller has committed what forbids it.
    """
    began = time.monotonic()
    left = set(orders)
    with database.read() as tx:
        while left:
            shown = signs.seen(tx, SENDING)
            left = {one for one in left if sign_of(one) in shown}
            if not left or time.monotonic() - began >= patience:
                break
            time.sleep(_LOOK)
    return left, round(1000 * (time.monotonic() - began))
