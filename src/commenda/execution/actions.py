"""Take parent orders through their life and allocate their fills.

A parent order goes through four steps, each safe to repeat after a crash at any point:

1. `intend`: the parent orders and each leg's request are stored.
2. `submit`: the order is sent, once; whoever comes later asks the venue what became of it, see
   `sending`.
3. `observe`: what the venue shows is stored, its fills are posted to the transit accounts. An order
   that works is asked for and observed again, until it is terminal.
4. `allocate_chunk`: the fills are allocated in chunks, each chunk one journal. The shares follow
   from the stored requests and fills alone, so a repeated step computes the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.execution import queries
from commenda.execution.allocation import allocate_chunk, shares_of, transit_accounts
from commenda.execution.broker import Broker
from commenda.execution.changes import end_move
from commenda.execution.contact import keep_contact, lose_contact, meet
from commenda.execution.model import Order
from commenda.execution.rules import collared, in_lots, may_become, status_after
from commenda.execution.sending import submit
from commenda.kit import ids
from commenda.kit.db import AWAY, Database, Tx
from commenda.ledger import Author, Journal, Line, post_batch
from commenda.market import Instrument
from commenda.risk import Verdict, judge
from commenda.venues import (
    DEFAULT_VENUE,
    Execution,
    Fill,
    OrderKind,
    OrderStatus,
    OrderView,
    Side,
    TimeInForce,
    VenueUnavailable,
)


def intend(
    tx: Tx,
    *,
    cause: str,
    cause_id: UUID,
    correlation_id: UUID,
    instrument: Instrument,
    requests: Sequence[tuple[UUID, str, Decimal]],
    reference_price: Decimal,
    now: datetime,
    trigger_price: Decimal | None = None,
    active_from: datetime | None = None,
    collar: Decimal | None = None,
    time_in_force: TimeInForce = TimeInForce.GTC,
    expires_at: datetime | None = None,
    exits: bool = False,
) -> tuple[list[Order], Verdict]:
    """Store one parent order for each venue and side, and what each leg asks of it: `requests` are
    (leg, its venue, signed quantity). What they would open beyond the limits of risk is cut first,
    and said beside the orders; what `exits` altogether is not even looked at. Of what is no whole
    number of lots together, the rest of one is asked for by nobody.

    Buys are never netted against sells inside the platform: that would be a fill that no venue
    made, at a price nobody traded. A market order; with a `trigger_price` a stop, which rests since
    `active_from` where that is before it is sent; with a `collar` a limit, that far from the
    reference price at most (0.01 is one per cent), which waits as its `time_in_force` says. What
    works at `expires_at` ends then.
    """
    kind = OrderKind.MARKET if trigger_price is None else OrderKind.STOP
    kind = kind if collar is None else OrderKind.LIMIT
    verdict = Verdict(requests)
    if not exits:
        verdict = judge(
            tx,
            cause=cause,
            cause_id=cause_id,
            instrument_id=instrument.id,
            price=reference_price,
            requests=requests,
            now=now,
        )
    of_sides: dict[tuple[str, bool], list[tuple[UUID, Decimal]]] = {}
    for leg, venue, quantity in verdict.requests:
        if quantity:
            of_sides.setdefault((venue, quantity < 0), []).append((leg, quantity))
    orders: list[Order] = []
    asked: list[tuple[UUID, UUID, Decimal]] = []
    for (venue, sells), theirs in sorted(of_sides.items()):
        side = Side.SELL if sells else Side.BUY
        order_id = _order_id(cause, cause_id, venue, instrument.id, side)
        limit = None
        if collar is not None:
            limit = collared(side, reference_price, collar, instrument.tick)
        parts = in_lots(theirs, instrument, order_id)
        if not parts:
            continue
        asked += [(order_id, leg, quantity) for leg, quantity in parts]
        orders.append(
            Order(
                id=order_id,
                venue=venue,
                instrument_id=instrument.id,
                side=side,
                kind=kind,
                quantity=sum((abs(quantity) for _, quantity in parts), Decimal(0)),
                limit_price=limit,
                trigger_price=trigger_price,
                reference_price=reference_price,
                expires_at=expires_at,
                active_from=active_from,
                cause=cause,
                cause_id=cause_id,
                correlation_id=correlation_id,
                time_in_force=time_in_force,
            )
        )
    if orders:
        queries.insert_orders(tx, orders, now)
        queries.insert_requests(tx, asked)
    return orders, verdict


def _order_id(cause: str, cause_id: UUID, venue: str, instrument_id: int, side: Side) -> UUID:
    elsewhere = () if venue == DEFAULT_VENUE else (venue,)
    return ids.derive("order", cause, cause_id, instrument_id, side, *elsewhere)


def observe(
    tx: Tx, broker: Broker, order_id: UUID, author: Author, view: OrderView | None
) -> Order:
    """Store what a venue shows of an order, and post the fills that are new; the order then.

    What is shown again, late or in another order changes nothing.
    """
    order = queries.find_order(tx, order_id, lock=True)
    fills = () if view is None else view.fills
    # An order that is accepted and no more has none.
    has_some = order.status.is_terminal or order.status is OrderStatus.PARTLY_FILLED
    stored = queries.fills_of(tx, order.id) if has_some and view is not None else []
    known = {fill.id for fill in stored}
    new = list({fill.id: fill for fill in fills if fill.id not in known}.values())
    if order.status.is_terminal:
        for fill in new:
            one = Execution(order.id, order.instrument_id, order.side, fill)
            queries.insert_stray(tx, order.venue, one, author.now)
        return order
    _post_fills(tx, broker, author, order, new)
    recorded = sum((fill.quantity for fill in (*stored, *new)), Decimal(0))
    status = status_after(order.status, view, recorded)
    reason = view.reason if view is not None else order.reason
    if status is not order.status:
        queries.write_status(tx, order.id, status, reason, author.now)
    if view is not None and order.moved is not None:
        end_move(tx, author, order, view)
    return replace(order, status=status, reason=reason)


def observe_executions(database: Database, broker: Broker, author: Author) -> None:
    """Read on in each venue's stream of executions; a venue that is away is read the next time.

    It brings what no order is asked about any more: fills that nobody here waits for.
    """
    for venue in broker.venues:
        if not broker.is_due(venue.name, "executions", author.now):
            continue
        try:
            meet(database, venue, author)
            with database.transaction() as tx:
                cursor = queries.read_cursor(tx, venue.name, "executions")
            executions, after = venue.executions(cursor, author.now)
        except VenueUnavailable as error:
            lose_contact(database, venue, author, error)
            continue
        keep_contact(database, venue, author, broker.hints.ears.get(venue.name))
        broker.hints.read(venue.name, found=bool(executions))
        with database.transaction() as tx:
            rows = tx.execute(
                "SELECT fill_id FROM fills WHERE venue = %s AND fill_id = ANY (%s)",
                (venue.name, [one.fill.id for one in executions]),
            )
            known = {row[0] for row in rows}
        for one in executions:
            if one.fill.id not in known:
                with database.transaction() as tx:
                    _take_execution(tx, broker, venue.name, author, one)
        if after != cursor:
            with database.transaction() as tx:
                queries.keep_cursor(tx, venue.name, "executions", after)


def _take_execution(tx: Tx, broker: Broker, venue: str, author: Author, one: Execution) -> None:
    row = tx.execute(
        "SELECT id FROM orders WHERE id = %s AND venue = %s FOR NO KEY UPDATE",
        (one.order_id, venue),
    ).fetchone()
    if row is None:
        queries.insert_stray(tx, venue, one, author.now)
        return
    order = queries.find_order(tx, row[0])
    if any(fill.id == one.fill.id for fill in queries.fills_of(tx, order.id)):
        return
    if order.status.is_terminal:
        queries.insert_stray(tx, venue, one, author.now)
        return
    _post_fills(tx, broker, author, order, [one.fill])
    if may_become(order.status, OrderStatus.PARTLY_FILLED):
        queries.write_status(tx, order.id, OrderStatus.PARTLY_FILLED, order.reason, author.now)


def _post_fills(
    tx: Tx, broker: Broker, author: Author, order: Order, fills: Sequence[Fill]
) -> None:
    """A fill of q at p with fee f: unallocated −(q·p+f), position +q·p, venue +f."""
    if not fills:
        return
    asset = broker.instrument(order.instrument_id).quote
    cash, position, venue = transit_accounts(tx, order, asset)
    queries.insert_fills(tx, order, fills, author.now)
    journals = []
    for fill in fills:
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


def fill_at_once(
    tx: Tx,
    broker: Broker,
    author: Author,
    *,
    cause: str,
    cause_id: UUID,
    venue: str,
    instrument_id: int,
    requests: Sequence[tuple[UUID, Decimal]],
    fill: Fill,
    reason: str,
) -> bool:
    """Post a fill that no order of ours asked for, to the legs (leg, signed quantity) that it is
    of: an order that is sent, filled and shared out in one. False where it was before."""
    (order,), _ = intend(
        tx,
        cause=cause,
        cause_id=cause_id,
        correlation_id=cause_id,
        instrument=broker.instrument(instrument_id),
        requests=[(leg, venue, quantity) for leg, quantity in requests],
        reference_price=fill.price,
        now=author.now,
        exits=True,  # it has happened
    )
    if queries.mark_sent(tx, order.id, author.now, judged=True) is None:
        return False
    view = OrderView(order.id, OrderStatus.FILLED, fill.quantity, (fill,), reason)
    order = observe(tx, broker, order.id, author, view)
    shares, chunk = shares_of(tx, broker, order), 0
    while allocate_chunk(tx, broker, order, author, chunk, shares):
        chunk += 1
    return True


def execute_order(database: Database, broker: Broker, order_id: UUID, author: Author) -> bool:
    """Take an order as far as it goes now: sent or asked for, observed and, once it is terminal,
    allocated. Whether it is; one that works at the venue is executed again later."""
    view = submit(database, broker, order_id, author.now)
    with database.transaction() as tx, tx.pipeline():
        order = observe(tx, broker, order_id, author, view)
        if not order.status.is_terminal or order.allocated_at is not None:
            return order.status.is_terminal
        shares = shares_of(tx, broker, order)
        more = allocate_chunk(tx, broker, order, author, 0, shares)
    chunk = 0
    while more:
        chunk += 1
        with database.transaction() as tx:
            more = allocate_chunk(tx, broker, order_id, author, chunk, shares)
    return True


def execute_orders(
    database: Database, broker: Broker, orders: Sequence[Order], author: Author
) -> list[Exception]:
    """Execute orders; the errors of those that fail, which keep no other from its turn.

    What failed, or works at its venue, can be executed again. A database that is lost is nobody's
    failure, and is raised.
    """
    errors: list[Exception] = []
    for order in orders:
        try:
            execute_order(database, broker, order.id, author)
        except AWAY:
            raise
        except Exception as error:
            errors.append(error)
    return errors
