"""Leave a copy: stop following, have its book really closed, get its cash back.

Leaving is asked for and answered at once; `books` closes what is due, and pays out by `COPIES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from commenda.audit import record
from commenda.books import ClosedBook, Paid, Payout, Product, Trigger, request_closing
from commenda.copying.flows import close_flow
from commenda.copying.following import count_follower, count_followers, unknown_subscription
from commenda.copying.model import RULES
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.ledger import AccountKey, Author, Owner


def request_leave(tx: Tx, author: Author, subscription_id: UUID, follower_id: UUID) -> bool:
    """Ask to leave a copy; False where that was asked before, which changes nothing.

    The creator's own book leaves last, and closes the flow. Codes `unknown_subscription`,
    `flow_has_followers`.
    """
    row = tx.execute(
        "SELECT s.flow_id, s.is_leader, c.id, c.correlation_id, s.investment_amount"
        " FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
        " JOIN scopes c ON c.id = l.scope_id AND c.kind IN ('copy', 'vault')"
        " WHERE s.id = %s AND s.follower_id = %s",
        (subscription_id, follower_id),
    ).fetchone()
    if row is None:
        raise unknown_subscription(subscription_id)
    flow_id, is_leader, scope_id, correlation_id, amount = row
    # As in `follow`: of a leader that leaves and a follower that comes, one is first.
    tx.execute("SELECT FROM shared_flows WHERE id = %s FOR NO KEY UPDATE", (flow_id,))
    if is_leader:
        _require_no_followers(tx, flow_id)
    stopped = tx.execute(
        "UPDATE flow_subscriptions SET status = 'cancelled', updated_at = %s"
        " WHERE id = %s AND status <> 'cancelled'",
        (author.now, subscription_id),
    ).rowcount
    if not stopped:
        return False
    request_closing(tx, author, COPIES, {scope_id: subscription_id}, Trigger.INVESTOR)
    if is_leader:
        close_flow(tx, author, flow_id)
    else:
        count_follower(tx, flow_id, -1, amount)
    record(tx, [author.event("copy.leave_requested", subscription_id, correlation_id, "cancelled")])
    return True


def _require_no_followers(tx: Tx, flow_id: UUID) -> None:
    followers = count_followers(tx, flow_id)
    if followers:
        raise conflict("flow_has_followers", "The creator's own book leads those who follow").at(
            "subscriptionId", followers, "pause the flow, and leave once nobody follows it"
        )


def _payout(tx: Tx, books: Sequence[ClosedBook]) -> list[Payout[None]]:
    """All of it to the wallet; what is missing, insurance pays."""
    insurance = ("insurance", Owner.platform())

    def account(book: ClosedBook) -> AccountKey:
        kind, owner = ("wallet", book.scope.owner) if book.equity > 0 else insurance
        return AccountKey(kind, owner, book.scope.asset)

    return [Payout([(account(book), book.equity)], None) for book in books]


def _paid(tx: Tx, author: Author, paid: Sequence[Paid[None]]) -> None:
    said = [(one.book.subject, one.book.scope, {"equity": f"{one.book.equity:f}"}) for one in paid]
    record(
        tx,
        [
            author.event("copy.closed", subject, scope.correlation_id, "closed", equity)
            for subject, scope, equity in said
        ],
    )


COPIES: Final = Product(
    kinds=("copy", "vault"),
    journal="leave",
    key="leave",
    actor="copying",
    rules=RULES,
    payout=_payout,
    paid=_paid,
    margined=False,
)
"""Plain copies and creators' own books, as books know them."""
