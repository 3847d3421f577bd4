"""Work parent orders and share out their fills.

A parent order goes through four steps, each safe to repeat after a crash at any point:

1. `intend`: the parent orders and each leg's request are stored.
2. `submit`: the venue is asked whether it knows the order and, only if not, it is placed.
3. `record`: its fills are stored and posted to the `unallocated` account.
4. `allocate_chunk`: the fills are allocated in chunks, each chunk one journal. The shares follow
   from the stored requests and fills alone, so a repeated step computes the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import psycopg

from commenda.execution import queries
from commenda.execution.broker import Broker
from commenda.execution.positions import (
    move_quantities,
    position_accounts,
    quantities_of,
    venues_of,
)
from commenda.execution.queries import CHUNK
from commenda.execution.rules import Share, allocate, parent_quantities
from commenda.kit import ids
from commenda.kit.db import Database, Tx
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
    post_batch,
)
from commenda.market import Instrument
from commenda.venues import DEFAULT_VENUE, Order, OrderKind, OrderStatus, Report, Side


def intend(
    tx: Tx,
    *,
    cause: str,
    cause_id: UUID,
    correlation_id: UUID,
    instrument_id: int,
    requests: Sequence[tuple[UUID, Decimal]],
    reference_price: Decimal,
    now: datetime,
    trigger_price: Decimal | None = None,
) -> list[Order]:
    """Store one parent order for each venue and side, and what each leg asks of it."""
    venues = venues_of(tx, [leg for leg, _ in requests])
    by_venue: dict[str, list[tuple[UUID, Decimal]]] = {}
    for leg, quantity in requests:
        by_venue.setdefault(venues[leg], []).append((leg, quantity))
    orders = [
        Order(
            id=_order_id(cause, cause_id, venue, instrument_id, side),
            venue=venue,
            instrument_id=instrument_id,
            side=side,
            kind=OrderKind.MARKET if trigger_price is None else OrderKind.STOP,
            quantity=quantity,
            trigger_price=trigger_price,
            reference_price=reference_price,
            cause=cause,
            cause_id=cause_id,
            correlation_id=correlation_id,
        )
        for venue, theirs in sorted(by_venue.items())
        for side, quantity in parent_quantities(quantity for _, quantity in theirs).items()
    ]
    queries.insert_orders(tx, orders, now)
    for order in orders:
        theirs = [one for one in by_venue[order.venue] if one[1] * order.side.sign > 0]
        queries.insert_requests(tx, order.id, theirs)
    return orders


def _order_id(cause: str, cause_id: UUID, venue: str, instrument_id: int, side: Side) -> UUID:
    elsewhere = () if venue == DEFAULT_VENUE else (venue,)
    return ids.derive("order", cause, cause_id, instrument_id, side, *elsewhere)


def submit(database: Database, broker: Broker, order_id: UUID, now: datetime) -> Report:
    """Get an order's report from the venue: ask first, send only what it does not know."""
    with database.transaction() as tx:
        order = queries.find_order(tx, order_id)
    venue = broker.venue(order.venue)
    return venue.lookup(order.id) or venue.place(order, now)


def record(
    tx: Tx, broker: Broker, order_id: UUID, author: Author, report: Report | None = None
) -> None:
    """Store an order's terminal report (the venue's, if none is handed in) and post its fills."""
    order = queries.find_order(tx, order_id, lock=True)
    report = report or broker.venue(order.venue).lookup(order.id)
    assert report is not None, "an order is recorded after the venue worked it"
    if order.status is not OrderStatus.INTENDED:
        return
    if report.fills:
        _post_fills(tx, author, order, report, broker.instrument(order.instrument_id).quote)
    queries.close_order(tx, order.id, report.status, report.reason, author.now)


def _post_fills(tx: Tx, author: Author, order: Order, report: Report, asset: str) -> None:
    """A fill of q at p with fee f: unallocated −(q·p+f), position +q·p, venue +f."""
    cash, position, venue = _transit_accounts(tx, order, asset)
    queries.insert_fills(tx, order, report.fills, author.now)
    journals = []
    for fill in report.fills:
        notional = order.side.sign * fill.quantity * fill.price
        journals.append(
            Journal(
                key=f"fill:{order.venue}:{fill.id}",
                kind="fill",
                correlation_id=order.correlation_id,
                lines=[
                    Line(cash, -notional - fill.fee),
                    Line(position, notional),
                    Line(venue, fill.fee),
                ],
            )
        )
    post_batch(tx, author, journals)


def _transit_accounts(tx: Tx, order: Order, asset: str) -> list[int]:
    """Cash and position in transit, and the venue's cash."""
    return open_accounts(
        tx,
        [
            AccountKey("unallocated", Owner.platform(), asset),
            AccountKey("position", Owner.platform(), asset, instrument_id=order.instrument_id),
            AccountKey("venue", Owner.venue(order.venue), asset),
        ],
    )


def shares_of(tx: Tx, broker: Broker, order_id: UUID) -> list[Share]:
    """What each leg gets of a terminal order: facts, the same whenever they are computed."""
    order = queries.find_order(tx, order_id)
    assert order.status is not OrderStatus.INTENDED, "fills are shared once the parent is terminal"
    instrument = broker.instrument(order.instrument_id)
    return allocate(
        order.side,
        queries.requests_of(tx, order_id),
        queries.fills_of(tx, order_id),
        lot=instrument.lot,
        scale=scale_of(instrument.quote),
        secret=broker.secret,
        order_id=order_id,
    )


def allocate_chunk(
    tx: Tx,
    broker: Broker,
    order_id: UUID,
    author: Author,
    chunk: int = 0,
    shares: Sequence[Share] | None = None,
) -> bool:
    """Share out one chunk of a terminal order's fills; True while more chunks follow.

    Whoever shares out all chunks hands in the order's `shares_of`, which is computed here if not.
    """
    order = queries.find_order(tx, order_id, lock=True)
    if shares is None:
        shares = shares_of(tx, broker, order_id)
    begin, end = chunk * CHUNK, (chunk + 1) * CHUNK
    open_ = queries.unallocated(tx, order_id, [share.leg_id for share in shares[begin:end]])
    waiting = [share for share in shares[begin:end] if share.leg_id in open_]
    if waiting:
        _post_shares(tx, author, order, broker.instrument(order.instrument_id), waiting, chunk)
        queries.write_shares(tx, order_id, waiting)
    return end < len(shares)


def execute_order(database: Database, broker: Broker, order_id: UUID, author: Author) -> None:
    """Work, record and allocate one order; the first chunk is shared out with the record."""
    report = submit(database, broker, order_id, author.now)
    with database.transaction() as tx:
        record(tx, broker, order_id, author, report)
        shares = shares_of(tx, broker, order_id)
        more = allocate_chunk(tx, broker, order_id, author, 0, shares)
    chunk = 0
    while more:
        chunk += 1
        with database.transaction() as tx:
            more = allocate_chunk(tx, broker, order_id, author, chunk, shares)


def execute_orders(
    database: Database, broker: Broker, orders: Sequence[Order], author: Author
) -> list[Exception]:
    """Execute orders; the errors of those that fail, which keep no other from its turn.

    What failed can be executed again. A database that is lost is nobody's failure, and is raised.
    """
    errors: list[Exception] = []
    for order in orders:
        try:
            execute_order(database, broker, order.id, author)
        except psycopg.OperationalError:
            raise
        except Exception as error:
            errors.append(error)
    return errors


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
    transit_cash, transit_position, venue = _transit_accounts(tx, order, instrument.quote)
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
