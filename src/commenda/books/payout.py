"""Pay out closed books: one journal each, the cash back from the venue, the book shut.

A part of a book whose closing is done is paid out too, and that book goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from commenda.books.cash import request_transfers
from commenda.books.model import ClosedBook, Paid, Part, Payout, Product, Scope, Taking
from commenda.books.parts import give_up_parts
from commenda.books.queries import legs_and_cash
from commenda.books.scopes import close_scopes
from commenda.books.takings import open_books, take_out
from commenda.execution import SHOWN_WITHIN, open_quantities
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    Author,
    Journal,
    Line,
    Outcome,
    Owner,
    open_accounts,
    post_batch,
)

PAYOUT_BATCH = 500
_DUE: LiteralString = (
    "SELECT c.id FROM closings c JOIN scopes s ON s.id = c.id"
    " WHERE c.closed_at IS NOT NULL AND c.paid_at IS NULL AND c.given_up_at IS NULL"
    "  AND s.kind = ANY (%s) AND "
)
_CLOSED: LiteralString = (
    "SELECT s.id, s.kind, s.owner_kind, s.owner_id, s.asset, s.correlation_id,"
    " c.subject, c.closed_at FROM closings c JOIN scopes s ON s.id = c.id"
    " WHERE c.id = ANY (%s) AND c.closed_at IS NOT NULL AND c.paid_at IS NULL AND "
)
_IN_TURN: LiteralString = " ORDER BY c.id LIMIT %s FOR UPDATE OF c SKIP LOCKED"
_LOCKED: LiteralString = " ORDER BY c.id FOR UPDATE OF c"
_ALL_IS_READ: LiteralString = (
    "NOT EXISTS (SELECT FROM legs l JOIN venue_contacts v ON v.venue = l.venue"
    " WHERE l.scope_id = c.id AND v.begun_at IS NOT NULL"
    "  AND (v.income_at IS NULL OR v.income_at < c.closed_at + %s))"
)
"""A book that held at an exchange waits until what was charged there before its end is posted:
funding that came later would find a book that is over."""


def pay_out_due(tx: Tx, product: Product[Any], now: datetime, limit: int = PAYOUT_BATCH) -> int:
    """Pay out a batch of the product's books that are closed; how many there were."""
    rows = tx.execute(
        _DUE + _ALL_IS_READ + _IN_TURN, (list(product.kinds), SHOWN_WITHIN, limit)
    ).fetchall()
    pay_out(tx, product, now, [row[0] for row in rows])
    return len(rows)


def pay_out(tx: Tx, product: Product[Any], now: datetime, scope_ids: Sequence[UUID]) -> None:
    """Pay out those of the scopes that are closed, read to their end, and not paid out yet.

    Of many concurrent calls one pays, and the others find nothing to pay. Code `not_flat` for a
    book that still holds something, which contradicts its closing.
    """
    books = _closed_books(tx, scope_ids)
    if not books:
        return
    if open_quantities(tx, [book.scope.id for book in books]):
        raise CommendaError("not_flat", "A closed book still holds positions")
    author = Author(product.actor, product.rules, now)
    payouts = product.payout(tx, books)
    journals = _journals(tx, product, books, payouts)
    # Where no leg has anything left there is nothing to post.
    filled = [one for one in journals if any(line.amount for line in one.lines)]
    posted = post_batch(tx, author, filled)
    assert all(one.outcome is Outcome.POSTED for one in posted), "paid once, under the lock"
    numbers = {one.key: done.journal_id for one, done in zip(filled, posted, strict=True)}
    paid = [
        Paid(book, payout.detail, numbers.get(journal.key))
        for book, payout, journal in zip(books, payouts, journals, strict=True)
    ]
    product.paid(tx, author, paid)
    _return_cash(tx, product, books, now)
    _mark_paid(tx, now, [(one.book.scope.id, one.book.equity, one.journal_id) for one in paid])
    close_scopes(tx, [book.scope.id for book in books], now)


