"""The kill switch: stop the opening of positions, of all or of a part, in one call.

The breaker is stored first; from then on whoever is about to send finds it. What was being sent in
that moment is waited for, but not for ever: the answer names what was still on its way. Then it is
as strong as was asked: what works at the venues and opens something is ended, and the worker
reduces or closes what is held (`breaking.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.execution import UNSETTLED, Opening, end_openings, opening_orders
from commenda.kit.db import Database
from commenda.kit.wire import on_wire
from commenda.ledger import Author
from commenda.risk import Breaker, Effect, find_breaker, senders

PATIENCE = 10.0
"""Wall seconds that is waited for what is being sent."""


@on_wire
@dataclass(frozen=True, slots=True)
class Stopped:
    """What came of stopping."""

    breaker: Breaker
    waited_ms: Annotated[
        int, Field(description="How long was waited for what was being sent in that moment.")
    ]
    sending: Annotated[
        list[Opening],
        Field(
            description="What was still being sent when that was over, whose venue gives no answer:"
            " it may yet arrive. Empty: nothing that opens is sent from here on."
        ),
    ]
    unanswered: Annotated[
        list[Opening],
        Field(description="What was sent before, and no venue has said what became of it."),
    ]
    ending: Annotated[
        int, Field(description="Orders that open something, and whose end is asked for.")
    ]


def settle_stop(
    database: Database, author: Author, breaker_id: UUID, patience: float = PATIENCE
) -> Stopped:
    """Wait for what is being sent, and ask for the end of what works, where that is the effect.

    The caller has committed the breaker.
    """
    with database.read() as tx:
        before = [one.id for one in opening_orders(tx, breaker_id) if one.status in UNSETTLED]
    late, waited = senders(database, before, patience)
    with database.transaction() as tx:
        breaker = find_breaker(tx, breaker_id)
        if breaker.effect != Effect.NO_ENTRIES:
            end_openings(tx, author, breaker_id, breaker.said())
        left = [one for one in opening_orders(tx, breaker_id) if one.sent_at is not None]
        row = tx.execute(
            "SELECT count(*) FROM orders WHERE id = ANY (%s) AND cancel_asked_at IS NOT NULL",
            ([one.id for one in left],),
        ).fetchone()
    assert row is not None
    unsettled = [one for one in left if one.status in UNSETTLED]
    return Stopped(
        breaker,
        waited,
        [one for one in unsettled if one.id in late],
        [one for one in unsettled if one.id not in late],
        row[0],
    )
