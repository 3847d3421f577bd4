"""Remainders that no venue takes, and the platform's own book that takes them over.

A venue refuses an order below its minimum notional, so what is left of a position can be too
little to be sold for ever. After enough tries the dust book takes it over at the mark, without a
fee; what is less than a lot, as at spot where a fee is taken of what is bought, after the first.
Its owner's leg is flat and the business goes on. Nothing is sent to the venue, and its net position
stays what it was; only who owns a part of it changes.

The dust book has a scope of kind 'house' for each asset, and in it a leg for each venue. What it
holds leaves with the next liquidation of the same instrument and side, never in a parent order of
its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from commenda.audit import record
from commenda.books.model import NewLeg, Scope
from commenda.books.rules import is_dust
from commenda.books.scopes import open_scopes
from commenda.execution import (
    Broker,
    move_quantities,
    open_quantities,
    position_accounts,
    venues_of,
)
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.money import quantise, scale_of
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    lock_accounts,
    open_accounts,
    post_batch,
)
from commenda.venues import DEFAULT_VENUE


class Dust(NamedTuple):
    """What a leg holds of an instrument, too little to be sold on its own."""

    scope_id: UUID
    leg_id: UUID
    instrument_id: int
    quantity: Decimal
    price: Decimal
    """The mark."""

    def value(self, asset: str) -> Decimal:
        return quantise(self.quantity * self.price, scale_of(asset))


def dust_leg(asset: str, venue: str = DEFAULT_VENUE) -> UUID:
    """The leg of the dust book that holds what is quoted in this asset at this venue."""
    elsewhere = () if venue == DEFAULT_VENUE else (venue,)
    return ids.derive("leg", "dust", asset, *elsewhere)


def dust_of(
    tx: Tx, broker: Broker, now: datetime, attempts: Sequence[tuple[UUID, int]]
) -> list[Dust]:
    """What of (scope, failures before this try) is dust now.

    The caller holds the scopes' closing and knows that none of them waits for a share of an order.
    """
    failures = dict(attempts)
    held = open_quantities(tx, list(failures))
    marks = broker.marks(now) if held else {}
    return [
        Dust(scope, leg, instrument, quantity, marks[instrument])
        for scope, leg, instrument, quantity in held
        if is_dust(quantity, marks[instrument], broker.instrument(instrument), failures[scope])
    ]


def take_over(
    tx: Tx,
    broker: Broker,
    author: Author,
    cause_id: UUID,
    dust: Sequence[Dust],
) -> None:
    """Move dust into the platform's own book, each piece in one journal.

    What the dust book is just selling of an instrument comes first: pieces of it wait for another
    try.
    """
    if not dust:
        return
    at = venues_of(tx, [one.leg_id for one in dust])
    instruments = {one.instrument_id: broker.instrument(one.instrument_id) for one in dust}
    places = sorted({(at[one.leg_id], instruments[one.instrument_id].quote) for one in dust})
    open_dust_book(tx, places, author.now)
    books = {
        instrument.id: position_accounts(
            tx,
            list(
                dict.fromkeys(
                    leg
                    for one in dust
                    if one.instrument_id == instrument.id
                    for leg in (dust_leg(instrument.quote, at[one.leg_id]), one.leg_id)
                )
            ),
            instrument,
        )
        for instrument in instruments.values()
    }
    opened = open_accounts(
        tx, [AccountKey("venue", Owner.venue(venue), asset) for venue, asset in places]
    )
    venues = dict(zip(places, opened, strict=True))
    ours = [account for legs in books.values() for pair in legs.values() for account in pair]
    cost = dict(lock_accounts(tx, [*ours, *opened]))
    held = _at_rest(tx, broker, [(at[one.leg_id], one.instrument_id) for one in dust])

    journals: list[Journal] = []
    taken = [one for one in dust if (at[one.leg_id], one.instrument_id) in held]
    correlations = _correlations(tx, [one.scope_id for one in taken])
    for one in taken:
        instrument = instruments[one.instrument_id]
        venue = at[one.leg_id]
        keeper, value = dust_leg(instrument.quote, venue), one.value(instrument.quote)
        cash, position = books[instrument.id][one.leg_id]
        keeper_cash, keeper_position = books[instrument.id][keeper]
        held[venue, instrument.id] += one.quantity
        # A position that returns to zero is swept to the venue account, the keeper's too.
        kept = cost[keeper_position] + value if held[venue, instrument.id] else Decimal(0)
        lines = [
            Line(cash, value),
            Line(position, -cost[position]),
            Line(keeper_cash, -value),
            Line(keeper_position, kept - cost[keeper_position]),
            Line(venues[venue, instrument.quote], cost[position] + cost[keeper_position] - kept),
        ]
        cost[keeper_position] = kept
        if any(line.amount for line in lines):
            key = f"dust:{cause_id}:{one.leg_id}:{instrument.id}"
            journals.append(Journal(key, "dust", correlations[one.scope_id], lines))
        move_quantities(
            tx, instrument.id, [(one.leg_id, Decimal(0)), (keeper, held[venue, instrument.id])]
        )
        tx.execute(
            "INSERT INTO dust_transfers (cause_id, leg_id, instrument_id, dust_leg_id, quantity,"
            " price, value, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                cause_id,
                one.leg_id,
                instrument.id,
                keeper,
                one.quantity,
                one.price,
                value,
                author.now,
            ),
        )
    post_batch(tx, author, journals)
    record(
        tx,
        [
            author.event(
                "liquidation.dust",
                one.scope_id,
                correlations[one.scope_id],
                "taken over",
                {
                    "leg": str(one.leg_id),
                    "symbol": instruments[one.instrument_id].symbol,
                    "quantity": f"{one.quantity:f}",
                    "price": f"{one.price:f}",
                    "value": f"{one.value(instruments[one.instrument_id].quote):f}",
                },
            )
            for one in taken
        ],
    )


def dust_beside(
    tx: Tx, broker: Broker, requests: Mapping[int, Sequence[tuple[UUID, str, Decimal]]]
) -> dict[int, list[tuple[UUID, str, Decimal]]]:
    """What closes the dust book's positions, where a parent of its side is sent anyway: requests
    of the same shape, (leg, venue, signed quantity) by instrument."""
    sides = {
        (venue, instrument, asked > 0)
        for instrument, theirs in requests.items()
        for _, venue, asked in theirs
    }
    beside: dict[int, list[tuple[UUID, str, Decimal]]] = {}
    places = {(venue, instrument) for venue, instrument, _ in sides}
    for (venue, instrument), quantity in _at_rest(tx, broker, places).items():
        if quantity and (venue, instrument, quantity < 0) in sides:
            keeper = dust_leg(broker.instrument(instrument).quote, venue)
            beside.setdefault(instrument, []).append((keeper, venue, -quantity))
    return beside


def open_dust_book(tx: Tx, places: Sequence[tuple[str, str]], now: datetime) -> None:
    """Open the dust book at (venue, asset). A scope has one asset, so each has a scope."""
    owner = Owner.platform()
    open_scopes(
        tx,
        [
            (
                Scope(
                    ids.derive("scope", "dust", asset),
                    "house",
                    owner,
                    asset,
                    ids.derive("dust", asset),
                ),
                [NewLeg(dust_leg(asset, venue), owner.id, Decimal(0), venue)],
            )
            for venue, asset in places
        ],
        now,
    )


def _at_rest(
    tx: Tx, broker: Broker, places: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], Decimal]:
    """What the dust book holds of those (venue, instrument) in which it waits for no order.

    Locked, so that what is read here is sold once, and taken over before or after the sale.
    """
    of = {
        (dust_leg(broker.instrument(one).quote, venue), one): (venue, one) for venue, one in places
    }
    legs = sorted({leg for leg, _ in of})
    held = tx.execute(
        "SELECT leg_id, instrument_id, quantity FROM positions"
        " WHERE leg_id = ANY (%s) AND instrument_id = ANY (%s)"
        " ORDER BY instrument_id, leg_id FOR NO KEY UPDATE",
        (legs, sorted({instrument for _, instrument in of})),
    ).fetchall()
    # A statement of its own: it sees what the lock waited for.
    waiting = {
        (row[0], row[1])
        for row in tx.execute(
            "SELECT a.leg_id, o.instrument_id FROM allocations a JOIN orders o ON o.id = a.order_id"
            " WHERE a.leg_id = ANY (%s) AND a.quantity IS NULL",
            (legs,),
        )
    }
    return {
        of[leg, instrument]: quantity
        for leg, instrument, quantity in held
        if (leg, instrument) not in waiting and (leg, instrument) in of
    }


def _correlations(tx: Tx, scope_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    return dict(
        tx.execute(
            "SELECT id, correlation_id FROM scopes WHERE id = ANY (%s)", (list(scope_ids),)
        ).fetchall()
    )
