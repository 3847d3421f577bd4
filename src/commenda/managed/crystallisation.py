"""Profit shares that fall due while a subscription goes on, and what is written of them.

`crystallise_due` is the end of a period, where the product has periods; a withdrawal is the other
occasion (`withdrawals.py`). Receivers are credited the whole share at once. What free cash did not
pay is the platform's receivable on the book, collected before anything else the next time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from commenda.audit import record
from commenda.books import OpenBook, Taken, Taking, free_cash, open_books, take_out
from commenda.copying import resize_legs
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.money import plain, scale_of
from commenda.kit.rows import put_all
from commenda.ledger import Author
from commenda.managed.dues import Due, division_row, dues, receivers
from commenda.managed.interim import Interim, at_period_end
from commenda.referrals import chains, record_commissions

CRYSTALLISATION_BATCH = 250


class Crystallised(NamedTuple):
    """A crystallisation and what it rests on; `closing_id` is the withdrawal's."""

    id: UUID
    due: Due
    days: int
    parts: Interim
    expected: Decimal
    closing_id: UUID | None


def crystallise_due(
    tx: Tx, author: Author, marks: Mapping[int, Decimal], limit: int = CRYSTALLISATION_BATCH
) -> int:
    """Crystallise a batch of subscriptions whose period is over, at `marks`; how many.

    A period begins with the activation or the last crystallisation. A book that is being closed,
    in part or whole, is left to its payout; so is one whose term is over. One for which an order
    works at a venue waits until that is allocated.
    """
    rows = tx.execute(
        "SELECT s.id FROM managed_subscriptions s JOIN product_terms t"
        "  ON t.product_id = s.product_id AND t.valid_from = s.terms_valid_from"
        " WHERE s.status = 'ACTIVE' AND s.matures_at > %(now)s"
        "  AND coalesce(s.crystallised_at, s.activated_at)"
        "   + make_interval(days => t.crystallise_days) <= %(now)s"
        "  AND NOT EXISTS (SELECT FROM closings c WHERE c.scope_id = s.id AND c.paid_at IS NULL"
        "   AND c.given_up_at IS NULL)"
        "  AND NOT EXISTS (SELECT FROM orders o JOIN allocations a ON a.order_id = o.id"
        "   JOIN legs l ON l.id = a.leg_id WHERE o.allocated_at IS NULL AND a.quantity IS NULL"
        "   AND l.scope_id = s.id)"
        " ORDER BY s.id LIMIT %(limit)s FOR UPDATE OF s SKIP LOCKED",
        {"now": author.now, "limit": limit},
    ).fetchall()
    found = dues(tx, [row[0] for row in rows])
    books = open_books(tx, list(found), marks)
    referrers = chains(tx, sorted({due.investor_id for due in found.values()}))
    takings = []
    for due in found.values():
        book = books[due.id]
        free = [free_cash(*leg) for leg in zip(book.cash, book.equities, book.gross, strict=True)]
        parts = at_period_end(
            due.proceeds(book.legs, book.equities, author.now),
            due.terms,
            due.mark,
            free,
            referrers[due.investor_id],
            scale_of(due.asset),
        )
        if parts is not None:
            takings.append((book, taking_of(author, book, due, parts, None)))
    record_crystallisations(tx, author, take_out(tx, author, takings))
    # One that has nothing left waits for its next period, too.
    tx.execute(
        "UPDATE managed_subscriptions SET crystallised_at = %s WHERE id = ANY (%s)",
        (author.now, list(found)),
    )
    return len(rows)


def taking_of(
    author: Author, book: OpenBook, due: Due, parts: Interim, closing_id: UUID | None
) -> Taking[Crystallised]:
    """What leaves the book; one journal for each crystallisation of a subscription."""
    made = ids.derive("crystallisation", due.id, due.crystallised)
    detail = Crystallised(
        made, due, due.days(author.now), parts, due.expected_gain(author.now), closing_id
    )
    return Taking(
        key=f"crystallise:{due.id}:{due.crystallised}"
        if closing_id is None
        else f"part:{closing_id}",
        journal="crystallisation" if closing_id is None else "partial_withdrawal",
        taken=parts.taken,
        lines=receivers(due, parts, book.legs),
        detail=detail,
    )