def pay_parts_due(
    tx: Tx,
    product: Product[Any],
    now: datetime,
    marks: Mapping[int, Decimal],
    limit: int = PAYOUT_BATCH,
) -> int:
    """Pay out a batch of parts of the product's books, at `marks`; how many there were.

    What the product refuses is given up, with its reason: what was sold for it is the book's, and
    its next signal sizes it.
    """
    assert product.part is not None, "only a product that has parts is asked for them"
    rows = tx.execute(
        "SELECT c.id, c.scope_id, c.subject, c.amount FROM closings c"
        " JOIN scopes s ON s.id = c.scope_id WHERE c.closed_at IS NOT NULL AND c.paid_at IS NULL"
        "  AND c.given_up_at IS NULL AND c.amount IS NOT NULL AND s.kind = ANY (%s)"
        # What works at a venue for the book is valued once it is allocated.
        "  AND NOT EXISTS (SELECT FROM orders o JOIN allocations a ON a.order_id = o.id"
        "   JOIN legs l ON l.id = a.leg_id WHERE o.allocated_at IS NULL AND a.quantity IS NULL"
        "   AND l.scope_id = c.scope_id)"
        " ORDER BY c.id LIMIT %s FOR UPDATE OF c SKIP LOCKED",
        (list(product.kinds), limit),
    ).fetchall()
    if not rows:
        return 0
    author = Author(product.actor, product.rules, now)
    books = open_books(tx, [scope for _, scope, _, _ in rows], marks)
    paid: list[tuple[Part, Taking[Any]]] = []
    for closing, scope, subject, amount in rows:
        part = Part(closing, subject, amount, books[scope])
        taking = product.part(tx, author, part)
        if isinstance(taking, str):
            give_up_parts(tx, author, [scope], taking)
        else:
            paid.append((part, taking))
    taken = take_out(tx, author, [(part.book, taking) for part, taking in paid])
    _mark_paid(
        tx,
        now,
        [
            (part.id, sum(taking.taken, Decimal(0)), one.journal_id)
            for (part, taking), one in zip(paid, taken, strict=True)
        ],
    )
    product.parted(tx, author, taken)
    return len(rows)


def _mark_paid(tx: Tx, now: datetime, closings: Sequence[tuple[UUID, Decimal, int | None]]) -> None:
    """Write of closings, each (id, what left the book, its journal), that they are paid out."""
    tx.execute(
        "UPDATE closings c SET paid_at = %s, equity = n.equity, journal_id = n.journal"
        " FROM unnest(%s::uuid[], %s::numeric[], %s::bigint[]) AS n (id, equity, journal)"
        " WHERE c.id = n.id",
        (
            now,
            [closing for closing, _, _ in closings],
            [equity for _, equity, _ in closings],
            [journal for _, _, journal in closings],
        ),
    )


def _closed_books(tx: Tx, scope_ids: Sequence[UUID]) -> list[ClosedBook]:
    """Those of the scopes that are to be paid out, locked, with what their legs have left."""
    rows = tx.execute(_CLOSED + _ALL_IS_READ + _LOCKED, (list(scope_ids), SHOWN_WITHIN)).fetchall()
    legs, cash = legs_and_cash(tx, [row[0] for row in rows])
    return [
        ClosedBook(
            Scope(scope, kind, Owner(owner_kind, owner), asset, correlation),
            subject,
            closed_at,
            tuple(legs[scope]),
            tuple(cash[leg.account_id] for leg in legs[scope]),
        )
        for scope, kind, owner_kind, owner, asset, correlation, subject, closed_at in rows
    ]


def _journals(
    tx: Tx,
    product: Product[Any],
    books: Sequence[ClosedBook],
    payouts: Sequence[Payout[Any]],
) -> list[Journal]:
    """One journal for each: every leg's cash goes to zero, and every part to its receiver."""
    # Who receives nothing needs no account.
    accounts = iter(open_accounts(tx, [key for one in payouts for key, part in one.lines if part]))
    return [
        Journal(
            f"{product.key}:{book.scope.id}",
            product.journal,
            book.scope.correlation_id,
            [
                *(
                    Line(leg.account_id, -cash)
                    for leg, cash in zip(book.legs, book.cash, strict=True)
                ),
                *(Line(next(accounts), amount) for _, amount in payout.lines if amount),
            ],
            book.closed_at,
        )
        for book, payout in zip(books, payouts, strict=True)
    ]


def _return_cash(tx: Tx, product: Product[Any], books: Sequence[ClosedBook], now: datetime) -> None:
    """Ask for what the books had left to be moved back from their legs' venues."""
    for asset in sorted({book.scope.asset for book in books}):
        theirs = [book for book in books if book.scope.asset == asset]
        request_transfers(
            tx,
            reference=ids.derive(
                "transfer", product.key, asset, *(book.scope.id for book in theirs)
            ),
            asset=asset,
            amounts=[
                (leg.venue, -cash)
                for book in theirs
                for leg, cash in zip(book.legs, book.cash, strict=True)
            ],
            correlation_id=theirs[0].scope.correlation_id,
            now=now,
        )
