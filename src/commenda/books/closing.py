"""Close a book: ask, really close what it holds, retry with a reason.

Whoever wants a book closed asks for it (`request_closing`) and is answered at once; nobody trades
then. `close_due` takes everything that is due, of all products, into a batch with one parent order
for each venue, instrument and side: a limit near the mark, which is cancelled when its time is over
and sent anew at the next mark; after three tries a market order. What is flat afterwards is closed,
and waits for its payout; the rest stays, with the venue's reason and a time for the next try. What
stays too little for the venue is taken over by the platform's own book (`take_over`). A closing can
be of a part of a book (`parts.py`): it lives the same life, and the book goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from commenda.alerts import end_alerts, open_alerts, raise_alerts
from commenda.audit import Event, record
from commenda.books.dust import dust_beside, dust_of, take_over
from commenda.books.model import Product, Trigger
from commenda.books.parts import give_up_parts, left_of_parts
from commenda.books.rules import COLLAR, TRIES_BEFORE_MARKET, is_dust, next_retry
from commenda.execution import (
    Broker,
    execute_orders,
    in_flight,
    intend,
    open_quantities,
    orders_of,
    venues_of,
)
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.ledger import Author

Products = Sequence[Product[Any]]
Busy = Callable[[Tx, Sequence[UUID]], set[UUID]]
"""Those of the scopes for which something is planned and not traded yet."""


@dataclass(frozen=True, slots=True)
class Try:
    """A closing that a batch is trying; `attempt` counts the failures before."""

    closing_id: UUID
    scope_id: UUID
    subject: UUID
    correlation_id: UUID
    kind: str
    attempt: int
    begun_at: datetime
    given_up: bool

    @property
    def whole(self) -> bool:
        """Whether it is of a whole book, and not of a part."""
        return self.closing_id == self.scope_id

    @property
    def topic(self) -> str:
        return "liquidation" if self.whole else "withdrawal"


def request_closing(
    tx: Tx, author: Author, product: Product[Any], subjects: Mapping[UUID, UUID], trigger: Trigger
) -> list[UUID]:
    """Ask for whole books to be closed, {scope: what its events are about}; those that are new.

    One that was asked for before stays as it is. A part that was asked for and not paid out is
    given up: what was sold for it is in the book, and is paid out with the rest.
    """
    give_up_parts(tx, author, list(subjects), "the whole book is closed")
    rows = tx.execute(
        "WITH new AS (INSERT INTO closings (id, scope_id, subject, trigger, requested_at,"
        "   next_retry_at)"
        "  SELECT scope, scope, subject, %(trigger)s, %(now)s, %(now)s"
        "  FROM unnest(%(scopes)s::uuid[], %(subjects)s::uuid[]) AS n (scope, subject)"
        "  ORDER BY scope ON CONFLICT DO NOTHING RETURNING scope_id, subject)"
        " SELECT n.scope_id, n.subject, s.correlation_id FROM new n"
        " JOIN scopes s ON s.id = n.scope_id ORDER BY n.scope_id",
        {
            "trigger": trigger,
            "now": author.now,
            "scopes": list(subjects),
            "subjects": list(subjects.values()),
        },
    ).fetchall()
    new = [row[0] for row in rows]
    if new:
        product.asked(tx, author, new)
        record(
            tx,
            [
                author.event(
                    "liquidation.requested", subject, correlation, "LIQUIDATING", {"door": trigger}
                )
                for _, subject, correlation in rows
            ],
        )
    return new


def close_due(
    database: Database, broker: Broker, author: Author, products: Products, busy: Busy
) -> int:
    """Try every closing that is due now; how many books were closed.

    What a batch asks of the venues is stored first. A batch that was cut short, or whose orders
    work at their venue, is taken up by the next call, whenever it comes. An order that fails raises
    its error once the others are done.
    """
    errors: list[Exception] = []
    closed = _go_on(database, broker, author, products, errors)
    with database.transaction() as tx:
        begun = _begin_batches(tx, broker, author, busy)
    if begun:
        closed += _go_on(database, broker, author, products, errors)
    if errors:
        raise errors[0]
    return closed


def _go_on(
    database: Database,
    broker: Broker,
    author: Author,
    products: Products,
    errors: list[Exception],
) -> int:
    """Take every open batch as far as it goes now, oldest first; how many books were closed."""
    with database.read() as tx:
        rows = tx.execute(
            "SELECT batch_id FROM closing_attempts WHERE outcome IS NULL"
            " GROUP BY batch_id ORDER BY min(begun_at), batch_id"
        ).fetchall()
        batches = [(batch, orders_of(tx, "liquidation", batch)) for (batch,) in rows]
    closed = 0
    for batch, orders in batches:
        errors += execute_orders(database, broker, orders, author)
        with database.transaction() as tx:
            closed += _conclude(tx, broker, author, products, batch)
    return closed


def _begin_batches(tx: Tx, broker: Broker, author: Author, busy: Busy) -> bool:
    """Store what the closings that are due ask of the venues; whether any is."""
    due = tx.execute(
        "SELECT id, scope_id, attempts FROM closings c"
        " WHERE closed_at IS NULL AND next_retry_at <= %s AND NOT EXISTS (SELECT"
        "  FROM closing_attempts a WHERE a.closing_id = c.id AND a.outcome IS NULL)"
        # All of them: whoever is due at one moment gets the price of one parent.
        " ORDER BY id FOR UPDATE SKIP LOCKED",
        (author.now,),
    ).fetchall()
    scopes = [scope for _, scope, _ in due]
    # What a signal has planned for a book would be traded after the book is closed.
    waiting = in_flight(tx, scopes) | busy(tx, scopes)
    due = [one for one in due if one[1] not in waiting]
    patient = [one for one in due if one[2] < TRIES_BEFORE_MARKET]
    others = [one for one in due if one[2] >= TRIES_BEFORE_MARKET]
    for part in (patient, others):
        if not part:
            continue
        batch = ids.derive("closing-batch", author.now.isoformat(), part[0][0], part[0][2])
        tx.execute(
            "INSERT INTO closing_attempts (batch_id, begun_at, closing_id, attempt)"
            " SELECT %s, %s, * FROM unnest(%s::uuid[], %s::integer[])",
            (batch, author.now, [one[0] for one in part], [one[2] for one in part]),
        )
        least = min(one[2] for one in part)
        _intend(tx, broker, author, batch, part, least)
    return bool(due)


def _intend(
    tx: Tx,
    broker: Broker,
    author: Author,
    batch: UUID,
    due: Sequence[tuple[UUID, UUID, int]],
    attempt: int,
) -> None:
    """Store the parent orders that close what these closings, (id, scope, failures), still hold.

    A limit's time is over when a refused order would be tried again.
    """
    patient = attempt < TRIES_BEFORE_MARKET
    requests: dict[int, list[tuple[UUID, Decimal]]] = {}
    held = open_quantities(tx, [scope for closing, scope, _ in due if closing == scope])
    held += left_of_parts(tx, [closing for closing, scope, _ in due if closing != scope])
    for _, leg, instrument, quantity in sorted(held, key=lambda one: (one[2], one[1])):
        requests.setdefault(instrument, []).append((leg, -quantity))
    at = venues_of(tx, [leg for theirs in requests.values() for leg, _ in theirs])
    asked = {
        instrument: [(leg, at[leg], quantity) for leg, quantity in theirs]
        for instrument, theirs in requests.items()
    }
    beside = dust_beside(tx, broker, asked)
    marks = broker.marks(author.now)
    for instrument_id in sorted(asked):
        intend(
            tx,
            cause="liquidation",
            cause_id=batch,
            correlation_id=batch,
            instrument=broker.instrument(instrument_id),
            requests=asked[instrument_id] + beside.get(instrument_id, []),
            reference_price=marks[instrument_id],
            now=author.now,
            collar=COLLAR if patient else None,
            expires_at=next_retry(attempt, author.now) if patient else None,
            exits=True,
        )


def _conclude(tx: Tx, broker: Broker, author: Author, products: Products, batch: UUID) -> int:
    with tx.cursor(row_factory=class_row(Try)) as cursor:
        tries = cursor.execute(
            "SELECT c.id AS closing_id, c.scope_id, c.subject, s.correlation_id, s.kind, a.attempt,"
            "  a.begun_at, c.given_up_at IS NOT NULL AS given_up"
            " FROM closing_attempts a JOIN closings c ON c.id = a.closing_id"
            " JOIN scopes s ON s.id = c.scope_id"
            " WHERE a.batch_id = %s AND a.outcome IS NULL AND c.closed_at IS NULL"
            " ORDER BY c.id FOR UPDATE OF a, c",
            (batch,),
        ).fetchall()
    # What another call of the same batch has asked for and not yet sold is that call's to conclude.
    waiting = in_flight(tx, [one.scope_id for one in tries])
    over = [one.closing_id for one in tries if one.scope_id not in waiting]
    tries = [one for one in tries if one.scope_id not in waiting and not one.given_up]
    attempts = [(one.scope_id, one.attempt) for one in tries if one.whole]
    take_over(tx, broker, author, batch, dust_of(tx, broker, author.now, attempts))
    held = {
        (scope, broker.instrument(instrument).symbol)
        for scope, _, instrument, _ in open_quantities(tx, [scope for scope, _ in attempts])
    }
    holding = {scope for scope, _ in held}
    holding |= _parts_left(tx, broker, author, {one.closing_id: one.attempt for one in tries})
    reasons = _refusals(tx, batch)
    flat = [one for one in tries if one.closing_id not in holding]
    stuck = [
        (one, reasons.get(one.scope_id, "partly filled"))
        for one in tries
        if one.closing_id in holding
    ]
    tx.execute(
        "UPDATE closings SET closed_at = %s, next_retry_at = NULL, reason = NULL"
        " WHERE id = ANY (%s)",
        (author.now, [one.closing_id for one in flat]),
    )
    for product in products:
        theirs = [one.scope_id for one in flat if one.whole and one.kind in product.kinds]
        if theirs:
            product.closed(tx, author, theirs)
    tx.execute(
        "UPDATE closings c SET attempts = n.attempt + 1, reason = n.reason,"
        "  next_retry_at = n.retry"
        " FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::timestamptz[])"
        "   AS n (id, attempt, reason, retry) WHERE c.id = n.id",
        (
            [one.closing_id for one, _ in stuck],
            [one.attempt for one, _ in stuck],
            [reason for _, reason in stuck],
            [next_retry(one.attempt, one.begun_at) for one, _ in stuck],
        ),
    )
    tx.execute(
        "UPDATE closing_attempts a SET reason = c.reason, outcome = CASE"
        "   WHEN c.closed_at IS NULL OR c.given_up_at IS NOT NULL THEN 'failed' ELSE 'closed' END"
        " FROM closings c WHERE c.id = a.closing_id AND a.batch_id = %s AND c.id = ANY (%s)",
        (batch, over),
    )

    def event(one: Try, kind: str, result: str, reason: str | None) -> Event:
        details = {"attempt": one.attempt, "reason": reason}
        return author.event(kind, one.subject, one.correlation_id, result, details)

    closed = {True: "LIQUIDATED", False: "closed"}
    concluded = [event(one, f"{one.topic}.concluded", closed[one.whole], None) for one in flat]
    # A part waits without harm: it is told of when it takes too long.
    failed = {True: ("liquidation.failed", "LIQUIDATING"), False: ("withdrawal.failed", "closing")}
    record(tx, concluded + [event(one, *failed[one.whole], reason) for one, reason in stuck])
    _alert(tx, author, batch, held, {one.scope_id: reason for one, reason in stuck if one.whole})
    return len(flat)


def _alert(
    tx: Tx, author: Author, batch: UUID, held: set[tuple[UUID, str]], stuck: Mapping[UUID, str]
) -> None:
    """One alert for each instrument that books cannot leave, for all of them together.

    It ends once no book that was refused holds the instrument any more.
    """
    books: dict[str, list[UUID]] = {}
    for scope, symbol in sorted(held):
        if scope in stuck:
            books.setdefault(symbol, []).append(scope)
    raise_alerts(
        tx,
        [
            author.event(
                "liquidation.failed",
                symbol,
                batch,
                "LIQUIDATING",
                {"books": len(scopes), "reason": stuck[scopes[0]]},
            )
            for symbol, scopes in books.items()
        ],
    )
    if open_alerts(tx, "liquidation.failed")["liquidation.failed"]:
        still = tx.execute(
            "SELECT DISTINCT i.symbol FROM closings c JOIN legs l ON l.scope_id = c.scope_id"
            " JOIN positions p ON p.leg_id = l.id AND p.quantity <> 0"
            " JOIN instruments i ON i.id = p.instrument_id"
            " WHERE c.closed_at IS NULL AND c.amount IS NULL AND c.reason IS NOT NULL"
        ).fetchall()
        end_alerts(tx, "liquidation.failed", author.now, but=[symbol for (symbol,) in still])


def _parts_left(tx: Tx, broker: Broker, author: Author, attempts: Mapping[UUID, int]) -> set[UUID]:
    """Those of the parts, {closing: failures before this try}, of which something can be closed.

    What is dust is not taken over: the leg goes on, and its next signal sizes it.
    """
    left = left_of_parts(tx, list(attempts))
    marks = broker.marks(author.now) if left else {}
    return {
        closing
        for closing, _, instrument, quantity in left
        if not is_dust(
            quantity,
            marks[instrument],
            broker.instrument(instrument),
            attempts[closing],
        )
    }


def _refusals(tx: Tx, batch: UUID) -> dict[UUID, str]:
    """Why a scope still holds something after a batch: the venue's words."""
    return dict(
        tx.execute(
            "SELECT l.scope_id, string_agg(DISTINCT i.symbol || ': ' || o.reason, '; ')"
            " FROM orders o JOIN allocations a ON a.order_id = o.id AND a.quantity <> a.requested"
            " JOIN legs l ON l.id = a.leg_id JOIN instruments i ON i.id = o.instrument_id"
            " WHERE o.cause = 'liquidation' AND o.cause_id = %s GROUP BY l.scope_id",
            (batch,),
        ).fetchall()
    )
