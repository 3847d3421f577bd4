"""Send an order, once, and ask what became of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.execution import queries
from commenda.execution.broker import Broker, is_met
from commenda.execution.halts import hold_back, is_stopped, opens, why_held
from commenda.execution.model import Order
from commenda.kit.db import Database
from commenda.risk import SENDING, any_standing, sign_of
from commenda.venues import OrderStatus, OrderView, Venue, VenueUnavailable, Why

DENIALS = 3
"""How often a venue is asked before "I do not know that order" is its last word."""


def submit(database: Database, broker: Broker, order_id: UUID, now: datetime) -> OrderView | None:
    """Send an order, or ask what became of it; None when that is not known.

    It is sent once: that it is being sent is stored before the venue is called. Whoever finds it
    sent asks. Where the venue does not know it, the venue's own promise decides: submitting the
    same id again is asking, or what it does not know after a time, asked repeatedly, it never had.
    What opens and may not be sent any more is left out here, see `halts`. That it looks and sends
    is shown meanwhile: whoever stops the opening of positions waits for it.
    """
    with database.signs.shown(SENDING, sign_of(order_id)):
        return _submit(database, broker, order_id, now)


def _submit(database: Database, broker: Broker, order_id: UUID, now: datetime) -> OrderView | None:
    sent, refusal = _begin(database, broker, order_id, now)
    if refusal is not None:
        return OrderView(order_id, OrderStatus.REFUSED, Decimal(0), (), refusal)
    order = sent
    if order is None:
        with database.read() as tx:
            order = queries.find_order(tx, order_id)
    if order.status.is_terminal:
        return None
    if order.sent_at is None:
        asked = order.cancel_asked_at is not None
        over = OrderStatus.CANCELLED if asked else OrderStatus.EXPIRED
        return OrderView(order.id, over, Decimal(0), (), "over before it was sent")
    venue = broker.venue(order.venue)
    try:
        if sent is not None:
            exits = is_met(order.venue) and _exits(database, order_id)
            return venue.submit(order.request(exits=exits), now)
        view = _look(database, venue, order, now)
        if view is None and order.status in (OrderStatus.SENT, OrderStatus.UNKNOWN):
            # Where its end was asked for, sending it once more is no way of asking; nor where it
            # would open what may not be opened any more.
            asks = venue.capabilities.deduplicates and order.cancel_asked_at is None
            if asks and not _stopped(database, order_id):
                return venue.submit(order.request(), now)
            with database.transaction() as tx:
                denied = queries.note_denial(tx, order.id)
            if denied >= DENIALS and now - order.sent_at >= venue.capabilities.settles_in:
                return OrderView(
                    order.id, OrderStatus.REFUSED, Decimal(0), (), "the venue never had it"
                )
        return view
    except VenueUnavailable:
        return None


def _begin(
    database: Database, broker: Broker, order_id: UUID, now: datetime
) -> tuple[Order | None, str | None]:
    """The order as it is to be sent, cut to what it may still do, or why nothing of it may; neither
    where there is nothing to begin."""
    with database.read() as tx:  # each statement alone: it is stored when the venue is called
        why = why_held(tx, order_id) if broker.feed.live else None
        sent = None if why else queries.mark_sent(tx, order_id, now)
        if sent is not None or not (why or any_standing(tx)):
            return sent, None
    with database.transaction() as tx:
        order = queries.find_order(tx, order_id, lock=True)
        if order.status is not OrderStatus.INTENDED or order.is_to_end(now):
            return None, None
        refusal = hold_back(tx, broker.instrument(order.instrument_id), order_id, why)
        return None if refusal else queries.mark_sent(tx, order_id, now, judged=True), refusal


def _stopped(database: Database, order_id: UUID) -> bool:
    """Whether a breaker holds back any of what an order would open."""
    with database.read() as tx:
        return any_standing(tx) and is_stopped(tx, order_id)


def _exits(database: Database, order_id: UUID) -> bool:
    with database.read() as tx:
        return not opens(tx, order_id)


def _look(database: Database, venue: Venue, order: Order, now: datetime) -> OrderView | None:
    """See an order that was sent, and ask for its end or its new limit where that is wanted."""
    request, moved = order.request(), order.moved
    if order.is_to_end(now):
        return venue.cancel(request, now)
    if moved is None or _stopped(database, order.id):
        return venue.order(request, now)
    if venue.capabilities.replaces:
        return venue.replace(moved, now)
    view = venue.order(request, now)
    return view and replace(view, reason=f"{Why.NOT_TAKEN}: the venue replaces no orders")
