"""Allocate a terminal order's fills to the legs that asked, in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from commenda.execution import queries
from commenda.execution.broker import Broker
from commenda.execution.model import Order
from commenda.execution.positions import move_quantities, position_accounts, quantities_of
from commenda.execution.queries import CHUNK
from commenda.execution.rules import Share, allocate
from commenda.kit.db import Tx
from commenda.kit.money import scale_of
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    lock_accounts,
    open_accounts,
    post,
)
from commenda.market import Instrument


def transit_accounts(tx: Tx, order: Order, asset: str) -> list[int]:
    """Cash and position in transit, and the venue's cash."""
    return open_accounts(
        tx,
        [
            AccountKey("unallocated", Owner.platform(), asset),
            AccountKey("position", Owner.platform(), asset, instrument_id=order.instrument_id),
            AccountKey("venue", Owner.venue(order.venue), asset),
        ],
    )


def shares_of(tx: Tx, broker: Broker, order: Order) -> list[Share]:
    """What each leg gets of a terminal order: facts, the same whenever they are computed."""
    assert order.status.is_terminal, "fills are allocated once the parent is terminal"
    instrument = broker.instrument(order.instrument_id)
    return allocate(
        order.side,
        queries.requests_of(tx, order.id),
        queries.fills_of(tx, order.id),
        lot=instrument.lot,
        scale=scale_of(instrument.quote),
        secret=broker.secret,
        order_id=order.id,
    )


def allocate_chunk(
    tx: Tx,
    broker: Broker,
    order_id: UUID,
    author: Author,
    chunk: int = 0,
    shares: Sequence[Share] | None = None,
) -> bool:
    """Allocate one chunk of a terminal order's fills; True while more chunks follow.

    Whoever allocates all chunks hands in the order's `shares_of`, which is computed here if not.
    """
    order = queries.find_order(tx, order_id, lock=True)
    if shares is None:
        shares = shares_of(tx, broker, order)
    begin, end = chunk * CHUNK, (chunk + 1) * CHUNK
    open_ = queries.unallocated(tx, order_id, [share.leg_id for share in shares[begin:end]])
    waiting = [share for share in shares[begin:end] if share.leg_id in open_]
    if waiting:
        _post_shares(tx, author, order, broker.instrument(order.instrument_id), waiting, chunk)
        queries.write_shares(tx, order_id, waiting)
    more = end < len(shares)
    if not more:
        queries.end_allocation(tx, order_id, author.now)
    return more


def _post_shares(
    tx: Tx,
    author: Author,
    order: Order,
    instrument: Instrument,
    shares: Sequence[Share],
    chunk: int,
) -> None:
    """One journal for a chunk: each leg's cash and position against the transit accounts.

    A leg whose quantity returns to zero has its position account swept to the venue account:
    what the position earned is the venue's cash now.
    """
    shares = [share for share in shares if share.quantity]
    if not shares:
        return
    leg_ids = [share.leg_id for share in shares]
    books = position_accounts(tx, leg_ids, instrument)
    transit_cash, transit_position, venue = transit_accounts(tx, order, instrument.quote)
    held_accounts = [account for pair in books.values() for account in pair]
    cost = lock_accounts(tx, [*held_accounts, transit_cash, transit_position, venue])
    held = quantities_of(tx, leg_ids, instrument.id)

    lines: list[Line] = []
    moves: list[tuple[UUID, Decimal]] = []
    notional = fees = swept = Decimal(0)
    for share in shares:
        cash, position = books[share.leg_id]
        quantity = held[share.leg_id] + share.quantity
        lines.append(Line(cash, -share.notional - share.fee))
        if quantity:
            lines.append(Line(position, share.notional))
        else:
            lines.append(Line(position, -cost[position]))
            swept += cost[position] + share.notional
        moves.append((share.leg_id, quantity))
        notional += share.notional
        fees += share.fee
    lines += [
        Line(transit_cash, notional + fees),
        Line(transit_position, -notional),
        Line(venue, swept),
    ]
    post(
        tx,
        author,
        Journal(f"allocation:{order.id}:{chunk}", "allocation", order.correlation_id, lines),
    )
    move_quantities(tx, instrument.id, moves)
