"""Take books out of the market, by half or as a whole, while a breaker asks for it.

The books stay open and keep their cash: nobody's copy or subscription ends. Each try sells what is
held beyond what may be kept, at the market, in one parent order for each venue, instrument and
side; what is refused or filled in part is tried again, later each time. What is below a venue's
least order is left. What a signal or a closing has under way waits for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.books.closing import Busy
from commenda.books.rules import next_retry
from commenda.execution import Broker, execute_orders, in_flight, intend, orders_of, working
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.rows import put
from commenda.ledger import Author
from commenda.risk import COVERS, Breaker, Effect, Standing, all_breakers, find_breaker

CAUSE = "reduction"


def carry_reductions(database: Database, broker: Broker, author: Author, busy: Busy) -> None:
    """Take every reduction that a breaker asks for as far as it goes now.

    What a try asks of the venues is stored first; one that was cut short is taken up again. An
    order that fails raises its error once the others are done.
    """
    errors = _go_on(database, broker, author)
    begun = False
    with database.read() as tx:
        standing = all_breakers(tx, standing=True)
    for one in standing:
        if _reduces(one):
            with database.transaction() as tx:
                # It may have been closed meanwhile; who closes it waits until what is sold is kept.
                breaker = find_breaker(tx, one.id, lock=True)
                begun |= _reduces(breaker) and _begin(tx, broker, author, breaker, busy)
    if begun:
        errors += _go_on(database, broker, author)
    if errors:
        raise errors[0]


def _reduces(breaker: Breaker) -> bool:
    return breaker.state == Standing.OPEN and breaker.effect in (Effect.REDUCE, Effect.FLATTEN)


def _go_on(database: Database, broker: Broker, author: Author) -> list[Exception]:
    errors: list[Exception] = []
    with database.read() as tx:
        rows = tx.execute(
            "SELECT id, attempt FROM risk_reduction_tries WHERE ended_at IS NULL"
            " ORDER BY begun_at, id"
        ).fetchall()
        tries = [(one, attempt, orders_of(tx, CAUSE, one)) for one, attempt in rows]
    for one, attempt, orders in tries:
        errors += execute_orders(database, broker, orders, author)
        with database.transaction() as tx:
            if not working(tx, CAUSE, one):
                _end(tx, one, next_retry(attempt, author.now), author.now)
    return errors


def _end(tx: Tx, one: UUID, next_at: datetime, now: datetime) -> None:
    tx.execute(
        "UPDATE risk_reduction_tries SET ended_at = %s, next_at = %s WHERE id = %s",
        (now, next_at, one),
    )


def _begin(tx: Tx, broker: Broker, author: Author, breaker: Breaker, busy: Busy) -> bool:
    """Store the next try, where one is due and there is anything to sell; whether there is."""
    last = tx.execute(
        "SELECT max(attempt), bool_and(ended_at IS NOT NULL AND next_at <= %s)"
        " FROM risk_reduction_tries WHERE breaker_id = %s AND version = %s",
        (author.now, breaker.id, breaker.version),
    ).fetchone()
    assert last is not None
    if last[0] is None:
        tx.execute(_KEEP, {"breaker": breaker.id, "half": breaker.effect == Effect.REDUCE})
    elif not last[1]:
        return False
    held = tx.execute(_BEYOND, {"breaker": breaker.id}).fetchall()
    waiting = in_flight(tx, scopes := [row[0] for row in held]) | busy(tx, scopes)
    asked = _asked(broker, [row[1:] for row in held if row[0] not in waiting], author.now)
    if not asked:
        return False
    attempt = 0 if last[0] is None else last[0] + 1
    one = ids.derive("risk-reduction", breaker.id, breaker.version, attempt)
    put(
        tx,
        "INSERT INTO risk_reduction_tries",
        {"id": one, "breaker_id": breaker.id, "version": breaker.version, "attempt": attempt}
        | {"begun_at": author.now, "next_at": author.now},
    )
    marks = broker.marks(author.now)
    for instrument, requests in sorted(asked.items()):
        intend(
            tx,
            cause=CAUSE,
            cause_id=one,
            correlation_id=ids.derive("risk-breaker", breaker.id),
            instrument=broker.instrument(instrument),
            requests=requests,
            reference_price=marks[instrument],
            now=author.now,
            exits=True,
        )
    return True


def _asked(
    broker: Broker, held: Sequence[tuple[UUID, str, int, Decimal]], now: datetime
) -> dict[int, list[tuple[UUID, str, Decimal]]]:
    """(leg, venue, signed quantity) by instrument, of what (leg, venue, instrument, quantity) is
    held too much; without what a venue would refuse as too little."""
    parents: dict[tuple[int, str, bool], list[tuple[UUID, str, Decimal]]] = {}
    for leg, venue, instrument, quantity in held:
        of = instrument, venue, quantity > 0
        parents.setdefault(of, []).append((leg, venue, -quantity))
    marks = broker.marks(now) if parents else {}
    asked: dict[int, list[tuple[UUID, str, Decimal]]] = {}
    for (instrument, _, _), requests in sorted(parents.items()):
        worth = abs(sum((one[2] for one in requests), Decimal(0))) * marks[instrument]
        if worth >= broker.instrument(instrument).minimum_notional:
            asked.setdefault(instrument, []).extend(requests)
    return asked


_HELD: LiteralString = (
    " FROM risk_breakers b JOIN positions p ON p.quantity <> 0 JOIN legs l ON l.id = p.leg_id"
    " JOIN instruments i ON i.id = p.instrument_id"
    " CROSS JOIN LATERAL (SELECT l.venue, p.instrument_id) o"
)
# What came to a book since then is not to be kept.
_KEEP: LiteralString = (
    "INSERT INTO risk_reductions (breaker_id, version, leg_id, instrument_id, keep)"
    " SELECT b.id, b.version, l.id, p.instrument_id, div(p.quantity, 2 * i.lot) * i.lot"
    + _HELD
    + " WHERE %(half)s AND b.id = %(breaker)s AND "
    + COVERS
    + " ON CONFLICT DO NOTHING"
)
_BEYOND: LiteralString = (
    "SELECT l.scope_id, l.id, l.venue, p.instrument_id,"
    "  p.quantity - CASE WHEN k.keep * p.quantity > 0 THEN k.keep ELSE 0 END"
    + _HELD
    + " LEFT JOIN risk_reductions k ON (k.breaker_id, k.version) = (b.id, b.version)"
    "  AND k.leg_id = l.id AND k.instrument_id = p.instrument_id"
    " WHERE b.id = %(breaker)s AND " + COVERS + " AND abs(p.quantity)"
    "  > CASE WHEN k.keep * p.quantity > 0 THEN abs(k.keep) ELSE 0 END"
    " ORDER BY p.instrument_id, l.id"
)
