"""Take a part of a subscription's money out while it goes on.

It is asked for and answered at once (`request_withdrawal`); `books` really closes that part of
every position like any other closing, and `pay_withdrawal` divides what leaves the book.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from psycopg.rows import class_row

from commenda.alerts import raise_alerts
from commenda.books import (
    INITIAL,
    OpenBook,
    Part,
    Taking,
    Trigger,
    lock_closings,
    open_books,
    request_part,
)
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain, scale_of
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.ledger import Author
from commenda.managed.crystallisation import Crystallised, taking_of
from commenda.managed.dues import Due, dues
from commenda.managed.interim import Interim, at_withdrawal
from commenda.managed.lifecycle import State, require_transition
from commenda.managed.model import WithdrawalAsked
from commenda.market import latest_marks
from commenda.referrals import chains

STATES = ("closing", "closed", "paid", "given_up")


@on_wire
@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A part that was asked for: how far it is, and why it failed or came to nothing."""

    id: UUID
    amount: Amount
    status: Annotated[str, one_of(STATES)]
    requested_at: datetime
    attempts: int
    reason: str | None
    next_retry_at: datetime | None
    closed_at: datetime | None
    paid_at: datetime | None
    given_up_at: datetime | None
    profit_share: Amount | None
    management_fee: Amount | None


def withdrawals_of(tx: Tx, subscription_id: UUID) -> list[Withdrawal]:
    """What was taken out of a subscription, or asked for, in the order of asking."""
    with tx.cursor(row_factory=class_row(Withdrawal)) as cursor:
        return cursor.execute(
            "SELECT c.id, c.amount, CASE WHEN c.paid_at IS NOT NULL THEN 'paid'"
            "   WHEN c.given_up_at IS NOT NULL THEN 'given_up'"
            "   WHEN c.closed_at IS NOT NULL THEN 'closed' ELSE 'closing' END AS status,"
            "  c.requested_at, c.attempts, c.reason, c.next_retry_at, c.closed_at, c.paid_at,"
            "  c.given_up_at, k.profit_share, k.management_fee"
            " FROM closings c LEFT JOIN crystallisations k ON k.closing_id = c.id"
            " WHERE c.scope_id = %s AND c.amount IS NOT NULL ORDER BY c.requested_at, c.id",
            (subscription_id,),
        ).fetchall()


def request_withdrawal(
    tx: Tx, author: Author, subscription_id: UUID, amount: Decimal
) -> WithdrawalAsked:
    """Ask for a part of an active subscription's money, valued at the market's latest marks.

    The product has to allow an early exit, and what is left has to reach the tier's minimum.
    Codes `not_active`, `early_exit_not_allowed`, `closing_open`, `not_positive` and those of an
    amount, `not_a_partial_withdrawal`, `left_below_tier`.
    """
    lock_closings(tx, [subscription_id])
    row = tx.execute(
        "SELECT s.status, s.asset, p.early_exit, p.minimum FROM managed_subscriptions s"
        " JOIN products p ON p.id = s.product_id WHERE s.id = %s FOR UPDATE OF s",
        (subscription_id,),
    ).fetchone()
    assert row is not None, "whoever asks has found the subscription"
    status, asset, early_exit, minimum = row
    if status != State.ACTIVE:
        raise conflict("not_active", "Only of an active subscription can a part be withdrawn").at(
            "status", status, "end the whole subscription, or wait until it has begun"
        )
    require_transition(State.ACTIVE, State.LIQUIDATING, early_exit=early_exit)
    amount = checked_amount(amount, asset)
    book = open_books(tx, [subscription_id], latest_marks(tx))[subscription_id]
    due = dues(tx, [subscription_id])[subscription_id]
    parts = _divide(tx, author, book, due, amount)
    left = parts.equity - sum(parts.taken, Decimal(0))
    if left < minimum:
        raise CommendaError("left_below_tier", "What is left has to reach the tier's minimum").at(
            "amount", amount, f"withdraw {plain(left + amount - minimum)} or less, or all of it"
        )
    closing = request_part(tx, author, book, subscription_id, amount, Trigger.INVESTOR)
    return WithdrawalAsked(subscription_id, State.ACTIVE, closing, amount)


def pay_withdrawal(tx: Tx, author: Author, part: Part) -> Taking[Crystallised] | str:
    """What leaves the book with a part of it now, or why it cannot: the positions then stay."""
    book = part.book
    due = dues(tx, [book.scope.id])[book.scope.id]
    refused = None
    try:
        parts = _divide(tx, author, book, due, part.amount)
        left = parts.equity - sum(parts.taken, Decimal(0))
        if left < INITIAL * sum(book.gross, Decimal(0)):
            refused = "what would be left is below the margin of the open positions"
        elif book.would_borrow(parts.taken):
            refused = "what was sold does not cover the amount, and nothing is lent at spot"
    except CommendaError as error:
        if error.code != "not_a_partial_withdrawal":
            raise
        refused = "the equity does not cover the amount any more"
    if refused is None:
        return taking_of(author, book, due, parts, part.id)
    raise_alerts(
        tx,
        [
            author.event(
                "alert.withdrawal_refused",
                due.id,
                book.scope.correlation_id,
                str(part.id),
                {"amount": plain(part.amount), "reason": refused},
            )
        ],
    )
    return refused


def _divide(tx: Tx, author: Author, book: OpenBook, due: Due, amount: Decimal) -> Interim:
    """The withdrawal at the book's worth; refusals are of the field `amount`."""
    proceeds = due.proceeds(book.legs, book.equities, author.now)
    referrers = chains(tx, [due.investor_id])[due.investor_id]
    try:
        return at_withdrawal(amount, proceeds, due.terms, due.mark, referrers, scale_of(due.asset))
    except CommendaError as error:
        raise error.at("amount", amount) from None
