"""Books that go on: what they are worth now, and money that leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any
from uuid import UUID

from commenda.books.cash import request_transfers
from commenda.books.model import Leg, OpenBook, Scope, Taken, Taking
from commenda.books.queries import legs_and_cash
from commenda.execution import open_quantities
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.kit.money import quantise, scale_of
from commenda.ledger import (
    Author,
    Journal,
    Line,
    Outcome,
    Owner,
    open_accounts,
    post_batch,
)
from commenda.market import Kind


def open_books(
    tx: Tx, scope_ids: Sequence[UUID], marks: Mapping[int, Decimal]
) -> dict[UUID, OpenBook]:
    """Open books with their legs at `marks`, whose cash is locked.

    Code `no_mark` where one holds an instrument that has none.
    """
    scopes = tx.execute(
        "SELECT id, kind, owner_kind, owner_id, asset, correlation_id FROM scopes"
        " WHERE id = ANY (%s) AND closed_at IS NULL ORDER BY id",
        (list(scope_ids),),
    ).fetchall()
    legs, cash = legs_and_cash(tx, [row[0] for row in scopes])
    values: dict[UUID, list[Decimal]] = {}
    held = open_quantities(tx, list(legs))
    rows = tx.execute(
        "SELECT id FROM instruments WHERE id = ANY (%s) AND kind = %s",
        ([row[2] for row in held], Kind.SPOT),
    ).fetchall()
    spot = {row[0] for row in rows}
    unlent = {row[1] for row in held if row[2] in spot}
    for _, held_by, instrument, quantity in held:
        if instrument not in marks:
            raise conflict("no_mark", "What the book holds has no price yet").at(
                "instrument", instrument, "try again when the market has opened"
            )
        values.setdefault(held_by, []).append(quantity * marks[instrument])

    def worth(leg: Leg, asset: str) -> Decimal:
        value = cash[leg.account_id] + sum(values.get(leg.id, ()))
        return quantise(value, scale_of(asset), ROUND_DOWN)

    return {
        scope: OpenBook(
            Scope(scope, kind, Owner(owner_kind, owner), asset, correlation),
            tuple(legs[scope]),
            tuple(cash[leg.account_id] for leg in legs[scope]),
            tuple(worth(leg, asset) for leg in legs[scope]),
            tuple(sum(map(abs, values.get(leg.id, ())), Decimal(0)) for leg in legs[scope]),
            tuple(leg.id in unlent for leg in legs[scope]),
        )
        for scope, kind, owner_kind, owner, asset, correlation in scopes
    }


def take_out(
    tx: Tx, author: Author, takings: Sequence[tuple[OpenBook, Taking[Any]]]
) -> list[Taken[Any]]:
    """Post what leaves books that go on, one journal each, and ask for the cash from their venues.

    Each leg begins anew with what it is worth after it: that is its capital from here on.
    """
    accounts = iter(open_accounts(tx, [key for _, one in takings for key, _ in one.lines]))
    journals = [
        Journal(
            taking.key,
            taking.journal,
            book.scope.correlation_id,
            [
                *(
                    Line(leg.account_id, -amount)
                    for leg, amount in zip(book.legs, taking.taken, strict=True)
                ),
                *(Line(next(accounts), amount) for _, amount in taking.lines),
            ],
        )
        for book, taking in takings
    ]
    filled = [one for one in journals if any(line.amount for line in one.lines)]
    posted = post_batch(tx, author, filled)
    assert all(one.outcome is Outcome.POSTED for one in posted), "taken once, under the lock"
    numbers = {one.key: done.journal_id for one, done in zip(filled, posted, strict=True)}
    worth = [
        (leg.id, equity - amount)
        for book, taking in takings
        for leg, equity, amount in zip(book.legs, book.equities, taking.taken, strict=True)
    ]
    tx.execute(
        "UPDATE legs l SET capital = n.capital"
        " FROM unnest(%s::uuid[], %s::numeric[]) AS n (id, capital) WHERE l.id = n.id",
        ([leg for leg, _ in worth], [capital for _, capital in worth]),
    )
    for book, taking in takings:
        request_transfers(
            tx,
            reference=ids.derive("transfer", taking.key),
            asset=book.scope.asset,
            amounts=[
                (leg.venue, -amount) for leg, amount in zip(book.legs, taking.taken, strict=True)
            ],
            correlation_id=book.scope.correlation_id,
            now=author.now,
        )
    return [Taken(book, taking, numbers.get(taking.key)) for book, taking in takings]
