"""Remainders that no venue takes, and the platform's own book that takes them over.

A venue refuses an order below its minimum notional, so what is left of a position can be too
little to be sold for ever. After enough tries the dust book takes it over at the mark, without a
fee: its owner's leg is flat and the business goes on. Nothing is sent to the venue, and its net
position stays what it was; only who owns a part of it changes.

The dust book is one scope of kind 'house' with one leg for each asset. What it holds leaves with
the next liquidation of the same instrument and side, never in a parent order of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from commenda.audit import record
from commenda.books.model import NewLeg, Scope
from commenda.books.rules import TRIES_BEFORE_DUST, is_dust
from commenda.books.scopes import open_scopes
from commenda.execution import Desk, move_quantities, open_quantities, position_accounts
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


def dust_leg(asset: str) -> UUID:
    """The leg of the dust book that holds what is quoted in this asset."""
    return ids.derive("leg", "dust", asset)


def dust_of(tx: Tx, desk: Desk, now: datetime, attempts: Sequence[tuple[UUID, int]]) -> list[Dust]:
    """What of (scope, failures before this try) is dust now.

    The caller holds the scopes' closing and knows that none of them waits for a share of an order.
    """
    failures = {scope: attempt for scope, attempt in attempts if attempt >= TRIES_BEFORE_DUST}
    if not failures:
        return []
    marks = desk.marks(now)
    return [
        Dust(scope, leg, instrument, quantity, marks[instrument])
        for scope, leg, instrument, quantity in open_quantities(tx, list(failures))
        if is_dust(
            quantity,
            marks[instrument],
            desk.instrument(instrument).minimum_notional,
            failures[scope],
        )
    ]


def take_over(
    tx: Tx,
    desk: Desk,
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
    instruments = {one.instrument_id: desk.instrument(one.instrument_id) for one in dust}
    assets = sorted({instrument.quote for instrument in instruments.values()})
    _open_book(tx, assets, author.now)
    books = {
        instrument.id: position_accounts(
            tx,
            [
                dust_leg(instrument.quote),
                *(one.leg_id for one in dust if one.instrument_id == instrument.id),
            ],
            instrument,
        )
        for instrument in instruments.values()
    }
    venue = Owner.venue(desk.venue.name)
    opened = open_accounts(tx, [AccountKey("venue", venue, asset) for asset in assets])
    venues = dict(zip(assets, opened, strict=True))
    ours = [account for legs in books.values() for pair in legs.values() for account in pair]
    cost = dict(lock_accounts(tx, [*ours, *opened]))
    held = _at_rest(tx, desk, instruments)

    journals: list[Journal] = []
    taken = [one for one in dust if one.instrument_id in held]
    correlations = _correlations(tx, [one.scope_id for one in taken])
    for one in taken:
        instrument = instruments[one.instrument_id]
        keeper, value = dust_leg(instrument.quote), one.value(instrument.quote)
        cash, position = books[instrument.id][one.leg_id]
        keeper_cash, keeper_position = books[instrument.id][keeper]
        held[instrument.id] += one.quantity
        # A position that returns to zero is swept to the venue account, the keeper's too.
        kept = cost[keeper_position] + value if held[instrument.id] else Decimal(0)
        lines = [
            Line(cash, value),
            Line(position, -cost[position]),
            Line(keeper_cash, -value),
            Line(keeper_position, kept - cost[keeper_position]),
            Line(venues[instrument.quote], cost[position] + cost[keeper_position] - kept),
        ]
        cost[keeper_position] = kept
        if any(line.amount for line in lines):
            key = f"dust:{cause_id}:{one.leg_id}:{instrument.id}"
            journals.append(Journal(key, "dust", correlations[one.scope_id], lines))
        move_quantities(
            tx, instrument.id, [(one.leg_id, Decimal(0)), (keeper, held[instrument.id])]
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
    tx: Tx, desk: Desk, requests: Mapping[int, Sequence[tuple[UUID, Decimal]]]
) -> dict[int, tuple[UUID, Decimal]]:
    """What closes the dust book's positions, where a parent of its side is sent anyway."""
    return {
        instrument: (dust_leg(desk.instrument(instrument).quote), -quantity)
        for instrument, quantity in _at_rest(tx, desk, requests).items()
        if any(asked * quantity < 0 for _, asked in requests[instrument])
    }


def _open_book(tx: Tx, assets: Sequence[str], now: datetime) -> None:
    """Open the dust book for these assets. A scope has one asset, so each has a scope."""
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
                [NewLeg(dust_leg(asset), owner.id, Decimal(0))],
            )
            for asset in assets
        ],
        now,
    )


def _at_rest(tx: Tx, desk: Desk, instrument_ids: Iterable[int]) -> dict[int, Decimal]:
    """What the dust book holds of those of the instruments in which it waits for no order.

    Locked, so that what is read here is sold once, and taken over before or after the sale.
    """
    wanted = list(instrument_ids)
    legs = sorted({dust_leg(desk.instrument(one).quote) for one in wanted})
    held = tx.execute(
        "SELECT instrument_id, quantity FROM positions"
        " WHERE leg_id = ANY (%s) AND instrument_id = ANY (%s)"
        " ORDER BY instrument_id FOR NO KEY UPDATE",
        (legs, wanted),
    ).fetchall()
    # A statement of its own: it sees what the lock waited for.
    waiting = {
        row[0]
        for row in tx.execute(
            "SELECT o.instrument_id FROM allocations a JOIN orders o ON o.id = a.order_id"
            " WHERE a.leg_id = ANY (%s) AND a.quantity IS NULL",
            (legs,),
        )
    }
    return {instrument: quantity for instrument, quantity in held if instrument not in waiting}


def _correlations(tx: Tx, scope_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    return dict(
        tx.execute(
            "SELECT id, correlation_id FROM scopes WHERE id = ANY (%s)", (list(scope_ids),)
        ).fetchall()
    )
