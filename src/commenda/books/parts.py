"""A part of a book: what is to be closed of it, what is left to close, how it is given up.

What is to be closed of each position is fixed when a part is asked for. From then on it is a
closing like any other (`closing.py`); the book goes on meanwhile, and follows its signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from commenda.audit import record
from commenda.books.model import OpenBook, Trigger
from commenda.books.rules import COLLAR, part_of, still_to_close
from commenda.execution import open_quantities
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.ledger import Author
from commenda.market import Kind


def request_part(
    tx: Tx, author: Author, book: OpenBook, subject: UUID, amount: Decimal, trigger: Trigger
) -> UUID:
    """Ask for `amount` of a book's equity, which is more; the id of the closing.

    At spot more is sold than the amount is worth: nothing is lent there, so that the fee, and how
    far a limit goes from the mark, must be covered by what is sold, too.

    The caller has locked the book's subject. Code `closing_open` where the book is being closed
    already, in part or as a whole.
    """
    scope = book.scope
    row = tx.execute(
        "SELECT count(*) FROM closings WHERE scope_id = %s AND amount IS NOT NULL", (scope.id,)
    ).fetchone()
    assert row is not None
    closing = ids.derive("closing-part", scope.id, row[0])
    new = tx.execute(
        "INSERT INTO closings (id, scope_id, subject, trigger, requested_at, next_retry_at, amount)"
        " VALUES (%(id)s, %(scope)s, %(subject)s, %(trigger)s, %(now)s, %(now)s, %(amount)s)"
        " ON CONFLICT DO NOTHING",
        {
            "id": closing,
            "scope": scope.id,
            "subject": subject,
            "trigger": trigger,
            "now": author.now,
            "amount": amount,
        },
    ).rowcount
    if not new:
        raise conflict("closing_open", "This book is being closed already, in part or whole").at(
            "id", subject, "wait until that is paid out"
        )
    equity = sum(book.equities, Decimal(0))
    held = open_quantities(tx, [scope.id])
    wanted = {
        instrument: (amount / (1 - COLLAR - fee) if kind == Kind.SPOT else amount, equity, lot)
        for instrument, lot, fee, kind in tx.execute(
            "SELECT id, lot, taker_fee, kind FROM instruments WHERE id = ANY (%s)",
            ([one[2] for one in held],),
        ).fetchall()
    }
    tx.execute(
        "INSERT INTO closing_lots (closing_id, leg_id, instrument_id, quantity)"
        " SELECT %s, * FROM unnest(%s::uuid[], %s::smallint[], %s::numeric[])",
        (
            closing,
            [leg for _, leg, _, _ in held],
            [instrument for _, _, instrument, _ in held],
            [part_of(quantity, *wanted[one]) for _, _, one, quantity in held],
        ),
    )
    record(
        tx,
        [
            author.event(
                "withdrawal.requested",
                subject,
                scope.correlation_id,
                str(closing),
                {"door": trigger, "amount": f"{amount:f}", "equity": f"{equity:f}"},
            )
        ],
    )
    return closing


def left_of_parts(tx: Tx, closing_ids: Sequence[UUID]) -> list[tuple[UUID, UUID, int, Decimal]]:
    """(closing, leg, instrument, quantity) of what these parts still hold, signed as positions.

    What their own orders were allocated counts as closed, whatever signals did beside them.
    """
    rows = tx.execute(
        "SELECT c.closing_id, c.leg_id, c.instrument_id, c.quantity, coalesce(p.quantity, 0),"
        "  coalesce((SELECT sum(a.quantity) FROM closing_attempts t"
        "    JOIN orders o ON o.cause = 'liquidation' AND o.cause_id = t.batch_id"
        "     AND o.instrument_id = c.instrument_id"
        "    JOIN allocations a ON a.order_id = o.id AND a.leg_id = c.leg_id"
        "    WHERE t.closing_id = c.closing_id), 0)"
        " FROM closing_lots c LEFT JOIN positions p"
        "  ON p.leg_id = c.leg_id AND p.instrument_id = c.instrument_id"
        " WHERE c.closing_id = ANY (%s) ORDER BY c.instrument_id, c.leg_id",
        (list(closing_ids),),
    ).fetchall()
    left = [
        (closing, leg, instrument, still_to_close(asked, closed, held))
        for closing, leg, instrument, asked, held, closed in rows
    ]
    return [one for one in left if one[3]]


def give_up_parts(tx: Tx, author: Author, scope_ids: Sequence[UUID], reason: str) -> None:
    """Let the parts of these books that are not paid out come to nothing, and say why.

    What a part has in its orders is still allocated, and is the book's like any other trade.
    """
    rows = tx.execute(
        "UPDATE closings c SET given_up_at = %s, next_retry_at = NULL, reason = %s FROM scopes s"
        " WHERE s.id = c.scope_id AND c.scope_id = ANY (%s) AND c.amount IS NOT NULL"
        "  AND c.paid_at IS NULL AND c.given_up_at IS NULL"
        " RETURNING c.id, c.subject, c.amount, s.correlation_id",
        (author.now, reason, list(scope_ids)),
    ).fetchall()
    record(
        tx,
        [
            author.event(
                "withdrawal.given_up",
                subject,
                correlation,
                str(closing),
                {"amount": f"{amount:f}", "reason": reason},
            )
            for closing, subject, amount, correlation in rows
        ],
    )