def record_crystallisations(tx: Tx, author: Author, taken: Sequence[Taken[Crystallised]]) -> None:
    """Write crystallisations and what their subscriptions go on with, and owe commissions."""
    if not taken:
        return
    made = [one.taking.detail for one in taken]
    put_all(tx, "crystallisations", [_row(one, author.now) for one in taken])
    put_all(
        tx,
        "crystallisation_legs",
        [
            {
                "crystallisation_id": detail.id,
                "leg_id": leg.id,
                "equity": one.book.equities[place],
                "taken": detail.parts.taken[place],
                "to_creator": detail.parts.creators[place].amount,
                "unshared": detail.parts.unshared[place],
            }
            for one, detail in zip(taken, made, strict=True)
            for place, leg in enumerate(one.book.legs)
        ],
    )
    with tx.cursor() as cursor:
        cursor.executemany(
            "UPDATE managed_subscriptions SET crystallised_at = %s, accrued_until = %s,"
            " hurdle_left = %s, mark_net_deposits = %s, mark_greatest_profit = %s WHERE id = %s",
            [
                (
                    author.now,
                    _accrued(one),
                    one.parts.hurdle_left,
                    one.parts.mark.net_deposits,
                    one.parts.mark.greatest_profit,
                    one.due.id,
                )
                for one in made
            ],
        )
        cursor.executemany(
            "UPDATE principal_reservations SET released_amount = released_amount + %s,"
            " updated_at = %s WHERE subscription_id = %s",
            [
                (one.due.principal - one.parts.principal_left, author.now, one.due.id)
                for one in made
                if one.parts.to_wallet
            ],
        )
    resize_legs(
        tx,
        [
            (leg.id, one.parts.principal_left / one.due.principal)
            for taking, one in zip(taken, made, strict=True)
            for leg in taking.book.legs
            if one.parts.to_wallet
        ],
        author.now,
    )
    for asset in sorted({one.due.asset for one in made}):
        record_commissions(
            tx,
            [
                (one.id, one.due.id, part)
                for one in made
                if one.due.asset == asset
                for part in one.parts.referrals
            ],
            asset,
            author.now,
        )
    record(
        tx,
        [
            author.event(
                "subscription.crystallised" if one.closing_id is None else "subscription.withdrawn",
                one.due.id,
                ids.derive("managed", one.due.id),
                str(one.closing_id or one.id),
                {
                    "toWallet": plain(one.parts.to_wallet),
                    "profitShare": plain(one.parts.profit_share),
                    "owed": plain(one.parts.owed),
                },
            )
            for one in made
        ],
    )


def _row(one: Taken[Crystallised], at: datetime) -> dict[str, Any]:
    """What is written of a crystallisation."""
    detail, parts = one.taking.detail, one.taking.detail.parts
    return {
        "id": detail.id,
        "subscription_id": detail.due.id,
        "number": detail.due.crystallised + 1,
        "closing_id": detail.closing_id,
        "at": at,
        "days": detail.days,
        "accrued_until": _accrued(detail),
        "principal": detail.due.principal,
        "principal_left": parts.principal_left,
        "capital": sum((leg.capital for leg in one.book.legs), Decimal(0)),
        **division_row(parts),
        "hurdle_left": parts.hurdle_left,
        "owed": parts.owed,
        "mark_net_deposits": parts.mark.net_deposits,
        "mark_greatest_profit": parts.mark.greatest_profit,
        "expected_gain": detail.expected,
        "journal_id": one.journal_id,
    }


def _accrued(one: Crystallised) -> datetime:
    """Through which fees are taken now: whole days, so that no part of one is lost."""
    return one.due.accrued_until + timedelta(days=one.days)
