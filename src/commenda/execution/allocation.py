"""Allocate a terminal order's fills to the legs that asked, in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from commenda.execution import queries
from commenda.execution.broker import Broker
from commenda.execution.model import Order
from commenda.execution.positions import position_accounts
from commenda.execution.queries import CHUNK
from commenda.execution.rules import Share, allocate
from commenda.kit.db import Tx
from commenda.kit.money import scale_of
from commenda.ledger import AccountKey, Author, Owner, open_accounts


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
        step=instrument.step,
        scale=scale_of(instrument.quote),
        secret=broker.secret,
        order_id=order.id,
    )


def allocate_chunk(
    tx: Tx,
    broker: Broker,
    order: Order | UUID,
    author: Author,
    chunk: int = 0,
    shares: Sequence[Share] | None = None,
) -> bool:
    """Allocate one chunk of a terminal order's fills; True while more chunks follow.

    An order that is handed in is locked already. Whoever allocates all chunks hands in the order's
    `shares_of`, which is computed here if not.
    """
    if isinstance(order, UUID):
        order = queries.find_order(tx, order, lock=True)
    if shares is None:
        shares = shares_of(tx, broker, order)
    instrument = broker.instrument(order.instrument_id)
    begin, end = chunk * CHUNK, (chunk + 1) * CHUNK
    part = shares[begin:end]
    if part:
        transit = transit_accounts(tx, order, instrument.quote)
        if queries.allocate_shares(tx, author, order, chunk, part, transit):
            position_accounts(tx, [share.leg_id for share in part if share.quantity], instrument)
            missing = queries.allocate_shares(tx, author, order, chunk, part, transit)
            assert not missing, "every leg that gets something has a position account"
    more = end < len(shares)
    if not more:
        queries.end_allocation(tx, order.id, author.now)
    return more
